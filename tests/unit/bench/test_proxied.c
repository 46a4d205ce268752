/* bench/proxied: its headers are such as the server takes, and the addresses are all of the prefix, one after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/proxied.h"
#include "core/net/proxy_header.h"

static void assert_address(const char *prefix_text, uint64_t number, const char *address_text)
{
	struct net_prefix prefix;
	struct proxy_header header;
	uint8_t bytes[PROXIED_HEADER_BYTES];
	char text[NET_ADDRESS_TEXT_BYTES];
	assert_true(net_prefix_parse(slice_from_text(prefix_text), &prefix, NULL));
	size_t size = proxied_header(&prefix, number, bytes);
	assert_int_equal(proxy_header_parse(slice_of(bytes, size), &header), PROXY_HEADER_OK);
	assert_int_equal(header.size, size);
	assert_true(header.relayed);
	net_address_format(&header.source, text);
	assert_string_equal(text, address_text);
	assert_true(header.source.port >= 1024);
}

static void addresses_of_the_prefix_come_in_turn(void **state)
{
	(void)state;
	assert_address("192.0.2.0/24", 0, "192.0.2.0");
	assert_address("192.0.2.0/24", 255, "192.0.2.255");
	assert_address("192.0.2.0/24", 256, "192.0.2.0");
	assert_address("10.0.0.0/8", 65536 + 5, "10.1.0.5");
	assert_address("192.0.2.7", 99, "192.0.2.7");
	assert_address("0.0.0.0/0", UINT64_C(0x1c0000201), "192.0.2.1");
	assert_address("2001:db8::/32", 65536 + 5, "2001:db8::1:5");
	assert_address("2001:db8::/64", UINT64_C(0xf00000001), "2001:db8::1");
	assert_address("2001:db8::/120", 258, "2001:db8::2");
	assert_address("2001:db8::1", 3, "2001:db8::1");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(addresses_of_the_prefix_come_in_turn) };
	return cmocka_run_group_tests_name("proxied", tests, NULL, NULL);
}
