/* Verdicts for people; see policy.h. */
#include <stdio.h>

#include "core/policy/policy.h"

const char *policy_stage_name(enum policy_stage stage)
{
	static const char *const names[] = { "connection", "sender", "recipient" };
	return names[stage];
}

const char *policy_outcome_name(enum policy_outcome outcome)
{
	static const char *const names[] = { "allow", "refuse", "defer", "needs the name" };
	return names[outcome];
}

static void set_reason(struct policy_reason *reason, int line, const char *text)
{
	reason->line = line;
	snprintf(reason->text, sizeof reason->text, "%s", text);
}

/* Where no rule has decided. */
static void explain_rest(const struct policy *policy, bool connection, uint32_t rule, struct policy_reason *reason)
{
	const struct policy_rules *rules = connection ? &policy->connect : &policy->relay;
	bool unknown = rule == POLICY_BY_UNKNOWN_NAME;
	int line = connection ? policy->lines.connect_default : policy->lines.relay_default;
	bool by_key = unknown && connection && policy->lines.unknown_name;
	snprintf(reason->text, sizeof reason->text, "%s { %s = %s }%s", connection ? "connect" : "relay",
		 by_key ? "unknown_name" : "default",
		 (unknown ? rules->unknown_allow : rules->default_allow) ? "allow" : "deny",
		 unknown && !by_key ? ", since the client has no confirmed name" : "");
	reason->line = by_key ? policy->lines.unknown_name : line;
}

static void explain_setting(const struct policy *policy, const struct policy_verdict *verdict,
			    struct policy_reason *reason)
{
	switch (verdict->rule) {
	case POLICY_BY_SIGN_IN:
		if (verdict->stage == POLICY_SENDER)
			set_reason(reason, 0, "the client has signed in");
		else
			set_reason(reason, policy->lines.authenticated, "relay { authenticated = allow }");
		break;
	case POLICY_BY_ANONYMOUS:
		set_reason(reason, policy->lines.anonymous, "auth { anonymous = yes }");
		break;
	case POLICY_BY_LOCAL:
		set_reason(reason, 0, "the recipient's route delivers here");
		break;
	case POLICY_BY_ROUTE:
		set_reason(reason, 0, "no route takes the recipient's domain");
		break;
	case POLICY_BY_MAILBOX:
		set_reason(reason, 0, "the recipient's local part can't be a mailbox");
		break;
	case POLICY_BY_TLS:
		set_reason(reason, policy->lines.tls_required, "tls { require = yes }");
		break;
	case POLICY_BY_MIN_BITS:
		snprintf(reason->text, sizeof reason->text, "tls { min_bits = %u }", policy->min_bits);
		reason->line = policy->lines.min_bits;
		break;
	default:
		explain_rest(policy, verdict->stage == POLICY_CONNECTION, verdict->rule, reason);
	}
}

void policy_explain(const struct policy *policy, const struct policy_verdict *verdict, struct policy_reason *reason)
{
	const struct policy_rules *rules = verdict->stage == POLICY_CONNECTION ? &policy->connect : &policy->relay;
	*reason = (struct policy_reason){ .file = policy->file };
	if (verdict->outcome == POLICY_NEEDS_NAME) {
		set_reason(reason, 0, "it depends on the client's name");
		return;
	}
	const struct policy_source *source = policy_rules_source(rules, verdict->rule);
	if (!source) {
		explain_setting(policy, verdict, reason);
		return;
	}
	reason->file = source->file;
	reason->line = source->line + (int)(verdict->rule - source->first);
	const char *block = verdict->stage == POLICY_CONNECTION ? "connect" : "relay";
	const char *action = policy_rule_allows(verdict->rule) ? "allow" : "deny";
	if (source->text)
		snprintf(reason->text, sizeof reason->text, "%s { %s = \"%s\" }", block, action, source->text);
	else
		snprintf(reason->text, sizeof reason->text, "%s { lists = \"%s:%s\" }", block, action, source->file);
}
