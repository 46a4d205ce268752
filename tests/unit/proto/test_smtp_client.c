/* proto/smtp_client: replies of servers, right and wrong, whole and byte by byte; commands that nothing can be injected into;
 * dot-stuffing into buffers of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/sasl.h"
#include "proto/smtp_client.h"

/* --- replies --- */

static enum smtp_client_status feed(struct smtp_client_reply *reply, struct slice *input, size_t piece)
{
	enum smtp_client_status status = SMTP_CLIENT_NEED_MORE;
	while (input->size && status == SMTP_CLIENT_NEED_MORE) {
		size_t consumed;
		size_t size = piece && piece < input->size ? piece : input->size;
		status = smtp_client_read(reply, slice_first(*input, size), &consumed);
		assert_true(consumed == size || status != SMTP_CLIENT_NEED_MORE);
		*input = slice_skip(*input, consumed);
	}
	return status;
}

struct reply_row {
	const char *bytes;
	unsigned code;
	unsigned enhanced[3];
	const char *text;
};

static const struct reply_row replies[] = {
	{ "250 2.1.0 Sender OK\r\n", 250, { 2, 1, 0 }, "Sender OK" },
	{ "250 OK\r\n", 250, { 0 }, "OK" },
	{ "250\r\n", 250, { 0 }, "" },
	{ "250 \r\n", 250, { 0 }, "" },
	{ "250 2.0.0\r\n", 250, { 2, 0, 0 }, "" },
	{ "354 Go\n", 354, { 0 }, "Go" },
	{ "535-5.7.8 one\r\n535 5.7.8 two\r\n", 535, { 5, 7, 8 }, "one" },
	{ "550 5.1.100 x\r\n", 550, { 5, 1, 100 }, "x" },
	{ "550 4.1.1 x\r\n", 550, { 0 }, "4.1.1 x" }, /* does not agree with the code */
	{ "250 2.1 x\r\n", 250, { 0 }, "2.1 x" },
	{ "250 2.1.1000 x\r\n", 250, { 0 }, "2.1.1000 x" },
	{ "220 a\x01z\tb\r\n", 220, { 0 }, "a?z?b" },
};

static void replies_are_read_however_they_come(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++)
		for (size_t piece = 0; piece < 3; piece++) {
			const struct reply_row *row = &replies[i];
			struct smtp_client_reply reply = { 0 };
			struct slice input = slice_from_text(row->bytes);
			assert_int_equal(feed(&reply, &input, piece), SMTP_CLIENT_REPLY);
			assert_int_equal(input.size, 0);
			assert_int_equal(reply.code, row->code);
			assert_int_equal(reply.enhanced_class, row->enhanced[0]);
			assert_int_equal(reply.enhanced_subject, row->enhanced[1]);
			assert_int_equal(reply.enhanced_detail, row->enhanced[2]);
			assert_true(slice_equal(smtp_client_reply_text(&reply), slice_from_text(row->text)));
		}
}

static void one_reply_is_taken_at_a_time(void **state)
{
	(void)state;
	struct smtp_client_reply reply = { 0 };
	struct slice input = SLICE_LITERAL("250-a\r\n250 b\r\n354 c\r\n250");
	assert_int_equal(feed(&reply, &input, 0), SMTP_CLIENT_REPLY);
	assert_int_equal(reply.lines, 2);
	assert_int_equal(feed(&reply, &input, 0), SMTP_CLIENT_REPLY);
	assert_int_equal(reply.code, 354);
	assert_int_equal(feed(&reply, &input, 0), SMTP_CLIENT_NEED_MORE);
	assert_int_equal(reply.code, 0);
	input = SLICE_LITERAL(" d\r\n");
	assert_int_equal(feed(&reply, &input, 0), SMTP_CLIENT_REPLY);
	assert_true(slice_equal(smtp_client_reply_text(&reply), SLICE_LITERAL("d")));
}

static void what_is_no_reply_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"\r\n",      "2\r\n",     "25\r\n",    "2500 x\r\n", "25a x\r\n", "HTTP/1.1\r\n",       "199 x\r\n",
		"600 x\r\n", "250_x\r\n", "-50 x\r\n", " 250 x\r\n", "+25 x\r\n", "250-a\r\n251 b\r\n", "250-a\r\nb\r\n"
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		for (size_t piece = 0; piece < 2; piece++) {
			struct smtp_client_reply reply = { 0 };
			struct slice input = slice_from_text(wrong[i]);
			assert_int_equal(feed(&reply, &input, piece), SMTP_CLIENT_MALFORMED);
		}
}

