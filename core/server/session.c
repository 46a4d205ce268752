/* A session's life: from the accepted socket over the stream's events to the last one; see session.h. */
#include "core/server/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/server/session_parts.h"
#include "crypto/secret.h"

/* --- logging --- */

#define IPV6_PREFIX "IPv6:"

struct slice session_client_address(const struct session *session)
{
	struct slice literal = slice_of(session->client, session->client_size);
	return session->peer.family == 6 ? slice_skip(literal, sizeof IPV6_PREFIX - 1) : literal;
}

bool session_log(struct session *session, struct log_line *line, enum log_level level, const char *event)
{
	if (!log_begin(line, level, event))
		return false;
	log_number(line, "session", (int64_t)session->number);
	log_slice(line, "client", session_client_address(session));
	log_text(line, "server", session->server->config->name);
	return true;
}

static void log_end_of_session(struct session *session, const char *why)
{
	struct log_line line;
	if (!session_log(session, &line, LOG_DEBUG, "closed"))
		return;
	log_text(&line, "why", why);
	log_number(&line, "messages", session->messages);
	log_end(&line);
}

static void make_ready(struct session *session)
{
	list_remove(&session->ready);
	list_append(&session->worker->ready, &session->ready);
}

void session_text_flushed(struct session *session, enum smtp_status status)
{
	session->blocked &= (uint8_t)~SESSION_BLOCK_TEXT;
	if (status != SMTP_QUEUED)
		smtp_session_refuse_message(&session->smtp, status);
	make_ready(session);
}

void session_committed(struct session *session)
{
	make_ready(session);
}

void session_drain(struct session *session)
{
	if (session->phase == SESSION_CLOSING || session->ending)
		return;
	if (session->phase == SESSION_HANDSHAKE)
		session_abort(session);
	else
		make_ready(session);
}

/* --- the stream's events --- */

/* One line a second: connections run over under load, when lines are dear. */
static void log_overload(const struct worker *worker, const struct config_server *server)
{
	static int64_t last_second;
	int64_t second = loop_now(worker->loop)->unix_us / 1000000;
	if (second == last_second)
		return;
	last_second = second;
	log_message(LOG_WARN, "overload", "server %s: no room for more sessions (limits { connections = %u })",
		    server->name, server->limits.connections);
}

static void greet(struct session *session)
{
	const struct config_limits *limits = &session->server->config->limits;
	if (session->smtp.profile->sign_in_required)
		session->hard_due_ms = session_now_ms(session) + limits->sign_in;
	else if (limits->session)
		session->hard_due_ms = session_now_ms(session) + limits->session;
	smtp_session_start(&session->smtp, session->smtp.profile, session->stream.tls != NULL,
			   &session->worker->replies);
	session->greeted = true;
	if (session->refused) {
		log_overload(session->worker, session->server->config);
		buffer_clear(&session->worker->replies);
		session_say_goodbye(session, SMTP_TOO_MANY_CONNECTIONS);
	}
	session->phase = SESSION_WAITING; /* so that the idle limit starts */
	session_end_turn(session);
}

static void tls_is_open(struct session *session)
{
	struct log_line line;
	if (session_log(session, &line, LOG_DEBUG, "tls")) {
		struct tls_facts facts;
		tls_session_facts(session->stream.tls, &facts);
		log_text(&line, "version", facts.version);
		log_text(&line, "cipher", facts.cipher);
		log_number(&line, "resumed", facts.resumed);
		log_end(&line);
	}
	if (!session->greeted) {
		greet(session);
		return;
	}
	session->phase = SESSION_WAITING;
	session_end_turn(session);
}

static void stream_failed(struct session *session)
{
	struct log_line line;
	if (session_log(session, &line, LOG_INFO, "connection-failed")) {
		log_text(&line, "why", stream_error(&session->stream));
		log_end(&line);
	}
	session_abort(session);
}

static void peer_ended(struct session *session)
{
	session->ending = true;
	session_end_turn(session);
}

