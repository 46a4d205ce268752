/* core/dns: names and answers, from messages as servers send them and as nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/dns/message.h"

#define QUESTION "1.2.0.192.in-addr.arpa"

static struct message message;
static struct dns_pointers pointers;
static struct dns_match match;

static struct net_address address_of(const char *text)
{
	struct net_address address;
	assert_true(net_address_parse(slice_from_text(text), &address, NULL));
	return address;
}

static enum dns_answer read_pointers(void)
{
	return dns_answer_pointers(message_bytes(&message), SLICE_LITERAL(QUESTION), &pointers);
}

static enum dns_answer read_match(const char *host, const char *address)
{
	struct net_address wanted = address_of(address);
	return dns_answer_match(message_bytes(&message), slice_from_text(host), &wanted, &match);
}

static void begin(unsigned flags)
{
	message_begin(&message, flags, QUESTION, DNS_TYPE_PTR);
}

static void reverse_names(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "192.0.2.1", QUESTION },
		{ "255.255.255.255", "255.255.255.255.in-addr.arpa" },
		{ "2001:db8::567:89ab", "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa" },
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char text[DNS_REVERSE_NAME_BYTES];
		struct net_address address = address_of(table[i][0]);
		dns_reverse_name(&address, text);
		assert_string_equal(text, table[i][1]);
	}
}

static bool is_host(const char *bytes, size_t size, struct dns_host *host)
{
	struct dns_name name;
	size_t at = 0;
	return dns_name_read(slice_of(bytes, size), &at, &name) && at == size && dns_name_to_host(&name, host);
}
#define IS_HOST(wire, host) is_host(wire, sizeof(wire), host) /* the literal's NUL is the root */

static void hosts(void **state)
{
	(void)state;
	struct dns_host host;
	assert_true(IS_HOST("\4Mail\7EXAMPLE", &host));
	assert_string_equal(host.text, "mail.example");
	assert_int_equal(host.size, 12);
	assert_true(IS_HOST("\15xn--bcher-kva\4test", &host));
	assert_true(IS_HOST("\3a_b\1c", &host));
	assert_true(IS_HOST("\0031-2\3com", &host));
	assert_true(IS_HOST("\011localhost", &host));
	static const char *const bad[] = { "\2a.\1b", "\2a \1b",       "\2-a\1b",  "\2a-\1b", "\3192\0010\0012\0011",
					   "\1*\1b",  "\2\xc3\xbc\1b", "\2a\n\1b", "\2a@\1b", "\2a\"\1b" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(is_host(bad[i], strlen(bad[i]) + 1, &host));
	assert_false(IS_HOST("", &host));
	assert_false(is_host("\3a\0b\1c", 7, &host));
}

/* The longest name has 253 bytes as text; one byte more is none. */
static void longest_name(void **state)
{
	(void)state;
	char text[300];
	struct dns_name name;
	struct dns_host host;
	memset(text, 'a', sizeof text);
	for (size_t i = 63; i < sizeof text; i += 64)
		text[i] = '.';
	assert_true(dns_name_from_text(slice_of(text, 253), &name));
	assert_int_equal(name.size, DNS_NAME_WIRE_BYTES);
	assert_true(dns_name_to_host(&name, &host));
	assert_memory_equal(host.text, text, 253);
	assert_int_equal(host.size, 253);
	assert_false(dns_name_from_text(slice_of(text, 254), &name));
	text[63] = 'a';
	assert_false(dns_name_from_text(slice_of(text, 100), &name));
	assert_false(dns_name_from_text(SLICE_LITERAL("a..b"), &name));
	assert_false(dns_name_from_text(SLICE_LITERAL(".a"), &name));
}

static void pointers_in_names(void **state)
{
	(void)state;
	struct dns_name name, wanted;
	size_t at = 5;
	static const uint8_t good[] = "\1b\1c\0\1a\xc0";
	uint8_t bytes[1000];
	memcpy(bytes, good, sizeof good - 1);
	bytes[8] = 0;
	assert_true(dns_name_read(slice_of(bytes, 9), &at, &name));
	assert_int_equal(at, 9);
	assert_true(dns_name_from_text(SLICE_LITERAL("A.b.C"), &wanted));
	assert_true(dns_name_equal(&name, &wanted));
	/* To itself, forwards, past the end, cut off. */
	static const uint8_t bad[][4] = { { 0xc0, 0 }, { 0xc0, 2 }, { 0xff, 0xff }, { 1, 'a', 0xc0, 0 },
					  { 0x40, 0 }, { 0x80, 0 }, { 63, 1 },      { 1, 'a' } };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		at = 0;
		assert_false(dns_name_read(slice_of(bad[i], 2 + 2 * (i == 3)), &at, &name));
	}
	at = 0;
	assert_false(dns_name_read(slice_of("\xc0", 1), &at, &name));
	assert_false(dns_name_read(slice_of("", 0), &at, &name));
	/* A chain of pointers is followed for a while. */
	bytes[0] = 0;
	for (size_t i = 1; i + 1 < sizeof bytes; i += 2) {
		size_t to = i == 1 ? 0 : i - 2;
		bytes[i] = (uint8_t)(0xc0 | to >> 8);
		bytes[i + 1] = (uint8_t)to;
	}
	at = 201;
	assert_true(dns_name_read(slice_of(bytes, sizeof bytes), &at, &name));
	at = 901;
	assert_false(dns_name_read(slice_of(bytes, sizeof bytes), &at, &name));
}

