/* Relay verdicts; see relay.h. */
#include "core/policy/relay.h"

enum relay_verdict relay_judge_sender(const struct relay_rules *rules, const struct relay_facts *facts)
{
	if (rules->everybody)
		return RELAY_ALLOWED;
	if (facts->signed_in)
		return rules->authenticated ? RELAY_ALLOWED : RELAY_DENIED;
	return rules->authenticated ? RELAY_NEEDS_SIGN_IN : RELAY_DENIED;
}

enum relay_verdict relay_judge_recipient(const struct relay_rules *rules, const struct relay_facts *facts)
{
	enum relay_verdict sender = relay_judge_sender(rules, facts);
	if (sender != RELAY_ALLOWED)
		return sender;
	if (!facts->has_route)
		return RELAY_NO_ROUTE;
	return facts->has_mailbox ? RELAY_ALLOWED : RELAY_NO_MAILBOX;
}
