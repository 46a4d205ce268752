/* bench/sink_session: whole conversations, fed whole and byte by byte, and a reply buffer that is always too small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/sink_session.h"

/* The codes of all replies that a conversation gets, the greeting's first; "250-" lines are left out. */
struct conversation {
	const char *sent;
	const char *codes;
};

static const struct conversation conversations[] = {
	{ "EHLO a\r\nQUIT\r\n", "220 250 221 " },
	{ "AUTH PLAIN AGEAYg==\r\nNOOP\r\n", "220 235 250 " },
	{ "AUTH PLAIN\r\nAGEAYg==\r\nNOOP\r\n", "220 334 235 250 " },
	{ "auth login\r\nYQ==\r\nYg==\r\nNOOP\r\n", "220 334 334 235 250 " },
	{ "AUTH LOGIN YQ==\r\nYg==\r\n", "220 334 235 " },
	{ "MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\na\r\n.\r\nQUIT\r\n", "220 250 250 354 250 221 " },
	{ "DATA\r\n.\r\nNOOP\r\n", "220 354 250 250 " },
	{ "DATA\r\n..\r\n.x\r\nQUIT\r\n\n.\n\r.\r\r\n\r\n.\r\n", "220 354 250 " },
	{ "DATA\r\n.\r\r\n.\r\n", "220 354 250 " },
	{ "BDAT 5 LAST\r\nQUIT\nNOOP\r\n", "220 250 250 " },
	{ "BDAT 6\r\n.\r\n.\r\nBDAT 0 LAST\r\nNOOP\r\n", "220 250 250 250 " },
	{ "BDAT x\r\nNOOP\r\n", "220 501 250 " },
	{ "BDAT 99999999999999999999\r\nNOOP\r\n", "220 501 250 " },
	{ "MAIL FROM:<a-name-that-is-longer-than-what-is-kept@example.org>\r\nNOOP\r\n", "220 250 250 " },
	{ "STARTTLS\r\n", "220 502 " },
};

/* Appends the code of each line that ends a reply. */
static void note_codes(struct buffer *codes, struct slice replies)
{
	while (replies.size) {
		size_t end = slice_find(replies, '\n');
		assert_true(end > 4 && end < replies.size);
		if (replies.data[3] == ' ')
			buffer_append(codes, slice_first(replies, 4));
		replies = slice_skip(replies, end + 1);
	}
}

static void converse(const struct conversation *conversation, size_t piece, size_t room)
{
	uint8_t storage[256], reply_storage[1024];
	struct buffer codes, replies;
	struct sink_session session;
	buffer_init(&codes, storage, sizeof storage);
	buffer_init(&replies, reply_storage, room);
	sink_session_start(&session, false, &replies);
	struct slice left = slice_from_text(conversation->sent);
	while (left.size) {
		struct slice input = slice_first(left, left.size < piece ? left.size : piece);
		left = slice_skip(left, input.size);
		enum sink_action action = SINK_FULL;
		while (action == SINK_FULL) {
			action = sink_session_feed(&session, &input, &replies);
			note_codes(&codes, buffer_slice(&replies));
			buffer_clear(&replies);
		}
		assert_int_equal(input.size, 0);
	}
	assert_false(codes.overflow);
	assert_true(slice_equal(buffer_slice(&codes), slice_from_text(conversation->codes)));
}

static void each_conversation_gets_its_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof conversations / sizeof conversations[0]; i++) {
		for (size_t piece = 1; piece <= strlen(conversations[i].sent); piece++)
			converse(&conversations[i], piece, 1024);
		converse(&conversations[i], SIZE_MAX, SINK_REPLY_BYTES);
	}
}

static void starttls_is_offered_once(void **state)
{
	(void)state;
	uint8_t storage[1024];
	struct buffer out;
	struct sink_session session;
	struct slice input = SLICE_LITERAL("EHLO a\r\nSTARTTLS\r\nNOOP\r\n");
	buffer_init(&out, storage, sizeof storage);
	sink_session_start(&session, true, &out);
	assert_int_equal(sink_session_feed(&session, &input, &out), SINK_START_TLS);
	assert_true(slice_equal(input, SLICE_LITERAL("NOOP\r\n")));
	assert_non_null(memmem(out.data, out.size, "STARTTLS", 8));
	buffer_clear(&out);
	input = SLICE_LITERAL("EHLO a\r\nSTARTTLS\r\n");
	assert_int_equal(sink_session_feed(&session, &input, &out), SINK_CONTINUE);
	assert_null(memmem(out.data, out.size, "STARTTLS", 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_conversation_gets_its_replies),
		cmocka_unit_test(starttls_is_offered_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
