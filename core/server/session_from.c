/* The From field of a session's message, where a login may only write its own addresses there: `auth { from_header = own }`. */
#include <stdio.h>

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

/* Of a large one the envelope is on the disk. */
static struct slice sender_of(const struct transaction *message)
{
	return message->large ? (struct slice){ NULL, 0 } : transaction_reverse_path(message);
}

struct check {
	struct session *session;
	const struct transaction *message;
	struct buffer *detail;
};

static enum smtp_status refuse(const struct check *check, const char *why, struct slice address)
{
	struct session *session = check->session;
	const struct config_server *config = session->server->config;
	struct refusal_setting setting = {
		.stage = REFUSAL_MESSAGE,
		.status = SMTP_FROM_NOT_OWN,
		.file = config->file,
		.line = config->from_header_line,
	};
	struct refusal_context context = { .login = session->login, .sender = sender_of(check->message) };
	char id[SPOOL_ID_TEXT_BYTES];
	struct log_line line;
	int shown = address.size < 80 ? (int)address.size : 80;
	snprintf(setting.text, sizeof setting.text, "auth { from_header = own }: the From field: %s%s%.*s", why,
		 shown ? ": " : "", shown, (const char *)address.data);
	(void)session_keep_refusal(session, &setting, &context, id);
	refusal_write_detail(check->detail, setting.status, (struct slice){ NULL, 0 }, id);
	if (!session_log(session, &line, LOG_INFO, "refused"))
		return setting.status;
	log_text(&line, "what", "header-from");
	log_text(&line, "why", why);
	if (address.size)
		log_slice(&line, "address", address);
	log_text(&line, "login", session->login);
	log_text(&line, "id", id);
	log_number(&line, "code", smtp_reply_code(setting.status));
	log_text(&line, "file", setting.file);
	log_number(&line, "line", setting.line);
	log_end(&line);
	return setting.status;
}

/* All of them must be own: a program shows whichever it likes. */
static enum smtp_status check_addresses(const struct check *check, struct slice value)
{
	struct session *session = check->session;
	struct slice address = { NULL, 0 }, none = { NULL, 0 };
	enum header_from_status status;
	bool owns = false;
	while ((status = header_from_next(&value, &address)) == HEADER_FROM_ADDRESS) {
		if (users_owns(session->worker->backends.users, slice_from_text(session->login), address, &owns) ==
		    USERS_FAILED)
			return SMTP_STORAGE_ERROR;
		if (!owns)
			return refuse(check, "not own", address);
	}
	if (status == HEADER_FROM_WRONG)
		return refuse(check, "no list of addresses", none);
	return owns ? SMTP_OK : refuse(check, "no address", none);
}

enum smtp_status session_check_from(struct session *session, const struct transaction *message, struct buffer *detail)
{
	const struct check check = { session, message, detail };
	if (!is_wanted(session))
		return SMTP_OK;
	if (!session->from || session->from->field.fields != 1)
		return refuse(&check, "not exactly one field", (struct slice){ NULL, 0 });
	if (session->from->value.overflow)
		return refuse(&check, "too long", (struct slice){ NULL, 0 });
	return check_addresses(&check, buffer_slice(&session->from->value));
}
