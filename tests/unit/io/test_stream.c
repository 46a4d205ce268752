/* core/io: streams, plain and with TLS, over both back ends; peers that are streams, and peers that misbehave. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "tests/unit/io/stream_world.h"

/* --- both ways, in all forms --- */

static void much_is_echoed(struct stream_world *world, uint16_t version)
{
	enum { SIZE = 1 << 20 };
	uint8_t *bytes = make_bytes(SIZE);
	struct end client, server;
	open_ends(world, &client, &server, version);
	server.habit = END_ECHOES;
	client.unsent = slice_of(bytes, SIZE);
	end_push(&client);
	TURN_UNTIL(world, client.total == SIZE);
	assert_int_equal(client.sum, stream_sum(0, slice_of(bytes, SIZE)));
	assert_int_equal(server.total, SIZE);
	/* Idle: nobody holds a buffer. */
	turn_a_little(world);
	assert_int_equal(world->buffers.small.used + world->buffers.large.used, 0);
	assert_false(stream_has_input(&server.stream));
	close_ends(world, &client, &server);
	assert_int_equal(client.events[STREAM_FAILED] + server.events[STREAM_FAILED], 0);
	free(bytes);
}

/* The other end hears all, then the end. */
static void finish_sends_all_first(struct stream_world *world, uint16_t version)
{
	enum { SIZE = 30000 };
	uint8_t *bytes = make_bytes(SIZE);
	struct end client, server;
	open_ends(world, &client, &server, version);
	assert_true(stream_write(&server.stream, slice_of(bytes, SIZE)));
	unsigned drained = server.events[STREAM_DRAINED];
	stream_finish(&server.stream);
	assert_false(stream_write(&server.stream, SLICE_LITERAL("late")));
	TURN_UNTIL(world, server.events[STREAM_CLOSED] && client.events[STREAM_ENDED]);
	assert_int_equal(client.total, SIZE);
	assert_int_equal(client.sum, stream_sum(0, slice_of(bytes, SIZE)));
	assert_int_equal(server.events[STREAM_FAILED] + client.events[STREAM_FAILED], 0);
	assert_int_equal(server.events[STREAM_DRAINED], drained);
	close_ends(world, &client, NULL);
	free(bytes);
}

/* Input that came in one piece is read over many pauses; each resume gives its event from the loop. */
static void pauses_keep_input(struct stream_world *world, uint16_t version)
{
	static const char text[] = "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
	struct end client, server;
	open_ends(world, &client, &server, version);
	server.habit = END_SIPS;
	write_text(&client, text);
	TURN_UNTIL(world, server.total == 7);
	while (server.total < sizeof text - 1) {
		unsigned events = server.events[STREAM_READABLE];
		size_t total = server.total;
		turn_a_little(world);
		assert_int_equal(server.events[STREAM_READABLE], events);
		assert_true(stream_has_input(&server.stream));
		stream_resume(&server.stream);
		assert_int_equal(server.events[STREAM_READABLE], events);
		TURN_UNTIL(world, server.total > total);
	}
	assert_string_equal(server.text, text);
	/* The end is told when all was read, paused or not. */
	stream_resume(&server.stream);
	stream_finish(&client.stream);
	TURN_UNTIL(world, server.events[STREAM_ENDED]);
	close_ends(world, NULL, &server);
}

static void an_end_in_a_pause_comes_after_the_input(struct stream_world *world, uint16_t version)
{
	struct end client, server;
	open_ends(world, &client, &server, version);
	stream_pause(&server.stream);
	write_text(&client, "last words");
	stream_finish(&client.stream);
	TURN_UNTIL(world, client.events[STREAM_CLOSED]);
	turn_a_little(world);
	assert_int_equal(server.events[STREAM_READABLE] + server.events[STREAM_ENDED], 0);
	stream_resume(&server.stream);
	TURN_UNTIL(world, server.events[STREAM_ENDED]);
	assert_string_equal(server.text, "last words");
	/* The other direction is still open for what is to be said. */
	assert_true(stream_write(&server.stream, SLICE_LITERAL("bye")));
	close_ends(world, NULL, &server);
}

