/* core/net/address: from sockets, to text, from configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "core/net/address.h"

static struct net_address parsed(const char *text)
{
	struct sockaddr_storage storage;
	socklen_t size;
	struct error error = { "" };
	if (!net_address_parse_with_port(text, &storage, &size, &error))
		fail_msg("%s", error.text);
	assert_int_equal(size, storage.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	return net_address_from_socket(&storage);
}

static void text_and_address_agree(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *address;
		uint16_t port;
		uint8_t family;
	} cases[] = {
		{ "192.0.2.1:587", "192.0.2.1", 587, 4 },
		{ "0.0.0.0:1", "0.0.0.0", 1, 4 },
		{ "[::]:65535", "::", 65535, 6 },
		{ "[::1]:25", "::1", 25, 6 },
		{ "[2001:DB8:0:0:1:0:0:1]:465", "2001:db8::1:0:0:1", 465, 6 },
		{ "[2001:db8:0:1:1:1:1:1]:465", "2001:db8:0:1:1:1:1:1", 465, 6 },
		{ "[::ffff:192.0.2.1]:587", "192.0.2.1", 587, 4 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct net_address address = parsed(cases[i].text);
		char text[NET_ADDRESS_TEXT_BYTES];
		net_address_format(&address, text);
		assert_string_equal(text, cases[i].address);
		assert_int_equal(address.port, cases[i].port);
		assert_int_equal(address.family, cases[i].family);
	}
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *said;
	} cases[] = {
		{ "", "has no port" },
		{ "192.0.2.1", "has no port" },
		{ "[::1]", "has no port" },
		{ "[2001:db8::1", "nothing else" },
		{ "192.0.2.1:", "number from 1" },
		{ "192.0.2.1:0", "number from 1" },
		{ "192.0.2.1:65536", "number from 1" },
		{ "192.0.2.1:25x", "number from 1" },
		{ "192.0.2.1:+25", "number from 1" },
		{ "::1:587", "brackets" },
		{ "[::1]x:587", "nothing else" },
		{ "[:587", "nothing else" },
		{ "[]:587", "not an address" },
		{ ":587", "not an address" },
		{ "localhost:587", "\"localhost\" is not an address" },
		{ "192.0.2.256:587", "not an address" },
		{ "[192.0.2.1]:587", "not an address" },
		{ "[::1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1]:587", "not an address" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sockaddr_storage storage;
		socklen_t size;
		struct error error = { "" };
		assert_false(net_address_parse_with_port(cases[i].text, &storage, &size, &error));
		if (!strstr(error.text, cases[i].said))
			fail_msg("\"%s\" gave: %s", cases[i].text, error.text);
	}
}

static void other_sockets_are_unknown(void **state)
{
	(void)state;
	struct sockaddr_storage storage = { .ss_family = AF_UNIX };
	struct net_address address = net_address_from_socket(&storage);
	char text[NET_ADDRESS_TEXT_BYTES];
	net_address_format(&address, text);
	assert_string_equal(text, "unknown");
	assert_int_equal(net_address_network(&address), 0);
}

static uint64_t network(const char *text)
{
	struct net_address address = parsed(text);
	return net_address_network(&address);
}

static uint64_t site(const char *text)
{
	struct net_address address = parsed(text);
	return net_address_site(&address);
}

static void neighbours_share_a_network(void **state)
{
	(void)state;
	assert_true(network("192.0.2.1:1") == network("192.0.2.254:2"));
	assert_true(network("192.0.2.1:1") != network("192.0.3.1:1"));
	assert_true(network("192.0.2.1:1") == network("[::ffff:192.0.2.9]:1"));
	assert_true(network("[2001:db8:0:1::1]:1") == network("[2001:db8:0:1:ffff::]:1"));
	assert_true(network("[2001:db8:0:1::1]:1") != network("[2001:db8:0:2::1]:1"));
	assert_true(network("0.0.1.0:1") != network("[0:0:0:1::]:1"));
	assert_true(site("192.0.2.1:1") == site("192.0.2.254:2") && site("192.0.2.1:1") != site("192.0.3.1:1"));
	assert_true(site("[2001:db8:7::1]:1") == site("[2001:db8:7:ffff::1]:1"));
	assert_true(site("[2001:db8:7::1]:1") != site("[2001:db8:8::1]:1"));
	assert_true(site("0.0.1.0:1") != site("[0:0:1::]:1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_address_agree),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(other_sockets_are_unknown),
		cmocka_unit_test(neighbours_share_a_network),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
