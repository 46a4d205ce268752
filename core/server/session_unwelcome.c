/* Refusals at the beginning of a session by what is neither a rule nor a limit of clients: a server that is paused, a cipher that is
 * too weak. As those of limits they come in crowds, so that not all are kept (LIMIT_REFUSALS_AT_THE_DOOR) and told. */
#include <stdio.h>

#include "core/server/session_parts.h"

static void keep(struct session *session, const struct refusal_setting *setting, char id[SPOOL_ID_TEXT_BYTES])
{
	const struct refusal_context context = { .login = session->login };
	if (session_may_keep_refusal(session->worker))
		(void)session_keep_refusal(session, setting, &context, id);
	else
		(void)session_pass_refusal(session, id);
}

static void log_refusal(struct session *session, const char *what, const struct refusal_setting *setting,
			const char *id)
{
	struct log_line line;
	if (!session_may_tell_refusal(session->worker) || !session_log(session, &line, LOG_INFO, "refused"))
		return;
	log_text(&line, "what", what);
	log_text(&line, "why", setting->text);
	log_text(&line, "id", id);
	if (setting->line) {
		log_text(&line, "file", setting->file);
		log_number(&line, "line", setting->line);
	}
	log_number(&line, "code", smtp_reply_code(setting->status));
	log_end(&line);
}

void session_refuse_paused(struct session *session)
{
	const struct config_server *config = session->server->config;
	char id[SPOOL_ID_TEXT_BYTES];
	struct refusal_setting setting = {
		.stage = POLICY_CONNECTION,
		.status = SMTP_PAUSED,
		.file = config->file,
	};
	snprintf(setting.text, sizeof setting.text, "the server is paused, by hand: postern server resume %.80s",
		 config->name);
	keep(session, &setting, id);
	log_refusal(session, "connection", &setting, id);
	session_refuse_greeting(session, setting.status, id);
}

bool session_is_too_weak(struct session *session, const struct tls_facts *facts)
{
	struct worker *worker = session->worker;
	const struct policy *policy = &session->server->policy;
	const struct policy_facts strength = { .tls_bits = facts->bits };
	char id[SPOOL_ID_TEXT_BYTES], detail[LIMIT_REPLY_DETAIL_BYTES];
	if (policy_judge_strength(policy, &strength).outcome == POLICY_ALLOW)
		return false;
	struct refusal_setting setting = {
		.stage = POLICY_CONNECTION,
		.status = SMTP_CIPHER_TOO_WEAK,
		.file = policy->file,
		.line = policy->lines.min_bits,
	};
	snprintf(setting.text, sizeof setting.text, "tls { min_bits = %u }: %.60s has %u bits", policy->min_bits,
		 facts->cipher, facts->bits);
	keep(session, &setting, id);
	log_refusal(session, "tls", &setting, id);
	snprintf(detail, sizeof detail, "(%.60s has %u bits, %u are asked for) (%s)", facts->cipher, facts->bits,
		 policy->min_bits, id);
	buffer_clear(&worker->replies);
	smtp_session_turn_away(&session->smtp, session->smtp.profile, true, setting.status, slice_from_text(detail),
			       &worker->replies);
	session->greeted = true;
	session->ending = true;
	return true;
}
