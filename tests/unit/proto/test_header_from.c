/* proto/header_from: the field in all pieces, and all forms of addresses in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/header_from.h"

static uint8_t storage[512];
static struct buffer value;
static struct header_from from;

static void take(const char *text, size_t piece)
{
	struct slice rest = slice_from_text(text);
	from = (struct header_from){ 0 };
	buffer_init(&value, storage, sizeof storage);
	while (rest.size > 0) {
		size_t size = rest.size < piece ? rest.size : piece;
		uint8_t *copy = malloc(size); /* so that reading on is noticed */
		memcpy(copy, rest.data, size);
		header_from_take(&from, slice_of(copy, size), &value);
		free(copy);
		rest = slice_skip(rest, size);
	}
}

static void the_field_is_found_wherever_pieces_end(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned fields;
		const char *address; /* the only one; NULL: none */
	} cases[] = {
		{ "From: a@b.example\r\n\r\nFrom: x@y.example\r\n", 1, "a@b.example" },
		{ "Subject: From: x\r\nfrom : Al\r\n\t <a@b.example>\r\nTo: x\r\n\r\n", 1, "a@b.example" },
		{ "X-From: x@y\r\nFromage: x@y\r\nFro: x\r\n\r\n", 0, NULL },
		{ "A: b\r\n From: x@y.example\r\nFROM:a@b.example", 1, "a@b.example" },
		{ " From: x@y.example\r\n\r\n", 0, NULL },
		{ "From x@y.example\r\nFrom: a@b.example\r\n", 0, NULL },
		{ "no field\r\nFrom: a@b.example\r\n", 0, NULL },
		{ "From: a@b.example\r\nFrom: c@d.example\r\n\r\n", 2, "a@b.example" },
		{ "\r\nFrom: a@b.example\r\n", 0, NULL },
		{ "", 0, NULL },
		/* Some take what is no field for the beginning of the text, others read on. */
		{ "From: a@b.example\r\nno field\r\nFrom: x@y.example\r\n\r\nFrom: z@y.example\r\n", 3, "a@b.example" },
		{ "From: a@b.example\r\nno\r\n From: x@y.example\r\n\r\n", 1, "a@b.example" },
		{ "From: a@b.example\r\n: no field\r\nfrom : x@y.example\r\n\r\n", 3, "a@b.example" },
		{ "A: b\r\n\xc3\xa4: no field\r\nFrom: a@b.example\r\n\r\n", 2, "a@b.example" },
		{ "A: b\r\nno field: b\r\nFrom: a@b.example\r\n\r\n", 2, "a@b.example" },
		{ "A: b\r\nno field\r\n\r\nFrom: x@y.example\r\n", 0, NULL },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (size_t piece = 1; piece < 60; piece++) {
			struct slice rest, address;
			take(cases[i].text, piece);
			rest = buffer_slice(&value);
			if (from.fields != cases[i].fields)
				fail_msg("case %zu: %u fields", i, from.fields);
			enum header_from_status status = header_from_next(&rest, &address);
			assert_int_equal(status, cases[i].address ? HEADER_FROM_ADDRESS : HEADER_FROM_END);
			if (cases[i].address)
				assert_true(slice_equal(address, slice_from_text(cases[i].address)));
		}
	}
}

static void too_much_overflows(void **state)
{
	(void)state;
	char text[1024];
	memset(text, 'a', sizeof text - 1);
	memcpy(text, "From: ", 6);
	text[sizeof text - 1] = 0;
	take(text, 100);
	assert_true(value.overflow && from.fields == 1);
	memcpy(text, "To: ", 4);
	take(text, 100);
	assert_true(!value.overflow && value.size == 0);
}

struct reading {
	const char *text;
	const char *found; /* each behind a blank; ! where it went wrong */
};

