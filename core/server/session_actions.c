/* What the SMTP engine asks of its shell: judge a path, gather and commit a message, verify a sign-in. */
#include <string.h>

#include "core/server/session_parts.h"
#include "core/spool/envelope.h"

/* --- envelope and message --- */

/* `setting` and `id` are NULL where it is none that refuses. */
static void log_refusal(struct session *session, const char *what, enum smtp_status status,
			const struct refusal_setting *setting, const char *id)
{
	struct log_line line;
	if (!session_log(session, &line, LOG_INFO, "refused"))
		return;
	log_text(&line, "what", what);
	log_slice(&line, "address", session->smtp.path);
	log_number(&line, "code", smtp_reply_code(status));
	if (session->login)
		log_text(&line, "login", session->login);
	if (setting) {
		log_text(&line, "id", id);
		log_text(&line, "file", setting->file);
		log_number(&line, "line", setting->line);
	}
	log_end(&line);
}

static enum smtp_status refuse_sender(struct session *session, struct buffer *detail)
{
	const struct config_server *config = session->server->config;
	struct refusal_setting setting = {
		.stage = POLICY_SENDER,
		.status = SMTP_SENDER_NOT_OWN,
		.file = config->file,
		.line = config->senders_line,
		.text = "auth { senders = own }: this login has not been granted that address (postern user grant)",
	};
	struct refusal_context context = { .login = session->login, .sender = session->smtp.path };
	char id[SPOOL_ID_TEXT_BYTES];
	(void)session_keep_refusal(session, &setting, &context, id);
	refusal_write_detail(detail, setting.status, (struct slice){ NULL, 0 }, id);
	log_refusal(session, "sender", setting.status, &setting, id);
	return setting.status;
}

/* An empty path is nobody's: notifications have it (RFC 8098 §3, RFC 5321 §4.5.5). */
static enum smtp_status check_ownership(struct session *session, struct buffer *detail)
{
	struct slice sender = session->smtp.path;
	bool owns = false;
	if (!session->server->config->senders_own || !session->login || sender.size == 0)
		return SMTP_SENDER_OK;
	if (users_owns(session->worker->backends.users, slice_from_text(session->login), sender, &owns) == USERS_FAILED)
		return SMTP_STORAGE_ERROR;
	return owns ? SMTP_SENDER_OK : refuse_sender(session, detail);
}

static enum smtp_status begin_message(struct session *session, struct buffer *detail)
{
	const struct smtp_session *smtp = &session->smtp;
	enum smtp_status status = check_ownership(session, detail);
	if (status != SMTP_SENDER_OK)
		return status;
	status = session_ask_quota(session, POLICY_SENDER, NULL, 1, detail);
	if (status != SMTP_OK)
		return status;
	if (!spool_is_writable(session->worker->spool))
		return SMTP_STORAGE_FULL;
	unsigned flags = (smtp->transaction.smtputf8 ? ENVELOPE_SMTPUTF8 : 0) |
			 (smtp->transaction.body_type == SMTP_BODY_8BITMIME ? ENVELOPE_8BITMIME : 0);
	ASSERT(!session->message);
	session->message = transaction_create(session->worker, session, flags,
					      slice_from_text(session->login ? session->login : ""),
					      session_client_address(session), smtp->path);
	return session->message ? SMTP_SENDER_OK : SMTP_MEMORY_SHORT;
}

/* A route that doesn't deliver here holds. */
static enum smtp_status add_recipient(struct session *session, bool local, struct buffer *detail)
{
	enum smtp_status status = session_ask_quota(session, POLICY_RECIPIENT, session->message,
						    session->message->recipients + 1, detail);
	if (status != SMTP_OK)
		return status;
	if (!transaction_add_recipient(session->message, session->smtp.path, !local))
		return SMTP_MEMORY_SHORT;
	return SMTP_RECIPIENT_OK;
}

