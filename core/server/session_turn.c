/* A session's turn: work on what is there, then send, keep what is left, and set the clock. */
#include <stdlib.h>
#include <string.h>

#include "core/server/session_parts.h"
#include "crypto/secret.h"
#include "proto/smtp_reply.h"

/* --- input over a pause --- */

void session_free_held(struct session *session)
{
	struct stream_buffers *buffers = &session->worker->buffers;
	if (!session->smtp.signed_in)
		secret_wipe(session->held.data, session->held.size);
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
	session_note_scratch(session);
	session_free_held(session);
}

/* --- turns --- */

void session_say_goodbye(struct session *session, enum smtp_status status)
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
		session_arm(session);
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

/* All that could be done in this turn was: send, keep, and set the clock. */
void session_end_turn(struct session *session)
{
	if (session_is_unwanted(session) && !session->ending && session->phase != SESSION_HANDSHAKE &&
	    is_between_transactions(session))
		session_say_goodbye(session, session->worker->draining ? SMTP_SHUTDOWN : SMTP_SETTINGS_CHANGED);
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
		session_enter_phase(session, answered ? SESSION_FINISHING : SESSION_WAITING);
		return;
	}
	if (!hold_input(session)) {
		session_abort(session);
		return;
	}
	if (session->blocked)
		(session_sign_in_waits(session) ? stream_watch : stream_pause)(&session->stream);
	session_enter_phase(session, current_phase(session));
}

/* Lines of who has not signed in may hold a password. */
void session_note_scratch(struct session *session)
{
	struct worker *worker = session->worker;
	if (!session->smtp.signed_in && worker->scratch_secret < session->turn.size)
		worker->scratch_secret = session->turn.size;
}

static void forget_scratch(struct worker *worker)
{
	if (worker->scratch_secret)
		secret_wipe(worker->scratch, worker->scratch_secret);
	worker->scratch_secret = 0;
}

void session_take_turn(struct session *session)
{
	struct worker *worker = session->worker;
	take_held(session);
	session_work(session);
	session_end_turn(session);
	forget_scratch(worker);
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
		struct worker *worker = session->worker;
		session_end_turn(session);
		forget_scratch(worker);
		return;
	}
	session_take_turn(session);
	if (!session->blocked && !session->ending && session->phase != SESSION_CLOSING)
		stream_resume(&session->stream);
}
