/* proto/smtp_body: against a simple reader of whole messages, on every short input and on random ones, however they are
 * split; what the header says; and how long 100 KB take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/limits.h"
#include "proto/smtp_body.h"
#include "proto/smtp_client.h"

enum { MOST = 512 * 1024 };

/* --- a simple reader: the whole input is there --- */

struct expected {
	bool ended;
	bool faulty;
	size_t consumed;
	size_t size;
	uint8_t text[MOST];
};

static bool is_end(struct slice raw, size_t at)
{
	struct slice rest = slice_skip(raw, at);
	bool at_start = at == 0 || (at >= 2 && raw.data[at - 2] == '\r' && raw.data[at - 1] == '\n');
	return at_start && slice_starts_with(rest, SLICE_LITERAL(".\r\n"));
}

static void put(struct expected *expected, uint8_t byte)
{
	expected->text[expected->size++] = byte;
}

static void read_simply(struct expected *expected, struct slice raw, bool dots, bool normalise)
{
	expected->ended = expected->faulty = false;
	expected->size = 0;
	size_t i = 0;
	for (; i < raw.size && !expected->ended; i++) {
		uint8_t c = raw.data[i];
		uint8_t before = i ? raw.data[i - 1] : 0;
		bool line_start = i == 0 || (i >= 2 && before == '\n' && raw.data[i - 2] == '\r');
		bool bare_lf = c == '\n' && before != '\r';
		if (dots && is_end(raw, i)) {
			expected->ended = true;
			i += 2;
		} else if (dots && line_start && c == '.') {
			continue;
		} else if (bare_lf && normalise) {
			put(expected, '\r');
			put(expected, '\n');
		} else {
			expected->faulty |= c == 0 || bare_lf || (before == '\r' && c != '\n');
			put(expected, c);
		}
	}
	expected->consumed = i;
}

/* --- ours, in pieces --- */

struct result {
	struct smtp_body body;
	bool ended;
	size_t consumed;
	size_t size;
	uint8_t text[2 * MOST];
};

/* Feeds pieces of 1 … most bytes (most 0: all at once) until the end. */
static void read_pieces(struct result *result, const struct smtp_body_rules *rules, struct slice raw, size_t most)
{
	static uint8_t block[2 * MOST];
	memset(result, 0, offsetof(struct result, text));
	while (raw.size && !result->ended) {
		size_t size = most ? 1 + (size_t)random() % most : raw.size;
		if (size > raw.size)
			size = raw.size;
		/* The upper half of the room, as a shell that lets bare LF be normalised does it. */
		uint8_t *bytes = rules->bare_lf_normalised ? block + size : block;
		memcpy(bytes, raw.data, size);
		size_t kept, consumed;
		result->ended = smtp_body_take(&result->body, rules, bytes, size, block, &kept, &consumed);
		assert_true(consumed == size || result->ended);
		assert_memory_equal(bytes + consumed, raw.data + consumed, size - consumed);
		memcpy(result->text + result->size, block, kept);
		result->size += kept;
		result->consumed += consumed;
		raw = slice_skip(raw, size);
	}
}

static struct expected expected;
static struct result result;

static void compare(const struct smtp_body_rules *rules, struct slice raw, size_t most)
{
	read_pieces(&result, rules, raw, most);
	assert_int_equal(result.ended, expected.ended);
	assert_int_equal(result.consumed, expected.consumed);
	/* A message that is cut off may end with a CR whose fault is not known yet, or a dot. */
	assert_int_equal(result.body.fault != BODY_FINE, expected.faulty);
	if (expected.faulty)
		return;
	size_t size = expected.ended ? expected.size : result.size;
	assert_int_equal(result.size, size);
	assert_true(result.body.size == size);
	assert_memory_equal(result.text, expected.text, size);
}

static void every_short_input_is_read_as_simply(void **state)
{
	(void)state;
	static const uint8_t alphabet[] = { '\r', '\n', '.', 'x', 0 };
	enum { LETTERS = sizeof alphabet, LONGEST = 7 };
	uint8_t raw[LONGEST];
	for (size_t size = 0, count = 1; size <= LONGEST; size++, count *= LETTERS)
		for (size_t number = 0; number < count; number++) {
			size_t rest = number;
			for (size_t i = 0; i < size; i++, rest /= LETTERS)
				raw[i] = alphabet[rest % LETTERS];
			for (int way = 0; way < 4; way++) {
				struct smtp_body_rules rules = { 0, way & 1, way & 2 };
				read_simply(&expected, slice_of(raw, size), rules.dots, rules.bare_lf_normalised);
				compare(&rules, slice_of(raw, size), 0);
				compare(&rules, slice_of(raw, size), 1);
			}
		}
}