static void destroy(struct session *session)
{
	struct worker *worker = session->worker;
	log_end_of_session(session, "done");
	loop_timer_stop(worker->loop, &session->timer);
	if (session->sign_in && session->blocked & SESSION_BLOCK_SIGN_IN)
		sign_in_cancel(worker->sign_in, &session->sign_in->request);
	session_release_sign_in(session);
	if (session->message)
		transaction_drop(session->message);
	struct list *first;
	while ((first = list_take_first(&session->commits))) {
		struct transaction *transaction = CONTAINER_OF(first, struct transaction, link);
		if (transaction->state == TRANSACTION_ENDED)
			transaction_end(transaction);
		else
			transaction->session = NULL;
	}
	if (session->held.data)
		session_free_held(session);
	free(session->login);
	list_remove(&session->ready);
	list_remove(&session->link);
	worker->open_sessions[session->server - worker->servers]--;
	pool_give(&worker->sessions, session);
}

static void on_event(struct stream *stream, enum stream_event event)
{
	struct session *session = CONTAINER_OF(stream, struct session, stream);
	if (event == STREAM_CLOSED) {
		destroy(session);
		return;
	}
	if (session->phase == SESSION_CLOSING)
		return;
	switch (event) {
	case STREAM_OPEN:
		tls_is_open(session);
		break;
	case STREAM_READABLE:
		session_take_turn(session);
		break;
	case STREAM_DRAINED:
		if (session->blocked & SESSION_BLOCK_OUTPUT) {
			session->blocked &= (uint8_t)~SESSION_BLOCK_OUTPUT;
			make_ready(session);
		}
		break;
	case STREAM_ENDED:
		peer_ended(session);
		break;
	case STREAM_FAILED:
		stream_failed(session);
		break;
	case STREAM_CLOSED:
		break;
	}
}

/* --- the beginning and the end --- */

static void set_peer(struct session *session, int fd)
{
	struct sockaddr_storage peer;
	loop_peer_address(session->worker->loop, fd, &peer);
	session->peer = net_address_from_socket(&peer);
	size_t prefix = session->peer.family == 6 ? sizeof IPV6_PREFIX - 1 : 0;
	memcpy(session->client, IPV6_PREFIX, prefix);
	net_address_format(&session->peer, session->client + prefix);
	session->client_size = (uint8_t)strlen(session->client);
}

static void begin(struct session *session, struct tls_session *tls)
{
	if (!tls) {
		stream_start(&session->stream);
		greet(session);
		return;
	}
	bool clean = stream_start_tls(&session->stream, tls);
	ASSERT(clean);
	session->phase = SESSION_HANDSHAKE;
	session_arm(session);
	stream_start(&session->stream);
}

void session_create(struct worker *worker, const struct server_block *server, enum listener_mode mode, int fd)
{
	uint32_t *open_sessions = &worker->open_sessions[server - worker->servers];
	bool full = *open_sessions >= server->config->limits.connections;
	bool wanted = !full || mode != LISTENER_TLS;
	struct session *session = wanted ? pool_take(&worker->sessions) : NULL;
	struct tls_session *tls = session && mode == LISTENER_TLS ? tls_accept_create(server->tls) : NULL;
	if (!session || (mode == LISTENER_TLS && !tls)) {
		log_overload(worker, server->config);
		pool_give(&worker->sessions, session);
		loop_close(worker->loop, fd);
		return;
	}
	memset(session, 0, sizeof *session);
	++*open_sessions;
	session->worker = worker;
	session->server = server;
	session->number = ++worker->next_session;
	session->smtp.profile = server_block_profile(server, mode);
	session->refused = full;
	list_init(&session->ready);
	list_init(&session->commits);
	list_append(&worker->live, &session->link);
	timer_init(&session->timer, session_time_is_up);
	set_peer(session, fd);
	stream_init(&session->stream, worker->loop, &worker->buffers, fd, on_event);
	begin(session, tls);
}

void session_abort(struct session *session)
{
	if (session->phase == SESSION_CLOSING)
		return;
	session->ending = true;
	session_enter_phase(session, SESSION_CLOSING);
	stream_close(&session->stream);
}
