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
	if (session->name)
		log_text(line, "name", session->name);
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
	if (session->phase == SESSION_HANDSHAKE || !session->greeted)
		session_abort(session);
	else if (session->blocked & SESSION_BLOCK_GUARD)
		session_sign_in_continue(session);
	else
		make_ready(session);
}

void session_retire(struct session *session)
{
	bool busy = session->phase == SESSION_HANDSHAKE || session->blocked & SESSION_BLOCK_GUARD;
	if (session->greeted && !busy && session->phase != SESSION_CLOSING && !session->ending)
		make_ready(session);
}

/* --- the stream's events --- */

bool session_log_is_due(const struct worker *worker, int64_t *last_second)
{
	int64_t second = loop_now(worker->loop)->unix_us / 1000000;
	bool due = second != *last_second;
	*last_second = second;
	return due;
}

static void log_overload(const struct worker *worker, const struct config_server *server)
{
	static int64_t last_second;
	if (session_log_is_due(worker, &last_second))
		log_message(LOG_WARN, "overload", "server %s: no room for more sessions (limits { connections = %u })",
			    server->name, server->limits.connections);
}

static bool is_paused(const struct session *session)
{
	return server_states_is_paused(session->worker->states, session->server->slot);
}

/* Who is over a limit of clients or the limit of connections, and who comes while the server is paused. That may be inside TLS: a handshake
 * is worth that a mail program says why it could not send, and that it should be tried again. */
static void refuse_unwelcome(struct session *session, bool paused)
{
	if (session->turned_away) {
		session_refuse_crowd(session);
	} else if (session->refused) {
		log_overload(session->worker, session->server->config);
		session_refuse_crowd(session);
	} else if (paused) {
		session_refuse_paused(session);
	}
}

void session_greet(struct session *session)
{
	const struct config_limits *limits = &session->server->config->limits;
	bool needs_name = session->judged.outcome == POLICY_NEEDS_NAME;
	/* Looked at once: who is sent away whatever his name is need not wait for it, and nobody is let in for want of it. */
	bool paused = is_paused(session);
	if (needs_name && !session->turned_away && !session->refused && !paused) {
		(void)!session_wait_for_name(session, SMTP_CONTINUE);
		session->phase = SESSION_WAITING;
		session_end_turn(session);
		return;
	}
	if (session_waits_refused(session))
		return;
	if (!session->server->takes_outsiders)
		session->hard_due_ms = session_now_ms(session) + limits->sign_in;
	else if (limits->session)
		session->hard_due_ms = session_now_ms(session) + limits->session;
	smtp_session_start(&session->smtp, session->smtp.profile, session->stream.tls != NULL,
			   &session->worker->replies);
	session_offer_sign_ins(session);
	session->greeted = true;
	if (needs_name || session->turned_away || !session_is_refused(session))
		refuse_unwelcome(session, paused);
	session->phase = SESSION_WAITING; /* so that the idle limit starts */
	session_end_turn(session);
}

/* Whose certificate counts for nothing, is told why: else nobody would know why EXTERNAL is not offered. */
static void log_client_certificate(struct session *session)
{
	struct log_line line;
	struct slice name;
	const char *problem;
	if (!tls_session_client_name(session->stream.tls, &name, &problem) && problem &&
	    session_log(session, &line, LOG_INFO, "client-certificate")) {
		log_text(&line, "why", problem);
		log_end(&line);
	}
}

static void tls_is_open(struct session *session)
{
	struct log_line line;
	struct tls_facts facts;
	log_client_certificate(session);
	tls_session_facts(session->stream.tls, &facts);
	session->tls_bits = facts.bits;
	if (session_log(session, &line, LOG_DEBUG, "tls")) {
		log_text(&line, "version", facts.version);
		log_text(&line, "cipher", facts.cipher);
		log_number(&line, "resumed", facts.resumed);
		log_end(&line);
	}
	if (session_is_too_weak(session, &facts)) {
		session_end_turn(session);
		return;
	}
	if (!session->greeted) {
		session_greet(session);
		return;
	}
	session_offer_sign_ins(session);
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
	if (session->phase == SESSION_PROXY) {
		session_miss_proxy_header(session, "the connection ended inside the PROXY header");
		return;
	}
	if (session->phase == SESSION_TARPIT) {
		session_abort(session);
		return;
	}
	session->ending = true;
	session_end_turn(session);
}