/* Whatever lies unread; and nothing is lost of it. */
static void a_watched_pause_notices_who_goes(struct stream_world *world, uint16_t version)
{
	struct end client, server;
	open_ends(world, &client, &server, version);
	stream_watch(&server.stream);
	write_text(&client, "AUTH ");
	turn_a_little(world);
	assert_int_equal(server.events[STREAM_HUNG_UP] + server.events[STREAM_READABLE], 0);
	/* Back and forth, and on with reading. */
	stream_resume(&server.stream);
	stream_watch(&server.stream);
	turn_a_little(world);
	stream_resume(&server.stream);
	TURN_UNTIL(world, server.total == 5);
	stream_watch(&server.stream);
	turn_a_little(world);
	stream_resume(&server.stream);
	stream_watch(&server.stream);
	write_text(&client, "PLAIN");
	turn_a_little(world);
	stream_finish(&client.stream);
	TURN_UNTIL(world, client.events[STREAM_CLOSED] && server.events[STREAM_HUNG_UP]);
	turn_a_little(world);
	assert_int_equal(server.events[STREAM_HUNG_UP], 1);
	assert_int_equal(server.events[STREAM_ENDED], 0);
	stream_resume(&server.stream);
	TURN_UNTIL(world, server.events[STREAM_ENDED]);
	assert_string_equal(server.text, "AUTH PLAIN");
	close_ends(world, NULL, &server);
	assert_int_equal(server.events[STREAM_FAILED], 0);

	open_ends(world, &client, &server, version);
	stream_watch(&server.stream);
	turn_a_little(world);
	close_ends(world, &client, &server);
}

/* The peer reads nothing: what is queued is dropped. */
static void close_while_sending(struct stream_world *world, uint16_t version)
{
	enum { SIZE = 4 << 20 };
	uint8_t *bytes = make_bytes(SIZE);
	struct end client, server;
	open_ends(world, &client, &server, version);
	stream_pause(&client.stream);
	server.unsent = slice_of(bytes, SIZE);
	end_push(&server);
	turn_a_little(world);
	assert_true(server.unsent.size > 0);
	end_push(&server);
	assert_false(stream_write(&server.stream, slice_of(bytes, LIMIT_TURN_REPLY_BYTES)));
	stream_close(&server.stream);
	assert_int_equal(server.events[STREAM_CLOSED], 0);
	stream_close(&server.stream);
	TURN_UNTIL(world, server.events[STREAM_CLOSED]);
	close_ends(world, &client, NULL);
	free(bytes);
}

/* The connection goes without a word. */
static void truncation_is_an_end(struct stream_world *world, uint16_t version)
{
	struct end client, server;
	open_ends(world, &client, &server, version);
	write_text(&client, "half a");
	turn_a_little(world);
	stream_close(&client.stream);
	TURN_UNTIL(world, client.events[STREAM_CLOSED] && server.events[STREAM_ENDED]);
	assert_string_equal(server.text, "half a");
	/* Nobody is there to write to. */
	assert_true(stream_write(&server.stream, SLICE_LITERAL("hello?")));
	TURN_UNTIL(world, server.events[STREAM_FAILED]);
	assert_string_equal(server.failure, strerror(EPIPE));
	assert_true(stream_write(&server.stream, SLICE_LITERAL("swallowed")));
	close_ends(world, NULL, &server);
}

static void close_in(struct end *end, enum stream_event event)
{
	if (event == STREAM_READABLE || event == STREAM_DRAINED)
		stream_close(&end->stream);
}

static void finish_in(struct end *end, enum stream_event event)
{
	if (event != STREAM_READABLE)
		return;
	write_text(end, "221 bye");
	stream_finish(&end->stream);
}

static void owners_end_streams_in_events(struct stream_world *world, uint16_t version)
{
	struct end client, server;
	open_ends(world, &client, &server, version);
	server.hook = close_in;
	write_text(&client, "x");
	TURN_UNTIL(world, server.events[STREAM_CLOSED]);
	close_ends(world, &client, NULL);

	open_ends(world, &client, &server, version);
	server.hook = close_in;
	write_text(&server, "x");
	TURN_UNTIL(world, server.events[STREAM_CLOSED]);
	close_ends(world, &client, NULL);

	open_ends(world, &client, &server, version);
	server.hook = finish_in;
	write_text(&client, "QUIT");
	TURN_UNTIL(world, server.events[STREAM_CLOSED] && client.events[STREAM_ENDED]);
	assert_string_equal(client.text, "221 bye");
	close_ends(world, &client, NULL);
}

/* --- STARTTLS --- */

struct starttls {
	struct tls_context *client;
	struct tls_context *server;
	int refused;
};
static struct starttls starttls;

