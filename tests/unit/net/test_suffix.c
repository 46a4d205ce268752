/* core/net/suffix: what is a name, which rule it is under, compared with a list that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/limits.h"
#include "core/net/suffix.h"

enum { RULES_MOST = 512, NAME_ROOM = 300 };

struct listed {
	char name[NAME_ROOM];
	bool below;
	uint32_t rule;
	uint8_t rank;
};

static struct listed list[RULES_MOST];
static size_t listed_count;
static struct suffix_builder builder;
static size_t hidden_told;

static void begin(void)
{
	listed_count = 0;
	hidden_told = 0;
	suffix_builder_init(&builder);
}

static void add(const char *text, uint32_t rule, uint8_t rank)
{
	struct suffix suffix;
	struct error error = { "" };
	if (!suffix_parse(slice_from_text(text), &suffix, &error))
		fail_msg("%s", error.text);
	assert_true(suffix_builder_add(&builder, &suffix, rule, rank));
	struct listed *listed = &list[listed_count++];
	*listed = (struct listed){ .below = suffix.below, .rule = rule, .rank = rank };
	assert_true(slice_to_text(suffix.name, listed->name, sizeof listed->name));
}

static void tell_hidden(void *context, const struct suffix *suffix, uint32_t winner, uint32_t hidden)
{
	bool has_winner = false, has_hidden = false;
	(void)context;
	hidden_told++;
	for (size_t i = 0; i < listed_count; i++) {
		if (list[i].below != suffix->below || !slice_equal_nocase(slice_from_text(list[i].name), suffix->name))
			continue;
		has_winner |= list[i].rule == winner;
		has_hidden |= list[i].rule == hidden;
	}
	assert_true(has_winner && has_hidden);
}

/* Every second one lies in an image. */
static struct suffix_table *through_image(struct suffix_table *table)
{
	static void *image; /* of the last one */
	static bool odd;
	odd = !odd;
	if (odd)
		return table;
	size_t size = suffix_image_bytes(table);
	free(image);
	image = malloc(size);
	assert_non_null(image);
	suffix_image_write(table, image);
	suffix_destroy(table);
	assert_null(suffix_image_open(slice_of(image, size - 1)));
	assert_null(suffix_image_open(slice_of(image, 3)));
	table = suffix_image_open(slice_of(image, size));
	assert_non_null(table);
	assert_in_range(suffix_memory_bytes(table), 1, 1024);
	return table;
}

static struct suffix_table *built(void)
{
	struct suffix_table *table = suffix_build(&builder, tell_hidden, NULL);
	assert_non_null(table);
	assert_int_equal(builder.count, 0);
	return through_image(table);
}

static bool is_under(const struct listed *listed, struct slice name)
{
	struct slice rule = slice_from_text(listed->name);
	if (slice_equal_nocase(rule, name))
		return true;
	return listed->below && name.size > rule.size && name.data[name.size - rule.size - 1] == '.' &&
	       slice_equal_nocase(slice_skip(name, name.size - rule.size), rule);
}

/* Does b decide before a, which came earlier? */
static bool goes_before(const struct listed *a, const struct listed *b)
{
	if (!a || strlen(b->name) != strlen(a->name))
		return !a || strlen(b->name) > strlen(a->name);
	return a->below != b->below ? a->below : b->rank < a->rank;
}

static uint32_t find_in_list(struct slice name)
{
	const struct listed *best = NULL;
	for (size_t i = 0; i < listed_count; i++)
		if (is_under(&list[i], name) && goes_before(best, &list[i]))
			best = &list[i];
	return best ? best->rule : SUFFIX_NO_RULE;
}

static uint32_t find(const struct suffix_table *table, const char *name)
{
	return suffix_find(table, slice_from_text(name));
}

