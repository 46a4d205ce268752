/* A session's input: lines and message text to the SMTP engine.
 *
 * Lines are decrypted into the worker's scratch, text right into the blocks that the spool writes. */
#include <string.h>

#include "core/server/session_parts.h"

static bool is_gathering(const struct session *session)
{
	return session->message && !smtp_session_is_refusing(&session->smtp);
}

/* Makes what is left of the turn the beginning of the scratch, and reads behind it. */
static bool read_more(struct session *session)
{
	struct worker *worker = session->worker;
	size_t left = session->turn.size;
	if (left)
		memmove(worker->scratch, session->turn.data, left);
	size_t room = sizeof worker->scratch - left;
	size_t got = room ? stream_read(&session->stream, worker->scratch + left, room) : 0;
	session->turn = slice_of(worker->scratch, left + got);
	session_note_scratch(session);
	return got > 0;
}

static void refuse_long_line(struct session *session)
{
	enum smtp_action action = smtp_session_line_too_long(&session->smtp, session_out(session));
	session_act(session, action, SLICE_LITERAL(""));
	if (session->smtp.state != SMTP_SIGN_IN)
		session_release_sign_in(session);
}

static bool take_line(struct session *session)
{
	size_t end = slice_find(session->turn, '\n');
	if (end == session->turn.size) {
		if (!session->skipping_line && end >= smtp_session_line_limit(&session->smtp)) {
			refuse_long_line(session);
			session->skipping_line = true;
		}
		if (session->skipping_line)
			session->turn = slice_of(NULL, 0);
		return read_more(session);
	}
	struct slice line = slice_first(session->turn, end + 1);
	session->turn = slice_skip(session->turn, end + 1);
	if (session->skipping_line) {
		session->skipping_line = false;
		return true;
	}
	if (line.size > smtp_session_line_limit(&session->smtp)) {
		refuse_long_line(session);
		return true;
	}
	enum smtp_action action = smtp_session_line(&session->smtp, line, session_out(session));
	session->worker->replies_due |= session->smtp.ends_group;
	session_act(session, action, line);
	if (session->sign_in && session->smtp.state != SMTP_SIGN_IN)
		session_release_sign_in(session);
	bool text_follows = smtp_session_in_body(&session->smtp) && is_gathering(session);
	if (text_follows && session->message->state == TRANSACTION_ENVELOPE &&
	    !transaction_begin_text(session->message))
		smtp_session_refuse_message(&session->smtp, SMTP_MEMORY_SHORT);
	return true;
}

/* --- text --- */

/* Where text is to stay, or where refused text is read and gone. */
static uint8_t *place_for_text(struct session *session, size_t *room)
{
	if (is_gathering(session)) {
		uint8_t *at = transaction_text_room(session->message, room);
		if (at)
			return at;
		smtp_session_refuse_message(&session->smtp, SMTP_MEMORY_SHORT);
	}
	*room = sizeof session->worker->discard;
	return session->worker->discard;
}

/* The rest is the next command. What came right into a block leaves it: a block may go with its message, while the turn
 * goes on, and be the next message's. */
static void give_back(struct session *session, struct slice rest)
{
	memcpy(session->worker->scratch, rest.data, rest.size);
	session->turn = slice_of(session->worker->scratch, rest.size);
	session_note_scratch(session);
}

/* Text that came behind a command goes from the turn to where it stays; all other is decrypted right there. Answers false when
 * there is none. */
static bool take_bytes(struct session *session, uint8_t *text, size_t room, size_t *kept, enum smtp_action *action)
{
	struct smtp_session *smtp = &session->smtp;
	/* Normalised text grows to twice its size at most: raw bytes go to the upper half of the room. */
	size_t raw_at = smtp->profile->bare_lf_normalised ? (room + 1) / 2 : 0;
	size_t consumed;
	struct slice raw = session->turn;
	bool from_turn = raw.size > 0;
	if (from_turn)
		raw.size = raw.size < room - raw_at ? raw.size : room - raw_at;
	else
		raw = slice_of(text + raw_at, stream_read(&session->stream, text + raw_at, room - raw_at));
	if (raw.size == 0)
		return false;
	*action = smtp_session_body(smtp, (uint8_t *)(uintptr_t)raw.data, raw.size, text, kept, &consumed,
				    session_out(session));
	session->text_bytes += (uint32_t)consumed;
	if (from_turn)
		session->turn = slice_skip(session->turn, consumed);
	else if (consumed < raw.size)
		give_back(session, slice_skip(raw, consumed));
	return true;
}

static bool take_text(struct session *session)
{
	size_t room, kept;
	enum smtp_action action;
	uint8_t *text = place_for_text(session, &room);
	bool gathering = is_gathering(session);
	if (!take_bytes(session, text, room, &kept, &action))
		return false;
	bool last = action == SMTP_MESSAGE_COMPLETE || action == SMTP_MESSAGE_REFUSED;
	if (gathering && kept)
		session_watch_from(session, slice_of(text, kept));
	if (gathering && kept && !transaction_add_text(session->message, kept, last))
		session->blocked |= SESSION_BLOCK_TEXT;
	session_act(session, action, SLICE_LITERAL(""));
	return true;
}

void session_work(struct session *session)
{
	while (!session->blocked && !session->ending) {
		if (spool_is_busy(session->worker->spool)) {
			session->blocked |= SESSION_BLOCK_SPOOL;
			if (list_is_empty(&session->ready))
				list_append(&session->worker->spool_waiters, &session->ready);
			return;
		}
		if (!session_may_reply(session))
			return;
		bool went_on = smtp_session_in_body(&session->smtp) ? take_text(session) : take_line(session);
		if (!went_on)
			return;
	}
}
