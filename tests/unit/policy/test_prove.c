/* tools/prove: on random policies, nothing that a random client can do is left out, and all that is told is so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tools/prove.h"

enum { RULES_MOST = 16, TEXT_BYTES = 64, POLICIES = 400, CLIENTS = 150 };

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* --- random policies and clients: few bits and labels, so that they meet --- */

static void random_name(uint64_t *random, char text[TEXT_BYTES])
{
	static const char *const labels[] = { "a", "b", "cc" };
	size_t count = 1 + next_random(random) % 3, used = 0;
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, TEXT_BYTES - used, "%s.", labels[next_random(random) % 3]);
	snprintf(text + used, TEXT_BYTES - used, "x");
}

static struct net_address random_address(uint64_t *random)
{
	struct net_address address = { .family = next_random(random) % 2 ? 4 : 6 };
	for (unsigned i = 0; i < (address.family == 4 ? 4u : 16u); i++)
		address.bytes[i] = next_random(random) % 4 ? 0 : (uint8_t)(next_random(random) % 4 << 6);
	return address;
}

static void random_rule(uint64_t *random, char text[TEXT_BYTES])
{
	if (next_random(random) % 2) {
		bool below = next_random(random) % 2;
		text[0] = '.';
		random_name(random, text + below);
		return;
	}
	struct net_address address = random_address(random);
	struct net_prefix prefix =
		net_prefix_around(&address, next_random(random) % (net_prefix_length_most(address.family) + 1));
	net_prefix_format(&prefix, text);
}

static void make_rules(struct policy_rules *rules, char texts[RULES_MOST][TEXT_BYTES], uint64_t *random)
{
	struct policy_rules_builder builder;
	struct rule_text what;
	struct error error;
	policy_rules_builder_init(&builder);
	for (uint32_t i = next_random(random) % (RULES_MOST + 1); i-- > 0;) {
		random_rule(random, texts[i]);
		struct policy_source where = { .file = "f", .line = (int)i + 1, .text = texts[i] };
		assert_true(rule_text_parse(slice_from_text(texts[i]), &what, &error));
		assert_true(policy_rules_add(&builder, &what, next_random(random) % 2, &where));
	}
	rules->default_allow = next_random(random) % 2;
	rules->unknown_allow = next_random(random) % 2;
	assert_true(policy_rules_build(&builder, rules));
}

struct world {
	struct policy policy;
	struct prove_report report;
	unsigned ways;
	char texts[2][RULES_MOST][TEXT_BYTES];
};

static void make_world(struct world *world, uint64_t *random)
{
	static struct route away = { .domain = (char *)"*", .kind = ROUTE_HOLD };
	const struct route_table routes = { &away, 1 };
	*world = (struct world){ .policy = { .authenticated = next_random(random) % 2,
					     .anonymous = next_random(random) % 2,
					     .can_sign_in = true,
					     .plaintext_sign_in = next_random(random) % 2,
					     .tls_required = next_random(random) % 2,
					     .file = "f" } };
	make_rules(&world->policy.connect, world->texts[0], random);
	make_rules(&world->policy.relay, world->texts[1], random);
	/* As a server block has it: nothing is said of unknown names there. */
	world->policy.relay.unknown_allow = world->policy.relay.default_allow;
	world->ways = 1 + next_random(random) % 7;
	assert_true(prove_policy(&world->policy, world->ways, &routes, &world->report));
	assert_true(world->report.has_foreign);
}

/* --- what must hold --- */

static void assert_reached(const struct world *world, const char *table, uint32_t rule)
{
	for (size_t i = 0; i < world->report.unreached_count; i++) {
		const struct prove_unreached *unreached = &world->report.unreached[i];
		if (strcmp(unreached->table, table) == 0)
			assert_int_not_equal(unreached->verdict.rule, rule);
	}
}

/* How a random client comes, and if it signs in. */
static void random_way(const struct world *world, struct policy_facts *facts, uint64_t *random)
{
	unsigned way;
	do
		way = 1u << next_random(random) % 3;
	while (!(way & world->ways));
	facts->tls_bits = way == PROVE_TLS ? 256 : 0;
	facts->can_start_tls = way == PROVE_STARTTLS;
	facts->signed_in = next_random(random) % 2 && (facts->tls_bits || world->policy.plaintext_sign_in);
}

/* Through all stages as somebody who may not or need not sign in; true: to a foreign recipient, by `verdict`. */
static bool relays(const struct policy *policy, struct policy_facts facts, struct policy_verdict *verdict)
{
	facts.has_route = facts.has_mailbox = true;
	if (policy_judge_connection(policy, &facts).outcome != POLICY_ALLOW ||
	    policy_judge_sender(policy, &facts).outcome != POLICY_ALLOW)
		return false;
	*verdict = policy_judge_recipient(policy, &facts);
	return verdict->outcome == POLICY_ALLOW;
}

