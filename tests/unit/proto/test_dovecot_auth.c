/* proto/dovecot_auth: what is sent, and what comes, read whole and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/dovecot_auth.h"
#include "proto/sasl.h"

/* --- what is sent --- */

static uint8_t storage[2 * LIMIT_DOVECOT_LINE_BYTES];

static struct buffer empty(size_t capacity)
{
	struct buffer out;
	buffer_init(&out, storage, capacity);
	return out;
}

static void assert_text(struct slice is, const char *expected)
{
	assert_int_equal(is.size, strlen(expected));
	assert_memory_equal(is.data, expected, is.size);
}

static void test_sent(void **state)
{
	(void)state;
	struct buffer out = empty(sizeof storage);
	struct dovecot_auth_request request = { .id = 7, .mechanism = "CRAM-MD5" };
	assert_true(dovecot_auth_write_greeting(&out, 4711));
	assert_true(dovecot_auth_write_request(&out, &request));
	request = (struct dovecot_auth_request){
		.id = UINT32_MAX,
		.mechanism = "PLAIN",
		.client = SLICE_LITERAL("2001:db8::1"),
		.client_port = 65535,
		.server = SLICE_LITERAL("2001:db8::2"),
		.server_port = 587,
		.session = UINT64_MAX,
		.certificate_name = SLICE_LITERAL("a\tb\r\n\1c"),
		.inside_tls = true,
		.has_response = true,
		.response = { (const uint8_t *)"\0a\0b", 4 },
	};
	assert_true(dovecot_auth_write_request(&out, &request));
	request = (struct dovecot_auth_request){ .id = 8, .mechanism = "GSSAPI", .has_response = true };
	assert_true(dovecot_auth_write_request(&out, &request));
	assert_true(dovecot_auth_write_response(&out, 7, SLICE_LITERAL("a \377")));
	assert_true(dovecot_auth_write_response(&out, 7, SLICE_LITERAL("")));
	assert_true(dovecot_auth_write_cancel(&out, 7));
	assert_text(buffer_slice(&out),
		    "VERSION\t1\t2\nCPID\t4711\n"
		    "AUTH\t7\tCRAM-MD5\tservice=smtp\tno-penalty\n"
		    "AUTH\t4294967295\tPLAIN\tservice=smtp\tno-penalty\tsecured=tls\tsession=18446744073709551615"
		    "\tlip=2001:db8::2\trip=2001:db8::1\tlport=587\trport=65535"
		    "\tvalid-client-cert\tcert_username=a\1tb\1r\1n\0011c\tresp=AGEAYg==\n"
		    "AUTH\t8\tGSSAPI\tservice=smtp\tno-penalty\tresp=\n"
		    "CONT\t7\tYSD/\nCONT\t7\t\nCANCEL\t7\n");
}

/* One byte less than is needed: nothing is written, and nothing of it stays. */
static void test_what_does_not_fit(void **state)
{
	(void)state;
	static uint8_t response[LIMIT_DOVECOT_LINE_BYTES];
	memset(response, 'x', sizeof response);
	struct dovecot_auth_request request = { .id = 1, .mechanism = "PLAIN", .has_response = true };
	request.response = slice_of(response, 300);
	struct buffer out = empty(sizeof storage);
	assert_true(dovecot_auth_write_request(&out, &request));
	size_t size = out.size;
	for (size_t capacity = 0; capacity <= size; capacity++) {
		memset(storage, 0, sizeof storage);
		out = empty(capacity);
		assert_int_equal(dovecot_auth_write_request(&out, &request), capacity == size);
		assert_false(out.overflow);
		for (size_t i = 0; capacity < size && i < size; i++)
			assert_int_equal(storage[i], 0);
	}
	/* There is room, but the line is longer than Dovecot reads. */
	out = empty(sizeof storage);
	request.response.size = sizeof response / 4 * 3;
	assert_false(dovecot_auth_write_request(&out, &request));
	assert_false(dovecot_auth_write_response(&out, 1, request.response));
	request.response.size = LIMIT_SASL_RESPONSE_BYTES;
	assert_true(dovecot_auth_write_request(&out, &request));
}

/* --- what comes --- */

static const char greeting[] =
	"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tSCRAM-SHA-256\tmutual-auth\n"
	"MECH\tSCRAM-SHA-256-PLUS\tmutual-auth\nMECH\tCRAM-MD5\tdictionary\tprivate\nMECH\tOTHER\n"
	"MECH\nSPID\t12\nCUID\t1\nCOOKIE\t0f\nLATER\tx\n\nDONE\n";

struct row {
	const char *text; /* after the greeting */
	enum dovecot_auth_event event;
	uint32_t id;
	const char *value; /* user or challenge */
	enum dovecot_auth_failure failure;
};

