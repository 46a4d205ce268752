/* What a session's login may send: told early where it can be, and counted when a message is accepted. */
#include "core/server/session_parts.h"

static bool has_quota(const struct session *session)
{
	return session->worker->quotas && session->login && quota_limits_anything(&session->server->config->quota);
}

static int64_t now_s(const struct session *session)
{
	return loop_now(session->worker->loop)->unix_us / 1000000;
}

static void log_refusal(struct session *session, enum quota_verdict verdict)
{
	const struct config_server *config = session->server->config;
	static const char *const names[] = {
		[QUOTA_HOUR_MESSAGES] = "messages_per_hour",
		[QUOTA_HOUR_RECIPIENTS] = "recipients_per_hour",
		[QUOTA_DAY_MESSAGES] = "messages_per_day",
		[QUOTA_DAY_RECIPIENTS] = "recipients_per_day",
	};
	struct log_line line;
	if (!session_log(session, &line, LOG_INFO, "refused"))
		return;
	log_text(&line, "what", "quota");
	log_text(&line, "limit", names[verdict]);
	log_text(&line, "login", session->login);
	log_number(&line, "code", smtp_reply_code(SMTP_QUOTA_USED));
	log_text(&line, "file", config->file);
	log_number(&line, "line", config->quota_lines[verdict]);
	log_end(&line);
}

static enum smtp_status status_of(struct session *session, enum quota_verdict verdict)
{
	if (verdict == QUOTA_FREE)
		return SMTP_OK;
	log_refusal(session, verdict);
	return SMTP_QUOTA_USED;
}

enum smtp_status session_look_at_quota(struct session *session, uint32_t recipients)
{
	if (!has_quota(session))
		return SMTP_OK;
	struct worker *worker = session->worker;
	return status_of(session, quotas_look(worker->quotas, worker->number, slice_from_text(session->login),
					      recipients, &session->server->config->quota, now_s(session)));
}

enum smtp_status session_take_quota(struct session *session, uint32_t recipients)
{
	if (!has_quota(session))
		return SMTP_OK;
	struct worker *worker = session->worker;
	return status_of(session, quotas_take(worker->quotas, worker->number, slice_from_text(session->login),
					      recipients, &session->server->config->quota, now_s(session)));
}

void session_give_quota_back(struct session *session, uint32_t recipients)
{
	struct worker *worker = session->worker;
	if (has_quota(session))
		quotas_give_back(worker->quotas, worker->number, slice_from_text(session->login), recipients);
}