static void assert_told(const struct world *world, const struct policy_facts *facts)
{
	struct policy_verdict verdict = policy_judge_connection(&world->policy, facts);
	assert_reached(world, "connect", verdict.rule);
	if (!relays(&world->policy, *facts, &verdict))
		return;
	assert_reached(world, "relay", verdict.rule);
	for (size_t i = 0; i < world->report.hole_count; i++)
		if (world->report.holes[i].verdict.rule == verdict.rule)
			return;
	/* The default decides with a name and without one. */
	assert_true(verdict.rule >= POLICY_BY_DEFAULT);
	for (size_t i = 0; i < world->report.hole_count; i++)
		if (world->report.holes[i].verdict.rule >= POLICY_BY_DEFAULT)
			return;
	fail_msg("a way to relay is not told");
}

/* Who may send in the clear is told of, and what is told is so. */
static void assert_clear(const struct world *world, const struct policy_facts *facts)
{
	if (facts->tls_bits || policy_judge_connection(&world->policy, facts).outcome != POLICY_ALLOW ||
	    policy_judge_sender(&world->policy, facts).outcome != POLICY_ALLOW)
		return;
	const struct prove_clear *clear = facts->can_start_tls ? &world->report.starttls : &world->report.plain;
	struct policy_facts example = clear->facts;
	assert_true(clear->classes > 0);
	assert_true(facts->signed_in || !example.signed_in);
	assert_false(facts->can_start_tls && world->policy.tls_required);
	example.name = slice_from_text(clear->name);
	assert_int_equal(policy_judge_connection(&world->policy, &example).outcome, POLICY_ALLOW);
	assert_int_equal(policy_judge_sender(&world->policy, &example).outcome, POLICY_ALLOW);
	assert_int_equal(example.tls_bits, 0);
	assert_int_equal(example.can_start_tls, facts->can_start_tls);
}

static void assert_true_holes(const struct world *world)
{
	for (size_t i = 0; i < world->report.hole_count; i++) {
		const struct prove_hole *hole = &world->report.holes[i];
		struct policy_facts facts = hole->facts;
		struct policy_verdict verdict;
		facts.name = slice_from_text(hole->name);
		assert_true(relays(&world->policy, facts, &verdict));
		assert_int_equal(verdict.rule, hole->verdict.rule);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(world->report.holes[j].verdict.rule, hole->verdict.rule);
	}
}

static void random_policies_are_told_of_wholly(void **state)
{
	(void)state;
	uint64_t random = 11;
	size_t holes = 0, unreached = 0;
	for (int i = 0; i < POLICIES; i++) {
		struct world world;
		make_world(&world, &random);
		for (int j = 0; j < CLIENTS; j++) {
			char name[TEXT_BYTES];
			random_name(&random, name);
			struct policy_facts facts = {
				.client = random_address(&random),
				.name_state = POLICY_NAME_KNOWN + next_random(&random) % 2,
				.name = slice_from_text(name),
			};
			random_way(&world, &facts, &random);
			assert_clear(&world, &facts);
			facts.signed_in = false;
			assert_told(&world, &facts);
		}
		assert_true_holes(&world);
		holes += world.report.hole_count;
		unreached += world.report.unreached_count;
		prove_finish(&world.report);
		policy_finish(&world.policy);
	}
	assert_true(holes > POLICIES && unreached > POLICIES);
}

static uint64_t count(const char *first, const char *last)
{
	struct net_address from, to;
	struct error error;
	assert_true(net_address_parse(slice_from_text(first), &from, &error));
	assert_true(net_address_parse(slice_from_text(last), &to, &error));
	return prove_count_public(&from, &to);
}

static void the_internet_is_measured(void **state)
{
	(void)state;
	assert_int_equal(count("192.0.2.0", "192.0.2.255"), 256);
	assert_int_equal(count("10.0.0.0", "10.255.255.255"), 0);
	assert_int_equal(count("9.255.255.255", "11.0.0.0"), 2);
	assert_int_equal(count("127.0.0.1", "127.0.0.1"), 0);
	assert_int_equal(count("0.0.0.0", "255.255.255.255"), 3702390784u);
	assert_int_equal(count("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), 65536);
	assert_int_equal(count("2001:db8::1", "2001:db8::1"), 1);
	assert_int_equal(count("fe80::", "febf:ffff::"), 0);
	assert_int_equal(count("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), UINT64_C(1) << 45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_policies_are_told_of_wholly),
		cmocka_unit_test(the_internet_is_measured),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
