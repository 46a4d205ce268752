/* proto/message_trace: dates against the C library, and trace fields that nothing a client says can break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "proto/message_trace.h"

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
		uint8_t storage[64];
		struct buffer out;
		buffer_init(&out, storage, sizeof storage - 1);
		assert_true(message_date_write(&out, (int64_t)second * 1000000));
		storage[out.size] = 0;
		assert_string_equal((char *)storage, expected);
	}
}

static void trace_says_how_it_came(void **state)
{
	(void)state;
	uint8_t storage[1537];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage - 1);
	struct message_trace trace = {
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
		.unix_us = 0,
	};
	assert_true(message_trace_write(&out, &trace));
	storage[out.size] = 0;
	assert_string_equal((char *)storage, "Received: from client.example ([192.0.2.1])\r\n"
					     "\t(using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128 bits))\r\n"
					     "\tby mail.example.org with ESMTPSA id 0ABC\r\n"
					     "\tfor <bob@example.net>;\r\n"
					     "\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
					     "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"
					     "Message-ID: <0ABC@mail.example.org>\r\n");
}

static void a_client_name_forges_nothing(void **state)
{
	(void)state;
	static const char *const names[] = { "a) by evil (", "x\r\nBcc: y", "a b", "", "<a>", "a;b", "a\"b" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		uint8_t storage[1537];
		struct buffer out;
		buffer_init(&out, storage, sizeof storage - 1);
		struct message_trace trace = {
			.client_name = slice_from_text(names[i]),
			.hostname = SLICE_LITERAL("h.example"),
			.id = SLICE_LITERAL("0ABC"),
		};
		assert_true(message_trace_write(&out, &trace));
		assert_true(slice_starts_with(buffer_slice(&out), SLICE_LITERAL("Received: from unknown\r\n\tby ")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_agree_with_the_library),
		cmocka_unit_test(trace_says_how_it_came),
		cmocka_unit_test(a_client_name_forges_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
