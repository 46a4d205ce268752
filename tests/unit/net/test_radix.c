/* core/net/radix: compared with a table that is searched from end to end, at the edges of every prefix and in walks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/net/radix_model.h"

static struct model model;
static struct radix_builder builder;
static size_t hidden_told;

static void begin(void)
{
	model.count = 0;
	radix_builder_init(&builder);
}

static void add(const struct net_prefix *prefix, uint32_t rule, uint8_t rank)
{
	assert_true(radix_builder_add(&builder, prefix, rule, rank));
	model_add(&model, prefix, rule, rank);
}

static void take_away(const struct net_prefix *prefix, uint32_t rule)
{
	assert_true(radix_builder_remove(&builder, prefix, rule));
	model_remove(&model, prefix, rule);
}

static struct net_prefix prefix_of(const char *text)
{
	struct net_prefix prefix;
	struct error error = { "" };
	if (!net_prefix_parse(slice_from_text(text), &prefix, &error))
		fail_msg("%s", error.text);
	return prefix;
}

static void fail_at(const struct net_address *address, uint32_t found, uint32_t wanted)
{
	char text[NET_ADDRESS_TEXT_BYTES];
	net_address_format(address, text);
	fail_msg("%s is under rule %u, should be under %u", text, found, wanted);
}

static void check_address(const struct radix_tree *tree, const struct net_address *address)
{
	uint32_t found = radix_find(tree, address), wanted = model_find(&model, address);
	if (found != wanted)
		fail_at(address, found, wanted);
}

/* At its first and last address and one beyond. */
static void check_edges(const struct radix_tree *tree, const struct net_prefix *prefix)
{
	struct net_address first = net_prefix_first(prefix), last = net_prefix_last(prefix);
	check_address(tree, &first);
	check_address(tree, &last);
	if (model_previous(&first))
		check_address(tree, &first);
	if (model_next(&last))
		check_address(tree, &last);
}

static void check_walk(const struct radix_tree *tree)
{
	struct radix_walk walk = radix_walk_from_start(tree);
	struct radix_range range;
	struct net_address expected = { .family = 4 };
	uint32_t before = UINT32_MAX;
	while (radix_walk_next(&walk, &range)) {
		assert_true(net_address_equal(&range.first, &expected));
		assert_int_equal(range.first.family, range.last.family);
		assert_int_not_equal(range.rule, before);
		assert_int_equal(range.rule, model_find(&model, &range.first));
		assert_int_equal(range.rule, model_find(&model, &range.last));
		before = range.rule;
		expected = range.last;
		if (model_next(&expected))
			continue;
		expected = (struct net_address){ .family = range.last.family == 4 ? 6 : 0 };
		before = UINT32_MAX;
	}
	assert_int_equal(expected.family, 0);
	assert_false(radix_walk_next(&walk, &range));
}

static void count_hidden(void *context, const struct net_prefix *prefix, uint32_t winner, uint32_t hidden)
{
	struct net_address first = net_prefix_first(prefix);
	(void)context;
	(void)hidden;
	hidden_told++;
	/* The winner decides where nothing more specific does; it is in the table in any case. */
	for (size_t i = 0; i < model.count; i++)
		if (net_prefix_contains(&model.entries[i].prefix, &first) && model.entries[i].rule == winner)
			return;
	fail_msg("rule %u wins, but is not there", winner);
}

/* Every second one lies in an image. */
static struct radix_tree *through_image(struct radix_tree *tree)
{
	static void *image; /* of the last one */
	static bool odd;
	odd = !odd;
	if (odd)
		return tree;
	size_t size = radix_image_bytes(tree);
	free(image);
	image = malloc(size);
	assert_non_null(image);
	radix_image_write(tree, image);
	radix_destroy(tree);
	assert_null(radix_image_open(slice_of(image, size - 1)));
	assert_null(radix_image_open(slice_of(image, 3)));
	tree = radix_image_open(slice_of(image, size));
	assert_non_null(tree);
	assert_in_range(radix_memory_bytes(tree), 1, 1024);
	return tree;
}

