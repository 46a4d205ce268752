/* Judging a client stage by stage; see policy_situation.h. */
#include "tools/policy_situation.h"

#include "core/server/server_policy.h"

static bool has_listener(const struct config_server *server, enum listener_mode mode)
{
	for (size_t i = 0; i < server->listener_count; i++)
		if (server->listeners[i].mode == mode)
			return true;
	return false;
}

bool policy_has_tls(const struct config_server *server)
{
	return has_listener(server, LISTENER_STARTTLS) || has_listener(server, LISTENER_TLS);
}

void policy_set_tls(struct policy_facts *facts, const struct config_server *server, unsigned bits)
{
	facts->tls_bits = bits;
	facts->can_start_tls = has_listener(server, LISTENER_STARTTLS) && !has_listener(server, LISTENER_PLAIN);
}

enum policy_hindrance policy_find_hindrance(const struct config_server *server, const struct policy_facts *facts)
{
	if (facts->tls_bits && !policy_has_tls(server))
		return POLICY_LACKS_TLS;
	if (!facts->tls_bits && !has_listener(server, LISTENER_STARTTLS) && !has_listener(server, LISTENER_PLAIN))
		return POLICY_LACKS_CLEAR;
	if (facts->signed_in && !server->mechanisms)
		return POLICY_LACKS_SIGN_IN;
	if (facts->signed_in && !facts->tls_bits && !server->plaintext_sign_in)
		return POLICY_SIGN_IN_NEEDS_TLS;
	bool is_asked = facts->name_state == POLICY_NAME_KNOWN || facts->name_state == POLICY_NAME_FAILED;
	if (is_asked && server->dns.reverse.value == REVERSE_OFF)
		return POLICY_ASKS_NO_NAMES;
	return POLICY_NO_HINDRANCE;
}

struct policy_verdict policy_judge_stage(const struct policy *policy, const struct policy_facts *facts,
					 enum policy_stage stage)
{
	if (stage == POLICY_CONNECTION)
		return policy_judge_connection(policy, facts);
	return stage == POLICY_SENDER ? policy_judge_sender(policy, facts) : policy_judge_recipient(policy, facts);
}

struct policy_verdict policy_judge_stages(const struct policy *policy, const struct policy_facts *facts,
					  enum policy_stage from, enum policy_stage to)
{
	ASSERT(from <= to && to < POLICY_STAGES);
	for (enum policy_stage stage = from;; stage++) {
		struct policy_verdict verdict = policy_judge_stage(policy, facts, stage);
		if (verdict.outcome != POLICY_ALLOW || stage == to)
			return verdict;
	}
}

unsigned policy_verdict_code(const struct policy_verdict *verdict)
{
	static const enum smtp_status good[] = { SMTP_GREETING, SMTP_SENDER_OK, SMTP_RECIPIENT_OK };
	if (verdict->outcome == POLICY_NEEDS_NAME)
		return 0;
	return smtp_reply_code(verdict->outcome == POLICY_ALLOW ? good[verdict->stage]
								: (enum smtp_status)verdict->status);
}

void policy_set_recipient(struct policy_facts *facts, struct slice recipient, const struct config_server *server,
			  const struct route_table *routes)
{
	size_t at = recipient.size;
	while (at > 0 && recipient.data[at - 1] != '@')
		at--;
	struct slice domain = at ? slice_skip(recipient, at) : slice_from_text(server->hostname);
	server_policy_set_recipient(facts, routes, slice_first(recipient, at ? at - 1 : recipient.size), domain);
}
