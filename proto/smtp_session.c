/* The session engine's frame: lines in, states, replies and their count; see smtp_session.h.
 *
 * The commands themselves are in smtp_greeting.c, smtp_sign_in.c and smtp_transaction.c, and when each is in order is in
 * smtp_command.c. */
#include "proto/smtp_session.h"

#include "proto/smtp_body_scan.h"
#include "proto/smtp_command.h"
#include "proto/smtp_session_private.h"

/* Bits of the states that may follow each state. */
static const uint16_t may_follow[] = {
	[SMTP_START] = 1 << SMTP_READY | 1 << SMTP_CHUNK | 1 << SMTP_CLOSED,
	[SMTP_READY] = 1 << SMTP_START | 1 << SMTP_READY | 1 << SMTP_SIGN_IN | 1 << SMTP_MAIL | 1 << SMTP_CHUNK |
		       1 << SMTP_CLOSED,
	[SMTP_SIGN_IN] = 1 << SMTP_READY | 1 << SMTP_CLOSED,
	[SMTP_MAIL] = 1 << SMTP_READY | 1 << SMTP_RCPT | 1 << SMTP_CHUNK | 1 << SMTP_CLOSED,
	[SMTP_RCPT] = 1 << SMTP_READY | 1 << SMTP_RCPT | 1 << SMTP_DATA | 1 << SMTP_CHUNK | 1 << SMTP_CLOSED,
	[SMTP_DATA] = 1 << SMTP_READY | 1 << SMTP_CLOSED,
	[SMTP_CHUNK] = 1 << SMTP_START | 1 << SMTP_READY | 1 << SMTP_CHUNKING | 1 << SMTP_CLOSED,
	[SMTP_CHUNKING] = 1 << SMTP_READY | 1 << SMTP_CHUNK | 1 << SMTP_CLOSED,
	[SMTP_CLOSED] = 0,
};

void smtp_session_enter(struct smtp_session *session, enum smtp_state state)
{
	ASSERT(may_follow[session->state] & 1u << state);
	session->state = (uint8_t)state;
}

void smtp_session_forget_transaction(struct smtp_session *session)
{
	session->transaction = (struct smtp_transaction){ 0 };
	session->chunk = (struct smtp_chunk){ 0 };
	session->path = (struct slice){ NULL, 0 };
}

/* --- replies --- */

static enum smtp_action close_session(struct smtp_session *session)
{
	smtp_session_enter(session, SMTP_CLOSED);
	smtp_session_forget_transaction(session);
	session->exchange = NULL;
	session->awaits = SMTP_CONTINUE;
	return SMTP_CLOSE;
}

static bool counts_as_error(unsigned code)
{
	return code >= 500;
}

enum smtp_action smtp_session_reply_about(struct smtp_session *session, enum smtp_status status, struct slice detail,
					  enum smtp_action action, struct buffer *out)
{
	unsigned code = smtp_reply_code(status);
	smtp_reply_write(out, status, detail);
	if (code == 221 || code == 421)
		return close_session(session);
	if (!counts_as_error(code))
		return action;
	session->errors++;
	if (session->profile->errors == 0 || session->errors < session->profile->errors)
		return action;
	smtp_reply_write(out, SMTP_TOO_MANY_ERRORS, session->profile->hostname);
	return close_session(session);
}

enum smtp_action smtp_session_reply(struct smtp_session *session, enum smtp_status status, enum smtp_action action,
				    struct buffer *out)
{
	return smtp_session_reply_about(session, status, session->profile->hostname, action, out);
}

enum smtp_action smtp_session_ask(struct smtp_session *session, enum smtp_action question)
{
	session->awaits = (uint8_t)question;
	return question;
}

void smtp_session_answered(struct smtp_session *session, enum smtp_action question)
{
	ASSERT(session->awaits == question);
	session->awaits = SMTP_CONTINUE;
}

/* --- from the shell --- */

void smtp_session_start(struct smtp_session *session, const struct smtp_profile *profile, bool tls, struct buffer *out)
{
	*session = (struct smtp_session){ .profile = profile, .state = SMTP_START, .tls = tls };
	smtp_reply_write(out, SMTP_GREETING, profile->hostname);
}