static void server_starts_tls(struct end *end, enum stream_event event)
{
	if (event != STREAM_READABLE || end->stream.tls)
		return;
	uint8_t line[10];
	assert_int_equal(stream_read(&end->stream, line, sizeof line), sizeof line);
	assert_memory_equal(line, "STARTTLS\r\n", 10);
	write_text(end, "220 go ahead\r\n");
	if (stream_start_tls(&end->stream, tls_accept_create(starttls.server)))
		return;
	starttls.refused++;
	stream_close(&end->stream);
}

static void client_starts_tls(struct end *end, enum stream_event event)
{
	if (event == STREAM_OPEN)
		write_text(end, "EHLO again\r\n");
	if (event != STREAM_READABLE || end->stream.tls)
		return;
	uint8_t line[64];
	assert_int_equal(stream_read(&end->stream, line, sizeof line), 14);
	assert_true(stream_start_tls(&end->stream, tls_connect_create(starttls.client, "localhost")));
}

static void client_sends_hello_with_header(struct end *end, enum stream_event event)
{
	if (event != STREAM_READABLE || end->stream.tls)
		return;
	stream_skip(&end->stream, stream_peek(&end->stream).size);
	write_text(end, "HEADER\r\n");
	assert_true(stream_start_tls(&end->stream, tls_connect_create(starttls.client, "localhost")));
}

static void server_reads_header(struct end *end, enum stream_event event)
{
	if (event != STREAM_READABLE || end->stream.tls)
		return;
	struct slice input = stream_peek(&end->stream);
	assert_true(input.size > 8);
	assert_memory_equal(input.data, "HEADER\r\n", 8);
	stream_skip(&end->stream, 8);
	stream_start_tls_behind(&end->stream, tls_accept_create(starttls.server));
}

static void starttls_goes_over(struct stream_world *world, uint16_t version)
{
	if (version == PLAIN)
		return;
	starttls = (struct starttls){ client_context(version), server_context(version), 0 };
	struct end client, server;
	open_ends(world, &client, &server, PLAIN);
	client.hook = client_starts_tls;
	server.hook = server_starts_tls;
	write_text(&client, "STARTTLS\r\n");
	TURN_UNTIL(world, server.total == 12);
	assert_string_equal(server.text, "EHLO again\r\n");
	assert_true(client.events[STREAM_OPEN] == 1 && server.events[STREAM_OPEN] == 1);
	close_ends(world, &client, &server);

	/* Plaintext behind it, in the same packet. */
	open_ends(world, &client, &server, PLAIN);
	server.hook = server_starts_tls;
	write_text(&client, "STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n");
	TURN_UNTIL(world, server.events[STREAM_CLOSED]);
	assert_true(starttls.refused == 1 && server.total == 0);
	close_ends(world, &client, NULL);

	/* The session that paused for something else first. */
	open_ends(world, &client, &server, PLAIN);
	client.hook = client_starts_tls;
	write_text(&client, "x");
	TURN_UNTIL(world, server.total == 1);
	stream_pause(&server.stream);
	write_text(&server, "220 go ahead\r\n");
	assert_true(stream_start_tls(&server.stream, tls_accept_create(starttls.server)));
	TURN_UNTIL(world, client.events[STREAM_OPEN] && server.events[STREAM_OPEN]);
	turn_a_little(world);
	assert_int_equal(server.total, 1);
	stream_resume(&server.stream);
	TURN_UNTIL(world, server.total == 13);
	close_ends(world, &client, &server);

	/* Behind a header, in the same packet. */
	open_ends(world, &client, &server, PLAIN);
	client.hook = client_sends_hello_with_header;
	server.hook = server_reads_header;
	write_text(&server, "go");
	TURN_UNTIL(world, client.events[STREAM_OPEN]);
	close_ends(world, &client, &server);
	tls_context_destroy(starttls.client);
	tls_context_destroy(starttls.server);
}

/* --- peers that are no streams --- */

/* A server alone, and the raw socket of its peer. */
static int open_server(struct stream_world *world, struct end *server, uint16_t version, int type)
{
	int fds[2];
	stream_pair(type, fds);
	end_init(server, world, fds[1]);
	if (version) {
		struct tls_context *context = server_context(version);
		assert_true(stream_start_tls(&server->stream, tls_accept_create(context)));
		tls_context_destroy(context);
	}
	stream_start(&server->stream);
	return fds[0];
}

