/* core/net/prefix and the reading of addresses: what is taken, how it is written back, what each error says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/net/prefix.h"
#include "core/net/quote.h"

static struct net_prefix parsed(const char *text)
{
	struct net_prefix prefix;
	struct error error = { "" };
	if (!net_prefix_parse(slice_from_text(text), &prefix, &error))
		fail_msg("%s", error.text);
	return prefix;
}

static struct net_address address_of(const char *text)
{
	struct net_address address;
	struct error error = { "" };
	if (!net_address_parse(slice_from_text(text), &address, &error))
		fail_msg("%s", error.text);
	return address;
}

static void text_and_prefix_agree(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *written;
		uint8_t family;
		uint8_t length;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.0/24", 4, 24 },
		{ "192.0.2.9", "192.0.2.9", 4, 32 },
		{ "192.0.2.9/32", "192.0.2.9", 4, 32 },
		{ "0.0.0.0/0", "0.0.0.0/0", 4, 0 },
		{ "0.0.0.0", "0.0.0.0", 4, 32 },
		{ "128.0.0.0/1", "128.0.0.0/1", 4, 1 },
		{ "255.255.255.254/31", "255.255.255.254/31", 4, 31 },
		{ "2001:db8::/32", "2001:db8::/32", 6, 32 },
		{ "2001:DB8:0000:0:0::/32", "2001:db8::/32", 6, 32 },
		{ "::/0", "::/0", 6, 0 },
		{ "::1", "::1", 6, 128 },
		{ "::1/128", "::1", 6, 128 },
		{ "8000::/1", "8000::/1", 6, 1 },
		{ "2001:db8::fffe/127", "2001:db8::fffe/127", 6, 127 },
		{ "::ffff:192.0.2.9", "192.0.2.9", 4, 32 },
		{ "::ffff:192.0.2.0/120", "192.0.2.0/24", 4, 24 },
		{ "::FFFF:c000:0200/120", "192.0.2.0/24", 4, 24 },
		{ "::ffff:0:0/96", "0.0.0.0/0", 4, 0 },
		{ "::/96", "::/96", 6, 96 },
		{ "::192.0.2.1", "::192.0.2.1", 6, 128 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct net_prefix prefix = parsed(cases[i].text);
		char text[NET_PREFIX_TEXT_BYTES];
		net_prefix_format(&prefix, text);
		assert_string_equal(text, cases[i].written);
		assert_int_equal(prefix.family, cases[i].family);
		assert_int_equal(prefix.length, cases[i].length);
		struct net_prefix again = parsed(text);
		assert_memory_equal(&prefix, &again, sizeof prefix);
	}
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *said;
	} cases[] = {
		{ "", "is empty" },
		{ "/24", "is empty" },
		{ "192.0.2.1/24", "write 192.0.2.0/24 for the network or 192.0.2.1 for the address" },
		{ "192.0.2.1/0", "write 0.0.0.0/0 for" },
		{ "192.0.2.1/31", "write 192.0.2.0/31 for" },
		{ "2001:db8::1/64", "write 2001:db8::/64 for the network or 2001:db8::1 for" },
		{ "2001:db8::1/127", "write 2001:db8::/127 for" },
		{ "::ffff:192.0.2.1/120", "write 192.0.2.0/24 for" },
		{ "::ffff:0:0/95", "96 or more" },
		{ "::ffff:0:0/0", "96 or more" },
		{ "::ffff:0:0/129", "0 to 128" },
		{ "192.0.2.0/33", "0 to 32" },
		{ "192.0.2.0/", "0 to 32" },
		{ "192.0.2.0/024", "0 to 32 without leading zeros" },
		{ "192.0.2.0/00", "0 to 32 without" },
		{ "192.0.2.0/+24", "0 to 32" },
		{ "192.0.2.0/-1", "0 to 32" },
		{ "192.0.2.0/ 24", "0 to 32" },
		{ "192.0.2.0/24 ", "0 to 32" },
		{ "192.0.2.0/24/8", "0 to 32" },
		{ "192.0.2.0/99999999999999999999999", "0 to 32" },
		{ "2001:db8::/129", "0 to 128" },
		{ "192.0.2.0/255.255.255.0", "write /24" },
		{ "192.0.2.0/0.0.0.0", "write /0" },
		{ "192.0.2.0/255.255.255.255", "write /32" },
		{ "192.0.2.0/255.0.255.0", "0 to 32" },
		{ "192.0.2.0/0.0.0.255", "0 to 32" },
		{ "2001:db8::/255.255.255.0", "0 to 128" },
		{ " 192.0.2.0/24", "no blanks" },
		{ "192.0.2.0 /24", "no blanks" },
		{ "192.0.2.0\t/24", "no blanks" },
		{ "192.0.02.0/24", "\"02\" as octal" },
		{ "00.0.2.0/24", "\"00\" as octal" },
		{ "192.0.2.256", "256 is too large" },
		{ "192.0.2", "has fewer than four" },
		{ "10/8", "has fewer than four" },
		{ "192.0.2.1.1", "has more than four" },
		{ "192.0.2.1.", "not an address" },
		{ "192..2.1", "not an address" },
		{ "0x7f.0.0.1", "not an address" },
		{ "host.example", "not an address" },
		{ "192.0.2.*", "a * is not used" },
		{ "192.0.2.1-192.0.2.9", "a range is written" },
		{ "[2001:db8::1]", "brackets" },
		{ "fe80::1%eth0", "interface" },
		{ "2001:db8::1::2", "not an IPv6 address" },
		{ "2001:db8:1:2:3:4:5", "not an IPv6 address" },
		{ "2001:db8:1:2:3:4:5:6:7", "not an IPv6 address" },
		{ "2001:db8::12345", "not an IPv6 address" },
		{ "2001:db8::g", "not an IPv6 address" },
		{ "::ffff:192.0.2.01", "not an IPv6 address" },
		{ ":", "not an IPv6 address" },
		{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", "not an IPv6 address" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct net_prefix prefix;
		struct error error = { "" };
		assert_false(net_prefix_parse(slice_from_text(cases[i].text), &prefix, &error));
		if (!strstr(error.text, cases[i].said))
			fail_msg("\"%s\" gave: %s", cases[i].text, error.text);
		assert_false(net_prefix_parse(slice_from_text(cases[i].text), &prefix, NULL));
	}
}

static void a_nul_does_not_end_the_text(void **state)
{
	(void)state;
	struct net_prefix prefix;
	struct error error = { "" };
	assert_false(net_prefix_parse(SLICE_LITERAL("192.0.2.1\0.evil"), &prefix, &error));
	assert_string_equal(error.text,
			    "\"192.0.2.1?.evil\": an address has no blanks or controls in it; take them out");
	assert_false(net_prefix_parse(SLICE_LITERAL("192.0.2.0/24\0"), &prefix, &error));
	assert_false(net_prefix_parse(SLICE_LITERAL("::1\0"), &prefix, &error));
}

static void a_long_text_is_cut_in_the_error(void **state)
{
	(void)state;
	char text[1000], shown[NET_QUOTE_BYTES];
	memset(text, '1', sizeof text);
	text[1] = '\033';
	text[2] = '"';
	struct net_prefix prefix;
	struct error error = { "" };
	assert_false(net_prefix_parse(slice_of(text, sizeof text), &prefix, &error));
	assert_true(strlen(error.text) < 200);
	assert_null(strchr(error.text, '\033'));
	net_quote(slice_of(text, sizeof text), shown);
	assert_int_equal(strlen(shown), NET_QUOTE_BYTES - 1);
	assert_true(strncmp(shown, "1??111", 6) == 0 && strcmp(shown + strlen(shown) - 4, "1...") == 0);
	net_quote(slice_of(text + 3, NET_QUOTE_BYTES - 4), shown);
	assert_int_equal(strlen(shown), NET_QUOTE_BYTES - 4);
	assert_string_equal(net_quote(SLICE_LITERAL(""), shown), "");
}

/* Bit by bit, the slow way. */
static bool bit_of(const uint8_t bytes[16], unsigned at)
{
	return bytes[at / 8] >> (7 - at % 8) & 1;
}