/* No header, then lines with CRLF, with many dots. */
static size_t random_text(uint8_t *text, size_t most)
{
	size_t size = 2;
	memcpy(text, "\r\n", 2);
	while (size + 300 < most) {
		size_t line = (size_t)random() % (random() % 8 ? 80 : 300);
		for (size_t i = 0; i < line; i++)
			text[size++] = (uint8_t)(random() % 6 == 0 ? '.' : 'a' + random() % 26);
		text[size++] = '\r';
		text[size++] = '\n';
	}
	return size;
}

static void what_a_client_stuffs_comes_out_again(void **state)
{
	(void)state;
	static uint8_t text[64 * 1024], wire[128 * 1024];
	struct smtp_body_rules rules = { 0, true, false };
	srandom(3);
	for (int round = 0; round < 300; round++) {
		size_t size = random_text(text, 300 + (size_t)random() % (sizeof text - 300));
		struct buffer out;
		buffer_init(&out, wire, sizeof wire);
		assert_true(smtp_client_whole_text(&out, slice_of(text, size)));
		assert_true(buffer_append_text(&out, "QUIT\r\n"));
		rules.bare_lf_normalised = round & 1;
		read_pieces(&result, &rules, buffer_slice(&out), round % 3 ? 1 + (size_t)random() % 3000 : 0);
		assert_true(result.ended);
		assert_int_equal(result.consumed, out.size - 6);
		assert_int_equal(result.body.fault, BODY_FINE);
		assert_int_equal(result.size, size);
		assert_memory_equal(result.text, text, size);
	}
}

/* One odd byte anywhere in good text. */
static void damaged_text_is_read_as_simply(void **state)
{
	(void)state;
	static uint8_t wire[8192];
	static const uint8_t odd[] = { '\r', '\n', '.', 0 };
	srandom(4);
	for (int round = 0; round < 4000; round++) {
		size_t size = random_text(wire, 600 + (size_t)random() % 2000);
		for (int i = random() % 4; i > 0; i--)
			wire[2 + (size_t)random() % (size - 2)] = odd[random() % 4];
		struct slice raw = slice_of(wire, size);
		struct smtp_body_rules rules = { 0, round & 1, round & 2 };
		read_simply(&expected, raw, rules.dots, rules.bare_lf_normalised);
		compare(&rules, raw, 0);
		compare(&rules, raw, 1 + (size_t)random() % 200);
	}
}

/* --- the header --- */

struct header_row {
	const char *text;
	unsigned fields;
	unsigned hops;
};

static const struct header_row headers[] = {
	{ "Date: x\r\nMessage-ID: <a>\r\nFrom: b\r\n\r\n", BODY_HAS_DATE | BODY_HAS_MESSAGE_ID | BODY_HAS_FROM, 0 },
	{ "DATE:x\r\nmessage-id:\r\n\r\nFrom: b\r\n", BODY_HAS_DATE | BODY_HAS_MESSAGE_ID, 0 },
	{ "Date : x\r\n\r\n", BODY_HAS_DATE, 0 },
	{ "Subject: y\r\n Date: x\r\n\tFrom: z\r\n\r\n", 0, 0 },
	{ "Dates: x\r\nDat: x\r\nX-Date: x\r\nMessage-ID-Is-Not: x\r\n\r\n", 0, 0 },
	{ "Received: 1\r\nReceived: 2\r\n Received: 3\r\nX: y\r\nReceived:\r\n\r\nReceived: 4\r\n", 0, 3 },
	{ "\r\nDate: x\r\n", 0, 0 },
	{ "", 0, 0 },
	{ "Date: x", BODY_HAS_DATE, 0 },
	{ "Date: x\r\n", BODY_HAS_DATE, 0 },
	{ "No header here\r\nDate: x\r\n", BODY_NO_HEADER, 0 },
	{ " Date: x\r\n\r\n", BODY_NO_HEADER, 0 },
	{ ": x\r\n\r\n", BODY_NO_HEADER, 0 },
	{ "Date\r\n\r\n", BODY_NO_HEADER, 0 },
	{ "D\xc3\xa4te: x\r\nDate: x\r\n", BODY_NO_HEADER, 0 },
	{ "Date x: y\r\nFrom: b\r\n", BODY_NO_HEADER, 0 },
	{ "From: b\r\nand text\r\nDate: x\r\n", BODY_HAS_FROM, 0 },
};

static void the_header_says_what_is_missing(void **state)
{
	(void)state;
	struct smtp_body_rules rules = { 0, true, false };
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		for (size_t most = 0; most < 3; most++) {
			read_pieces(&result, &rules, slice_from_text(headers[i].text), most);
			if (result.body.fields != headers[i].fields || result.body.hops != headers[i].hops)
				print_error("%s: %u, %u\n", headers[i].text, result.body.fields, result.body.hops);
			assert_int_equal(result.body.fields, headers[i].fields);
			assert_int_equal(result.body.hops, headers[i].hops);
			assert_int_equal(result.body.fault, BODY_FINE);
		}
}

/* --- bounds --- */

static uint8_t long_text[3 * 1000 * 1000];