static void replies_have_bounds(void **state)
{
	(void)state;
	struct smtp_client_reply reply = { 0 };
	enum smtp_client_status status = SMTP_CLIENT_NEED_MORE;
	int lines = 0;
	for (; status == SMTP_CLIENT_NEED_MORE; lines++) {
		struct slice line = SLICE_LITERAL("250-x\r\n");
		status = feed(&reply, &line, 0);
	}
	assert_int_equal(status, SMTP_CLIENT_MALFORMED);
	assert_int_equal(lines, LIMIT_CLIENT_REPLY_LINES);

	static uint8_t endless[1000];
	memset(endless, '2', sizeof endless);
	reply = (struct smtp_client_reply){ 0 };
	size_t sent = 0;
	for (status = SMTP_CLIENT_NEED_MORE; status == SMTP_CLIENT_NEED_MORE; sent += sizeof endless) {
		struct slice piece = slice_of(endless, sizeof endless);
		status = feed(&reply, &piece, 0);
	}
	assert_int_equal(status, SMTP_CLIENT_MALFORMED);
	assert_true(sent < LIMIT_CLIENT_REPLY_BYTES + 2 * sizeof endless);

	memset(endless, 'x', sizeof endless);
	memcpy(endless, "250 ", 4);
	memcpy(endless + sizeof endless - 2, "\r\n", 2);
	reply = (struct smtp_client_reply){ 0 };
	struct slice piece = slice_of(endless, sizeof endless);
	assert_int_equal(feed(&reply, &piece, 7), SMTP_CLIENT_REPLY);
	assert_int_equal(reply.text_size, LIMIT_CLIENT_TEXT_BYTES);
}

static void ehlo_says_what_is_offered(void **state)
{
	(void)state;
	struct smtp_client_reply reply = { 0 };
	struct slice input =
		SLICE_LITERAL("250-STARTTLS\r\n250-pipelining\r\n250-SIZE 1000\r\n250-AUTH LOGIN plain FOO\r\n"
			      "250-8BITMIME\r\n250-CHUNKINGS\r\n250-LIMITS MAILMAX=5 RCPTMAX=77\r\n250 SMTPUTF8\r\n");
	assert_int_equal(feed(&reply, &input, 1), SMTP_CLIENT_REPLY);
	assert_int_equal(reply.extensions, SMTP_EXTENSION_PIPELINING | SMTP_EXTENSION_SIZE | SMTP_EXTENSION_AUTH |
						   SMTP_EXTENSION_8BITMIME | SMTP_EXTENSION_LIMITS |
						   SMTP_EXTENSION_SMTPUTF8);
	assert_int_equal(reply.mechanisms, SASL_PLAIN | SASL_LOGIN);
	assert_int_equal(reply.message_size_bytes, 1000);
	assert_int_equal(reply.recipients, 77);
	input = SLICE_LITERAL("550-x\r\n550 STARTTLS\r\n");
	assert_int_equal(feed(&reply, &input, 0), SMTP_CLIENT_REPLY);
	assert_int_equal(reply.extensions, 0);
}

/* --- commands --- */

static uint8_t storage[8192];
static struct buffer out;

static struct buffer *fresh(void)
{
	buffer_init(&out, storage, sizeof storage);
	return &out;
}

static void expect(bool built, const char *text)
{
	assert_true(built);
	buffer_append_byte(&out, 0);
	assert_string_equal((char *)out.data, text);
}

static void commands_are_built_whole(void **state)
{
	(void)state;
	struct smtp_client_mail mail = { .reverse_path = SLICE_LITERAL("a@b") };
	struct smtp_client_mail full = { SLICE_LITERAL("\"a b>\"@c"), 12, true, true };
	struct smtp_client_mail null = { .size_bytes = 0 };
	expect(smtp_client_command(fresh(), "NOOP"), "NOOP\r\n");
	expect(smtp_client_ehlo(fresh(), SLICE_LITERAL("[192.0.2.1]")), "EHLO [192.0.2.1]\r\n");
	expect(smtp_client_auth(fresh(), "PLAIN", &SLICE_LITERAL("\0user\0secret")), "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
	expect(smtp_client_auth(fresh(), "EXTERNAL", &SLICE_LITERAL("")), "AUTH EXTERNAL =\r\n");
	expect(smtp_client_auth(fresh(), "LOGIN", NULL), "AUTH LOGIN\r\n");
	expect(smtp_client_response(fresh(), SLICE_LITERAL("user")), "dXNlcg==\r\n");
	expect(smtp_client_mail(fresh(), &mail), "MAIL FROM:<a@b>\r\n");
	expect(smtp_client_mail(fresh(), &full), "MAIL FROM:<\"a b>\"@c> SIZE=12 BODY=8BITMIME SMTPUTF8\r\n");
	expect(smtp_client_mail(fresh(), &null), "MAIL FROM:<>\r\n");
	expect(smtp_client_rcpt(fresh(), SLICE_LITERAL("c@d")), "RCPT TO:<c@d>\r\n");
	expect(smtp_client_bdat(fresh(), 100, false), "BDAT 100\r\n");
	expect(smtp_client_bdat(fresh(), 0, true), "BDAT 0 LAST\r\n");
}

static void challenges_are_decoded(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *challenge; /* NULL: it is none */
	} rows[] = {
		{ "334 Z28gb24=\r\n", "go on" }, { "334 \r\n", "" },           { "334\r\n", "" },
		{ "334 go on\r\n", NULL },       { "235 Z28gb24=\r\n", NULL }, { "334-Z28=\r\n334 Z28=\r\n", NULL },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct smtp_client_reply reply = { 0 };
		size_t consumed;
		struct buffer *challenge = fresh();
		assert_int_equal(smtp_client_read(&reply, slice_from_text(rows[i].text), &consumed), SMTP_CLIENT_REPLY);
		assert_int_equal(smtp_client_challenge(&reply, challenge), rows[i].challenge != NULL);
		if (rows[i].challenge)
			assert_true(slice_equal(buffer_slice(challenge), slice_from_text(rows[i].challenge)));
	}
}