static void the_dot_holds_the_domain_and_all_below(void **state)
{
	(void)state;
	begin();
	add(".bad.example", 1, 0);
	add("host.good.example", 2, 0);
	add("Relay.BAD.example.", 3, 0);
	add(".very.bad.example", 4, 0);
	add("very.bad.example", 5, 0);
	struct suffix_table *table = built();
	static const struct {
		const char *name;
		uint32_t rule;
	} cases[] = {
		{ "bad.example", 1 },
		{ "x.bad.example", 1 },
		{ "x.y.z.BAD.Example", 1 },
		{ "x.bad.example.", 1 },
		{ "notbad.example", SUFFIX_NO_RULE },
		{ "bad.example.org", SUFFIX_NO_RULE },
		{ "example", SUFFIX_NO_RULE },
		{ "host.good.example", 2 },
		{ "HOST.GOOD.EXAMPLE.", 2 },
		{ "x.host.good.example", SUFFIX_NO_RULE },
		{ "good.example", SUFFIX_NO_RULE },
		{ "relay.bad.example", 3 },
		{ "x.relay.bad.example", 1 },
		{ "very.bad.example", 5 },
		{ "x.very.bad.example", 4 },
		{ "xvery.bad.example", 1 },
		/* no names */
		{ "", SUFFIX_NO_RULE },
		{ ".", SUFFIX_NO_RULE },
		{ "..", SUFFIX_NO_RULE },
		{ ".bad.example", SUFFIX_NO_RULE },
		{ "x..bad.example", SUFFIX_NO_RULE },
		{ "x.bad.example..", SUFFIX_NO_RULE },
		{ "x.bad..example", SUFFIX_NO_RULE },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (find(table, cases[i].name) != cases[i].rule)
			fail_msg("\"%s\" is under rule %u", cases[i].name, find(table, cases[i].name));
	assert_int_equal(suffix_find(table, SLICE_LITERAL("bad.example\0")), SUFFIX_NO_RULE);
	assert_int_equal(suffix_find(table, SLICE_LITERAL("a b\xff\0.bad.example")), 1);
	suffix_destroy(table);
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *said;
	} cases[] = {
		{ "", "holds no name" },
		{ ".", "holds no name" },
		{ "..", "two dots" },
		{ "..bad.example", "two dots" },
		{ "bad..example", "two dots" },
		{ "bad.example..", "two dots" },
		{ "*.bad.example", "a * is not used; write .example.com" },
		{ "postmaster@bad.example", "not mail addresses" },
		{ "b\303\244d.example", "\"xn--" },
		{ "bad .example", "no blanks" },
		{ "bad.example\n", "no blanks" },
		{ "bad!.example", "'!' is not part" },
		{ "http://bad.example", "':' is not part" },
		{ "192.0.2.300", "neither a name nor an address" },
		{ "192.0.2.", "neither a name nor an address" },
		{ ".2", "neither a name nor an address" },
	};
	struct suffix suffix;
	struct error error;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_false(suffix_parse(slice_from_text(cases[i].text), &suffix, &error));
		if (!strstr(error.text, cases[i].said))
			fail_msg("\"%s\" gave: %s", cases[i].text, error.text);
	}
	assert_true(suffix_parse(SLICE_LITERAL("xn--bd-via.example"), &suffix, &error));
	assert_true(suffix_parse(SLICE_LITERAL("_x.1-2.3com."), &suffix, &error));
	assert_int_equal(suffix.name.size, 11);
}

/* Writes labels of `size` bytes with a dot between two. */
static size_t write_labels(char *name, size_t labels, size_t size)
{
	size_t at = 0;
	for (size_t i = 0; i < labels; i++) {
		memset(name + at, 'a', size);
		at += size;
		name[at++] = '.';
	}
	return at - 1;
}

static void lengths_are_bounded(void **state)
{
	(void)state;
	char name[NAME_ROOM];
	struct suffix suffix;
	struct error error;
	size_t size = write_labels(name, 4, 63);
	assert_true(suffix_parse(slice_of(name, 63), &suffix, &error));
	assert_false(suffix_parse(slice_of(name, size), &suffix, &error));
	assert_non_null(strstr(error.text, "at most 253"));
	assert_true(suffix_parse(slice_of(name + 2, size - 2), &suffix, &error));
	assert_int_equal(suffix.name.size, LIMIT_DNS_NAME_BYTES);
	begin();
	assert_true(suffix_builder_add(&builder, &suffix, 9, 0));
	memset(name, 'a', 64);
	assert_false(suffix_parse(slice_of(name, 64), &suffix, &error));
	assert_non_null(strstr(error.text, "at most 63"));
	/* As many labels as there may be, each of them a rule; and names that are too long. */
	size = write_labels(name, LIMIT_DNS_LABELS, 1);
	assert_int_equal(size, LIMIT_DNS_NAME_BYTES);
	for (uint32_t i = 1; i <= LIMIT_DNS_LABELS; i++) {
		suffix = (struct suffix){ slice_of(name, 2 * i - 1), true };
		assert_true(suffix_builder_add(&builder, &suffix, 100 + i, 0));
	}
	struct suffix_table *table = built();
	for (uint32_t i = 1; i <= LIMIT_DNS_LABELS; i++)
		assert_int_equal(suffix_find(table, slice_of(name, 2 * i - 1)), 100 + i);
	name[0] = 'b';
	assert_int_equal(suffix_find(table, slice_of(name, size)), 100 + LIMIT_DNS_LABELS - 1);
	name[size] = '.';
	assert_int_equal(suffix_find(table, slice_of(name, size + 1)), 100 + LIMIT_DNS_LABELS - 1);
	name[size + 1] = 'a';
	assert_int_equal(suffix_find(table, slice_of(name, size + 2)), SUFFIX_NO_RULE);
	write_labels(name, 4, 63);
	assert_int_equal(suffix_find(table, slice_of(name + 2, LIMIT_DNS_NAME_BYTES)), 9);
	memcpy(name, "bbb", 3);
	assert_int_equal(suffix_find(table, slice_of(name, 65)), 101);
	memset(name, 'a', 64);
	memcpy(name + 64, ".a", 2);
	assert_int_equal(suffix_find(table, slice_of(name, 66)), SUFFIX_NO_RULE);
	assert_int_equal(suffix_find(table, slice_of(name + 1, 65)), 101);
	assert_int_equal(suffix_find(table, slice_of(name, 64)), SUFFIX_NO_RULE);
	suffix_destroy(table);
}

