/* proto/address: a table of paths, addresses and domains that are right and wrong, and the lengths at their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "proto/address.h"

static const char *const right[] = {
	"a@b",
	"a.b.c@d.e.f",
	"A@B.Example",
	"1@2.3.4.5",
	"!#$%&'*+-/=?^_`{|}~@b",
	"a+tag@b",
	"-a-@b",
	"a@b-c.d--e",
	"a@1a.b1",
	"\"\"@b",
	"\" \"@b",
	"\"a b\"@c",
	"\"a@b\"@c",
	"\"a>b<\"@c",
	"\"\\\"\"@b",
	"\"\\\\\"@b",
	"\"\\ \\a\"@b",
	"\".a..b.\"@c",
	"a@[192.0.2.1]",
	"a@[0.0.0.0]",
	"a@[255.255.255.255]",
	"a@[IPv6:::]",
	"a@[IPv6:::1]",
	"a@[ipv6:1::]",
	"a@[IPv6:2001:db8::1]",
	"a@[IPv6:1:2:3:4:5:6:7:8]",
	"a@[IPv6:1:2:3::4:5:6]",
	"a@[IPv6:::ffff:192.0.2.1]",
	"a@[IPv6:1:2:3:4:5:6:192.0.2.1]",
	"a@[IPv6:ABCD:ef01::]",
};

static const char *const wrong[] = {
	"",
	"a",
	"@",
	"@b",
	"a@",
	"a@@b",
	"a@b@c",
	".a@b",
	"a.@b",
	"a..b@c",
	"a b@c",
	"a@b c",
	" a@b",
	"a@b ",
	"a@.b",
	"a@b.",
	"a@b..c",
	"a@-b",
	"a@b-",
	"a@b.-c",
	"a@b-.c",
	"a@b_c",
	"a@b!c",
	"a(x)@b",
	"a@b(x)",
	"a,b@c",
	"a;b@c",
	"a:b@c",
	"a\\b@c",
	"a[b]@c",
	"\"a@b",
	"a\"@b",
	"\"a\"b@c",
	"a\"b\"@c",
	"\"a\"\"b\"@c",
	"\"a\".b@c",
	"\"a\\\"@b",
	"\"\\",
	"\"a\tb\"@c",
	"\"a\rb\"@c",
	"\"a\nb\"@c",
	"\"\\\r\"@c",
	"a\x01@b",
	"a\x7f@b",
	"a@b\x01",
	"\"\x7f\"@b",
	"a@[",
	"a@[]",
	"a@[192.0.2.1",
	"a@192.0.2.1]",
	"a@[192.0.2]",
	"a@[192.0.2.1.2]",
	"a@[192.0.2.256]",
	"a@[192.0.2.01]",
	"a@[192.0.2.]",
	"a@[192.0..1]",
	"a@[192.0.2.1 ]",
	"a@[192.0.2.1]x",
	"a@[x:y]",
	"a@[IPv6:]",
	"a@[IPv6:1]",
	"a@[IPv6:1:2:3:4:5:6:7]",
	"a@[IPv6:1:2:3:4:5:6:7:8:9]",
	"a@[IPv6:1:2:3:4::5:6:7]",
	"a@[IPv6:1::2::3]",
	"a@[IPv6::1]",
	"a@[IPv6:1:]",
	"a@[IPv6:::1:]",
	"a@[IPv6:12345::]",
	"a@[IPv6:g::]",
	"a@[IPv6:::1.2.3]",
	"a@[IPv6:1.2.3.4::]",
	"a@[IPv6:1:2:3:4:5:6:7:192.0.2.1]",
	"a@[2001:db8::1]",
	"a@[IPv6:fe80::1%eth0]",
};

static const char *const wide_right[] = {
	"\xc3\xa4@b",      "a@\xc3\xa4.example", "\xe4\xbd\xa0\xe5\xa5\xbd@\xe4\xbe\x8b.example",
	"\"\xc3\xa4 \"@b", "\xf0\x9f\x93\xa7@b", "a\xc3\xa4.b@c",
	"a@b\xc3\xa4-c",
};

static const char *const wide_wrong[] = {
	"\xff@b",
	"\xc3@b",
	"\xc3\x28@b",
	"\xc0\xaf@b",     /* overlong */
	"\xe0\x80\xaf@b", /* overlong */
	"\xed\xa0\x80@b", /* surrogate */
	"\xf4\x90\x80\x80@b",
	"\xf8\x88\x80\x80\x80@b",
	"\xc2\x85@b", /* control */
	"a@\xc3\xa4-",
	"a@-\xc3\xa4",
	"\"\\\xc3\xa4\"@b", /* a quoted pair is ASCII */
	"\xc3\xa4..a@b",
};