static struct radix_tree *built(void)
{
	hidden_told = 0;
	struct radix_tree *tree = radix_build(&builder, count_hidden, NULL);
	assert_non_null(tree);
	assert_int_equal(builder.count, 0);
	assert_int_equal(hidden_told, model_count_hidden(&model));
	return through_image(tree);
}

static void check_all(void)
{
	struct radix_tree *tree = built();
	for (size_t i = 0; i < model.count; i++)
		check_edges(tree, &model.entries[i].prefix);
	check_walk(tree);
	radix_destroy(tree);
}

static void an_empty_tree_finds_nothing(void **state)
{
	(void)state;
	begin();
	struct radix_tree *tree = built();
	struct net_address ipv4 = { .family = 4 }, ipv6 = { .family = 6 }, unknown = { .family = 0 };
	assert_int_equal(radix_find(tree, &ipv4), RADIX_NO_RULE);
	assert_int_equal(radix_find(tree, &ipv6), RADIX_NO_RULE);
	assert_int_equal(radix_find(tree, &unknown), RADIX_NO_RULE);
	check_walk(tree);
	radix_destroy(tree);
	radix_destroy(NULL);
	begin();
	struct net_prefix prefix = prefix_of("192.0.2.0/24");
	add(&prefix, 1, 0);
	take_away(&prefix, 1);
	check_all();
}

static void everything_is_one_range(void **state)
{
	(void)state;
	begin();
	struct net_prefix ipv4 = prefix_of("0.0.0.0/0"), ipv6 = prefix_of("::/0");
	add(&ipv4, 4, 0);
	add(&ipv6, 6, 0);
	struct radix_tree *tree = built();
	struct radix_walk walk = radix_walk_from_start(tree);
	struct radix_range range;
	assert_true(radix_walk_next(&walk, &range) && range.rule == 4);
	assert_true(radix_walk_next(&walk, &range) && range.rule == 6);
	assert_false(radix_walk_next(&walk, &range));
	assert_int_equal(radix_find(tree, &(struct net_address){ .family = 0 }), RADIX_NO_RULE);
	radix_destroy(tree);
}

/* A chain of all lengths around one address, in an order that is not that of lengths. */
static void every_length_is_found(void **state)
{
	(void)state;
	static const char *const addresses[] = { "192.0.2.9",
						 "0.0.0.0",
						 "255.255.255.255",
						 "128.0.0.0",
						 "::",
						 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
						 "2001:db8:1234:5678:9abc:def0:fedc:ba98",
						 "2001:db8::1",
						 "8000::8000:0:0:ffff" };
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		struct net_prefix full = prefix_of(addresses[i]);
		struct net_address address = net_prefix_first(&full);
		for (unsigned step = 1; step <= 7; step += 2) {
			begin();
			for (unsigned k = 0; k <= full.length; k += step) {
				unsigned length = k * 7 % (full.length + 1u);
				struct net_prefix prefix = net_prefix_around(&address, length);
				add(&prefix, length, 0);
			}
			check_all();
		}
		/* One prefix alone. */
		for (unsigned length = 0; length <= full.length; length++) {
			begin();
			struct net_prefix prefix = net_prefix_around(&address, length);
			add(&prefix, 7, 0);
			check_all();
		}
	}
}

static void at_one_prefix_rank_decides_then_order(void **state)
{
	(void)state;
	begin();
	struct net_prefix prefix = prefix_of("192.0.2.0/24");
	struct net_address inside = net_prefix_first(&prefix);
	enum { DENY, ALLOW };
	add(&prefix, 10, ALLOW);
	add(&prefix, 11, DENY);
	add(&prefix, 12, DENY);
	struct radix_tree *tree = built();
	assert_int_equal(radix_find(tree, &inside), 11);
	assert_int_equal(hidden_told, 2);
	radix_destroy(tree);
	begin();
	add(&prefix, 10, ALLOW);
	add(&prefix, 11, DENY);
	take_away(&prefix, 11);
	take_away(&prefix, 99);
	add(&prefix, 12, ALLOW);
	tree = built();
	assert_int_equal(radix_find(tree, &inside), 10);
	radix_destroy(tree);
}