static void one_pointer(void **state)
{
	(void)state;
	begin(MESSAGE_NO_ERROR);
	message_add_name(&message, QUESTION, DNS_TYPE_PTR, 300, "Mail.Example.TEST");
	assert_int_equal(read_pointers(), DNS_ANSWER_HERE);
	assert_int_equal(pointers.count, 1);
	assert_string_equal(pointers.hosts[0].text, "mail.example.test");
	assert_int_equal(pointers.ttl_s, 300);
}

static void several_pointers(void **state)
{
	(void)state;
	begin(MESSAGE_NO_ERROR);
	message_add_name(&message, "other.test", DNS_TYPE_PTR, 1, "not.ours");
	message_add_name(&message, QUESTION, DNS_TYPE_PTR, 500, "bad host");
	message_add_name(&message, QUESTION, 16, 1, "text.record");
	for (unsigned i = 0; i < 100; i++)
		message_add_name(&message, "1.2.0.192.IN-ADDR.arpa", DNS_TYPE_PTR, 400, i ? "more.test" : "first.test");
	assert_int_equal(read_pointers(), DNS_ANSWER_HERE);
	assert_int_equal(pointers.count, LIMIT_DNS_POINTERS);
	assert_string_equal(pointers.hosts[0].text, "first.test");
	assert_string_equal(pointers.hosts[LIMIT_DNS_POINTERS - 1].text, "more.test");
	assert_int_equal(pointers.ttl_s, 400);
	begin(MESSAGE_NO_ERROR);
	message_add_name(&message, QUESTION, DNS_TYPE_PTR, 500, "192.0.2.1");
	assert_int_equal(read_pointers(), DNS_ANSWER_HERE);
	assert_int_equal(pointers.count, 0);
}

static void aliases(void **state)
{
	(void)state;
	begin(MESSAGE_NO_ERROR);
	message_add_name(&message, "1.0-25.2.0.192.in-addr.arpa", DNS_TYPE_PTR, 300, "mail.test"); /* any order */
	message_add_name(&message, QUESTION, DNS_TYPE_CNAME, 60, "1.0-25.2.0.192.in-addr.arpa");
	assert_int_equal(read_pointers(), DNS_ANSWER_HERE);
	assert_int_equal(pointers.count, 1);
	assert_int_equal(pointers.ttl_s, 60);
	begin(MESSAGE_NO_ERROR);
	message_add_name(&message, QUESTION, DNS_TYPE_CNAME, 60, "loop.test");
	message_add_name(&message, "loop.test", DNS_TYPE_CNAME, 60, QUESTION);
	assert_int_equal(read_pointers(), DNS_ANSWER_BAD);
	begin(MESSAGE_NO_NAME);
	message_add_name(&message, QUESTION, DNS_TYPE_CNAME, 60, "gone.test");
	message_add_start(&message, "test", 3600, 900);
	assert_int_equal(read_pointers(), DNS_ANSWER_NONE);
	assert_int_equal(pointers.ttl_s, 60);
}

static void nothing_there(void **state)
{
	(void)state;
	begin(MESSAGE_NO_NAME);
	message_add_start(&message, "2.0.192.in-addr.arpa", 3600, 900);
	assert_int_equal(read_pointers(), DNS_ANSWER_NONE);
	assert_int_equal(pointers.ttl_s, 900);
	begin(MESSAGE_NO_ERROR);
	message_add_start(&message, "2.0.192.in-addr.arpa", 100, 900);
	assert_int_equal(read_pointers(), DNS_ANSWER_NONE);
	assert_int_equal(pointers.ttl_s, 100);
	begin(MESSAGE_NO_NAME);
	assert_int_equal(read_pointers(), DNS_ANSWER_NONE);
	assert_int_equal(pointers.ttl_s, 0);
}

static void no_answers(void **state)
{
	(void)state;
	begin(MESSAGE_SERVFAIL);
	assert_int_equal(read_pointers(), DNS_ANSWER_BAD);
	begin(MESSAGE_TRUNCATED);
	message_add_name(&message, QUESTION, DNS_TYPE_PTR, 300, "mail.test");
	assert_int_equal(read_pointers(), DNS_ANSWER_BAD);
	begin(MESSAGE_NO_ERROR);
	message.out.data[2] &= 0x7f; /* a question, not an answer */
	assert_int_equal(read_pointers(), DNS_ANSWER_BAD);
	begin(MESSAGE_NO_ERROR);
	message.out.data[5] = 0; /* without its question */
	assert_int_equal(read_pointers(), DNS_ANSWER_BAD);
	buffer_clear(&message.out);
	assert_int_equal(read_pointers(), DNS_ANSWER_BAD);
}