static void an_empty_table_finds_nothing(void **state)
{
	(void)state;
	begin();
	struct suffix_table *table = built();
	struct suffix suffix;
	uint32_t rule;
	size_t at = 0;
	assert_int_equal(find(table, "host.example"), SUFFIX_NO_RULE);
	assert_false(suffix_next(table, &at, &suffix, &rule));
	suffix_destroy(table);
	suffix_destroy(NULL);
	suffix_builder_finish(&builder);
}

static void of_equal_rules_rank_decides_then_order(void **state)
{
	(void)state;
	begin();
	add(".bad.example", 1, 1);
	add(".BAD.example", 2, 0);
	add(".bad.EXAMPLE.", 3, 0);
	add("bad.example", 4, 1);
	add(".bad.example", 5, 1);
	struct suffix_table *table = built();
	assert_int_equal(hidden_told, 3);
	assert_int_equal(find(table, "x.bad.example"), 2);
	assert_int_equal(find(table, "bad.example"), 4);
	struct suffix suffix;
	uint32_t rule;
	size_t at = 0;
	uint32_t seen = 0;
	for (int i = 0; i < 2; i++) {
		assert_true(suffix_next(table, &at, &suffix, &rule));
		assert_int_equal(suffix.below, rule == 2);
		assert_true(slice_equal(suffix.name, SLICE_LITERAL("bad.example")));
		seen |= 1u << rule;
	}
	assert_int_equal(seen, 1 << 2 | 1 << 4);
	assert_false(suffix_next(table, &at, &suffix, &rule));
	suffix_destroy(table);
}

/* Out of few labels, so that names often share their ends. */
static void random_name(char name[NAME_ROOM])
{
	static const char *const labels[] = { "a", "b", "example", "Example", "mail-1", "x", "xa", "ax" };
	size_t count = 1 + (size_t)rand() % 5;
	name[0] = 0;
	for (size_t i = 0; i < count; i++) {
		size_t size = strlen(name);
		snprintf(name + size, NAME_ROOM - size, "%s%s", i ? "." : "", labels[(size_t)rand() % 8]);
	}
}

static void random_tables_agree(void **state)
{
	(void)state;
	srand(3);
	char name[NAME_ROOM], text[NAME_ROOM + 2];
	for (int round = 0; round < 400; round++) {
		int rules = 1 + rand() % (round % 10 ? 20 : RULES_MOST - 1);
		int kind = rand() % 4; /* also tables of one kind alone */
		begin();
		for (int i = 0; i < rules; i++) {
			bool below = kind == 0 || (kind > 1 && rand() % 2);
			random_name(name);
			snprintf(text, sizeof text, "%s%s", below ? "." : "", name);
			add(text, (uint32_t)i, (uint8_t)(rand() % 3));
		}
		struct suffix_table *table = built();
		for (int i = 0; i < 400; i++) {
			random_name(name);
			uint32_t wanted = find_in_list(slice_from_text(name)), found = find(table, name);
			if (found != wanted)
				fail_msg("%s is under rule %u, should be under %u", name, found, wanted);
		}
		size_t told = 0;
		struct suffix suffix;
		uint32_t rule;
		for (size_t at = 0; suffix_next(table, &at, &suffix, &rule); told++)
			if (!suffix.below)
				assert_int_equal(suffix_find(table, suffix.name), rule);
		assert_int_equal(told + hidden_told, listed_count);
		suffix_destroy(table);
	}
}

/* All bytes in short and long labels: only ASCII letters are alike in small and large. */
static void case_is_ascii_alone(void **state)
{
	(void)state;
	uint8_t rule_name[] = "0123456789?12.example", name[] = "0123456789?12.example";
	for (unsigned a = 0; a < 256; a++) {
		for (size_t skip = 0; a != '.' && skip <= 10; skip += 10) {
			struct slice rule = slice_skip(slice_of(rule_name, sizeof rule_name - 1), skip);
			struct slice asked = slice_skip(slice_of(name, sizeof name - 1), skip);
			rule_name[10] = (uint8_t)a;
			begin();
			assert_true(suffix_builder_add(&builder, &(struct suffix){ rule, false }, 1, 0));
			struct suffix_table *table = suffix_build(&builder, NULL, NULL);
			assert_non_null(table);
			for (unsigned b = 0; b < 256; b++) {
				name[10] = (uint8_t)b;
				bool alike = ascii_lower((uint8_t)a) == ascii_lower((uint8_t)b);
				assert_int_equal(suffix_find(table, asked), alike ? 1 : SUFFIX_NO_RULE);
			}
			suffix_destroy(table);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_dot_holds_the_domain_and_all_below),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(an_empty_table_finds_nothing),
		cmocka_unit_test(of_equal_rules_rank_decides_then_order),
		cmocka_unit_test(random_tables_agree),
		cmocka_unit_test(case_is_ascii_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
