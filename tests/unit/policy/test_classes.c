/* core/policy/classes: random clients under random rules are decided as the classes that they fall into are, and the ranges
 * hold every address once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/policy/classes.h"

enum { TABLES = 2, RULES_MOST = 20, RANGES_MOST = 400, NAMES_MOST = 200, ROUNDS = 300, CLIENTS = 60 };

static uint64_t random_state;

static uint32_t below(uint32_t count)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % count;
}

/* Few bits and labels, so that rules meet. */
static void random_name(char *text, size_t capacity)
{
	static const char *const labels[] = { "a", "b", "h0", "x0", "example" };
	size_t count = 1 + below(3), size = 0;
	for (size_t i = 0; i < count; i++)
		size += (size_t)snprintf(text + size, capacity - size, "%s%s", i ? "." : "", labels[below(5)]);
}

static void random_address(char *text, size_t capacity)
{
	if (below(2))
		snprintf(text, capacity, "%u.0.%u.%u", 10 + 245 * below(2), below(4) * 64, below(3) * 127);
	else
		snprintf(text, capacity, "2001:db8:%x::%x", below(4), below(4));
}

static void random_rule(char *text, size_t capacity)
{
	char name[64];
	random_name(name, sizeof name);
	if (below(2))
		snprintf(text, capacity, "%s%s", below(2) ? "." : "", name);
	else if (below(2))
		snprintf(text, capacity, "%u.0.%u.0/%u", 10 + 245 * below(2), below(4) * 64, 26 + below(2));
	else
		snprintf(text, capacity, "2001:db8:%x::/%u", below(4), below(2) ? 48 : 64);
}

static void make_table(struct policy_rules *rules)
{
	struct policy_rules_builder builder;
	policy_rules_builder_init(&builder);
	*rules = (struct policy_rules){ .default_allow = below(2), .unknown_allow = below(2) };
	for (size_t i = below(RULES_MOST); i-- > 0;) {
		char text[96];
		struct rule_text what;
		struct error error;
		random_rule(text, sizeof text);
		if (!rule_text_parse(slice_from_text(text), &what, &error))
			fail_msg("%s: %s", text, error.text);
		struct policy_source where = { .line = (int)i, .text = "" };
		assert_true(policy_rules_add(&builder, &what, below(2), &where));
	}
	assert_true(policy_rules_build(&builder, rules));
	policy_rules_builder_finish(&builder);
}

struct classes {
	struct policy_range ranges[RANGES_MOST];
	size_t range_count;
	struct policy_name_class names[NAMES_MOST];
	char texts[NAMES_MOST][2][LIMIT_DNS_NAME_BYTES + 1];
	size_t name_count;
};

static void gather(struct classes *classes, const struct policy_rules *const *tables)
{
	struct policy_ranges ranges;
	struct policy_names names;
	classes->range_count = classes->name_count = 0;
	policy_ranges_begin(&ranges, tables, TABLES);
	while (policy_ranges_next(&ranges, &classes->ranges[classes->range_count]))
		assert_true(++classes->range_count < RANGES_MOST);
	policy_names_begin(&names, tables, TABLES);
	for (struct policy_name_class *class;
	     (class = &classes->names[classes->name_count]), policy_names_next(&names, class);) {
		char(*texts)[LIMIT_DNS_NAME_BYTES + 1] = classes->texts[classes->name_count];
		snprintf(texts[0], sizeof texts[0], "%.*s", SLICE_ARGS(class->name));
		snprintf(texts[1], sizeof texts[1], "%.*s", SLICE_ARGS(class->below));
		class->name = slice_from_text(texts[0]);
		class->below = slice_from_text(texts[1]);
		assert_true(++classes->name_count < NAMES_MOST);
	}
}

static bool is_in(const struct policy_range *range, const struct net_address *address)
{
	return range->first.family == address->family && memcmp(range->first.bytes, address->bytes, 16) <= 0 &&
	       memcmp(range->last.bytes, address->bytes, 16) >= 0;
}

static const struct policy_range *range_of(const struct classes *classes, const struct net_address *address)
{
	const struct policy_range *found = NULL;
	for (size_t i = 0; i < classes->range_count; i++) {
		if (!is_in(&classes->ranges[i], address))
			continue;
		assert_null(found);
		found = &classes->ranges[i];
	}
	assert_non_null(found);
	return found;
}

static bool ends_in(struct slice name, struct slice suffix)
{
	return name.size > suffix.size && name.data[name.size - suffix.size - 1] == '.' &&
	       memcmp(name.data + name.size - suffix.size, suffix.data, suffix.size) == 0;
}