static enum smtp_action check_path(struct session *session, enum smtp_action action)
{
	bool sender = action == SMTP_CHECK_SENDER;
	uint8_t storage[LIMIT_REPLY_DETAIL_BYTES];
	struct buffer detail;
	buffer_init(&detail, storage, sizeof storage);
	struct policy_facts facts;
	enum smtp_status status = session_judge_path(session, sender, &facts, &detail);
	if (status == SMTP_STATUS_COUNT) {
		if (session_wait_for_name(session, action))
			return SMTP_CONTINUE;
		status = SMTP_MEMORY_SHORT;
	} else if (status == SMTP_OK) {
		status = sender ? begin_message(session, &detail) : add_recipient(session, facts.local, &detail);
		bool told = status == SMTP_SENDER_OK || status == SMTP_RECIPIENT_OK || detail.size;
		if (!told)
			log_refusal(session, sender ? "sender" : "recipient", status, NULL, NULL);
	}
	return smtp_session_path_checked(&session->smtp, status, buffer_slice(&detail), session_out(session));
}

static void drop_message(struct session *session)
{
	if (session->message)
		transaction_drop(session->message);
	session->message = NULL;
	session_forget_from(session);
	session->blocked &= (uint8_t)~SESSION_BLOCK_TEXT;
}

/* SMTP_OK, or why the message can't be taken although all of it is there. */
static enum smtp_status prepare_commit(struct session *session, struct transaction *transaction, struct buffer *detail)
{
	/* BDAT 0 LAST: a message with no text at all. */
	if (transaction->state == TRANSACTION_ENVELOPE && !transaction_begin_text(transaction))
		return SMTP_MEMORY_SHORT;
	enum smtp_status status = session_check_from(session, transaction, detail);
	if (status != SMTP_OK)
		return status;
	return session_ask_quota(session, REFUSAL_MESSAGE, transaction, transaction->recipients, detail);
}

static void commit_message(struct session *session)
{
	struct transaction *transaction = session->message;
	uint8_t storage[SPOOL_ID_TEXT_BYTES + 2];
	struct buffer detail;
	session->message = NULL;
	buffer_init(&detail, storage, sizeof storage);
	enum smtp_status status = prepare_commit(session, transaction, &detail);
	session_forget_from(session);
	if (status != SMTP_OK) {
		transaction_drop(transaction);
		smtp_reply_write(session_out(session), status, buffer_slice(&detail));
		return;
	}
	const struct smtp_session *smtp = &session->smtp;
	struct message_trace trace = {
		.start = received_start(&session->worker->received, session,
					(transaction->flags & ENVELOPE_SMTPUTF8) != 0),
		.hostname = smtp->profile->hostname,
		.add_date = !(smtp->transaction.body.fields & BODY_HAS_DATE),
		.add_message_id = !(smtp->transaction.body.fields & BODY_HAS_MESSAGE_ID),
		.add_empty_line = (smtp->transaction.body.fields & BODY_NO_HEADER) != 0,
		.date = worker_date(session->worker),
	};
	session_wait_for_commit(session, transaction);
	transaction_commit(transaction, &trace, true);
}

/* --- actions --- */

/* Does what an action asks; some lead to another one. */
static enum smtp_action act_once(struct session *session, enum smtp_action action, struct slice line)
{
	switch (action) {
	case SMTP_BEGIN_SIGN_IN:
		return session_begin_sign_in(session, line);
	case SMTP_VERIFY_SIGN_IN:
		return session_verify_sign_in(session);
	case SMTP_CHECK_SENDER:
	case SMTP_CHECK_RECIPIENT:
		return check_path(session, action);
	case SMTP_MESSAGE_COMPLETE:
		commit_message(session);
		return SMTP_CONTINUE;
	case SMTP_MESSAGE_REFUSED:
	case SMTP_RESET:
		drop_message(session);
		return SMTP_CONTINUE;
	case SMTP_START_TLS:
		session->start_tls = true;
		session->blocked |= SESSION_BLOCK_COMMIT;
		return SMTP_CONTINUE;
	case SMTP_CLOSE:
		session->ending = true;
		return SMTP_CONTINUE;
	case SMTP_CONTINUE:
	case SMTP_RECEIVE:
		break;
	}
	return SMTP_CONTINUE;
}

void session_act(struct session *session, enum smtp_action action, struct slice line)
{
	while (action != SMTP_CONTINUE)
		action = act_once(session, action, line);
}