static void peer_vanishes_in_the_handshake(struct stream_world *world, uint16_t version)
{
	if (version == PLAIN)
		return;
	static const uint8_t half_a_hello[] = { 0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 9, 9 };
	for (size_t size = 0; size <= sizeof half_a_hello; size++) {
		struct end server;
		int peer = open_server(world, &server, version, SOCK_STREAM);
		assert_int_equal(write(peer, half_a_hello, size), size);
		turn_a_little(world);
		close(peer);
		TURN_UNTIL(world, server.events[STREAM_FAILED]);
		assert_non_null(strstr(server.failure, "handshake"));
		assert_int_equal(server.events[STREAM_OPEN] + server.events[STREAM_ENDED], 0);
		close_ends(world, NULL, &server);
	}
}

/* The alert is on its way when the owner is told. */
static void an_alert_goes_out_before_the_failure(struct stream_world *world, uint16_t version)
{
	if (version == PLAIN)
		return;
	struct end server;
	int peer = open_server(world, &server, version, SOCK_STREAM);
	assert_int_equal(write(peer, "EHLO plain.example.org\r\n", 24), 24);
	TURN_UNTIL(world, server.events[STREAM_FAILED]);
	assert_true(server.failure[0] != 0);
	uint8_t alert[16] = { 0 };
	assert_int_equal(read(peer, alert, sizeof alert), 7);
	assert_int_equal(alert[0], 0x15);
	close_ends(world, NULL, &server);
	close(peer);
}

static void corrupt_record_fails_after_what_was_good(struct stream_world *world, uint16_t version)
{
	if (version == PLAIN)
		return;
	struct end client, server;
	open_ends(world, &client, &server, version);
	write_text(&client, "good");
	TURN_UNTIL(world, server.total == 4);
	/* Behind the TLS session's back. */
	static const uint8_t forged[] = { 0x17, 3, 3, 0, 24, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1,
					  2,    3, 4, 5, 6,  7, 8, 9, 1, 2, 3, 4, 5, 6 };
	assert_int_equal(write(client.stream.fd, forged, sizeof forged), sizeof forged);
	TURN_UNTIL(world, server.events[STREAM_FAILED] && client.events[STREAM_FAILED]);
	assert_int_equal(server.total, 4);
	close_ends(world, &client, &server);
}

static void write_thrice(struct end *end, enum stream_event event)
{
	if (event != STREAM_READABLE)
		return;
	write_text(end, "one ");
	write_text(end, "two ");
	write_text(end, "three");
}

/* A packet socket shows what is one send. */
static void an_event_is_one_send(struct stream_world *world, uint16_t version)
{
	if (version != PLAIN)
		return;
	struct end server;
	int peer = open_server(world, &server, PLAIN, SOCK_SEQPACKET);
	server.hook = write_thrice;
	assert_int_equal(write(peer, "x", 1), 1);
	TURN_UNTIL(world, server.events[STREAM_DRAINED]);
	char text[64];
	assert_int_equal(read(peer, text, sizeof text), 13);
	assert_int_equal(server.events[STREAM_DRAINED], 1);
	/* At once outside of events; what comes while that is on its way waits for it and goes together. */
	write_thrice(&server, STREAM_READABLE);
	TURN_UNTIL(world, server.events[STREAM_DRAINED] == 2);
	assert_int_equal(read(peer, text, sizeof text), 4);
	assert_int_equal(read(peer, text, sizeof text), 9);
	close(peer);
	TURN_UNTIL(world, server.events[STREAM_ENDED]);
	close_ends(world, NULL, &server);
}

/* --- buffers run out --- */

static void no_buffers_is_a_failure(struct stream_world *world, uint16_t version)
{
	struct end client, server;
	open_ends(world, &client, &server, version);
	turn_a_little(world);
	size_t most = world->buffers.small.most;
	world->buffers.small.most = 0;
	assert_true(stream_write(&server.stream, SLICE_LITERAL("x")));
	assert_int_equal(server.events[STREAM_FAILED], 0);
	TURN_UNTIL(world, server.events[STREAM_FAILED]);
	assert_string_equal(server.failure, "no buffer for output");
	world->buffers.small.most = most;
	close_ends(world, &client, &server);

	/* A record of TLS is kept by its session. */
	if (version)
		return;
	open_ends(world, &client, &server, version);
	server.habit = END_SIPS;
	write_text(&client, "some more than a sip");
	world->buffers.small.most = 0;
	TURN_UNTIL(world, server.events[STREAM_FAILED]);
	assert_string_equal(server.failure, "no buffer for input");
	world->buffers.small.most = most;
	close_ends(world, &client, &server);
}