#define FOR_EACH(row, table)                                                                                           \
	for (const char *const *row = (table); row < (table) + sizeof(table) / sizeof(table)[0]; row++)

static enum address_status parse(const char *text, bool utf8, struct address *address)
{
	return address_parse(slice_from_text(text), utf8, address);
}

static enum address_status parse_in_brackets(const char *text, bool utf8, struct address *address, size_t *consumed)
{
	static char path[600];
	snprintf(path, sizeof path, "<%s> SIZE=1", text);
	return address_parse_path(slice_from_text(path), false, false, utf8, address, consumed);
}

static void expect(const char *text, bool utf8, enum address_status status)
{
	struct address address;
	size_t consumed;
	enum address_status bare = parse(text, utf8, &address);
	if (bare != status)
		print_error("\"%s\": %d\n", text, bare);
	assert_int_equal(bare, status);
	assert_int_equal(parse_in_brackets(text, utf8, &address, &consumed), status);
	if (status != ADDRESS_OK)
		return;
	assert_int_equal(consumed, strlen(text) + 2);
	assert_true(slice_equal(address.text, slice_from_text(text)));
	assert_int_equal(address.local.size + 1 + address.domain.size, address.text.size);
	assert_int_equal(address.text.data[address.local.size], '@');
}

static void addresses_follow_the_grammar(void **state)
{
	(void)state;
	FOR_EACH(row, right)
	{
		expect(*row, false, ADDRESS_OK);
		expect(*row, true, ADDRESS_OK);
	}
	FOR_EACH(row, wrong)
	{
		expect(*row, false, ADDRESS_MALFORMED);
		expect(*row, true, ADDRESS_MALFORMED);
	}
	FOR_EACH(row, wide_right)
	{
		expect(*row, true, ADDRESS_OK);
		expect(*row, false, ADDRESS_NEEDS_UTF8);
	}
	FOR_EACH(row, wide_wrong)
	{
		expect(*row, true, ADDRESS_MALFORMED);
		expect(*row, false, ADDRESS_MALFORMED);
	}
}

static void nul_is_no_end(void **state)
{
	(void)state;
	struct address address;
	size_t consumed;
	assert_int_equal(address_parse(SLICE_LITERAL("a\0@b"), true, &address), ADDRESS_MALFORMED);
	assert_int_equal(address_parse(SLICE_LITERAL("a@b\0"), true, &address), ADDRESS_MALFORMED);
	assert_int_equal(address_parse(SLICE_LITERAL("\"\0\"@b"), true, &address), ADDRESS_MALFORMED);
	assert_int_equal(address_parse_path(SLICE_LITERAL("<a@b\0>"), true, true, true, &address, &consumed),
			 ADDRESS_MALFORMED);
}

/* --- paths --- */

struct path_row {
	const char *path;
	const char *text; /* NULL: malformed */
	size_t rest;      /* bytes that are left behind the path */
};

static const struct path_row paths[] = {
	{ "<a@b>", "a@b", 0 },
	{ "<a@b>>", "a@b", 1 },
	{ "<a@b> X", "a@b", 2 },
	{ "<>", "", 0 },
	{ "<>>", "", 1 },
	{ "<postmaster>", "postmaster", 0 },
	{ "<POSTmaster> x", "POSTmaster", 2 },
	{ "<postmaster@b>", "postmaster@b", 0 },
	{ "<@x:a@b>", "a@b", 0 },
	{ "<@x,@y.z:a@b>", "a@b", 0 },
	{ "<@x,@y.z:\"@\"@b>", "\"@\"@b", 0 },
	{ "<@x,@y:postmaster>", NULL, 0 },
	{ "<@x:>", NULL, 0 },
	{ "<@x,a@b>", NULL, 0 },
	{ "<@x,@:a@b>", NULL, 0 },
	{ "<@x@y:a@b>", NULL, 0 },
	{ "<@x,,@y:a@b>", NULL, 0 },
	{ "<@x:@y:a@b>", NULL, 0 },
	{ "<@.x:a@b>", NULL, 0 },
	{ "<@x a@b>", NULL, 0 },
	{ "<@x", NULL, 0 },
	{ "<@", NULL, 0 },
	{ "<", NULL, 0 },
	{ "", NULL, 0 },
	{ ">", NULL, 0 },
	{ "a@b", NULL, 0 },
	{ "<a@b", NULL, 0 },
	{ "a@b>", NULL, 0 },
	{ "<<a@b>>", NULL, 0 },
	{ "< a@b>", NULL, 0 },
	{ "<a@b >", NULL, 0 },
	{ "<postmaster", NULL, 0 },
	{ "<postmasters>", NULL, 0 },
};

