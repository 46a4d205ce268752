/* Streams that remember their events; see stream_world.h. */
#include "tests/unit/io/stream_world.h"

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

#include "crypto/certificate.h"
#include "crypto/secret.h"

uint8_t stream_sum(uint8_t sum, struct slice bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
		sum = (uint8_t)(sum * 31 + bytes.data[i]);
	return sum;
}

/* --- ends --- */

static void note_read(struct end *end, const uint8_t *bytes, size_t size)
{
	end->sum = stream_sum(end->sum, slice_of(bytes, size));
	for (size_t i = 0; i < size && end->total + i < sizeof end->text - 1; i++)
		end->text[end->total + i] = (char)bytes[i];
	end->total += size;
}

static void sip(struct end *end)
{
	uint8_t bytes[256];
	size_t got = stream_read(&end->stream, bytes, end->sip);
	note_read(end, bytes, got);
	if (got)
		stream_pause(&end->stream);
}

/* True when all that was read is written. */
static bool write_echo(struct end *end)
{
	if (end->echo_size && !stream_write(&end->stream, slice_of(end->echo, end->echo_size)))
		return false;
	end->echo_size = 0;
	return true;
}

static void read_and_echo(struct end *end)
{
	size_t got;
	while (write_echo(end)) {
		got = stream_read(&end->stream, end->echo, sizeof end->echo);
		if (got == 0)
			return;
		note_read(end, end->echo, got);
		end->echo_size = got;
	}
	stream_pause(&end->stream);
}

static void read_all(struct end *end)
{
	uint8_t bytes[1500];
	size_t got;
	while ((got = stream_read(&end->stream, bytes, sizeof bytes)) > 0)
		note_read(end, bytes, got);
}

void end_push(struct end *end)
{
	while (end->unsent.size) {
		size_t room = stream_room(&end->stream);
		size_t piece = end->unsent.size < room ? end->unsent.size : room;
		if (piece == 0 || !stream_write(&end->stream, slice_first(end->unsent, piece)))
			return;
		end->unsent = slice_skip(end->unsent, piece);
	}
}

static void on_event(struct stream *stream, enum stream_event event)
{
	struct end *end = CONTAINER_OF(stream, struct end, stream);
	assert_int_equal(end->events[STREAM_CLOSED], 0);
	end->events[event]++;
	end->last = event;
	if (event == STREAM_FAILED)
		snprintf(end->failure, sizeof end->failure, "%s", stream_error(stream));
	if (end->hook)
		end->hook(end, event);
	if (event == STREAM_DRAINED || event == STREAM_OPEN)
		end_push(end);
	if (event == STREAM_DRAINED && end->habit == END_ECHOES && write_echo(end))
		stream_resume(stream);
	if (event != STREAM_READABLE)
		return;
	if (end->habit == END_SIPS)
		sip(end);
	else if (end->habit == END_ECHOES)
		read_and_echo(end);
	else
		read_all(end);
}

void end_init(struct end *end, struct stream_world *world, int fd)
{
	*end = (struct end){ .world = world, .sip = 7 };
	stream_init(&end->stream, world->loop, &world->buffers, fd, on_event);
}

/* --- the world --- */

void stream_world_open(struct stream_world *world, enum loop_kind kind)
{
	struct error error;
	world->loop = loop_create(&(struct loop_settings){ .kind = kind, .receive_buffers = 8 }, &error);
	if (!world->loop)
		fail_msg("%s", error.text);
	stream_buffers_init(&world->buffers, 64);
}

void stream_world_close(struct stream_world *world)
{
	assert_int_equal(world->buffers.small.used, 0);
	assert_int_equal(world->buffers.large.used, 0);
	stream_buffers_finish(&world->buffers);
	loop_destroy(world->loop);
}

void turn_once(struct stream_world *world)
{
	struct error error;
	/* Not waiting for ever, so that a test that hopes in vain fails. */
	if (!loop_turn(world->loop, false, &error))
		fail_msg("%s", error.text);
	usleep(20);
}

void turn_a_little(struct stream_world *world)
{
	for (int i = 0; i < 20; i++)
		turn_once(world);
}

void close_ends(struct stream_world *world, struct end *a, struct end *b)
{
	if (a)
		stream_close(&a->stream);
	if (b)
		stream_close(&b->stream);
	TURN_UNTIL(world, (!a || a->events[STREAM_CLOSED]) && (!b || b->events[STREAM_CLOSED]));
}

/* --- TLS --- */

static char folder[] = "/tmp/postern-stream-XXXXXX";
static const char *const names[] = { "ca.pem", "ca.key", "server.pem", "server.key" };
static char paths[4][64];

bool certificates_make(void)
{
	if (!secret_setup() || !mkdtemp(folder))
		return false;
	for (size_t i = 0; i < 4; i++)
		snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
	struct certificate_files files = { paths[0], paths[1], paths[2], paths[3] };
	const char *const hosts[] = { "localhost", NULL };
	struct error error;
	return certificate_make_private(&files, hosts, 30, &error);
}

void certificates_remove(void)
{
	for (size_t i = 0; i < 4; i++)
		unlink(paths[i]);
	rmdir(folder);
}

struct tls_context *server_context(uint16_t version)
{
	struct tls_server_settings settings = {
		.certificate_file = paths[2],
		.key_file = paths[3],
		.min_version = version,
		.max_version = version,
	};
	struct error error;
	struct tls_context *context = tls_server_context_create(&settings, &error);
	if (!context)
		fail_msg("%s", error.text);
	return context;
}

struct tls_context *client_context(uint16_t version)
{
	struct tls_client_settings settings = {
		.ca_file = paths[0],
		.min_version = version,
		.max_version = version,
	};
	struct error error;
	struct tls_context *context = tls_client_context_create(&settings, &error);
	if (!context)
		fail_msg("%s", error.text);
	return context;
}

/* --- two ends --- */

void stream_pair(int type, int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

void put_tls(struct end *client, struct end *server, uint16_t version)
{
	struct tls_context *contexts[2] = { client_context(version), server_context(version) };
	assert_true(stream_start_tls(&client->stream, tls_connect_create(contexts[0], "localhost")));
	assert_true(stream_start_tls(&server->stream, tls_accept_create(contexts[1])));
	tls_context_destroy(contexts[0]);
	tls_context_destroy(contexts[1]);
}

/* Connected, and through the handshake where there is one. */
void open_ends(struct stream_world *world, struct end *client, struct end *server, uint16_t version)
{
	int fds[2];
	stream_pair(SOCK_STREAM, fds);
	end_init(client, world, fds[0]);
	end_init(server, world, fds[1]);
	if (version)
		put_tls(client, server, version);
	stream_start(&server->stream);
	stream_start(&client->stream);
	if (version)
		TURN_UNTIL(world, client->events[STREAM_OPEN] && server->events[STREAM_OPEN]);
}

uint8_t *make_bytes(size_t size)
{
	uint8_t *bytes = malloc(size);
	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 13 + (i >> 9));
	return bytes;
}

void write_text(struct end *end, const char *text)
{
	assert_true(stream_write(&end->stream, slice_from_text(text)));
}