static void nothing_is_injected(void **state)
{
	(void)state;
	static const char *const evil[] = { "a@b>\r\nRCPT TO:<c@d",
					    "a@b> SIZE=1",
					    "a\n@b",
					    "a\r@b",
					    "a b@c",
					    "<a@b",
					    "\"a@b",
					    "\"a\\\"@b",
					    "\"\\\r\"@b" };
	for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++) {
		struct smtp_client_mail mail = { .reverse_path = slice_from_text(evil[i]) };
		assert_false(smtp_client_mail(fresh(), &mail));
		assert_false(smtp_client_rcpt(&out, slice_from_text(evil[i])));
		assert_int_equal(out.size, 0);
	}
	assert_false(smtp_client_rcpt(&out, SLICE_LITERAL("")));
	assert_false(smtp_client_rcpt(&out, SLICE_LITERAL("a\0@b")));
	assert_false(smtp_client_ehlo(&out, SLICE_LITERAL("")));
	assert_false(smtp_client_ehlo(&out, SLICE_LITERAL("a b")));
	assert_false(smtp_client_ehlo(&out, SLICE_LITERAL("a\r\nQUIT")));
	assert_int_equal(out.size, 0);
}

static void what_does_not_fit_is_not_there(void **state)
{
	(void)state;
	struct smtp_client_mail mail = { .reverse_path = SLICE_LITERAL("a@b"), .size_bytes = 5 };
	for (size_t room = 0; room < strlen("MAIL FROM:<a@b> SIZE=5\r\n"); room++) {
		buffer_init(&out, storage, room);
		assert_false(smtp_client_mail(&out, &mail));
		assert_int_equal(out.size, 0);
	}
	buffer_init(&out, storage, 10);
	assert_false(smtp_client_auth(&out, "PLAIN", &SLICE_LITERAL("a")));
	buffer_init(&out, storage, 3);
	assert_false(smtp_client_response(&out, SLICE_LITERAL("a")));
	assert_false(smtp_client_whole_text(&out, SLICE_LITERAL("longer\r\n")));
	assert_int_equal(out.size, 0);
}

/* --- text --- */

static const char *const texts[][2] = {
	{ "", ".\r\n" },
	{ ".", "..\r\n.\r\n" },
	{ "a", "a\r\n.\r\n" },
	{ "a\r\n", "a\r\n.\r\n" },
	{ ".\r\n..\r\na.\r\n", "..\r\n...\r\na.\r\n.\r\n" },
	{ "a\r\n.", "a\r\n..\r\n.\r\n" },
	{ "a\n.b\r", "a\n.b\r\r\n.\r\n" },
	{ "\r\n.\r\n", "\r\n..\r\n.\r\n" },
};

/* Through buffers of `room` bytes, from pieces of `piece` bytes. */
static void stuff(struct slice text, size_t room, size_t piece, struct buffer *to)
{
	struct smtp_client_text state = { 0 };
	uint8_t small[16];
	struct buffer part;
	while (text.size) {
		struct slice next = slice_first(text, piece < text.size ? piece : text.size);
		size_t consumed;
		buffer_init(&part, small, room);
		bool all = smtp_client_text(&state, &part, next, &consumed);
		assert_int_equal(all, consumed == next.size);
		buffer_append(to, buffer_slice(&part));
		text = slice_skip(text, consumed);
	}
	assert_true(smtp_client_text_end(&state, to));
}

static void text_is_stuffed_in_any_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct slice text = slice_from_text(texts[i][0]);
		assert_int_equal(smtp_client_whole_text_size(text), strlen(texts[i][1]));
		expect(smtp_client_whole_text(fresh(), text), texts[i][1]);
		for (size_t room = 2; room < 10; room++)
			for (size_t piece = 1; piece < 10; piece++) {
				stuff(text, room, piece, fresh());
				expect(true, texts[i][1]);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_are_read_however_they_come),
		cmocka_unit_test(one_reply_is_taken_at_a_time),
		cmocka_unit_test(what_is_no_reply_is_refused),
		cmocka_unit_test(replies_have_bounds),
		cmocka_unit_test(ehlo_says_what_is_offered),
		cmocka_unit_test(commands_are_built_whole),
		cmocka_unit_test(challenges_are_decoded),
		cmocka_unit_test(nothing_is_injected),
		cmocka_unit_test(what_does_not_fit_is_not_there),
		cmocka_unit_test(text_is_stuffed_in_any_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
