/* What a session's login may send: told early where it can be, and counted when a message is accepted. */
#include <stdio.h>

#include "core/server/session_parts.h"

static bool has_quota(const struct session *session)
{
	return session->worker->quotas && session->login && quota_limits_anything(&session->server->config->quota);
}

static int64_t now_s(const struct session *session)
{
	return loop_now(session->worker->loop)->unix_us / 1000000;
}

struct limit {
	const char *name, *of, *period;
	uint32_t most, used;
};

static struct limit limit_of(struct session *session, enum quota_verdict verdict)
{
	const struct quota *limits = &session->server->config->quota;
	struct worker *worker = session->worker;
	struct quota used =
		quotas_used(worker->quotas, worker->number, slice_from_text(session->login), now_s(session));
	switch (verdict) {
	case QUOTA_HOUR_MESSAGES:
		return (struct limit){ "messages_per_hour", "messages", "hour", limits->hour_messages,
				       used.hour_messages };
	case QUOTA_HOUR_RECIPIENTS:
		return (struct limit){ "recipients_per_hour", "recipients", "hour", limits->hour_recipients,
				       used.hour_recipients };
	case QUOTA_DAY_MESSAGES:
		return (struct limit){ "messages_per_day", "messages", "day", limits->day_messages, used.day_messages };
	case QUOTA_FREE:
	case QUOTA_DAY_RECIPIENTS:
		break;
	}
	return (struct limit){ "recipients_per_day", "recipients", "day", limits->day_recipients, used.day_recipients };
}

static void log_refusal(struct session *session, const struct limit *limit, const struct refusal_setting *setting,
			const char *id)
{
	struct log_line line;
	if (!session_log(session, &line, LOG_INFO, "refused"))
		return;
	log_text(&line, "what", "quota");
	log_text(&line, "limit", limit->name);
	log_text(&line, "login", session->login);
	log_number(&line, "code", smtp_reply_code(setting->status));
	log_number(&line, "used", limit->used);
	log_number(&line, "most", limit->most);
	log_text(&line, "id", id);
	log_text(&line, "file", setting->file);
	log_number(&line, "line", setting->line);
	log_end(&line);
}

/* Who sends to whom, as far as that is known at the stage. */
static struct refusal_context context_of(const struct session *session, unsigned stage,
					 const struct transaction *message)
{
	struct refusal_context context = { .login = session->login };
	if (stage == POLICY_SENDER)
		context.sender = session->smtp.path;
	else if (message && !message->large)
		context.sender = transaction_reverse_path(message);
	if (stage == POLICY_RECIPIENT)
		context.recipient = session->smtp.path;
	return context;
}

enum smtp_status session_ask_quota(struct session *session, unsigned stage, const struct transaction *message,
				   uint32_t recipients, struct buffer *detail)
{
	const struct config_server *config = session->server->config;
	struct worker *worker = session->worker;
	if (!has_quota(session))
		return SMTP_OK;
	enum quota_verdict verdict = (stage == REFUSAL_MESSAGE ? quotas_take : quotas_look)(
		worker->quotas, worker->number, slice_from_text(session->login), recipients, &config->quota,
		now_s(session));
	if (verdict == QUOTA_FREE)
		return SMTP_OK;
	struct limit limit = limit_of(session, verdict);
	struct refusal_context context = context_of(session, stage, message);
	struct refusal_setting setting = {
		.stage = stage,
		.status = SMTP_QUOTA_USED,
		.file = config->file,
		.line = config->quota_lines[verdict],
	};
	char id[SPOOL_ID_TEXT_BYTES];
	int size = snprintf(setting.text, sizeof setting.text, "quota { %s = %u }: %u %s of this %s are used",
			    limit.name, limit.most, limit.used, limit.of, limit.period);
	if (verdict == QUOTA_HOUR_RECIPIENTS || verdict == QUOTA_DAY_RECIPIENTS)
		snprintf(setting.text + size, sizeof setting.text - (size_t)size, ", and the message needs %u",
			 recipients);
	(void)session_keep_refusal(session, &setting, &context, id);
	log_refusal(session, &limit, &setting, id);
	refusal_write_detail(detail, setting.status, (struct slice){ NULL, 0 }, id);
	return setting.status;
}

void session_give_quota_back(struct session *session, uint32_t recipients)
{
	struct worker *worker = session->worker;
	if (has_quota(session))
		quotas_give_back(worker->quotas, worker->number, slice_from_text(session->login), recipients);
}
