/* core/net/proxy_header: both versions, cut at every byte, too short and too long, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "core/net/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct slice text_of(const char *text)
{
	return slice_from_text(text);
}

/* Parses a copy that ends where the input does, so that reading behind it is noticed. */
static enum proxy_header_status parse(struct slice input, struct proxy_header *header)
{
	uint8_t *copy = malloc(input.size + 1);
	assert_non_null(copy);
	if (input.size)
		memcpy(copy + 1, input.data, input.size);
	enum proxy_header_status status = proxy_header_parse(slice_of(copy + 1, input.size), header);
	free(copy);
	return status;
}

static void check_address(const struct net_address *address, const char *wanted, uint16_t port)
{
	char text[NET_ADDRESS_TEXT_BYTES];
	net_address_format(address, text);
	assert_string_equal(text, wanted);
	assert_int_equal(address->port, port);
}

/* A right header at its every cut, and with the client's bytes behind it. */
static struct proxy_header check_right(struct slice input)
{
	struct proxy_header header, again;
	uint8_t longer[LIMIT_PROXY_HEADER_BYTES + 16];
	for (size_t size = 0; size < input.size; size++)
		assert_int_equal(parse(slice_first(input, size), &header), PROXY_HEADER_NEED_MORE);
	assert_int_equal(parse(input, &header), PROXY_HEADER_OK);
	assert_int_equal(header.size, input.size);
	memcpy(longer, input.data, input.size);
	memcpy(longer + input.size, "EHLO there\r\n", 12);
	assert_int_equal(parse(slice_of(longer, input.size + 12), &again), PROXY_HEADER_OK);
	assert_int_equal(again.size, header.size);
	assert_int_equal(again.relayed, header.relayed);
	assert_true(net_address_equal(&again.source, &header.source));
	assert_true(net_address_equal(&again.destination, &header.destination));
	return header;
}

/* A wrong header is refused at some cut, and from there on for good; none of its cuts is right. */
static void check_wrong(struct slice input, const char *said)
{
	struct proxy_header header;
	bool refused = false;
	for (size_t size = 0; size <= input.size; size++) {
		enum proxy_header_status status = parse(slice_first(input, size), &header);
		if (status == PROXY_HEADER_OK || (refused && status != PROXY_HEADER_REJECT))
			fail_msg("%.*s: answers %d at %zu", SLICE_ARGS(input), (int)status, size);
		refused = status == PROXY_HEADER_REJECT;
		if (refused)
			assert_true(header.size == 0 && !header.relayed && header.source.family == 0);
	}
	if (!refused || !strstr(header.fault, said))
		fail_msg("%.*s: %s", SLICE_ARGS(input), refused ? header.fault : "is not refused");
}

static void version_1_tells_addresses(void **state)
{
	(void)state;
	struct proxy_header header = check_right(text_of("PROXY TCP4 192.0.2.9 198.51.100.1 56324 587\r\n"));
	assert_true(header.relayed);
	check_address(&header.source, "192.0.2.9", 56324);
	check_address(&header.destination, "198.51.100.1", 587);
	header = check_right(text_of("PROXY TCP6 2001:db8::1 2001:DB8:0:0:0:0:0:2 0 65535\r\n"));
	assert_true(header.relayed);
	check_address(&header.source, "2001:db8::1", 0);
	check_address(&header.destination, "2001:db8::2", 65535);
	header = check_right(text_of("PROXY TCP6 ::ffff:192.0.2.9 ::ffff:198.51.100.1 1 2\r\n"));
	check_address(&header.source, "192.0.2.9", 1);
	check_address(&header.destination, "198.51.100.1", 2);
}

static void version_1_unknown_stands_for_itself(void **state)
{
	(void)state;
	assert_false(check_right(text_of("PROXY UNKNOWN\r\n")).relayed);
	assert_false(check_right(text_of("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n")).relayed);
	char longest[LIMIT_PROXY_LINE_BYTES + 2];
	memset(longest, 'x', sizeof longest);
	memcpy(longest, "PROXY UNKNOWN ", 14);
	memcpy(longest + LIMIT_PROXY_LINE_BYTES - 2, "\r\n", 2);
	assert_false(check_right(slice_of(longest, LIMIT_PROXY_LINE_BYTES)).relayed);
	memcpy(longest + LIMIT_PROXY_LINE_BYTES - 2, "xx\r\n", 4);
	check_wrong(slice_of(longest, LIMIT_PROXY_LINE_BYTES), "too long");
	check_wrong(slice_of(longest, LIMIT_PROXY_LINE_BYTES + 2), "too long");
}