/* `front`, then a line of `size` bytes with its CRLF, then a short one. */
static unsigned fault_of_line(const char *front, size_t size, size_t most)
{
	static uint8_t block[sizeof long_text];
	struct buffer out;
	buffer_init(&out, long_text, sizeof long_text);
	buffer_append_text(&out, front);
	memset(out.data + out.size, 'x', size - 2);
	out.size += size - 2;
	buffer_append_text(&out, "\r\nA: b\r\n");
	struct smtp_body body = { 0 };
	struct smtp_body_rules rules = { 0, true, false };
	for (struct slice rest = buffer_slice(&out); rest.size;) {
		size_t piece = most && most < rest.size ? most : rest.size;
		size_t kept, consumed;
		memcpy(block, rest.data, piece);
		assert_false(smtp_body_take(&body, &rules, block, piece, block, &kept, &consumed));
		rest = slice_skip(rest, piece);
	}
	return body.fault;
}

static void lines_have_a_longest_size(void **state)
{
	(void)state;
	static const size_t pieces[] = { 0, 1, 999, 16384, 70000 };
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		assert_int_equal(fault_of_line("\r\n", LIMIT_BODY_LINE_BYTES, pieces[i]), BODY_FINE);
		assert_int_equal(fault_of_line("\r\n", LIMIT_BODY_LINE_BYTES + 1, pieces[i]), BODY_LINE_TOO_LONG);
		assert_int_equal(fault_of_line("\r\nab\r\n", LIMIT_BODY_LINE_BYTES, pieces[i]), BODY_FINE);
		assert_int_equal(fault_of_line("A: b\r\nC:", LIMIT_TEXT_LINE_BYTES - 2, pieces[i]), BODY_FINE);
		assert_int_equal(fault_of_line("A: b\r\nC:", LIMIT_TEXT_LINE_BYTES - 1, pieces[i]), BODY_LINE_TOO_LONG);
		assert_int_equal(fault_of_line("A: b\r\n ", LIMIT_TEXT_LINE_BYTES - 1, pieces[i]), BODY_FINE);
		assert_int_equal(fault_of_line("A: b\r\n ", LIMIT_TEXT_LINE_BYTES, pieces[i]), BODY_LINE_TOO_LONG);
	}
}

static void headers_have_a_longest_size(void **state)
{
	(void)state;
	static uint8_t text[LIMIT_HEADER_BYTES + 100];
	struct smtp_body_rules rules = { 0, false, false };
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t) "A: 4567\r\n "[i % 10];
	for (int over = 0; over < 2; over++)
		for (size_t most = 0; most < 20000; most += 777) {
			size_t size = LIMIT_HEADER_BYTES / 10 * 10 - 1;
			read_pieces(&result, &rules, slice_of(text, size + (over ? 10 : 0)), most);
			assert_int_equal(result.body.fault, over ? BODY_HEADER_TOO_LONG : BODY_FINE);
		}
}

/* --- speed --- */

static double microseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double time_body(size_t size, size_t line)
{
	static uint8_t text[128 * 1024];
	enum { ROUNDS = 400 };
	struct smtp_body_rules rules = { 0, true, false };
	size_t kept, consumed;
	memset(text, 'x', sizeof text);
	memcpy(text, "Date: x\r\n\r\n", 11);
	for (size_t i = 10 + line; i < size; i += line)
		memcpy(text + i - 1, "\r\n", 2);
	double best = 1e9;
	for (int i = 0; i < ROUNDS; i++) {
		struct smtp_body body = { 0 };
		double start = microseconds();
		bool ended = false;
		for (size_t at = 0; at < size && !ended; at += 16384)
			ended = smtp_body_take(&body, &rules, text + at, size - at < 16384 ? size - at : 16384,
					       text + at, &kept, &consumed);
		double took = microseconds() - start;
		assert_int_equal(body.fault, BODY_FINE);
		best = took < best ? took : best;
	}
	return best;
}

static void text_goes_by_quickly(void **state)
{
	(void)state;
	double wide = time_body(100 * 1024, 78);
	double narrow = time_body(100 * 1024, 20);
	double small = time_body(1024, 78);
	print_message("100 KB in lines of 78 bytes: %.1f us, of 20 bytes: %.1f us; 1 KB: %.2f us\n", wide, narrow,
		      small);
#if defined(__OPTIMIZE__) && !defined(POSTERN_SANITIZED)
	assert_true(wide < 100); /* a wide margin for a busy machine; the aim is 15 */
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_short_input_is_read_as_simply),
		cmocka_unit_test(what_a_client_stuffs_comes_out_again),
		cmocka_unit_test(damaged_text_is_read_as_simply),
		cmocka_unit_test(the_header_says_what_is_missing),
		cmocka_unit_test(lines_have_a_longest_size),
		cmocka_unit_test(headers_have_a_longest_size),
		cmocka_unit_test(text_goes_by_quickly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
