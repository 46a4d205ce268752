/* The From field of a session's message, where a login may only write its own addresses there: `auth { from_header = own }`. */
#include "core/server/session_parts.h"

static bool is_wanted(const struct session *session)
{
	return session->server->config->from_header_own && session->login;
}

void session_watch_from(struct session *session, struct slice text)
{
	if (!is_wanted(session))
		return;
	if (!session->from) {
		session->from = pool_take(&session->worker->from_fields);
		if (!session->from) {
			smtp_session_refuse_message(&session->smtp, SMTP_MEMORY_SHORT);
			return;
		}
		session->from->field = (struct header_from){ 0 };
		buffer_init(&session->from->value, session->from->storage, sizeof session->from->storage);
	}
	if (!header_from_is_over(&session->from->field))
		header_from_take(&session->from->field, text, &session->from->value);
}

void session_forget_from(struct session *session)
{
	if (session->from)
		pool_give(&session->worker->from_fields, session->from);
	session->from = NULL;
}

static enum smtp_status refuse(struct session *session, const char *why, struct slice address)
{
	struct log_line line;
	if (session_log(session, &line, LOG_INFO, "refused")) {
		log_text(&line, "what", "header-from");
		log_text(&line, "why", why);
		if (address.size)
			log_slice(&line, "address", address);
		log_text(&line, "login", session->login);
		log_number(&line, "code", smtp_reply_code(SMTP_FROM_NOT_OWN));
		log_end(&line);
	}
	return SMTP_FROM_NOT_OWN;
}

/* All of them must be own: a program shows whichever it likes. */
static enum smtp_status check_addresses(struct session *session, struct slice value)
{
	struct slice address = { NULL, 0 };
	enum header_from_status status;
	bool owns = false;
	while ((status = header_from_next(&value, &address)) == HEADER_FROM_ADDRESS) {
		if (users_owns(session->worker->backends.users, slice_from_text(session->login), address, &owns) ==
		    USERS_FAILED)
			return SMTP_STORAGE_ERROR;
		if (!owns)
			return refuse(session, "not own", address);
	}
	if (status == HEADER_FROM_WRONG)
		return refuse(session, "no list of addresses", (struct slice){ NULL, 0 });
	return owns ? SMTP_OK : refuse(session, "no address", (struct slice){ NULL, 0 });
}

enum smtp_status session_check_from(struct session *session)
{
	if (!is_wanted(session))
		return SMTP_OK;
	if (!session->from || session->from->field.fields != 1)
		return refuse(session, "not exactly one field", (struct slice){ NULL, 0 });
	if (session->from->value.overflow)
		return refuse(session, "too long", (struct slice){ NULL, 0 });
	return check_addresses(session, buffer_slice(&session->from->value));
}
