/* core/relay: which route, which Maildir (an attack table of names), line ends whole and split anywhere, the back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/relay/line_ends.h"
#include "core/relay/route.h"
#include "core/relay/schedule.h"

static void the_closest_route_wins(void **state)
{
	(void)state;
	struct route routes[] = {
		{ .domain = (char *)"*" },           { .domain = (char *)".example.org" },
		{ .domain = (char *)"example.org" }, { .domain = (char *)".deep.example.org" },
		{ .domain = (char *)"[192.0.2.1]" },
	};
	struct route_table table = { routes, 5 };
	static const struct {
		const char *domain;
		size_t route;
	} cases[] = {
		{ "example.org", 2 },
		{ "EXAMPLE.Org", 2 },
		{ "a.example.org", 1 },
		{ "a.b.example.org", 1 },
		{ "deep.example.org", 1 },
		{ "a.deep.example.org", 3 },
		{ "a.DEEP.example.org", 3 },
		{ "badexample.org", 0 },
		{ "example.com", 0 },
		{ "org", 0 },
		{ "", 0 },
		{ "[192.0.2.1]", 4 },
		{ "example.org.evil.com", 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_ptr_equal(route_find(&table, slice_from_text(cases[i].domain)), &routes[cases[i].route]);

	struct route_table without_default = { routes + 1, 4 };
	assert_null(route_find(&without_default, SLICE_LITERAL("example.com")));
	assert_null(route_find(&(struct route_table){ NULL, 0 }, SLICE_LITERAL("example.com")));
}

/* What a recipient becomes as a path; NULL: there is none. */
static const struct {
	const char *local, *domain, *path;
} path_cases[] = {
	{ "ann", "example.org", "/mail/example.org/ann" },
	{ "Ann", "EXAMPLE.ORG", "/mail/example.org/ann" },
	{ "ann+Lists", "example.org", "/mail/example.org/ann+lists" },
	{ "\"a b\"", "example.org", "/mail/example.org/a b" },
	{ "\"a\\\"b\\\\\"", "example.org", "/mail/example.org/a\"b\\" },
	{ "a..b", "example.org", "/mail/example.org/a..b" },
	{ "b\xc3\xb6rn", "example.org", "/mail/example.org/b\xc3\xb6rn" },
	{ "100%d", "example.org", "/mail/example.org/100%d" },
	{ "ann", "[192.0.2.1]", "/mail/[192.0.2.1]/ann" },
	{ "\"../../etc/passwd\"", "example.org", NULL },
	{ "a/b", "example.org", NULL },
	{ "/", "example.org", NULL },
	{ "\"\\/\"", "example.org", NULL },
	{ "\"..\"", "example.org", NULL },
	{ "\".\"", "example.org", NULL },
	{ "\".hidden\"", "example.org", NULL },
	{ "\"\\.hidden\"", "example.org", NULL },
	{ "\"\"", "example.org", NULL },
	{ "", "example.org", NULL },
	{ "\"a\\\nb\"", "example.org", NULL },
	{ "a\x7f", "example.org", NULL },
	{ "ann", "", NULL },
	{ "ann", "..", NULL },
	{ "ann", "../x", NULL },
	{ "ann", ".example.org", NULL },
};

static void names_become_one_safe_component_or_no_path(void **state)
{
	(void)state;
	const struct route route = { .kind = ROUTE_MAILDIR, .maildir = (char *)"/mail/%d/%u" };
	for (size_t i = 0; i < sizeof path_cases / sizeof *path_cases; i++) {
		char path[128];
		bool made = route_maildir_path(&route, slice_from_text(path_cases[i].local),
					       slice_from_text(path_cases[i].domain), path, sizeof path);
		assert_int_equal(made, path_cases[i].path != NULL);
		if (made)
			assert_string_equal(path, path_cases[i].path);
	}
	char path[128];
	assert_false(route_maildir_path(&route, slice_of("a\0b", 3), SLICE_LITERAL("example.org"), path, sizeof path));
}