static const struct row rows[] = {
	{ "OK\t1\tuser=alice\n", DOVECOT_AUTH_OK, 1, "alice", 0 },
	{ "OK\t1\ttoken=abc\tuser=a\1tb\0011\1\1\tx=user=y\n", DOVECOT_AUTH_OK, 1, "a\tb\1\1", 0 },
	{ "OK\t4294967295\tuser=\n", DOVECOT_AUTH_OK, UINT32_MAX, "", 0 },
	{ "OK\t1\n", DOVECOT_AUTH_OK, 1, "", 0 },
	{ "OK\t1\tuser=a\tnologin\n", DOVECOT_AUTH_FAIL, 1, "a", DOVECOT_AUTH_NO_LOGIN },
	{ "OK\t1\tnologin=y\tuser=a\n", DOVECOT_AUTH_FAIL, 1, "a", DOVECOT_AUTH_NO_LOGIN },
	{ "FAIL\t3\n", DOVECOT_AUTH_FAIL, 3, "", DOVECOT_AUTH_REFUSED },
	{ "FAIL\t3\tuser=al\tcode=temp_fail\n", DOVECOT_AUTH_FAIL, 3, "al", DOVECOT_AUTH_TEMPORARY },
	{ "FAIL\t3\ttemp\n", DOVECOT_AUTH_FAIL, 3, "", DOVECOT_AUTH_TEMPORARY },
	{ "FAIL\t3\tcode=authz_fail\n", DOVECOT_AUTH_FAIL, 3, "", DOVECOT_AUTH_MAY_NOT },
	{ "FAIL\t3\tcode=user_disabled\treason=x\n", DOVECOT_AUTH_FAIL, 3, "", DOVECOT_AUTH_DISABLED },
	{ "FAIL\t3\treason=temp\tcode=pass_expired\n", DOVECOT_AUTH_FAIL, 3, "", DOVECOT_AUTH_EXPIRED },
	{ "FAIL\t3\tcode=mech_ssl_required\n", DOVECOT_AUTH_FAIL, 3, "", DOVECOT_AUTH_UNSUITABLE },
	{ "FAIL\t3\tcode=new\n", DOVECOT_AUTH_FAIL, 3, "", DOVECOT_AUTH_REFUSED },
	{ "CONT\t2\tYSD/\n", DOVECOT_AUTH_CHALLENGE, 2, "a \377", 0 },
	{ "CONT\t2\t\n", DOVECOT_AUTH_CHALLENGE, 2, "", 0 },
	{ "CONT\t2\n", DOVECOT_AUTH_CHALLENGE, 2, "", 0 },
	{ "CONT\t2\tYS\n", DOVECOT_AUTH_FAIL, 2, "", DOVECOT_AUTH_UNREADABLE },
	{ "CONT\t0\tYSD/\n", DOVECOT_AUTH_BROKEN, 0, NULL, 0 },
	{ "OK\t4294967296\tuser=a\n", DOVECOT_AUTH_BROKEN, 0, NULL, 0 },
	{ "OK\n", DOVECOT_AUTH_BROKEN, 0, NULL, 0 },
	{ "FAIL\t-1\n", DOVECOT_AUTH_BROKEN, 0, NULL, 0 },
	{ "DONE\n", DOVECOT_AUTH_BROKEN, 0, NULL, 0 },
	{ "VERSION\t2\t0\n", DOVECOT_AUTH_BROKEN, 0, NULL, 0 },
	{ "NOTFOUND\t1\nok\t1\n", DOVECOT_AUTH_NEED_MORE, 0, NULL, 0 },
	{ "OK\t1\tuser=alice", DOVECOT_AUTH_NEED_MORE, 0, NULL, 0 },
};

/* Everything in pieces of so many bytes, up to the next event. */
static enum dovecot_auth_event read_all(struct dovecot_auth_reader *reader, struct slice *text, size_t piece,
					struct dovecot_auth_reply *reply)
{
	enum dovecot_auth_event event = DOVECOT_AUTH_NEED_MORE;
	while (event == DOVECOT_AUTH_NEED_MORE && text->size) {
		struct slice input = slice_first(*text, piece < text->size ? piece : text->size);
		size_t before = input.size;
		event = dovecot_auth_read(reader, &input, reply);
		*text = slice_skip(*text, before - input.size);
	}
	return event;
}

static void start(struct dovecot_auth_reader *reader, uint8_t *line, size_t piece)
{
	struct dovecot_auth_reply reply;
	struct slice text = slice_from_text(greeting);
	dovecot_auth_reader_init(reader, line);
	assert_int_equal(read_all(reader, &text, piece, &reply), DOVECOT_AUTH_READY);
	assert_int_equal(text.size, 0);
	assert_int_equal(reader->mechanisms, SASL_PLAIN | SASL_SCRAM_SHA_256);
}

