/* proto/message_trace: dates against the C library, and trace fields that nothing a client says can break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/limits.h"
#include "proto/message_trace.h"

static uint8_t storage[MESSAGE_TRACE_BYTES + 1];
static struct buffer out;

static const char *written(const struct message_trace *trace)
{
	buffer_init(&out, storage, MESSAGE_TRACE_BYTES);
	assert_true(message_trace_write(&out, trace));
	storage[out.size] = 0;
	return (const char *)storage;
}

static void dates_agree_with_the_library(void **state)
{
	(void)state;
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		time_t second = (time_t)(random() * 2 % 8000000000);
		struct tm utc;
		char expected[64];
		gmtime_r(&second, &utc);
		strftime(expected, sizeof expected, "%a, %-d %b %Y %H:%M:%S +0000", &utc);
		buffer_init(&out, storage, 64);
		assert_true(message_date_write(&out, (int64_t)second * 1000000 + random() % 1000000));
		storage[out.size] = 0;
		assert_string_equal((char *)storage, expected);
	}
	buffer_init(&out, storage, 64);
	assert_true(message_date_write(&out, -1));
	assert_true(slice_equal(buffer_slice(&out), SLICE_LITERAL("Wed, 31 Dec 1969 23:59:59 +0000")));
}

static struct message_trace full_trace(void)
{
	return (struct message_trace){
		.client_name = SLICE_LITERAL("client.example"),
		.client_address = SLICE_LITERAL("192.0.2.1"),
		.hostname = SLICE_LITERAL("mail.example.org"),
		.id = SLICE_LITERAL("0ABC"),
		.recipient = SLICE_LITERAL("bob@example.net"),
		.tls_version = "TLSv1.3",
		.tls_cipher = "TLS_AES_128_GCM_SHA256",
		.tls_bits = 128,
		.esmtp = true,
		.tls = true,
		.signed_in = true,
		.add_date = true,
		.add_message_id = true,
		.date = SLICE_LITERAL("Thu, 1 Jan 1970 00:00:00 +0000"),
	};
}

static void trace_says_how_it_came(void **state)
{
	(void)state;
	struct message_trace trace = full_trace();
	assert_string_equal(written(&trace), "Received: from client.example ([192.0.2.1])\r\n"
					     "\t(using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128 bits))\r\n"
					     "\tby mail.example.org with ESMTPSA id 0ABC\r\n"
					     "\tfor <bob@example.net>;\r\n"
					     "\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
					     "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"
					     "Message-ID: <0ABC@mail.example.org>\r\n");
}

static void a_hidden_client_has_no_name_either(void **state)
{
	(void)state;
	struct message_trace trace = {
		.client_name = SLICE_LITERAL("[192.168.1.5]"),
		.hostname = SLICE_LITERAL("mail.example.org"),
		.id = SLICE_LITERAL("0ABC"),
		.add_empty_line = true,
		.date = SLICE_LITERAL("Thu, 1 Jan 1970 00:00:00 +0000"),
	};
	assert_string_equal(written(&trace), "Received: by mail.example.org with SMTP id 0ABC;\r\n"
					     "\tThu, 1 Jan 1970 00:00:00 +0000\r\n\r\n");
}

static void protocols_have_registered_names(void **state)
{
	(void)state;
	static const char *const names[] = { "SMTP",      "ESMTP",     "SMTP",       "ESMTPS",
					     "SMTP",      "ESMTPA",    "SMTP",       "ESMTPSA",
					     "UTF8SMTP",  "UTF8SMTP",  "UTF8SMTPS",  "UTF8SMTPS",
					     "UTF8SMTPA", "UTF8SMTPA", "UTF8SMTPSA", "UTF8SMTPSA" };
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct message_trace trace = {
			.hostname = SLICE_LITERAL("h"),
			.id = SLICE_LITERAL("0ABC"),
			.esmtp = i & 1,
			.tls = i & 2,
			.signed_in = i & 4,
			.smtputf8 = i & 8,
		};
		char expected[64];
		snprintf(expected, sizeof expected, "Received: by h with %s id 0ABC;", names[i]);
		assert_memory_equal(written(&trace), expected, strlen(expected));
	}
}

static void expect_name(const char *name, bool smtputf8, const char *written_name)
{
	struct message_trace trace = full_trace();
	char expected[400];
	trace.client_name = slice_from_text(name);
	trace.smtputf8 = smtputf8;
	snprintf(expected, sizeof expected, "Received: from %s ([192.0.2.1])\r\n\t(", written_name);
	assert_memory_equal(written(&trace), expected, strlen(expected));
}

static void a_client_name_forges_nothing(void **state)
{
	(void)state;
	static const char *const names[] = { "a) by evil (", "x\r\nBcc: y", "a b",      "",          "<a>", "a;b",
					     "a\"b",         "a\\",         "[1.2.3.4", "[a]b)",     "(a)", "a,b",
					     "a@b",          "a\x01",       "a\x7f",    "[1.2.3.4]x" };
	static const char *const fine[] = { "a", "MY_PC", "a.b-c.", "[192.0.2.1]", "[IPv6:::1]" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		expect_name(names[i], false, "unknown");
	for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
		expect_name(fine[i], false, fine[i]);
	expect_name("\xc3\xa4.example", false, "unknown");
	expect_name("\xc3\xa4.example", true, "\xc3\xa4.example");
}

static void a_recipient_without_a_domain_is_not_named(void **state)
{
	(void)state;
	struct message_trace trace = full_trace();
	trace.recipient = SLICE_LITERAL("postmaster");
	assert_null(strstr(written(&trace), "\tfor"));
	trace.recipient = SLICE_LITERAL("");
	assert_null(strstr(written(&trace), "\tfor"));
}

static void the_longest_fits_and_is_folded(void **state)
{
	(void)state;
	static char host[256], recipient[255], name[LIMIT_CLIENT_NAME_BYTES + 1];
	memset(host, 'h', 255);
	memset(recipient, 'r', 254);
	memset(name, 'n', LIMIT_CLIENT_NAME_BYTES);
	for (size_t i = 63; i < 254; i += 64)
		host[i] = recipient[i + 1] = '.';
	recipient[1] = '@';
	struct message_trace trace = full_trace();
	trace.client_name = slice_from_text(name);
	trace.hostname = slice_from_text(host);
	trace.recipient = slice_from_text(recipient);
	trace.client_address = SLICE_LITERAL("IPv6:2001:0db8:0000:0000:0000:0000:255.255.255.255");
	trace.id = SLICE_LITERAL("0123456789ABC");
	trace.tls_cipher = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
	trace.smtputf8 = true;
	trace.add_empty_line = true;
	assert_non_null(strstr(written(&trace), "\tfor <r@rr"));
	for (struct slice rest = buffer_slice(&out); rest.size;) {
		size_t line = slice_find(rest, '\n') + 1;
		assert_true(line <= 998);
		rest = slice_skip(rest, line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_agree_with_the_library),
		cmocka_unit_test(trace_says_how_it_came),
		cmocka_unit_test(a_hidden_client_has_no_name_either),
		cmocka_unit_test(protocols_have_registered_names),
		cmocka_unit_test(a_client_name_forges_nothing),
		cmocka_unit_test(a_recipient_without_a_domain_is_not_named),
		cmocka_unit_test(the_longest_fits_and_is_folded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