/* The class of a known name: its own, else that of the longest suffix. */
static const struct policy_name_class *name_of(const struct classes *classes, struct slice name)
{
	const struct policy_name_class *best = NULL;
	for (size_t i = 0; i < classes->name_count; i++) {
		const struct policy_name_class *class = &classes->names[i];
		if (class->state != POLICY_NAME_KNOWN)
			continue;
		bool single = !class->any && class->below.size == 0;
		if (single && slice_equal(class->name, name))
			return class;
		bool holds = class->any || (class->below.size && ends_in(name, class->below));
		if (holds && (!best || class->below.size > best->below.size))
			best = class;
	}
	assert_non_null(best);
	return best;
}

static enum policy_decision decide(const struct policy_rules *rules, const struct net_address *client,
				   const struct policy_name_class *name)
{
	uint32_t rule;
	return policy_rules_decide(rules, client, name->state, name->name, &rule);
}

static void check_client(const struct classes *classes, const struct policy_rules *const *tables)
{
	char text[64];
	struct net_address client;
	struct error error;
	random_address(text, sizeof text);
	assert_true(net_address_parse(slice_from_text(text), &client, &error));
	const struct policy_range *range = range_of(classes, &client);
	random_name(text, sizeof text);
	struct policy_name_class known = { .state = POLICY_NAME_KNOWN, .name = slice_from_text(text) };
	const struct policy_name_class *class = name_of(classes, known.name);
	for (size_t i = 0; i < TABLES; i++) {
		assert_int_equal(decide(tables[i], &client, &known), decide(tables[i], &range->first, class));
		assert_int_equal(decide(tables[i], &client, &known), decide(tables[i], &range->last, class));
		/* Where no table waits for a name, none matters. */
		if (!range->by_name)
			assert_int_equal(decide(tables[i], &client, &known),
					 decide(tables[i], &client, &classes->names[0]));
	}
}

/* Ranges of one kind are decided alike, name by name. */
static void check_kinds(const struct classes *classes, const struct policy_rules *const *tables)
{
	const struct policy_range *first[POLICY_KINDS] = { NULL };
	for (size_t i = 0; i < classes->range_count; i++) {
		const struct policy_range *range = &classes->ranges[i];
		assert_true(range->kind < POLICY_KINDS);
		if (!first[range->kind])
			first[range->kind] = range;
		const struct policy_range *other = first[range->kind];
		assert_int_equal(range->by_name, other->by_name);
		for (size_t name = 0; name < classes->name_count; name++)
			for (size_t table = 0; table < TABLES; table++)
				assert_int_equal(decide(tables[table], &range->first, &classes->names[name]),
						 decide(tables[table], &other->first, &classes->names[name]));
	}
}

static void clients_are_decided_as_their_classes(void **state)
{
	(void)state;
	static struct classes classes;
	for (random_state = 1; random_state < ROUNDS; random_state++) {
		uint64_t seed = random_state;
		struct policy_rules rules[TABLES];
		for (size_t i = 0; i < TABLES; i++)
			make_table(&rules[i]);
		const struct policy_rules *const tables[TABLES] = { &rules[0], &rules[1] };
		gather(&classes, tables);
		for (size_t i = 0; i < CLIENTS; i++)
			check_client(&classes, tables);
		check_kinds(&classes, tables);
		for (size_t i = 0; i < TABLES; i++)
			policy_rules_finish(&rules[i]);
		random_state = seed;
	}
}

/* From end to end without a gap. */
static void ranges_hold_each_address_once(void **state)
{
	(void)state;
	struct policy_rules rules;
	random_state = 77;
	make_table(&rules);
	const struct policy_rules *const tables[] = { &rules };
	struct policy_ranges ranges;
	struct policy_range range;
	struct net_address next = { .family = 4 };
	policy_ranges_begin(&ranges, tables, 1);
	while (policy_ranges_next(&ranges, &range)) {
		assert_true(net_address_equal(&range.first, &next));
		size_t size = range.last.family == 4 ? 4 : 16, i = size;
		next = range.last;
		while (i > 0 && ++next.bytes[i - 1] == 0)
			i--;
		if (i == 0)
			next = (struct net_address){ .family = range.last.family == 4 ? 6 : 0 };
	}
	assert_int_equal(next.family, 0);
	policy_rules_finish(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_are_decided_as_their_classes),
		cmocka_unit_test(ranges_hold_each_address_once),
	};
	return cmocka_run_group_tests_name("classes of clients", tests, NULL, NULL);
}