static void check_row(const struct row *row, size_t piece)
{
	static uint8_t line[LIMIT_DOVECOT_LINE_BYTES];
	static struct dovecot_auth_reader reader;
	struct dovecot_auth_reply reply = { 0 };
	start(&reader, line, piece);
	struct slice text = slice_from_text(row->text);
	assert_int_equal(read_all(&reader, &text, piece, &reply), row->event);
	if (row->value) {
		assert_int_equal(reply.id, row->id);
		assert_text(row->event == DOVECOT_AUTH_CHALLENGE ? reply.challenge : reply.user, row->value);
	}
	if (row->event == DOVECOT_AUTH_FAIL)
		assert_int_equal(reply.failure, row->failure);
	if (row->event == DOVECOT_AUTH_BROKEN) {
		struct slice more = SLICE_LITERAL("OK\t1\tuser=a\n");
		assert_non_null(reader.problem);
		assert_int_equal(dovecot_auth_read(&reader, &more, &reply), DOVECOT_AUTH_BROKEN);
	}
	dovecot_auth_reader_wipe(&reader);
	for (size_t i = 0; i < sizeof line; i++)
		assert_int_equal(line[i], 0);
}

static void test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (size_t piece = 1; piece < 40; piece += i % 7 + 1)
			check_row(&rows[i], piece);
}

static void test_broken_greetings(void **state)
{
	(void)state;
	static const char *const texts[] = { "DONE\n",
					     "VERSION\t2\t0\n",
					     "VERSION\n",
					     "OK\t1\tuser=a\n",
					     "VERSION\t1\t1\nCONT\t1\t\n",
					     "VERSION\t1\t1\nFAIL\t1\n" };
	static uint8_t line[LIMIT_DOVECOT_LINE_BYTES];
	struct dovecot_auth_reader reader;
	struct dovecot_auth_reply reply;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct slice text = slice_from_text(texts[i]);
		dovecot_auth_reader_init(&reader, line);
		assert_int_equal(read_all(&reader, &text, 1, &reply), DOVECOT_AUTH_BROKEN);
	}
}

static void test_bounds(void **state)
{
	(void)state;
	static uint8_t line[LIMIT_DOVECOT_LINE_BYTES], text[LIMIT_DOVECOT_LINE_BYTES + 2];
	struct dovecot_auth_reader reader;
	struct dovecot_auth_reply reply;
	memset(text, 'x', sizeof text);
	memcpy(text, "OK\t1\tuser=", 10);

	text[LIMIT_DOVECOT_LINE_BYTES] = '\n';
	start(&reader, line, sizeof greeting);
	struct slice input = slice_of(text, LIMIT_DOVECOT_LINE_BYTES + 1);
	assert_int_equal(read_all(&reader, &input, 1000, &reply), DOVECOT_AUTH_OK);
	assert_int_equal(reply.user.size, LIMIT_DOVECOT_LINE_BYTES - 10);

	text[LIMIT_DOVECOT_LINE_BYTES] = 'x';
	start(&reader, line, sizeof greeting);
	input = slice_of(text, sizeof text);
	assert_int_equal(read_all(&reader, &input, 1000, &reply), DOVECOT_AUTH_BROKEN);

	/* A challenge that is longer than can be passed on. */
	memcpy(text, "CONT\t1\t", 7);
	memset(text + 7, 'A', 8192);
	text[7 + 8192] = '\n';
	start(&reader, line, sizeof greeting);
	input = slice_of(text, 7 + 8192 + 1);
	assert_int_equal(read_all(&reader, &input, 1000, &reply), DOVECOT_AUTH_FAIL);
	assert_int_equal(reply.failure, DOVECOT_AUTH_UNREADABLE);
}

static void test_many_in_one_piece(void **state)
{
	(void)state;
	static uint8_t line[LIMIT_DOVECOT_LINE_BYTES];
	struct dovecot_auth_reader reader;
	struct dovecot_auth_reply reply;
	start(&reader, line, sizeof greeting);
	struct slice input = SLICE_LITERAL("FAIL\t2\nSPID\t1\nOK\t1\tuser=a\nCONT\t3\tYSD/\nOK\t4");
	assert_int_equal(dovecot_auth_read(&reader, &input, &reply), DOVECOT_AUTH_FAIL);
	assert_int_equal(reply.id, 2);
	assert_int_equal(dovecot_auth_read(&reader, &input, &reply), DOVECOT_AUTH_OK);
	assert_int_equal(reply.id, 1);
	assert_int_equal(dovecot_auth_read(&reader, &input, &reply), DOVECOT_AUTH_CHALLENGE);
	assert_int_equal(dovecot_auth_read(&reader, &input, &reply), DOVECOT_AUTH_NEED_MORE);
	assert_int_equal(input.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent),    cmocka_unit_test(test_what_does_not_fit),
		cmocka_unit_test(test_replies), cmocka_unit_test(test_broken_greetings),
		cmocka_unit_test(test_bounds),  cmocka_unit_test(test_many_in_one_piece),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