static void paths_keep_their_bounds(void **state)
{
	(void)state;
	char long_name[300];
	memset(long_name, 'a', sizeof long_name);
	const struct route both = { .kind = ROUTE_MAILDIR, .maildir = (char *)"/mail/%u@%d" };
	char path[512];
	/* 255 bytes are a component, 256 are not. */
	assert_true(route_maildir_path(&both, slice_of(long_name, 64), slice_of(long_name, 190), path, sizeof path));
	assert_int_equal(strlen(path), 6 + 255);
	assert_false(route_maildir_path(&both, slice_of(long_name, 64), slice_of(long_name, 191), path, sizeof path));

	/* The NUL must fit too. */
	assert_true(route_maildir_path(&both, SLICE_LITERAL("a"), SLICE_LITERAL("b"), path, 10));
	assert_string_equal(path, "/mail/a@b");
	for (size_t capacity = 0; capacity < 10; capacity++)
		assert_false(route_maildir_path(&both, SLICE_LITERAL("a"), SLICE_LITERAL("b"), path, capacity));
}

static void patterns_are_literal_but_for_their_percents(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *path;
		size_t base;
	} cases[] = {
		{ "/mail/all", "/mail/all", 6 },
		{ "/mail/all/", "/mail/all/", 6 },
		{ "mail", "mail", 0 },
		{ "/%d/%u/Maildir", "/b/a/Maildir", 1 },
		{ "/mail/x-%u/%%", "/mail/x-a/%", 6 },
		{ "/mail/%", NULL, 6 },
		{ "/mail/%x", NULL, 6 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct route route = { .kind = ROUTE_MAILDIR, .maildir = (char *)cases[i].pattern };
		char path[64];
		bool made = route_maildir_path(&route, SLICE_LITERAL("a"), SLICE_LITERAL("b"), path, sizeof path);
		assert_int_equal(made, cases[i].path != NULL);
		if (made)
			assert_string_equal(path, cases[i].path);
		assert_int_equal(route_maildir_base(&route), cases[i].base);
	}
}

/* Converts in place, as delivery does: the input stands one byte behind the output. */
static size_t convert_in_pieces(const char *text, size_t first_size, char *out)
{
	struct line_ends ends = { 0 };
	size_t size = strlen(text), total = 0;
	for (size_t at = 0; at < size;) {
		size_t piece = at == 0 ? first_size : size - at;
		uint8_t chunk[64];
		memcpy(chunk + 1, text + at, piece);
		size_t converted = line_ends_convert(&ends, slice_of(chunk + 1, piece), chunk);
		memcpy(out + total, chunk, converted);
		total += converted;
		at += piece;
	}
	uint8_t last[1];
	size_t converted = line_ends_finish(&ends, last);
	memcpy(out + total, last, converted);
	return total + converted;
}

static void crlf_becomes_lf_wherever_it_is_split(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "a\r\nb\r\n", "a\nb\n" },
		{ "\r\n\r\n", "\n\n" },
		{ "a\rb\r\n", "a\rb\n" },
		{ "\r\r\n\r", "\r\n\r" },
		{ "a\nb", "a\nb" },
		{ "\r", "\r" },
		{ "no end at all", "no end at all" },
		{ "\r\r\r", "\r\r\r" },
		{ "\n\r\n\r\r\n", "\n\n\r\n" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (size_t split = 1; split <= strlen(cases[i][0]); split++) {
			char out[64];
			size_t size = convert_in_pieces(cases[i][0], split, out);
			assert_int_equal(size, strlen(cases[i][1]));
			assert_memory_equal(out, cases[i][1], size);
		}
	}
}

static void back_off_grows_with_age_and_ends(void **state)
{
	(void)state;
	static const struct {
		int64_t age_minutes;
		uint64_t delay_minutes;
	} cases[] = {
		{ -5, 1 },
		{ 0, 1 },
		{ 1, 5 },
		{ 5, 5 },
		{ 6, 15 },
		{ 21, 30 },
		{ 51, 60 },
		{ 111, 120 },
		{ 231, 240 },
		{ 471, 240 },
		{ 5 * 24 * 60, 240 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		unsigned step = schedule_step(cases[i].age_minutes * 60 * 1000000);
		assert_int_equal(schedule_delay_ms(step), cases[i].delay_minutes * 60 * 1000);
	}
	const int64_t five_days_us = (int64_t)5 * 24 * 3600 * 1000000;
	assert_false(schedule_is_over(five_days_us - 1));
	assert_true(schedule_is_over(five_days_us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_closest_route_wins),
		cmocka_unit_test(names_become_one_safe_component_or_no_path),
		cmocka_unit_test(paths_keep_their_bounds),
		cmocka_unit_test(patterns_are_literal_but_for_their_percents),
		cmocka_unit_test(crlf_becomes_lf_wherever_it_is_split),
		cmocka_unit_test(back_off_grows_with_age_and_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