static void streams_close_before_they_start(struct stream_world *world, uint16_t version)
{
	int fds[2];
	stream_pair(SOCK_STREAM, fds);
	struct end a, b;
	end_init(&a, world, fds[0]);
	end_init(&b, world, fds[1]);
	if (version)
		put_tls(&a, &b, version);
	stream_close(&a.stream);
	stream_start(&a.stream);
	stream_finish(&b.stream);
	TURN_UNTIL(world, a.events[STREAM_CLOSED] && b.events[STREAM_CLOSED]);
}

/* --- the handshake in pieces --- */

/* Hands over at most `step` bytes from one socket to the other. */
static void hand_over(int from, int to, size_t step)
{
	uint8_t bytes[64];
	ssize_t got = read(from, bytes, step);
	if (got > 0)
		assert_int_equal(write(to, bytes, (size_t)got), got);
}

static void every_byte_alone(struct stream_world *world, uint16_t version)
{
	if (version == PLAIN)
		return;
	int left[2], right[2];
	stream_pair(SOCK_STREAM, left);
	stream_pair(SOCK_STREAM, right);
	struct end client, server;
	end_init(&client, world, left[0]);
	end_init(&server, world, right[0]);
	server.habit = END_ECHOES;
	put_tls(&client, &server, version);
	stream_start(&server.stream);
	stream_start(&client.stream);
	client.unsent = SLICE_LITERAL("hello through a straw");
	for (unsigned i = 0; client.total < 21; i++) {
		assert_true(i < 20000);
		hand_over(left[1], right[1], 1);
		hand_over(right[1], left[1], 1);
		struct error error;
		assert_true(loop_turn(world->loop, false, &error));
	}
	assert_string_equal(client.text, "hello through a straw");
	close_ends(world, &client, &server);
	close(left[1]);
	close(right[1]);
}

/* --- running them all --- */

struct row {
	const char *name;
	void (*test)(struct stream_world *world, uint16_t version);
};

#define ROW(test)                                                                                                      \
	{                                                                                                              \
#test, test                                                                                            \
	}
static const struct row rows[] = {
	ROW(much_is_echoed),
	ROW(finish_sends_all_first),
	ROW(pauses_keep_input),
	ROW(an_end_in_a_pause_comes_after_the_input),
	ROW(a_watched_pause_notices_who_goes),
	ROW(close_while_sending),
	ROW(truncation_is_an_end),
	ROW(owners_end_streams_in_events),
	ROW(starttls_goes_over),
	ROW(peer_vanishes_in_the_handshake),
	ROW(an_alert_goes_out_before_the_failure),
	ROW(corrupt_record_fails_after_what_was_good),
	ROW(an_event_is_one_send),
	ROW(no_buffers_is_a_failure),
	ROW(streams_close_before_they_start),
	ROW(every_byte_alone),
};
enum { ROWS = sizeof rows / sizeof rows[0] };

struct run {
	char name[128];
	const struct row *row;
	enum loop_kind kind;
	uint16_t version;
};

static void run_row(void **state)
{
	const struct run *run = *state;
	struct stream_world world;
	stream_world_open(&world, run->kind);
	run->row->test(&world, run->version);
	stream_world_close(&world);
}

static int set_up(void **state)
{
	(void)state;
	return certificates_make() ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	certificates_remove();
	return 0;
}

int main(void)
{
	static const struct {
		uint16_t version;
		const char *name;
	} forms[] = { { PLAIN, "plain" }, { TLS_VERSION_1_2, "TLS 1.2" }, { TLS_VERSION_1_3, "TLS 1.3" } };
	static struct run runs[2 * 3 * ROWS];
	static struct CMUnitTest tests[2 * 3 * ROWS];
	size_t count = 0;
	alarm(240);
	log_configure(LOG_ERROR, 2);
	for (enum loop_kind kind = LOOP_IO_URING; kind <= LOOP_EPOLL; kind++)
		for (size_t form = 0; form < 3; form++)
			for (size_t row = 0; row < ROWS; row++) {
				struct run *run = &runs[count];
				*run = (struct run){ .row = &rows[row], .kind = kind, .version = forms[form].version };
				snprintf(run->name, sizeof run->name, "%s %s: %s",
					 kind == LOOP_EPOLL ? "epoll" : "io_uring", forms[form].name, rows[row].name);
				tests[count++] = (struct CMUnitTest){ .name = run->name,
								      .test_func = run_row,
								      .initial_state = run };
			}
	return _cmocka_run_group_tests("stream", tests, count, set_up, tear_down);
}
