/* crypto/tls: client against server, in memory, whole and byte by byte, through buffers of any size; closing; and input that
 * is no TLS, or cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "crypto/tls_internal.h"
#include "tests/unit/crypto/tls_pair.h"

enum { WHOLE = PAIR_STORAGE_BYTES };

static const uint16_t versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3 };
static struct pair pair;
static struct tls_context *server, *client;

static void begin(uint16_t version, size_t step, size_t capacity)
{
	server = make_server(0, 1);
	client = make_client(version, "ca.pem", false);
	pair_init(&pair, client, server, "localhost", step, capacity);
}

static void begin_connected(uint16_t version)
{
	begin(version, WHOLE, PAIR_STORAGE_BYTES);
	assert_true(pair_handshake(&pair));
	pair_take_tickets(&pair);
}

/* The contexts go first: sessions keep what they need. */
static void end(void)
{
	tls_context_destroy(client);
	tls_context_destroy(server);
	pair_finish(&pair);
}

static void check_facts(const struct pair_end *peer, const char *version)
{
	struct tls_facts facts;
	tls_session_facts(peer->session, &facts);
	assert_string_equal(facts.version, version);
	assert_non_null(strstr(facts.cipher, "_GCM_"));
	assert_int_equal(facts.bits, 128);
	assert_false(facts.resumed);
	assert_string_equal(tls_session_error(peer->session), "no error");
}

static void handshakes_in_any_steps_through_any_buffers(void **state)
{
	(void)state;
	static const size_t steps[] = { WHOLE, 1000, 7, 1 };
	static const size_t capacities[] = { PAIR_STORAGE_BYTES, 100, 13, 1 };
	for (size_t v = 0; v < 2; v++) {
		for (size_t i = 0; i < 16; i++) {
			begin(versions[v], steps[i / 4], capacities[i % 4]);
			assert_true(pair_handshake(&pair));
			check_facts(&pair.server, v ? "TLSv1.3" : "TLSv1.2");
			check_facts(&pair.client, v ? "TLSv1.3" : "TLSv1.2");
			pair_take_tickets(&pair);
			assert_int_equal(pair.server.output.size, 0);
			pair.client.output.capacity = pair.server.output.capacity = PAIR_STORAGE_BYTES;
			assert_true(pair_carries(&pair, &pair.client, SLICE_LITERAL("EHLO client\r\n")));
			assert_true(pair_carries(&pair, &pair.server, SLICE_LITERAL("250 server\r\n")));
			assert_false(tls_has_pending(pair.server.session));
			end();
		}
	}
}

/* TLS_OK is said only when the tickets are out: the client has them without any further word of the server. */
static void the_handshake_ends_with_the_tickets(void **state)
{
	(void)state;
	begin(TLS_VERSION_1_3, WHOLE, 200);
	size_t flights = 0;
	while (pair.server.status != TLS_OK && flights < 100) {
		struct pair_end *ends[] = { &pair.client, &pair.server };
		for (size_t i = 0; i < 2; i++) {
			struct buffer *input = &ends[1 - i]->output;
			struct tls_window window = { buffer_slice(input), &ends[i]->output };
			uint8_t unwanted[1];
			size_t got;
			if (i == 0 && ends[i]->status == TLS_OK)
				(void)!tls_read(ends[i]->session, &window, unwanted, 1, &got);
			else
				ends[i]->status = tls_handshake(ends[i]->session, &window);
			buffer_consume(input, (size_t)(window.input.data - input->data));
		}
		flights++;
	}
	/* 200 bytes at a time, the two tickets alone took two calls or more. */
	assert_int_equal(pair.server.status, TLS_OK);
	assert_true(flights > 4);
	assert_false(SSL_in_init(pair.server.session->library));
	end();
}

static void versions_that_do_not_meet_fail_on_both_sides(void **state)
{
	(void)state;
	server = make_server(TLS_VERSION_1_3, 1);
	client = make_client(TLS_VERSION_1_2, "ca.pem", false);
	pair_init(&pair, client, server, "localhost", WHOLE, PAIR_STORAGE_BYTES);
	assert_false(pair_handshake(&pair));
	assert_int_equal(pair.server.status, TLS_FAILED);
	assert_string_equal(tls_session_error(pair.server.session), "unsupported protocol");
	assert_int_equal(pair.client.status, TLS_FAILED);
	assert_string_equal(tls_session_error(pair.client.session), "tlsv1 alert protocol version");
	end();
}

