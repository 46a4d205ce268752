/* AUTH and its exchange (RFC 4954); see smtp_session_private.h. Whether name and password are right is the shell's to find out. */
#include "proto/smtp_session_private.h"

/* An AUTH line's argument: a mechanism and perhaps an initial response. */
struct auth_argument {
	struct slice mechanism;
	struct slice initial;
	bool has_initial;
};

/* False: there is more than that. */
static bool parse_auth(struct slice argument, struct auth_argument *auth)
{
	size_t blank = slice_find(argument, ' ');
	auth->mechanism = slice_first(argument, blank);
	auth->has_initial = blank < argument.size;
	if (auth->has_initial)
		auth->initial = slice_skip(argument, blank + 1);
	return !auth->has_initial || (auth->initial.size && slice_find(auth->initial, ' ') == auth->initial.size);
}

static enum smtp_status check_auth(const struct smtp_session *session, struct slice argument)
{
	struct auth_argument auth;
	if (session->signed_in)
		return SMTP_SIGN_IN_DONE;
	if (session->profile->mechanisms == 0)
		return SMTP_NOT_IMPLEMENTED;
	bool sound = parse_auth(argument, &auth);
	unsigned mechanism = sasl_mechanism_find(auth.mechanism);
	if (!(mechanism & session->profile->mechanisms))
		return SMTP_MECHANISM_UNKNOWN;
	if (!(mechanism & smtp_command_mechanisms(session)))
		return session->tls ? SMTP_MECHANISM_UNKNOWN : SMTP_SIGN_IN_NEEDS_TLS;
	return sound ? SMTP_OK : SMTP_BAD_ARGUMENT;
}

enum smtp_action smtp_run_auth(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	enum smtp_status status = check_auth(session, argument);
	if (status != SMTP_OK)
		return smtp_session_reply(session, status, SMTP_CONTINUE, out);
	return smtp_session_ask(session, SMTP_BEGIN_SIGN_IN);
}

enum smtp_action smtp_sign_in_leave(struct smtp_session *session, enum smtp_status status, struct buffer *out)
{
	session->exchange = NULL;
	smtp_session_enter(session, SMTP_READY);
	return smtp_session_reply(session, status, SMTP_CONTINUE, out);
}

static enum smtp_action fail_wrong(struct smtp_session *session, struct buffer *out)
{
	session->sign_in_tries++;
	enum smtp_action action = smtp_sign_in_leave(session, SMTP_SIGN_IN_WRONG, out);
	if (action == SMTP_CLOSE || session->sign_in_tries < LIMIT_SIGN_IN_TRIES)
		return action;
	return smtp_session_reply(session, SMTP_TOO_MANY_SIGN_INS, SMTP_CLOSE, out);
}

static enum smtp_action write_challenge(struct slice challenge, struct buffer *out)
{
	buffer_append_text(out, "334 ");
	buffer_append(out, challenge);
	buffer_append_text(out, "\r\n");
	return SMTP_CONTINUE;
}

static enum smtp_action go_on(struct smtp_session *session, enum sasl_status status, struct slice challenge,
			      struct buffer *out)
{
	switch (status) {
	case SASL_CHALLENGE:
		return write_challenge(challenge, out);
	case SASL_COMPLETE:
	case SASL_RESPONSE:
		return smtp_session_ask(session, SMTP_VERIFY_SIGN_IN);
	case SASL_DENIED:
		return fail_wrong(session, out);
	case SASL_BAD_ENCODING:
		return smtp_sign_in_leave(session, SMTP_SIGN_IN_BAD_ENCODING, out);
	case SASL_MALFORMED:
		return smtp_sign_in_leave(session, SMTP_SIGN_IN_MALFORMED, out);
	case SASL_TOO_LONG:
		return smtp_sign_in_leave(session, SMTP_SIGN_IN_TOO_LONG, out);
	case SASL_CANCELLED:
		break;
	}
	return smtp_sign_in_leave(session, SMTP_SIGN_IN_CANCELLED, out);
}

enum smtp_action smtp_session_sign_in_begin(struct smtp_session *session, struct sasl_exchange *exchange,
					    struct slice line, struct buffer *out)
{
	smtp_session_answered(session, SMTP_BEGIN_SIGN_IN);
	if (!exchange)
		return smtp_session_reply(session, SMTP_SIGN_IN_UNAVAILABLE, SMTP_CONTINUE, out);
	smtp_session_enter(session, SMTP_SIGN_IN);
	session->exchange = exchange;

	struct slice verb, argument;
	struct auth_argument auth;
	smtp_command_split(line, &verb, &argument);
	bool sound = parse_auth(argument, &auth);
	ASSERT(sound);

	uint8_t storage[LIMIT_REPLY_BYTES];
	struct buffer challenge;
	buffer_init(&challenge, storage, sizeof storage);
	enum sasl_status status = sasl_start(exchange, sasl_mechanism_find(auth.mechanism),
					     auth.has_initial ? &auth.initial : NULL, &challenge);
	return go_on(session, status, buffer_slice(&challenge), out);
}

enum smtp_action smtp_sign_in_line(struct smtp_session *session, struct slice line, struct buffer *out)
{
	uint8_t storage[LIMIT_REPLY_BYTES];
	struct buffer challenge;
	buffer_init(&challenge, storage, sizeof storage);
	enum sasl_status status = sasl_step(session->exchange, line, &challenge);
	return go_on(session, status, buffer_slice(&challenge), out);
}

unsigned smtp_session_offers(const struct smtp_session *session)
{
	return smtp_command_mechanisms(session);
}

void smtp_session_withhold(struct smtp_session *session, unsigned mechanisms)
{
	session->withheld = mechanisms;
}

bool smtp_session_challenge(struct smtp_session *session, struct slice challenge, struct buffer *out)
{
	ASSERT(session->awaits == SMTP_VERIFY_SIGN_IN);
	if (buffer_room(out) < SMTP_CHALLENGE_ROOM(challenge.size))
		return false;
	smtp_session_answered(session, SMTP_VERIFY_SIGN_IN);
	buffer_append_text(out, "334 ");
	bool fits = base64_encode(out, challenge) && buffer_append_text(out, "\r\n");
	ASSERT(fits);
	return true;
}

enum smtp_action smtp_session_sign_in_end(struct smtp_session *session, enum smtp_status status, struct buffer *out)
{
	smtp_session_answered(session, SMTP_VERIFY_SIGN_IN);
	if (status == SMTP_SIGN_IN_WRONG)
		return fail_wrong(session, out);
	session->signed_in = status == SMTP_SIGN_IN_OK;
	return smtp_sign_in_leave(session, status, out);
}

enum smtp_action smtp_session_sign_in_refuse(struct smtp_session *session, enum smtp_status status, struct slice detail,
					     struct buffer *out)
{
	ASSERT(smtp_reply_code(status) == 421);
	smtp_session_answered(session, SMTP_VERIFY_SIGN_IN);
	session->exchange = NULL;
	smtp_session_enter(session, SMTP_READY);
	return smtp_session_reply_about(session, status, detail, SMTP_CLOSE, out);
}
