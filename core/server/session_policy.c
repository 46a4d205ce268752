/* A session under its server block's policy: facts from what it is, and what is done of a verdict.
 *
 * A verdict that needs the client's name asks for it. TLS goes on meanwhile; only what needs the verdict waits: the greeting, or the
 * answer to a MAIL or RCPT. */
#include <stdlib.h>

#include "core/server/server_policy.h"
#include "core/server/session_parts.h"
#include "core/spool/spool.h"

/* --- judging --- */

static void set_facts(const struct session *session, struct policy_facts *facts)
{
	*facts = (struct policy_facts){
		.client = session->peer,
		.name_state = (enum policy_name)session->name_state,
		.name = slice_from_text(session->name ? session->name : ""),
		.tls_bits = session->tls_bits,
		.can_start_tls = session->smtp.profile->starttls,
		.signed_in = session->smtp.signed_in,
	};
}

static struct slice recipient_domain(const struct session *session)
{
	struct slice path = session->smtp.path;
	struct slice domain = slice_skip(path, session->smtp.path_local_size);
	/* <postmaster> alone is ours (RFC 5321 §4.5.1). */
	return domain.size ? slice_skip(domain, 1) : session->smtp.profile->hostname;
}

static struct policy_verdict judge_once(const struct session *session, enum policy_stage stage,
					struct policy_facts *facts)
{
	const struct policy *policy = &session->server->policy;
	set_facts(session, facts);
	if (stage == POLICY_CONNECTION)
		return policy_judge_connection(policy, facts);
	if (stage == POLICY_SENDER)
		return policy_judge_sender(policy, facts);
	server_policy_set_recipient(facts, &generation_config(session->generation)->routes,
				    slice_first(session->smtp.path, session->smtp.path_local_size),
				    recipient_domain(session));
	return policy_judge_recipient(policy, facts);
}

/* POLICY_NEEDS_NAME: it was asked for, and session_name_is_known() goes on. */
static struct policy_verdict judge(struct session *session, enum policy_stage stage, struct policy_facts *facts)
{
	struct policy_verdict verdict = judge_once(session, stage, facts);
	if (verdict.outcome == POLICY_NEEDS_NAME && session_ask_name(session))
		verdict = judge_once(session, stage, facts);
	return verdict;
}

/* --- refusals --- */

static void log_refusal(struct session *session, const struct refusal *refusal, const char *id)
{
	struct log_line line;
	if (refusal->stage == POLICY_CONNECTION && !session_may_tell_refusal(session->worker))
		return;
	if (!session_log(session, &line, LOG_INFO, "refused"))
		return;
	log_text(&line, "what", policy_stage_name((enum policy_stage)refusal->stage));
	log_text(&line, "id", id);
	if (refusal->stage != POLICY_CONNECTION)
		log_text(&line, "address", refusal->stage == POLICY_SENDER ? refusal->sender : refusal->recipient);
	log_number(&line, "code", smtp_reply_code((enum smtp_status)refusal->status));
	log_text(&line, "rule", refusal->rule);
	log_text(&line, "file", refusal->file);
	log_number(&line, "line", refusal->line);
	if (refusal->login[0])
		log_text(&line, "login", refusal->login);
	log_end(&line);
}

uint64_t session_keep_refusal(struct session *session, const struct refusal_setting *setting,
			      const struct refusal_context *context, char id[SPOOL_ID_TEXT_BYTES])
{
	struct refusal refusal;
	struct policy_facts facts;
	set_facts(session, &facts);
	refusal_fill_setting(&refusal, session->server->config->name, &facts, setting, context);
	refusal_file_add(session->worker->refusal_file, &refusal);
	spool_id_format(refusal.id, id);
	return refusal.id;
}

uint64_t session_pass_refusal(struct session *session, char id[SPOOL_ID_TEXT_BYTES])
{
	uint64_t number = refusal_file_pass(session->worker->refusal_file);
	spool_id_format(number, id);
	return number;
}

/* Keeps and logs it, and writes what of the reply is of this refusal alone. */
static void refuse(struct session *session, const struct policy_facts *facts, const struct policy_verdict *verdict,
		   struct buffer *detail)
{
	struct refusal refusal;
	char id[SPOOL_ID_TEXT_BYTES];
	struct slice path = session->smtp.path;
	struct refusal_context context = { .login = session->login };
	if (verdict->stage == POLICY_SENDER)
		context.sender = path;
	if (verdict->stage == POLICY_RECIPIENT) {
		context.sender = transaction_reverse_path(session->message);
		context.recipient = path;
	}
	refusal_fill(&refusal, &session->server->policy, facts, verdict, &context);
	if (verdict->stage != POLICY_CONNECTION || session_may_keep_refusal(session->worker)) {
		refusal_file_add(session->worker->refusal_file, &refusal);
		spool_id_format(refusal.id, id);
	} else {
		(void)session_pass_refusal(session, id);
	}
	log_refusal(session, &refusal, id);
	refusal_write_detail(detail, (enum smtp_status)verdict->status, context.recipient, id);
}

enum smtp_status session_judge_path(struct session *session, bool sender, struct policy_facts *facts,
				    struct buffer *detail)
{
	struct policy_verdict verdict = judge(session, sender ? POLICY_SENDER : POLICY_RECIPIENT, facts);
	if (verdict.outcome == POLICY_NEEDS_NAME)
		return SMTP_STATUS_COUNT;
	if (verdict.outcome == POLICY_ALLOW)
		return SMTP_OK;
	refuse(session, facts, &verdict, detail);
	return (enum smtp_status)verdict.status;
}

/* --- the connection --- */

void session_begin_judging(struct session *session)
{
	struct policy_facts facts;
	/* For the log: nobody waits for that. */
	if (session->server->config->dns.reverse.value == REVERSE_ON)
		(void)!session_ask_name(session);
	session->judged = judge(session, POLICY_CONNECTION, &facts);
}

bool session_is_refused(struct session *session)
{
	struct policy_facts facts;
	uint8_t storage[LIMIT_REPLY_DETAIL_BYTES];
	struct buffer detail;
	if (session->judged.outcome == POLICY_ALLOW)
		return false;
	/* The rules may be others since, and what is told is one that is there. */
	struct policy_verdict now = judge_once(session, POLICY_CONNECTION, &facts);
	if (now.outcome != POLICY_NEEDS_NAME)
		session->judged = now;
	if (session->judged.outcome == POLICY_ALLOW)
		return false;
	buffer_init(&detail, storage, sizeof storage);
	refuse(session, &facts, &session->judged, &detail);
	buffer_clear(&session->worker->replies);
	smtp_session_turn_away(&session->smtp, session->smtp.profile, session->stream.tls != NULL,
			       (enum smtp_status)session->judged.status, buffer_slice(&detail),
			       &session->worker->replies);
	session->ending = true;
	return true;
}