static void a_write_is_all_or_none(void **state)
{
	(void)state;
	static uint8_t bytes[TLS_WRITE_MOST_BYTES];
	secret_random(bytes, sizeof bytes);
	static const size_t sizes[] = { 1, 100, TLS_WRITE_MOST_BYTES };
	for (size_t i = 0; i < 6; i++) {
		begin_connected(versions[i / 3]);
		struct slice all = slice_of(bytes, sizes[i % 3]);
		struct tls_window window = { { NULL, 0 }, &pair.server.output };
		pair.server.output.capacity = all.size + TLS_WRITE_OVERHEAD_BYTES - 1;
		assert_int_equal(tls_write(pair.server.session, &window, all), TLS_WANT_OUTPUT);
		assert_int_equal(pair.server.output.size, 0);
		pair.server.output.capacity++;
		assert_true(pair_carries(&pair, &pair.server, all));
		assert_int_equal(tls_write(pair.server.session, &window, slice_of(NULL, 0)), TLS_OK);
		assert_int_equal(pair.server.output.size, 0);
		end();
	}
}

/* The answer to a key update goes before the record: the room that was checked covers both. */
static void a_key_update_fits_into_the_overhead(void **state)
{
	(void)state;
	begin_connected(TLS_VERSION_1_3);
	for (int i = 0; i < 3; i++) {
		assert_true(SSL_key_update(pair.client.session->library, SSL_KEY_UPDATE_REQUESTED));
		assert_true(pair_carries(&pair, &pair.client, SLICE_LITERAL("NOOP\r\n")));
		pair.server.output.capacity = 8 + TLS_WRITE_OVERHEAD_BYTES;
		assert_true(pair_carries(&pair, &pair.server, SLICE_LITERAL("250 OK\r\n")));
	}
	end();
}

static void much_data_passes_a_small_buffer(void **state)
{
	(void)state;
	enum { TOTAL = 1000 * 1000, RECORD = 1000 };
	static uint8_t bytes[RECORD], got_bytes[RECORD];
	for (size_t v = 0; v < 2; v++) {
		begin_connected(versions[v]);
		pair.step = 333;
		pair.client.output.capacity = 2 * (RECORD + TLS_WRITE_OVERHEAD_BYTES) + 17;
		size_t written = 0, read = 0;
		while (read < TOTAL) {
			struct tls_window window = { { NULL, 0 }, &pair.client.output };
			memset(bytes, (int)(written / RECORD % 251), RECORD);
			if (written < TOTAL &&
			    tls_write(pair.client.session, &window, slice_of(bytes, RECORD)) == TLS_OK)
				written += RECORD;
			size_t got;
			enum tls_status status = pair_read(&pair, &pair.server, got_bytes, RECORD / 3, &got);
			assert_true(status == TLS_OK || status == TLS_WANT_INPUT);
			for (size_t i = 0; i < got; i++)
				if (got_bytes[i] != (read + i) / RECORD % 251)
					fail_msg("byte %zu is wrong", read + i);
			read += got;
		}
		assert_int_equal(read, written);
		end();
	}
}

static void what_waits_inside_is_pending(void **state)
{
	(void)state;
	begin_connected(TLS_VERSION_1_3);
	struct tls_window window = { { NULL, 0 }, &pair.client.output };
	assert_int_equal(tls_write(pair.client.session, &window, SLICE_LITERAL("MAIL FROM:<>\r\n")), TLS_OK);
	uint8_t bytes[14];
	size_t got;
	pair.step = pair.client.output.size - 1;
	assert_int_equal(pair_read(&pair, &pair.server, bytes, sizeof bytes, &got), TLS_WANT_INPUT);
	assert_true(tls_has_pending(pair.server.session));
	assert_int_equal(pair_read(&pair, &pair.server, bytes, 4, &got), TLS_OK);
	assert_int_equal(got, 4);
	assert_true(tls_has_pending(pair.server.session));
	assert_int_equal(pair_read(&pair, &pair.server, bytes, sizeof bytes, &got), TLS_OK);
	assert_int_equal(got, 10);
	assert_false(tls_has_pending(pair.server.session));
	end();
}

static void closing_is_said_once_and_heard(void **state)
{
	(void)state;
	uint8_t bytes[16];
	size_t got;
	for (size_t v = 0; v < 2; v++) {
		begin(versions[v], WHOLE, PAIR_STORAGE_BYTES);
		struct tls_window window = { { NULL, 0 }, &pair.server.output };
		tls_close(pair.server.session, &window);
		assert_int_equal(pair.server.output.size, 0);
		assert_true(pair_handshake(&pair));
		pair_take_tickets(&pair);
		assert_true(pair_carries(&pair, &pair.server, SLICE_LITERAL("221 bye\r\n")));
		tls_close(pair.server.session, &window);
		size_t size = pair.server.output.size;
		assert_true(size > 0);
		tls_close(pair.server.session, &window);
		assert_int_equal(pair.server.output.size, size);
		assert_int_equal(pair_read(&pair, &pair.client, bytes, sizeof bytes, &got), TLS_CLOSED);
		assert_int_equal(pair_read(&pair, &pair.client, bytes, sizeof bytes, &got), TLS_CLOSED);
		assert_int_equal(got, 0);
		end();
	}
}

