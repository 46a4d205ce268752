/* A session's life: from the accepted socket to the last event, its time limits, and what blocks it; see session.h. */
#include "core/server/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/server/session_parts.h"
#include "crypto/secret.h"

enum { FINISH_MS = 30000 }; /* for a client that does not take its last reply */

/* --- logging --- */

bool session_log(struct session *session, struct log_line *line, enum log_level level, const char *event)
{
	if (!log_begin(line, level, event))
		return false;
	char client[NET_ADDRESS_TEXT_BYTES];
	net_address_format(&session->peer, client);
	log_number(line, "session", (int64_t)session->number);
	log_text(line, "client", client);
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

/* --- time --- */

static uint64_t phase_limit_ms(const struct session *session)
{
	const struct config_limits *limits = &session->server->config->limits;
	switch ((enum session_phase)session->phase) {
	case SESSION_HANDSHAKE:
		return limits->handshake;
	case SESSION_IDLE:
		return limits->idle;
	case SESSION_COMMAND:
		return limits->command;
	case SESSION_TEXT:
		return limits->data_grace;
	case SESSION_WAITING:
		return session->blocked & SESSION_BLOCK_OUTPUT ? limits->idle : 0;
	case SESSION_FINISHING:
		return FINISH_MS;
	case SESSION_CLOSING:
		break;
	}
	return 0;
}

static void arm(struct session *session)
{
	uint64_t after_ms = phase_limit_ms(session);
	bool hard = session->hard_due_ms && session->phase <= SESSION_TEXT;
	if (hard) {
		uint64_t now_ms = session_now_ms(session);
		uint64_t left_ms = session->hard_due_ms > now_ms ? session->hard_due_ms - now_ms : 1;
		if (after_ms == 0 || left_ms < after_ms)
			after_ms = left_ms;
	}
	if (after_ms)
		loop_timer_start(session->worker->loop, &session->timer, after_ms);
	else
		loop_timer_stop(session->worker->loop, &session->timer);
}

/* Limits that are totals (handshake, command, text) run on when the phase stays; the idle one starts anew. */
static void enter_phase(struct session *session, enum session_phase phase)
{
	ASSERT(session->phase != SESSION_CLOSING || phase == SESSION_CLOSING);
	bool same = session->phase == phase;
	session->phase = (uint8_t)phase;
	if (!same || phase == SESSION_IDLE || phase == SESSION_WAITING)
		arm(session);
}

static enum session_phase current_phase(const struct session *session)
{
	if (session->ending)
		return SESSION_FINISHING;
	if (session->blocked)
		return SESSION_WAITING;
	if (session->stream.tls && session->phase == SESSION_HANDSHAKE)
		return SESSION_HANDSHAKE;
	if (smtp_session_in_body(&session->smtp))
		return SESSION_TEXT;
	return session->held.data || session->skipping_line ? SESSION_COMMAND : SESSION_IDLE;
}

/* --- input over a pause --- */

static void free_held(struct session *session)
{
	struct stream_buffers *buffers = &session->worker->buffers;
	pool_give(session->held_large ? &buffers->large : &buffers->small, session->held.data);
	session->held = (struct buffer){ NULL, 0, 0, false };
}

/* What was not worked on stays: the beginning of a line, or what came while something else has to end first. */
static bool hold_input(struct session *session)
{
	if (session->turn.size == 0)
		return true;
	struct stream_buffers *buffers = &session->worker->buffers;
	session->held_large = session->turn.size > LIMIT_SMALL_BUFFER_BYTES;
	void *storage = pool_take(session->held_large ? &buffers->large : &buffers->small);
	if (!storage)
		return false;
	buffer_init(&session->held, storage, session->held_large ? LIMIT_LARGE_BUFFER_BYTES : LIMIT_SMALL_BUFFER_BYTES);
	bool fits = buffer_append(&session->held, session->turn);
	ASSERT(fits);
	session->turn = slice_of(NULL, 0);
	return true;
}

static void take_held(struct session *session)
{
	session->turn = slice_of(NULL, 0);
	if (!session->held.data)
		return;
	memcpy(session->worker->scratch, session->held.data, session->held.size);
	session->turn = slice_of(session->worker->scratch, session->held.size);
	free_held(session);
}

/* --- turns --- */

static void abort_with_reply(struct session *session, enum smtp_status status)
{
	smtp_session_abort(&session->smtp, status, session_out(session));
	session->ending = true;
}

bool session_begin_tls(struct session *session)
{
	session->start_tls = false;
	session->blocked &= (uint8_t)~SESSION_BLOCK_COMMIT;
	struct tls_session *tls = tls_accept_create(session->server->tls);
	if (tls && session->turn.size == 0 && !session->held.data && stream_start_tls(&session->stream, tls)) {
		smtp_session_tls_started(&session->smtp);
		free(session->login);
		session->login = NULL;
		session->phase = SESSION_HANDSHAKE;
		arm(session);
		return true;
	}
	if (tls && (session->turn.size || session->held.data))
		tls_session_destroy(tls);
	struct log_line line;
	if (session_log(session, &line, LOG_WARN, "starttls-refused")) {
		log_text(&line, "why", tls ? "plaintext came behind STARTTLS" : "no memory");
		log_end(&line);
	}
	session_abort(session);
	return false;
}

static bool is_between_transactions(const struct session *session)
{
	return !session->message && list_is_empty(&session->commits) && !session->blocked;
}

/* All that could be done in this turn was: send, keep, and set the clock. */
static void end_turn(struct session *session)
{
	if (session->worker->draining && !session->ending && session->phase != SESSION_HANDSHAKE &&
	    is_between_transactions(session))
		abort_with_reply(session, SMTP_SHUTDOWN);
	session_send_replies(session);
	if (session->phase == SESSION_CLOSING)
		return;
	bool answered = list_is_empty(&session->commits);
	if (session->start_tls && answered && !session_begin_tls(session))
		return;
	if (session->ending) {
		session->turn = slice_of(NULL, 0);
		stream_pause(&session->stream);
		if (answered && session->phase != SESSION_FINISHING)
			stream_finish(&session->stream);
		enter_phase(session, answered ? SESSION_FINISHING : SESSION_WAITING);
		return;
	}
	if (!hold_input(session)) {
		session_abort(session);
		return;
	}
	if (session->blocked)
		stream_pause(&session->stream);
	enter_phase(session, current_phase(session));
}

static void take_turn(struct session *session)
{
	take_held(session);
	session_work(session);
	end_turn(session);
}

void session_continue(struct session *session)
{
	list_remove(&session->ready);
	if (session->phase == SESSION_CLOSING)
		return;
	session->blocked &= (uint8_t)~SESSION_BLOCK_SPOOL;
	session_answer_commits(session);
	if (session->blocked || session->ending || session->start_tls) {
		take_held(session);
		end_turn(session);
		return;
	}
	take_turn(session);
	if (!session->blocked && !session->ending && session->phase != SESSION_CLOSING)
		stream_resume(&session->stream);
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
	session->phase = SESSION_WAITING; /* so that the idle limit starts */
	end_turn(session);
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
	end_turn(session);
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
	end_turn(session);
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
		free_held(session);
	free(session->login);
	list_remove(&session->ready);
	list_remove(&session->link);
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
		take_turn(session);
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

static bool text_is_too_slow(struct session *session)
{
	const struct config_limits *limits = &session->server->config->limits;
	uint64_t least = (uint64_t)limits->data_rate * limits->data_grace / 1000;
	bool slow = session->text_bytes < least;
	session->text_bytes = 0;
	return slow;
}

static void time_is_up(struct timer *timer)
{
	struct session *session = CONTAINER_OF(timer, struct session, timer);
	bool hard = session->hard_due_ms && session->hard_due_ms <= session_now_ms(session);
	switch ((enum session_phase)session->phase) {
	case SESSION_TEXT:
		if (!hard && !text_is_too_slow(session)) {
			arm(session);
			return;
		}
		abort_with_reply(session, hard ? SMTP_TIME_OUT : SMTP_TOO_SLOW);
		break;
	case SESSION_IDLE:
	case SESSION_COMMAND:
		abort_with_reply(session, SMTP_TIME_OUT);
		break;
	case SESSION_HANDSHAKE:
	case SESSION_WAITING:
	case SESSION_FINISHING:
	case SESSION_CLOSING:
		session_abort(session);
		return;
	}
	struct log_line line;
	if (session_log(session, &line, LOG_INFO, "time-out")) {
		log_text(&line, "limit", hard ? "session" : session->phase == SESSION_TEXT ? "data_rate" : "idle");
		log_end(&line);
	}
	end_turn(session);
}

/* --- the beginning and the end --- */

struct session *session_create(struct worker *worker, const struct server_block *server, enum listener_mode mode,
			       int fd)
{
	struct session *session = pool_take(&worker->sessions);
	struct tls_session *tls = session && mode == LISTENER_TLS ? tls_accept_create(server->tls) : NULL;
	if (!session || (mode == LISTENER_TLS && !tls)) {
		pool_give(&worker->sessions, session);
		loop_close(worker->loop, fd);
		return NULL;
	}
	memset(session, 0, sizeof *session);
	session->worker = worker;
	session->server = server;
	session->number = ++worker->next_session;
	session->smtp.profile = server_block_profile(server, mode);
	list_init(&session->ready);
	list_init(&session->commits);
	list_append(&worker->live, &session->link);
	timer_init(&session->timer, time_is_up);
	struct sockaddr_storage peer = { 0 };
	socklen_t peer_size = sizeof peer;
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0)
		session->peer = net_address_from_socket(&peer);
	stream_init(&session->stream, worker->loop, &worker->buffers, fd, on_event);
	if (tls) {
		bool clean = stream_start_tls(&session->stream, tls);
		ASSERT(clean);
		session->phase = SESSION_HANDSHAKE;
		arm(session);
		stream_start(&session->stream);
	} else {
		stream_start(&session->stream);
		greet(session);
	}
	return session;
}

void session_abort(struct session *session)
{
	if (session->phase == SESSION_CLOSING)
		return;
	session->ending = true;
	enter_phase(session, SESSION_CLOSING);
	stream_close(&session->stream);
}