/* Addresses out of few values of each byte, so that they often share bits, touch and nest. */
static struct net_prefix random_prefix(void)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff, 0xfe };
	struct net_address address = { .family = rand() % 2 ? 4 : 6 };
	unsigned most = net_prefix_length_most(address.family);
	unsigned kinds = 1 + (unsigned)rand() % 6;
	for (unsigned i = 0; i < most / 8; i++)
		address.bytes[i] = rand() % 40 ? values[(unsigned)rand() % kinds] : (uint8_t)rand();
	return net_prefix_around(&address, (unsigned)rand() % (most + 1));
}

/* Prefixes of one rule that together hold all addresses from one on, or all before it, in the block that its first bits
 * tell: where they begin, the rules before and behind differ, as they never do around a single prefix. */
static void add_ladder(const struct net_address *from, unsigned bit, unsigned end, bool upwards, uint32_t rule)
{
	for (; bit < end; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);
		bool is_set = from->bytes[bit / 8] & mask;
		struct net_address other = *from;
		other.bytes[bit / 8] ^= mask;
		struct net_prefix side = net_prefix_around(&other, bit + 1);
		if (is_set != upwards)
			add(&side, rule, 0);
	}
}

static void add_random_ladder(uint32_t rule)
{
	struct net_prefix prefix = random_prefix();
	struct net_address address = rand() % 2 ? net_prefix_first(&prefix) : net_prefix_last(&prefix);
	unsigned most = net_prefix_length_most(address.family);
	unsigned bit = (unsigned)rand() % most, end = bit + (unsigned)rand() % 33;
	add_ladder(&address, bit, end < most ? end : most, rand() % 2, rule);
}

/* Pieces of a path that lie at the beginning, inside and at the end of their block, in all orders. */
static void paths_between_two_rules_are_exact(void **state)
{
	(void)state;
	static const uint8_t bytes[] = { 0, 1, 0xff };
	for (int i = 0; i < 3 * 3 * 3 * 4; i++) {
		uint8_t a = bytes[i % 3], b = bytes[i / 3 % 3], c = bytes[i / 9 % 3];
		struct net_address path = { .bytes = { 0x20, 1, a, a, b, b, c, c, 0x80, 1 }, .family = 6 };
		struct net_prefix tip = net_prefix_around(&path, 80);
		begin();
		add(&tip, 1, 0);
		add_ladder(&path, 16, i / 27 % 2 ? 65 : 70, i / 54, 2);
		check_all();
	}
}

static void what_changes_nothing_costs_nothing(void **state)
{
	(void)state;
	struct net_prefix all = prefix_of("::/0");
	begin();
	add(&all, 1, 0);
	struct radix_tree *alone = built();
	begin();
	add(&all, 1, 0);
	for (int i = 0; i < 100; i++) {
		struct net_prefix prefix = random_prefix();
		if (prefix.family == 6 && prefix.length > 0)
			assert_true(radix_builder_add(&builder, &prefix, 1, 0));
	}
	struct radix_tree *tree = radix_build(&builder, NULL, NULL);
	assert_non_null(tree);
	assert_int_equal(radix_memory_bytes(tree), radix_memory_bytes(alone));
	radix_destroy(tree);
	radix_destroy(alone);
}

static void random_tables_agree(void **state)
{
	(void)state;
	srand(2);
	for (int round = 0; round < 1500; round++) {
		int operations = 1 + rand() % (round % 10 ? 30 : 400);
		uint32_t rules = rand() % 3 ? 1000 : 3; /* few: neighbours often have the same */
		begin();
		for (int i = 0; i < operations; i++) {
			struct net_prefix prefix = random_prefix();
			uint32_t rule = (uint32_t)rand() % rules;
			if (rand() % 4 == 0 && model.count) {
				struct model_entry old = model.entries[(size_t)rand() % model.count];
				take_away(&old.prefix, rand() % 5 ? old.rule : rule);
			} else if (rand() % 4 == 0 && model.count) {
				prefix = model.entries[(size_t)rand() % model.count].prefix;
				add(&prefix, rule, (uint8_t)(rand() % 3));
			} else {
				add(&prefix, rule, (uint8_t)(rand() % 3));
			}
			if (rand() % 20 == 0)
				add_random_ladder(rule);
		}
		check_all();
	}
}