static void check_readings(const struct reading *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char found[256] = "";
		struct slice address = { NULL, 0 };
		/* From memory of its own. */
		size_t size = strlen(cases[i].text);
		uint8_t *copy = malloc(size + 1);
		memcpy(copy, cases[i].text, size);
		struct slice rest = slice_of(copy, size);
		enum header_from_status status;
		while ((status = header_from_next(&rest, &address)) == HEADER_FROM_ADDRESS) {
			strcpy(found + strlen(found), " ");
			memcpy(found + strlen(found), address.data, address.size);
		}
		if (status == HEADER_FROM_WRONG)
			strcpy(found + strlen(found), "!");
		if (strcmp(found, cases[i].found) != 0)
			fail_msg("\"%s\" gave \"%s\"", cases[i].text, found);
		free(copy);
	}
}

static void addresses_are_read_in_all_forms(void **state)
{
	(void)state;
	static const struct reading cases[] = {
		{ "a@b.example", " a@b.example" },
		{ " a@b.example ", " a@b.example" },
		{ "Al Ice <a@b.example>", " a@b.example" },
		{ "\"Ice, <x@y.example>\" <a@b.example>", " a@b.example" },
		{ "<a@b.example>", " a@b.example" },
		{ "< a@b.example >", " a@b.example" },
		{ "a@b.example (Al, <x@y.example> (Ice))", " a@b.example" },
		{ "(x@y.example) a@b.example", " a@b.example" },
		{ "Al (the \\) one) <a@b.example> (x)", " a@b.example" },
		{ "a@b.example, C <c@d.example>,, e@f.example,", " a@b.example c@d.example e@f.example" },
		{ "team: a@b.example, C <c@d.example>;", " a@b.example c@d.example" },
		{ "nobody:;", "" },
		{ "x: a@b.example; c@d.example", " a@b.example c@d.example" },
		{ "<@x.example,@y.example:a@b.example>", " a@b.example" },
		{ "\"a b\"@c.example", " \"a b\"@c.example" },
		{ "\"a\\\"@x.example,\"@c.example", " \"a\\\"@x.example,\"@c.example" },
		{ "a@[192.0.2.1]", " a@[192.0.2.1]" },
		{ "Al <a@[IPv6:2001:db8::1]>", " a@[IPv6:2001:db8::1]" },
		{ "a@[IPv6:2001:db8::1]", " a@[IPv6:2001:db8::1]" },
		{ "M\xc3\xbcller <m\xc3\xbcller@b.example>", " m\xc3\xbcller@b.example" },
		{ "\"x@y.example\" <a@b.example>", " a@b.example" },
		{ "A@b.example <a@B.example>", " a@B.example" },
		{ "a@b.example <a@b.example>, c@d.example", " a@b.example c@d.example" },
		{ "\"x@y.example\": a@b.example;", " a@b.example" },
		{ "", "" },
		{ "  , ", "" },
		{ "(only a comment)", "" },
	};
	check_readings(cases, sizeof cases / sizeof *cases);
}

static void what_may_be_read_otherwise_is_wrong(void **state)
{
	(void)state;
	static const struct reading cases[] = {
		{ "Al", "!" },
		{ "Al a@b.example", "!" },
		{ "a@b.example c@d.example", "!" },
		{ "<a@b.example> x@y.example", "!" },
		{ "<a@b.example> <x@y.example>", "!" },
		{ "<a@b.example", "!" },
		{ "\"Al <a@b.example>", "!" },
		{ "(Al <a@b.example>", "!" },
		{ "<>", "!" },
		{ "a(x)@b.example", "!" },
		{ "a @ b.example", "!" },
		{ "a@b.example, x", " a@b.example!" },
		{ "a@b.example>", "!" },
		{ "x@y.example <a@b.example>", "!" },
		{ "Al x@y.example <a@b.example>", "!" },
		{ "a@b.example a@b.example <a@b.example>", "!" },
		{ "<x@y.example>: a@b.example", "!" },
		{ "X <x@y.example>: a@b.example;", "!" },
		{ "x@y.example: a@b.example;", "!" },
		{ "c@d.example, x@y.example: a@b.example;", " c@d.example!" },
		{ "Al <a@b.example\\>", "!" },
	};
	check_readings(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_field_is_found_wherever_pieces_end),
		cmocka_unit_test(too_much_overflows),
		cmocka_unit_test(addresses_are_read_in_all_forms),
		cmocka_unit_test(what_may_be_read_otherwise_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
