/* Verdicts; see policy.h. */
#include "core/policy/policy.h"

void policy_finish(struct policy *policy)
{
	policy_rules_finish(&policy->connect);
	policy_rules_finish(&policy->relay);
}

/* The verdict by a stage's rules; `refusal` is the reply of one that is refused. A refusal that comes of a name that could not
 * be found out is for now only, with the reply `deferral`. */
static struct policy_verdict judge_by_rules(const struct policy_rules *rules, const struct policy_facts *facts,
					    enum smtp_status refusal, enum smtp_status deferral)
{
	struct policy_verdict verdict = { .outcome = POLICY_ALLOW, .status = SMTP_OK };
	switch (policy_rules_decide(rules, &facts->client, facts->name_state, facts->name, &verdict.rule)) {
	case POLICY_ALLOWS:
		break;
	case POLICY_ASKS:
		verdict.outcome = POLICY_NEEDS_NAME;
		break;
	case POLICY_DENIES: {
		bool failed = facts->name_state == POLICY_NAME_FAILED && verdict.rule == POLICY_BY_UNKNOWN_NAME &&
			      rules->names_matter;
		verdict.outcome = failed ? POLICY_DEFER : POLICY_REFUSE;
		verdict.status = (uint8_t)(failed ? deferral : refusal);
		break;
	}
	}
	return verdict;
}

static struct policy_verdict allow(enum policy_stage stage, uint32_t rule)
{
	return (struct policy_verdict){ .outcome = POLICY_ALLOW, .stage = (uint8_t)stage, .rule = rule };
}

static struct policy_verdict refuse(enum policy_stage stage, enum smtp_status status, uint32_t rule)
{
	return (struct policy_verdict){
		.outcome = POLICY_REFUSE, .stage = (uint8_t)stage, .status = (uint8_t)status, .rule = rule
	};
}

struct policy_verdict policy_judge_strength(const struct policy *policy, const struct policy_facts *facts)
{
	if (facts->tls_bits && facts->tls_bits < policy->min_bits)
		return refuse(POLICY_CONNECTION, SMTP_CIPHER_TOO_WEAK, POLICY_BY_MIN_BITS);
	return allow(POLICY_CONNECTION, POLICY_BY_MIN_BITS);
}

struct policy_verdict policy_judge_connection(const struct policy *policy, const struct policy_facts *facts)
{
	struct policy_verdict verdict =
		judge_by_rules(&policy->connect, facts, SMTP_CLIENT_REFUSED, SMTP_CLIENT_DEFERRED);
	verdict.stage = POLICY_CONNECTION;
	if (verdict.outcome != POLICY_ALLOW)
		return verdict;
	struct policy_verdict strength = policy_judge_strength(policy, facts);
	return strength.outcome == POLICY_ALLOW ? verdict : strength;
}

/* What helps somebody who may not send as he is. */
static enum smtp_status sender_refusal(const struct policy *policy, const struct policy_facts *facts)
{
	if (!policy->can_sign_in || facts->signed_in)
		return SMTP_SENDER_REFUSED;
	return facts->tls_bits || policy->plaintext_sign_in ? SMTP_OUTSIDER_REFUSED : SMTP_OUTSIDER_NEEDS_TLS;
}

/* Who may relay may begin a message; so may those who may send to local recipients, whatever is relayed for them. */
struct policy_verdict policy_judge_sender(const struct policy *policy, const struct policy_facts *facts)
{
	if (policy->tls_required && facts->tls_bits == 0 && facts->can_start_tls)
		return refuse(POLICY_SENDER, SMTP_TLS_REQUIRED, POLICY_BY_TLS);
	if (facts->signed_in)
		return allow(POLICY_SENDER, POLICY_BY_SIGN_IN);
	if (policy->anonymous)
		return allow(POLICY_SENDER, POLICY_BY_ANONYMOUS);
	struct policy_verdict verdict =
		judge_by_rules(&policy->relay, facts, sender_refusal(policy, facts), SMTP_NAME_DEFERRED);
	verdict.stage = POLICY_SENDER;
	return verdict;
}

static struct policy_verdict judge_local(const struct policy_facts *facts)
{
	return facts->has_mailbox ? allow(POLICY_RECIPIENT, POLICY_BY_LOCAL)
				  : refuse(POLICY_RECIPIENT, SMTP_MAILBOX_UNKNOWN, POLICY_BY_MAILBOX);
}

struct policy_verdict policy_judge_recipient(const struct policy *policy, const struct policy_facts *facts)
{
	if (!facts->has_route)
		return refuse(POLICY_RECIPIENT, SMTP_RELAY_REFUSED, POLICY_BY_ROUTE);
	if (facts->local)
		return judge_local(facts);
	if (facts->signed_in && policy->authenticated)
		return allow(POLICY_RECIPIENT, POLICY_BY_SIGN_IN);
	struct policy_verdict verdict = judge_by_rules(&policy->relay, facts, SMTP_RELAY_REFUSED, SMTP_NAME_DEFERRED);
	verdict.stage = POLICY_RECIPIENT;
	return verdict;
}

bool policy_takes_outsiders(const struct policy *policy)
{
	return policy->anonymous || policy_rules_allow_somebody(&policy->relay);
}