static void every_length_has_its_edges(void **state)
{
	(void)state;
	static const char *const addresses[] = { "192.0.2.9", "255.255.255.255", "0.0.0.0",
						 "2001:db8:1234:5678:9abc:def0:fedc:ba98",
						 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		struct net_address address = address_of(addresses[i]);
		unsigned most = net_prefix_length_most(address.family);
		for (unsigned length = 0; length <= most; length++) {
			struct net_prefix prefix = net_prefix_around(&address, length);
			struct net_address first = net_prefix_first(&prefix), last = net_prefix_last(&prefix);
			for (unsigned bit = 0; bit < 128; bit++) {
				bool own = bit < length && bit_of(address.bytes, bit);
				assert_int_equal(bit_of(first.bytes, bit), own);
				assert_int_equal(bit_of(last.bytes, bit), own || (bit >= length && bit < most));
			}
			assert_true(net_prefix_contains(&prefix, &address));
			assert_true(net_prefix_contains(&prefix, &first));
			assert_true(net_prefix_contains(&prefix, &last));
			for (unsigned bit = 0; bit < most; bit++) {
				struct net_address other = address;
				other.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
				assert_int_equal(net_prefix_contains(&prefix, &other), bit >= length);
			}
		}
	}
}

static void families_are_apart(void **state)
{
	(void)state;
	struct net_address ipv4 = address_of("0.0.0.0"), ipv6 = address_of("::"), mapped = address_of("::ffff:0.0.0.0");
	struct net_prefix all_ipv4 = parsed("0.0.0.0/0"), all_ipv6 = parsed("::/0");
	assert_true(net_prefix_contains(&all_ipv4, &ipv4) && net_prefix_contains(&all_ipv4, &mapped));
	assert_false(net_prefix_contains(&all_ipv4, &ipv6));
	assert_true(net_prefix_contains(&all_ipv6, &ipv6));
	assert_false(net_prefix_contains(&all_ipv6, &ipv4) || net_prefix_contains(&all_ipv6, &mapped));
	assert_true(net_address_equal(&ipv4, &mapped));
	assert_false(net_address_equal(&ipv4, &ipv6));
}

static void random_prefixes_are_read_back(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		struct net_address address = { .family = rand() % 2 ? 4 : 6 };
		for (int byte = 0; byte < (address.family == 4 ? 4 : 16); byte++)
			address.bytes[byte] = (uint8_t)(rand() % 3 ? rand() >> 8 : 0);
		unsigned most = net_prefix_length_most(address.family);
		struct net_prefix prefix = net_prefix_around(&address, (unsigned)rand() % (most + 1));
		char text[NET_PREFIX_TEXT_BYTES];
		net_prefix_format(&prefix, text);
		struct net_prefix again = parsed(text);
		assert_memory_equal(&prefix, &again, sizeof prefix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_prefix_agree),         cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(a_nul_does_not_end_the_text),   cmocka_unit_test(a_long_text_is_cut_in_the_error),
		cmocka_unit_test(every_length_has_its_edges),    cmocka_unit_test(families_are_apart),
		cmocka_unit_test(random_prefixes_are_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