/* Blocks with many prefixes, so that nodes have an index, or are dense: of each 65,536 neighbours every `step`th is under
 * a rule of its own. IPv4 networks of /16, the addresses of one that is in a gap, and IPv6 networks of /64. */
enum { GAP = 1 << 8 | 3, HOSTS_FROM = 100000, IPV6_FROM = 200000 };

static struct net_address crowded_address(uint32_t from, unsigned i)
{
	uint8_t high = (uint8_t)(i >> 8), low = (uint8_t)i;
	if (from == IPV6_FROM)
		return (struct net_address){ .bytes = { 0x20, 1, 0, 0, 5, 5, high, low, 1 }, .family = 6 };
	if (from == HOSTS_FROM)
		return (struct net_address){ .bytes = { GAP >> 8, GAP & 0xff, high, low }, .family = 4 };
	return (struct net_address){ .bytes = { high, low, 9, 9 }, .family = 4 };
}

static void add_crowd(uint32_t from, unsigned length, unsigned step)
{
	for (unsigned i = 0; i < 65536; i += step) {
		struct net_address address = crowded_address(from, i);
		struct net_prefix prefix = net_prefix_around(&address, length);
		assert_true(radix_builder_add(&builder, &prefix, from + i, 0));
	}
}

/* The rule that is found must be the one wanted; answers whether it differs from the address' before. */
static size_t check_crowded(const struct radix_tree *tree, const struct net_address *address, uint32_t wanted,
			    uint32_t *before)
{
	uint32_t found = radix_find(tree, address);
	if (found != wanted)
		fail_at(address, found, wanted);
	size_t differs = wanted != *before;
	*before = wanted;
	return differs;
}

/* Answers how many ranges begin in the crowd, given the rule before it. */
static size_t check_crowd(const struct radix_tree *tree, uint32_t from, unsigned step, uint32_t *before)
{
	size_t ranges = 0;
	for (unsigned i = 0; i < 65536; i++) {
		struct net_address address = crowded_address(from, i);
		if (from == 0 && i == GAP && GAP % step)
			ranges += check_crowd(tree, HOSTS_FROM, step, before);
		else
			ranges += check_crowded(tree, &address, i % step ? RADIX_NO_RULE : from + i, before);
		address.bytes[4] = 1;
		if (from == IPV6_FROM)
			assert_int_equal(radix_find(tree, &address), RADIX_NO_RULE);
	}
	return ranges;
}

static void crowded_blocks_are_exact(void **state)
{
	(void)state;
	static const unsigned steps[] = { 1, 2, 4, 5, 64, 100, 509 };
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		uint32_t before = UINT32_MAX;
		radix_builder_init(&builder);
		add_crowd(0, 16, steps[i]);
		add_crowd(IPV6_FROM, 64, steps[i]);
		if (GAP % steps[i])
			add_crowd(HOSTS_FROM, 32, steps[i]);
		struct radix_tree *tree = radix_build(&builder, NULL, NULL);
		assert_non_null(tree);
		size_t wanted = check_crowd(tree, 0, steps[i], &before);
		before = RADIX_NO_RULE; /* what is below the crowd of IPv6, and begins a range of its own */
		wanted += 1 + check_crowd(tree, IPV6_FROM, steps[i], &before);
		wanted += before != RADIX_NO_RULE;
		struct radix_walk walk = radix_walk_from_start(tree);
		struct radix_range range;
		size_t ranges = 0;
		for (; radix_walk_next(&walk, &range); ranges++) {
			assert_int_equal(radix_find(tree, &range.first), range.rule);
			assert_int_equal(radix_find(tree, &range.last), range.rule);
		}
		assert_int_equal(ranges, wanted);
		radix_destroy(tree);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_tree_finds_nothing),
		cmocka_unit_test(everything_is_one_range),
		cmocka_unit_test(every_length_is_found),
		cmocka_unit_test(at_one_prefix_rank_decides_then_order),
		cmocka_unit_test(random_tables_agree),
		cmocka_unit_test(crowded_blocks_are_exact),
		cmocka_unit_test(paths_between_two_rules_are_exact),
		cmocka_unit_test(what_changes_nothing_costs_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