static void paths_have_brackets_and_lose_routes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		const struct path_row *row = &paths[i];
		struct address address;
		size_t consumed;
		struct slice input = slice_from_text(row->path);
		enum address_status status = address_parse_path(input, true, true, false, &address, &consumed);
		if ((status == ADDRESS_OK) != (row->text != NULL))
			print_error("%s: %d\n", row->path, status);
		assert_int_equal(status, row->text ? ADDRESS_OK : ADDRESS_MALFORMED);
		if (!row->text)
			continue;
		assert_int_equal(input.size - consumed, row->rest);
		assert_true(slice_equal(address.text, slice_from_text(row->text)));
	}
	struct address address;
	size_t consumed;
	assert_int_equal(address_parse_path(SLICE_LITERAL("<>"), false, true, true, &address, &consumed),
			 ADDRESS_MALFORMED);
	assert_int_equal(address_parse_path(SLICE_LITERAL("<postmaster>"), true, false, true, &address, &consumed),
			 ADDRESS_MALFORMED);
}

/* --- lengths --- */

/* `local` bytes, "@", labels of 63 up to `domain` bytes. */
static enum address_status parse_sized(size_t local, size_t domain)
{
	char text[600];
	struct address address;
	size_t consumed;
	memset(text, 'a', local);
	text[local] = '@';
	for (size_t i = 0; i < domain; i++)
		text[local + 1 + i] = i % 64 == 63 && i + 1 < domain ? '.' : 'b';
	text[local + 1 + domain] = 0;
	enum address_status status = parse(text, false, &address);
	assert_int_equal(parse_in_brackets(text, false, &address, &consumed), status);
	return status;
}

static void lengths_have_limits(void **state)
{
	(void)state;
	assert_int_equal(parse_sized(LIMIT_LOCAL_PART_BYTES, 1), ADDRESS_OK);
	assert_int_equal(parse_sized(LIMIT_LOCAL_PART_BYTES + 1, 1), ADDRESS_TOO_LONG);
	assert_int_equal(parse_sized(1, LIMIT_PATH_BYTES - 4), ADDRESS_OK);
	assert_int_equal(parse_sized(1, LIMIT_PATH_BYTES - 3), ADDRESS_TOO_LONG);
	assert_int_equal(parse_sized(64, 189), ADDRESS_OK);
	assert_int_equal(parse_sized(64, 190), ADDRESS_TOO_LONG);
	assert_int_equal(parse_sized(200, 200), ADDRESS_TOO_LONG);

	struct address address;
	char text[80] = "a@";
	memset(text + 2, 'b', 64);
	assert_int_equal(parse(text, false, &address), ADDRESS_MALFORMED);
	text[2 + 63] = 0;
	assert_int_equal(parse(text, false, &address), ADDRESS_OK);
}

/* --- domains --- */

static void ehlo_takes_what_clients_send(void **state)
{
	(void)state;
	static const char *const taken[] = { "a",      "a.b", "my_pc", "localhost.", "[192.0.2.1]", "[IPv6:::1]",
					     "WIN-1.", "-",   "[bad",  "a,b",        "a\"b<c>" };
	static const char *const refused[] = { "", "a b", " a", "a ", "a\tb", "a\rb", "a\nb", "a\x7f", "\xc3" };
	FOR_EACH(row, taken)
	assert_true(address_domain_is_valid(slice_from_text(*row), false));
	FOR_EACH(row, refused)
	assert_false(address_domain_is_valid(slice_from_text(*row), true));
	assert_true(address_domain_is_valid(SLICE_LITERAL("\xc3\xa4"), true));
	assert_false(address_domain_is_valid(SLICE_LITERAL("\xc3\xa4"), false));
	assert_false(address_domain_is_valid(SLICE_LITERAL("a\0b"), true));
}

static void strict_domains_follow_the_grammar(void **state)
{
	(void)state;
	static const char *const strict[] = { "a", "a.b-c", "[192.0.2.1]", "[IPv6:::1]" };
	static const char *const loose[] = { "", "a_b", "a.", "[bad", "a,b", "(a)", "a]", "[1.2.3.4]x", "\xc3\xa4" };
	FOR_EACH(row, strict)
	assert_true(address_domain_is_strict(slice_from_text(*row), false));
	FOR_EACH(row, loose)
	assert_false(address_domain_is_strict(slice_from_text(*row), false));
	assert_true(address_domain_is_strict(SLICE_LITERAL("\xc3\xa4.b"), true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_follow_the_grammar),
		cmocka_unit_test(nul_is_no_end),
		cmocka_unit_test(paths_have_brackets_and_lose_routes),
		cmocka_unit_test(lengths_have_limits),
		cmocka_unit_test(ehlo_takes_what_clients_send),
		cmocka_unit_test(strict_domains_follow_the_grammar),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