static void what_is_no_tls_fails_and_leaves_no_trace(void **state)
{
	(void)state;
	static const struct {
		struct slice input;
		const char *error;
	} cases[] = {
		{ SLICE_LITERAL("EHLO client.example.org\r\n"), "wrong version number" },
		{ SLICE_LITERAL("GET / HTTP/1.1\r\n"), "http request" },
		{ SLICE_LITERAL("\x16\x03\x01\xff\xff\x01\x00"), "encrypted length too long" },
		{ SLICE_LITERAL("\x16\x03\x01\x00\x04\x01\xff\xff\xff"), "excessive message size" },
		{ SLICE_LITERAL("\x15\x03\x01\x00\x02\x02\x28"), "sslv3 alert handshake failure" },
		{ SLICE_LITERAL("\x17\x03\x03\x00\x01x"), "unexpected record" },
		{ SLICE_LITERAL("\0\0\0\0\0\0\0\0"), "wrong version number" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin(0, WHOLE, PAIR_STORAGE_BYTES);
		struct tls_window window = { cases[i].input, &pair.server.output };
		assert_int_equal(tls_handshake(pair.server.session, &window), TLS_FAILED);
		assert_string_equal(tls_session_error(pair.server.session), cases[i].error);
		/* The next session on the thread knows nothing of it. */
		struct tls_session *other = tls_accept_create(server);
		struct tls_window empty = { { NULL, 0 }, &pair.client.output };
		assert_int_equal(tls_handshake(other, &empty), TLS_WANT_INPUT);
		assert_string_equal(tls_session_error(other), "no error");
		tls_session_destroy(other);
		end();
	}
}

static void a_changed_record_fails(void **state)
{
	(void)state;
	for (size_t v = 0; v < 2; v++) {
		begin_connected(versions[v]);
		struct tls_window window = { { NULL, 0 }, &pair.client.output };
		assert_int_equal(tls_write(pair.client.session, &window, SLICE_LITERAL("QUIT\r\n")), TLS_OK);
		pair.client.output.data[pair.client.output.size - 1] ^= 1;
		uint8_t bytes[16];
		size_t got;
		assert_int_equal(pair_read(&pair, &pair.server, bytes, sizeof bytes, &got), TLS_FAILED);
		assert_int_equal(got, 0);
		assert_string_equal(tls_session_error(pair.server.session), "decryption failed or bad record mac");
		assert_true(pair.server.output.size > 0);
		end();
	}
}

/* A session may end at any byte of a handshake. */
static void handshakes_may_be_left_anywhere(void **state)
{
	(void)state;
	begin(0, 50, PAIR_STORAGE_BYTES);
	for (int calls = 0; calls < 200; calls++) {
		pair_finish(&pair);
		pair_init(&pair, client, server, "localhost", 50, PAIR_STORAGE_BYTES);
		struct pair_end *ends[] = { &pair.client, &pair.server };
		for (int i = 0; i < calls; i++) {
			struct buffer *input = &ends[1 - i % 2]->output;
			size_t size = input->size < 50 ? input->size : 50;
			struct tls_window window = { slice_of(input->data, size), &ends[i % 2]->output };
			if (ends[i % 2]->status != TLS_OK)
				ends[i % 2]->status = tls_handshake(ends[i % 2]->session, &window);
			buffer_consume(input, (size_t)(window.input.data - input->data));
		}
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes_in_any_steps_through_any_buffers),
		cmocka_unit_test(the_handshake_ends_with_the_tickets),
		cmocka_unit_test(versions_that_do_not_meet_fail_on_both_sides),
		cmocka_unit_test(a_write_is_all_or_none),
		cmocka_unit_test(a_key_update_fits_into_the_overhead),
		cmocka_unit_test(much_data_passes_a_small_buffer),
		cmocka_unit_test(what_waits_inside_is_pending),
		cmocka_unit_test(closing_is_said_once_and_heard),
		cmocka_unit_test(what_is_no_tls_fails_and_leaves_no_trace),
		cmocka_unit_test(a_changed_record_fails),
		cmocka_unit_test(handshakes_may_be_left_anywhere),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