void smtp_session_tls_started(struct smtp_session *session)
{
	smtp_session_answered(session, SMTP_START_TLS);
	smtp_session_forget_transaction(session);
	session->tls = true;
	session->esmtp = false;
	session->signed_in = false;
	session->withheld = 0;
	session->client_name_size = 0;
	smtp_session_enter(session, SMTP_START);
}

void smtp_session_abort(struct smtp_session *session, enum smtp_status status, struct buffer *out)
{
	ASSERT(smtp_reply_code(status) == 421);
	if (session->state != SMTP_CLOSED)
		(void)smtp_session_reply(session, status, SMTP_CLOSE, out);
}

void smtp_session_turn_away(struct smtp_session *session, const struct smtp_profile *profile, bool tls,
			    enum smtp_status status, struct slice detail, struct buffer *out)
{
	ASSERT(smtp_reply_code(status) == 554 || smtp_reply_code(status) == 421);
	*session = (struct smtp_session){ .profile = profile, .state = SMTP_START, .tls = tls };
	smtp_reply_write(out, status, detail);
	close_session(session);
}

size_t smtp_session_line_limit(const struct smtp_session *session)
{
	bool may_sign_in = session->state == SMTP_READY && session->esmtp && !session->signed_in &&
			   smtp_command_mechanisms(session);
	return session->state == SMTP_SIGN_IN || may_sign_in ? LIMIT_AUTH_LINE_BYTES : LIMIT_COMMAND_LINE_BYTES;
}

/* --- lines --- */

/* One CRLF, at the end, and no NUL: anything else could be two lines, or one that ends early, to somebody else. */
static bool line_is_sound(struct slice line)
{
	return line.size >= 2 && line.data[line.size - 2] == '\r' && slice_find(line, '\n') == line.size - 1 &&
	       smtp_body_scan(line, 0, false) == line.size;
}

static enum smtp_action refuse_line(struct smtp_session *session, enum smtp_status status, struct buffer *out)
{
	if (session->state == SMTP_SIGN_IN)
		return smtp_sign_in_leave(session, status, out);
	return smtp_session_reply(session, status, SMTP_CONTINUE, out);
}

static enum smtp_action run_command(struct smtp_session *session, struct slice line, struct buffer *out)
{
	struct slice verb, argument;
	smtp_command_split(line, &verb, &argument);
	const struct smtp_command *command = smtp_command_find(verb);
	if (!command)
		return smtp_session_reply(session, SMTP_UNKNOWN_COMMAND, SMTP_CONTINUE, out);
	session->ends_group = !(command->flags & COMMAND_IN_GROUP);

	enum smtp_status status = smtp_command_may(command, session, argument);
	if (line.size > LIMIT_COMMAND_LINE_BYTES && !(command->flags & COMMAND_LONG_LINE))
		status = SMTP_LINE_TOO_LONG;
	if (status == SMTP_OK)
		return command->run(session, argument, out);
	if (command->refuse)
		return command->refuse(session, argument, status, out);
	return smtp_session_reply(session, status, SMTP_CONTINUE, out);
}

/* What every call with input starts with. False: the session is over, nothing is answered any more. */
static bool begin_call(struct smtp_session *session, const struct buffer *out)
{
	ASSERT(session->awaits == SMTP_CONTINUE);
	ASSERT(!smtp_session_in_body(session));
	ASSERT(buffer_room(out) >= LIMIT_REPLY_BYTES);
	session->ends_group = true;
	if (session->transaction.ended)
		smtp_session_forget_transaction(session);
	return session->state != SMTP_CLOSED;
}

enum smtp_action smtp_session_line(struct smtp_session *session, struct slice line, struct buffer *out)
{
	if (!begin_call(session, out))
		return SMTP_CLOSE;
	if (!line_is_sound(line))
		return refuse_line(session, SMTP_MALFORMED_LINE, out);
	if (session->state == SMTP_SIGN_IN)
		return smtp_sign_in_line(session, slice_first(line, line.size - 2), out);
	return run_command(session, line, out);
}

enum smtp_action smtp_session_line_too_long(struct smtp_session *session, struct buffer *out)
{
	if (!begin_call(session, out))
		return SMTP_CLOSE;
	/* Only what answers a challenge is an exchange's line (RFC 4954 §6). An AUTH command is a command, too long as one. */
	bool exchange = session->state == SMTP_SIGN_IN;
	return refuse_line(session, exchange ? SMTP_SIGN_IN_TOO_LONG : SMTP_LINE_TOO_LONG, out);
}
