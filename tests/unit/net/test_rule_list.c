/* core/net/rule_list and rule_text: every kind of line, whole and in pieces, and what is said of wrong ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/net/rule_list.h"
#include "core/net/rule_text.h"

enum { FIRST = 1000 };

static struct radix_builder prefixes;
static struct suffix_builder names;
static struct rule_list list;

static void begin(void)
{
	radix_builder_init(&prefixes);
	suffix_builder_init(&names);
	rule_list_begin(&list, &prefixes, &names, FIRST, 0);
}

static void end(void)
{
	radix_builder_finish(&prefixes);
	suffix_builder_finish(&names);
}

static void read_in_pieces(struct slice text, size_t piece)
{
	begin();
	while (text.size > 0) {
		size_t size = text.size < piece ? text.size : piece;
		/* From memory of its own, so that reading on is noticed. */
		uint8_t *copy = malloc(size);
		memcpy(copy, text.data, size);
		assert_true(rule_list_take(&list, slice_of(copy, size)));
		free(copy);
		text = slice_skip(text, size);
	}
	assert_true(rule_list_end(&list));
}

static uint32_t line_of_address(const struct radix_tree *tree, const char *text)
{
	struct net_address address;
	assert_true(net_address_parse(slice_from_text(text), &address, NULL));
	uint32_t rule = radix_find(tree, &address);
	return rule == RADIX_NO_RULE ? 0 : rule - FIRST + 1;
}

static uint32_t line_of_name(const struct suffix_table *table, const char *name)
{
	uint32_t rule = suffix_find(table, slice_from_text(name));
	return rule == SUFFIX_NO_RULE ? 0 : rule - FIRST + 1;
}

static void lines_are_rules_wherever_pieces_end(void **state)
{
	(void)state;
	static const char text[] = "\xef\xbb\xbf"
				   "# blocked\n"
				   "192.0.2.0/24\n"
				   "\n"
				   "2001:db8::/32   # a comment\r\n"
				   " \t.bad.example\t\r\n"
				   "#\n"
				   "host.example#no blank before\n"
				   "\r\n"
				   "198.51.100.7";
	for (size_t piece = 1; piece <= sizeof text; piece++) {
		read_in_pieces(slice_of(text, sizeof text - 1), piece);
		assert_int_equal(list.lines, 9);
		assert_int_equal(list.rules, 5);
		assert_int_equal(list.wrong, 0);
		struct radix_tree *tree = radix_build(&prefixes, NULL, NULL);
		struct suffix_table *table = suffix_build(&names, NULL, NULL);
		assert_true(tree && table);
		assert_int_equal(line_of_address(tree, "192.0.2.9"), 2);
		assert_int_equal(line_of_address(tree, "2001:db8:1::1"), 4);
		assert_int_equal(line_of_address(tree, "198.51.100.7"), 9);
		assert_int_equal(line_of_address(tree, "198.51.100.8"), 0);
		assert_int_equal(line_of_name(table, "x.bad.example"), 5);
		assert_int_equal(line_of_name(table, "host.example"), 7);
		radix_destroy(tree);
		suffix_destroy(table);
		end();
	}
}

static void files_of_nothing_are_empty(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t lines;
	} cases[] = { { "", 0 }, { "\n", 1 }, { "\r\n\r\n", 2 }, { "#", 1 }, { "\xef\xbb\xbf", 1 }, { "  ", 1 } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		read_in_pieces(slice_from_text(cases[i].text), 1);
		assert_int_equal(list.lines, cases[i].lines);
		assert_int_equal(list.rules + list.wrong, 0);
		end();
	}
}

static void wrong_lines_are_counted_and_the_first_told(void **state)
{
	(void)state;
	static const char text[] = "192.0.2.1/24\n"
				   "192.0.2.0/24\n"
				   "bad..example\n"
				   "192.0.2.0/24 192.0.3.0/24\n"
				   "192.0.2.*\n"
				   "192.0.2.1-192.0.2.9\n"
				   "*.bad.example\n"
				   "192.0.2.300\n";
	read_in_pieces(slice_of(text, sizeof text - 1), 7);
	assert_int_equal(list.rules, 1);
	assert_int_equal(list.wrong, 7);
	static const struct {
		uint32_t line;
		const char *said;
	} told[LIMIT_LIST_FAULTS] = {
		{ 1, "write 192.0.2.0/24 for the network" },
		{ 3, "two dots side by side" },
		{ 4, "behind the / stands the length" },
		{ 5, "a * is not used; write a prefix" },
		{ 6, "a range is written as one or several prefixes" },
	};
	for (size_t i = 0; i < LIMIT_LIST_FAULTS; i++) {
		assert_int_equal(list.faults[i].line, told[i].line);
		if (!strstr(list.faults[i].error.text, told[i].said))
			fail_msg("line %u gave: %s", told[i].line, list.faults[i].error.text);
	}
	end();
}

static void only_comments_are_long(void **state)
{
	(void)state;
	char text[2 * LIMIT_LIST_LINE_BYTES + 64];
	for (size_t piece = 1; piece < sizeof text; piece += 97) {
		size_t size =
			(size_t)snprintf(text, sizeof text, "192.0.2.1 # %0*d\n192.0.2.2\n", LIMIT_LIST_LINE_BYTES, 0);
		read_in_pieces(slice_of(text, size), piece);
		assert_int_equal(list.rules, 2);
		assert_int_equal(list.wrong, 0);
		end();
		size = (size_t)snprintf(text, sizeof text, "192.0.2.1 %0*d # 1\n192.0.2.2\n", LIMIT_LIST_LINE_BYTES, 0);
		read_in_pieces(slice_of(text, size), piece);
		assert_int_equal(list.rules, 1);
		assert_int_equal(list.wrong, 1);
		assert_int_equal(list.lines, 2);
		assert_non_null(strstr(list.faults[0].error.text, "longer than 512"));
		end();
	}
}

static void addresses_and_names_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good, is_name;
	} cases[] = {
		{ "192.0.2.1", true, false },   { "192.0.2.0/24", true, false },
		{ "::1", true, false },         { "2001:db8::/32", true, false },
		{ "host.example", true, true }, { ".example", true, true },
		{ "example", true, true },      { "1.example", true, true },
		{ "4-2.de", true, true },       { "192.0.2", false, false },
		{ "192.0.2.*", false, false },  { "*.example", false, true },
		{ ".1", false, true },          { "", false, true },
		{ "a/b", false, false },        { "host.example:25", false, false },
	};
	struct rule_text rule;
	struct error error;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (rule_text_parse(slice_from_text(cases[i].text), &rule, &error) != cases[i].good)
			fail_msg("\"%s\"", cases[i].text);
		assert_int_equal(rule.is_name, cases[i].is_name);
	}
}

static void there_is_an_end_of_numbers(void **state)
{
	(void)state;
	begin();
	list.first_rule = RADIX_NO_RULE - 2;
	assert_true(rule_list_take(&list, SLICE_LITERAL("192.0.2.1\n.example\n\n")));
	assert_false(rule_list_take(&list, SLICE_LITERAL("192.0.2.2\n")));
	assert_false(rule_list_end(&list));
	assert_int_equal(list.rules, 2);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_rules_wherever_pieces_end),
		cmocka_unit_test(files_of_nothing_are_empty),
		cmocka_unit_test(wrong_lines_are_counted_and_the_first_told),
		cmocka_unit_test(only_comments_are_long),
		cmocka_unit_test(addresses_and_names_are_told_apart),
		cmocka_unit_test(there_is_an_end_of_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
