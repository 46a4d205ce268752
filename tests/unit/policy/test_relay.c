/* core/policy/relay: every combination of rules and facts against what it must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/policy/relay.h"

static void outsiders_never_send_unless_everybody_may(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		struct relay_rules rules = { .authenticated = bits & 1, .everybody = bits & 2 };
		struct relay_facts facts = { .signed_in = bits & 4, .has_route = bits & 8, .has_mailbox = bits & 16 };
		bool may_send = rules.everybody || (facts.signed_in && rules.authenticated);
		assert_int_equal(relay_judge_sender(&rules, &facts) == RELAY_ALLOWED, may_send);
		assert_int_equal(relay_judge_recipient(&rules, &facts) == RELAY_ALLOWED,
				 may_send && facts.has_route && facts.has_mailbox);
	}
}

static void refusals_say_what_is_missing(void **state)
{
	(void)state;
	const struct relay_rules ordinary = { .authenticated = true };
	const struct relay_rules closed = { .authenticated = false };
	struct relay_facts outsider = { .has_route = true, .has_mailbox = true };
	struct relay_facts insider = { .signed_in = true };
	assert_int_equal(relay_judge_sender(&ordinary, &outsider), RELAY_NEEDS_SIGN_IN);
	assert_int_equal(relay_judge_sender(&closed, &outsider), RELAY_DENIED);
	assert_int_equal(relay_judge_sender(&closed, &insider), RELAY_DENIED);
	assert_int_equal(relay_judge_recipient(&ordinary, &insider), RELAY_NO_ROUTE);
	insider.has_route = true;
	assert_int_equal(relay_judge_recipient(&ordinary, &insider), RELAY_NO_MAILBOX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outsiders_never_send_unless_everybody_may),
		cmocka_unit_test(refusals_say_what_is_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