static void version_1_refuses_what_is_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		const char *said;
	} cases[] = {
		{ "EHLO there\r\n", "no PROXY header" },
		{ "proxy TCP4 192.0.2.9 198.51.100.1 1 2\r\n", "no PROXY header" },
		{ "PROXY\r\n", "no PROXY header" },
		{ "PROXY \r\n", "another protocol" },
		{ "PROXY UDP4 192.0.2.9 198.51.100.1 1 2\r\n", "another protocol" },
		{ "PROXY tcp4 192.0.2.9 198.51.100.1 1 2\r\n", "another protocol" },
		{ "PROXY UNKNOWNS\r\n", "another protocol" },
		{ "PROXY  TCP4 192.0.2.9 198.51.100.1 1 2\r\n", "another protocol" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 1 2\n", "CRLF" },
		{ "PROXY UNKNOWN\nEHLO there\r\n", "CRLF" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 1 2\r\r\n", "a port" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 1 2\rx\r\n", "a port" },
		{ "PROXY TCP4\r\n", "an address" },
		{ "PROXY TCP4 192.0.2.9\r\n", "an address" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1\r\n", "a port" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 1\r\n", "a port" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 1 \r\n", "a port" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 1 2 \r\n", "a port" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 1 2 3\r\n", "a port" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1  1 2\r\n", "a port" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 1 65536\r\n", "a port" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 01 2\r\n", "a port" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 -1 2\r\n", "a port" },
		{ "PROXY TCP4 192.0.2.9 198.51.100.1 1 2x\r\n", "a port" },
		{ "PROXY TCP4 192.0.2.09 198.51.100.1 1 2\r\n", "an address" },
		{ "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n", "an address" },
		{ "PROXY TCP4 ::1 ::1 1 2\r\n", "an address" },
		{ "PROXY TCP4 ::ffff:192.0.2.9 198.51.100.1 1 2\r\n", "an address" },
		{ "PROXY TCP6 192.0.2.9 198.51.100.1 1 2\r\n", "an address" },
		{ "PROXY TCP6 ::1 192.0.2.9 1 2\r\n", "an address" },
		{ "PROXY TCP6 [::1] ::1 1 2\r\n", "an address" },
		{ "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "an address" },
		{ "PROXY TCP4\t192.0.2.9 198.51.100.1 1 2\r\n", "another protocol" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check_wrong(text_of(cases[i].line), cases[i].said);
	check_wrong(SLICE_LITERAL("PROXY TCP4 192.0.2.9\0 198.51.100.1 1 2\r\n"), "an address");
}

/* --- version 2 --- */

static uint8_t storage[LIMIT_PROXY_HEADER_BYTES + 64];
static struct buffer built;

static void begin(uint8_t command, uint8_t family)
{
	buffer_init(&built, storage, sizeof storage);
	buffer_append(&built, SLICE_LITERAL(SIGNATURE));
	buffer_append_byte(&built, command);
	buffer_append_byte(&built, family);
	buffer_append(&built, SLICE_LITERAL("\0\0"));
}

static struct slice finished(void)
{
	assert_false(built.overflow);
	storage[14] = (uint8_t)((built.size - 16) >> 8);
	storage[15] = (uint8_t)(built.size - 16);
	return buffer_slice(&built);
}

static void add_ipv4(void)
{
	buffer_append(&built, SLICE_LITERAL("\xc0\0\2\x9\xc6\x33\x64\1\xdc\4\2\x4b"));
}

static void add_ipv6(void)
{
	buffer_append(&built,
		      SLICE_LITERAL("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2"));
	buffer_append(&built, SLICE_LITERAL("\xdc\4\2\x4b"));
}

static void add_zeros(size_t count)
{
	while (count-- > 0)
		buffer_append_byte(&built, 0);
}

static void version_2_tells_addresses(void **state)
{
	(void)state;
	begin(0x21, 0x11);
	add_ipv4();
	struct proxy_header header = check_right(finished());
	assert_true(header.relayed);
	check_address(&header.source, "192.0.2.9", 56324);
	check_address(&header.destination, "198.51.100.1", 587);
	begin(0x21, 0x21);
	add_ipv6();
	header = check_right(finished());
	assert_true(header.relayed);
	check_address(&header.source, "2001:db8::1", 56324);
	check_address(&header.destination, "2001:db8::2", 587);
	begin(0x21, 0x21);
	buffer_append(&built, SLICE_LITERAL("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\x9"));
	buffer_append(&built, SLICE_LITERAL("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\1\0\1\0\2"));
	header = check_right(finished());
	check_address(&header.source, "192.0.2.9", 1);
	check_address(&header.destination, "198.51.100.1", 2);
}

static void version_2_may_tell_nothing(void **state)
{
	(void)state;
	begin(0x20, 0x00);
	assert_false(check_right(finished()).relayed);
	begin(0x20, 0x11); /* LOCAL: the family and all that follows mean nothing */
	assert_false(check_right(finished()).relayed);
	begin(0x20, 0xff);
	buffer_append_text(&built, "anything");
	assert_false(check_right(finished()).relayed);
	begin(0x21, 0x00);
	buffer_append_text(&built, "anything");
	assert_false(check_right(finished()).relayed);
	begin(0x21, 0x31);
	add_zeros(216);
	assert_false(check_right(finished()).relayed);
}

static void add_tlv(uint8_t type, size_t size)
{
	buffer_append_byte(&built, type);
	buffer_append_byte(&built, (uint8_t)(size >> 8));
	buffer_append_byte(&built, (uint8_t)size);
	add_zeros(size);
}

static void tlvs_must_fit(void **state)
{
	(void)state;
	begin(0x21, 0x11);
	add_ipv4();
	add_tlv(0x20, 0);
	add_tlv(0x02, 300);
	add_tlv(0xff, 7);
	assert_true(check_right(finished()).relayed);
	size_t whole = built.size;
	for (size_t cut = 1; cut < 10; cut++) {
		built.size = whole - cut;
		check_wrong(finished(), "runs past");
	}
	built.size = whole - 10; /* the last TLV is gone altogether */
	assert_true(check_right(finished()).relayed);
	buffer_append_byte(&built, 0x01);
	check_wrong(finished(), "runs past");
	buffer_append_byte(&built, 0);
	check_wrong(finished(), "runs past");
	buffer_append_byte(&built, 1);
	check_wrong(finished(), "runs past");
	buffer_append_byte(&built, 'x');
	assert_true(check_right(finished()).relayed);
	begin(0x21, 0x31);
	add_zeros(216);
	add_tlv(0x05, 16);
	assert_false(check_right(finished()).relayed);
	built.size--;
	check_wrong(finished(), "runs past");
}

/* Bit by bit, from the polynomial. */
static uint32_t slow_checksum(struct slice bytes)
{
	uint32_t sum = UINT32_MAX;
	for (size_t i = 0; i < bytes.size * 8; i++) {
		uint32_t bit = bytes.data[i / 8] >> i % 8 & 1;
		sum = (sum ^ bit) & 1 ? sum >> 1 ^ 0x82f63b78 : sum >> 1;
	}
	return ~sum;
}

static void a_checksum_must_be_right(void **state)
{
	(void)state;
	assert_int_equal(slow_checksum(SLICE_LITERAL("123456789")), 0xe3069283); /* the check value of CRC-32c */
	for (size_t before = 0; before < 40; before++) {
		begin(0x21, 0x11);
		add_ipv4();
		add_tlv(0x01, before);
		add_tlv(0x03, 4);
		size_t at = built.size - 4;
		add_tlv(0x04, before % 7);
		struct slice header = finished();
		uint32_t sum = slow_checksum(header);
		for (size_t i = 0; i < 4; i++)
			storage[at + i] = (uint8_t)(sum >> (24 - 8 * i));
		assert_true(check_right(header).relayed);
		/* Addresses, and what the first TLV holds. Types and lengths may make another header that is right. */
		for (size_t i = 16; i < 31 + before; i = i == 27 ? 31 : i + 1) {
			struct proxy_header wrong;
			storage[i] ^= 0x10;
			assert_int_equal(parse(header, &wrong), PROXY_HEADER_REJECT);
			storage[i] ^= 0x10;
		}
		storage[at] ^= 1;
		check_wrong(header, "checksum is wrong");
	}
	begin(0x21, 0x11);
	add_ipv4();
	add_tlv(0x03, 5);
	check_wrong(finished(), "wrong size");
	begin(0x21, 0x11);
	add_ipv4();
	add_tlv(0x03, 4);
	size_t at = built.size - 4;
	add_tlv(0x03, 4);
	uint32_t sum = slow_checksum(finished());
	for (size_t i = 0; i < 4; i++)
		storage[at + i] = (uint8_t)(sum >> (24 - 8 * i));
	check_wrong(finished(), "two checksums");
}

static void version_2_refuses_what_is_wrong(void **state)
{
	(void)state;
	for (unsigned command = 0; command < 256; command++) {
		begin((uint8_t)command, 0x11);
		add_ipv4();
		if (command != 0x20 && command != 0x21)
			check_wrong(finished(), "another version");
	}
	for (unsigned family = 0; family < 256; family++) {
		begin(0x21, (uint8_t)family);
		add_zeros(216);
		if (family != 0x00 && family != 0x11 && family != 0x21 && family != 0x31)
			check_wrong(finished(), "not for a stream");
	}
	static const struct {
		uint8_t family;
		size_t least;
	} bodies[] = { { 0x11, 12 }, { 0x21, 36 }, { 0x31, 216 } };
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		for (size_t size = 0; size < bodies[i].least; size++) {
			begin(0x21, bodies[i].family);
			add_zeros(size);
			check_wrong(finished(), "too short");
		}
	}
	for (size_t i = 0; i < 12; i++) {
		begin(0x21, 0x11);
		add_ipv4();
		struct slice header = finished();
		storage[i] ^= 0x20;
		check_wrong(header, "no PROXY header");
	}
}

static void the_length_is_bounded(void **state)
{
	(void)state;
	static const uint8_t commands[] = { 0x20, 0x21 };
	for (size_t i = 0; i < 2; i++) {
		begin(commands[i], 0x11);
		add_ipv4();
		add_tlv(0x04, LIMIT_PROXY_HEADER_BYTES - built.size - 3);
		struct slice header = finished();
		assert_int_equal(header.size, LIMIT_PROXY_HEADER_BYTES);
		struct proxy_header parsed;
		assert_int_equal(parse(header, &parsed), PROXY_HEADER_OK);
		assert_int_equal(parse(slice_first(header, header.size - 1), &parsed), PROXY_HEADER_NEED_MORE);
		add_zeros(1);
		header = finished();
		assert_int_equal(parse(slice_first(header, 15), &parsed), PROXY_HEADER_NEED_MORE);
		assert_int_equal(parse(slice_first(header, 16), &parsed), PROXY_HEADER_REJECT);
		check_wrong(header, "too long");
	}
}

/* Whatever comes, it is answered, and a right header lies within the input. */
static void random_bytes_are_answered(void **state)
{
	(void)state;
	srand(4);
	for (int i = 0; i < 100000; i++) {
		begin(rand() % 8 ? 0x21 : (uint8_t)rand(), rand() % 8 ? (uint8_t)(0x11 * (rand() % 4)) : 0x21);
		for (int size = rand() % 80; size > 0; size--)
			buffer_append_byte(&built, (uint8_t)(rand() % 3 ? rand() % 5 : rand()));
		struct slice input = finished();
		if (rand() % 4 == 0)
			storage[(size_t)rand() % input.size] = (uint8_t)rand();
		struct proxy_header header;
		enum proxy_header_status status = parse(input, &header);
		if (status == PROXY_HEADER_OK)
			assert_true(header.size >= 16 && header.size <= input.size);
		if (status == PROXY_HEADER_REJECT)
			assert_non_null(header.fault);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_tells_addresses),
		cmocka_unit_test(version_1_unknown_stands_for_itself),
		cmocka_unit_test(version_1_refuses_what_is_wrong),
		cmocka_unit_test(version_2_tells_addresses),
		cmocka_unit_test(version_2_may_tell_nothing),
		cmocka_unit_test(tlvs_must_fit),
		cmocka_unit_test(a_checksum_must_be_right),
		cmocka_unit_test(version_2_refuses_what_is_wrong),
		cmocka_unit_test(the_length_is_bounded),
		cmocka_unit_test(random_bytes_are_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