static void matches(void **state)
{
	(void)state;
	message_begin(&message, MESSAGE_NO_ERROR, "mail.test", DNS_TYPE_A);
	message_add_name(&message, "mail.test", DNS_TYPE_CNAME, 700, "host.test");
	message_add_address(&message, "mail.test", 10, "192.0.2.9"); /* beside an alias: not the host's */
	message_add_address(&message, "host.test", 600, "192.0.2.1");
	message_add_address(&message, "host.test", 600, "192.0.2.2");
	message_add(&message, "host.test", DNS_TYPE_A, 600, SLICE_LITERAL("\300\0\2"));
	message_add(&message, "host.test", DNS_TYPE_AAAA, 600, SLICE_LITERAL("\300\0\2\3"));
	assert_int_equal(read_match("mail.test", "192.0.2.2"), DNS_ANSWER_HERE);
	assert_true(match.found);
	assert_int_equal(match.ttl_s, 600);
	assert_int_equal(read_match("mail.test", "192.0.2.3"), DNS_ANSWER_HERE);
	assert_false(match.found);
	assert_int_equal(read_match("mail.test", "192.0.2.9"), DNS_ANSWER_HERE);
	assert_false(match.found);
	message_begin(&message, MESSAGE_NO_ERROR, "mail.test", DNS_TYPE_AAAA);
	message_add_address(&message, "mail.test", UINT32_MAX, "2001:db8::1");
	assert_int_equal(read_match("mail.test", "2001:db8::1"), DNS_ANSWER_HERE);
	assert_true(match.found);
	assert_int_equal(match.ttl_s, 0);
	assert_int_equal(read_match("mail.test", "192.0.2.1"), DNS_ANSWER_NONE);
}

static void huge_sets_are_cut(void **state)
{
	(void)state;
	message_begin(&message, MESSAGE_NO_ERROR, "wide.test", DNS_TYPE_A);
	for (unsigned i = 0; i < 2000; i++) {
		char address[20];
		snprintf(address, sizeof address, "10.0.%u.%u", i / 200, i % 200);
		message_add_address(&message, "wide.test", 60, address);
	}
	assert_int_equal(read_match("wide.test", "10.0.0.100"), DNS_ANSWER_HERE);
	assert_true(match.found);
	assert_int_equal(read_match("wide.test", "10.0.9.0"), DNS_ANSWER_HERE);
	assert_false(match.found);
}

/* Cut anywhere, and with any byte changed, it ends well: the sanitizers see to it. */
static void broken_messages(void **state)
{
	(void)state;
	begin(MESSAGE_NO_ERROR);
	message_add_name(&message, QUESTION, DNS_TYPE_CNAME, 60, "alias.test");
	message_add_name(&message, "alias.test", DNS_TYPE_PTR, 60, "mail.test");
	message_add_start(&message, "test", 3600, 900);
	struct slice whole = message_bytes(&message);
	struct net_address address = address_of("192.0.2.1");
	for (size_t size = 0; size <= whole.size; size++) {
		uint8_t *copy = malloc(size ? size : 1);
		assert_non_null(copy);
		memcpy(copy, whole.data, size);
		enum dns_answer answer = dns_answer_pointers(slice_of(copy, size), SLICE_LITERAL(QUESTION), &pointers);
		assert_true(answer != DNS_ANSWER_HERE || pointers.count == 1);
		for (size_t i = 0; i < size; i++)
			for (unsigned value = 0; value < 256; value += size < whole.size ? 85 : 1) {
				uint8_t before = copy[i];
				copy[i] = (uint8_t)value;
				answer = dns_answer_pointers(slice_of(copy, size), SLICE_LITERAL(QUESTION), &pointers);
				answer = dns_answer_match(slice_of(copy, size), SLICE_LITERAL("mail.test"), &address,
							  &match);
				(void)answer;
				copy[i] = before;
			}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reverse_names),     cmocka_unit_test(hosts),
		cmocka_unit_test(longest_name),      cmocka_unit_test(pointers_in_names),
		cmocka_unit_test(one_pointer),       cmocka_unit_test(several_pointers),
		cmocka_unit_test(aliases),           cmocka_unit_test(nothing_there),
		cmocka_unit_test(no_answers),        cmocka_unit_test(matches),
		cmocka_unit_test(huge_sets_are_cut), cmocka_unit_test(broken_messages),
	};
	return cmocka_run_group_tests_name("dns answers", tests, NULL, NULL);
}