static void destroy(struct session *session)
{
	struct worker *worker = session->worker;
	log_end_of_session(session, "done");
	loop_timer_stop(worker->loop, &session->timer);
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
	session_free_behind(session);
	if (session->held.data)
		session_free_held(session);
	free(session->login);
	session_forget_name(session);
	session_leave_counts(session);
	session_forget_from(session);
	list_remove(&session->ready);
	list_remove(&session->link);
	server_states_count(worker->states, worker->number, session->server->slot, -1);
	generation_leave(session->generation);
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
		if (session->phase == SESSION_PROXY)
			session_read_proxy_header(session);
		else
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
	case STREAM_HUNG_UP:
		session_sign_in_leave(session);
		break;
	case STREAM_CLOSED:
		break;
	}
}

/* --- the beginning and the end --- */

void session_set_client(struct session *session, const struct net_address *address)
{
	session->peer = *address;
	size_t prefix = session->peer.family == 6 ? sizeof IPV6_PREFIX - 1 : 0;
	memcpy(session->client, IPV6_PREFIX, prefix);
	net_address_format(&session->peer, session->client + prefix);
	session->client_size = (uint8_t)strlen(session->client);
}

void session_begin_service(struct session *session)
{
	if (!session_begins_with_tls(session)) {
		session_greet(session);
		return;
	}
	struct tls_session *tls = tls_accept_create(session->server->tls);
	if (!tls) {
		log_overload(session->worker, session->server->config);
		session_abort(session);
		return;
	}
	stream_start_tls_behind(&session->stream, tls);
	session_enter_phase(session, SESSION_HANDSHAKE);
}

void session_admit(struct session *session)
{
	if (session_is_taken(session))
		session_begin_service(session);
}

/* TLS that begins at once stands before the stream's start, and a greeting behind it. */
static void begin(struct session *session)
{
	bool proxied = server_block_is_proxy(session->server, &session->peer);
	session->phase = SESSION_PROXY;
	if (!proxied && session_begins_with_tls(session))
		session_admit(session);
	stream_start(&session->stream);
	if (proxied)
		session_arm(session);
	else if (!session_begins_with_tls(session))
		session_admit(session);
}

void session_create(const struct listener *listener, int fd)
{
	struct worker *worker = listener->worker;
	const struct server_block *server = listener->server;
	unsigned open_sessions = server_states_sessions(worker->states, worker->number, server->slot);
	bool full = open_sessions >= server->config->limits.connections;
	bool wanted = !full || listener->mode != LISTENER_TLS;
	struct session *session = wanted ? pool_take(&worker->sessions) : NULL;
	if (!session) {
		log_overload(worker, server->config);
		loop_close(worker->loop, fd);
		return;
	}
	memset(session, 0, sizeof *session);
	server_states_count(worker->states, worker->number, server->slot, 1);
	generation_hold(listener->generation);
	session->worker = worker;
	session->generation = listener->generation;
	session->server = server;
	session->number = ++worker->next_session;
	session->smtp.profile = server_block_profile(server, listener->mode);
	session->refused = full;
	list_init(&session->ready);
	list_init(&session->commits);
	reverse_waiter_init(&session->name_waiter);
	list_append(&session->generation->sessions, &session->link);
	timer_init(&session->timer, session_time_is_up);
	struct sockaddr_storage peer;
	loop_peer_address(worker->loop, fd, &peer);
	struct net_address address = net_address_from_socket(&peer);
	session_set_client(session, &address);
	stream_init(&session->stream, worker->loop, &worker->buffers, fd, on_event);
	begin(session);
}

void session_abort(struct session *session)
{
	if (session->phase == SESSION_CLOSING)
		return;
	session->ending = true;
	session_enter_phase(session, SESSION_CLOSING);
	stream_close(&session->stream);
}
