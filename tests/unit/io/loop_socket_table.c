/* The table of loop tests for bytes over sockets; see loop_table.h. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "tests/unit/io/loop_table.h"

static int32_t send_now(struct loop_world *world, int fd, const char *text)
{
	struct note note = note_make(world);
	loop_send(world->loop, &note.op, fd, slice_from_text(text), note_done);
	return note_await(&note);
}

static void close_both(struct loop_world *world, int fds[2])
{
	loop_close(world->loop, fds[0]);
	loop_close(world->loop, fds[1]);
}

/* --- receiving and sending --- */

static void bytes_go_both_ways(struct loop_world *world)
{
	int fds[2];
	world->pair(world, SOCK_STREAM, fds);
	for (int from = 0; from < 2; from++) {
		struct note receive = note_make(world);
		receive.again = true;
		loop_receive(world->loop, &receive.op, fds[!from], note_done);
		world_turn(world, false);
		assert_int_equal(receive.calls, 0);
		assert_int_equal(send_now(world, fds[from], "hello"), 5);
		while (receive.total < 5)
			world_turn(world, true);
		assert_int_equal(receive.sum, sum_bytes(0, SLICE_LITERAL("hello")));
		loop_cancel(world->loop, &receive.op);
		assert_int_equal(note_await(&receive), -ECANCELED);
	}
	close_both(world, fds);
}

static void the_end_is_zero(struct loop_world *world)
{
	int fds[2];
	world->pair(world, SOCK_STREAM, fds);
	struct note receive = note_make(world);
	receive.again = true;
	assert_int_equal(send_now(world, fds[0], "last"), 4);
	loop_close(world->loop, fds[0]);
	loop_receive(world->loop, &receive.op, fds[1], note_done);
	while (loop_op_is_running(&receive.op))
		world_turn(world, true);
	assert_int_equal(receive.result, 0);
	assert_int_equal(receive.total, 4);
	loop_receive(world->loop, &receive.op, fds[1], note_done);
	assert_int_equal(note_await(&receive), 0);
	loop_close(world->loop, fds[1]);
}

static void the_end_is_seen_while_waiting(struct loop_world *world)
{
	int fds[2];
	world->pair(world, SOCK_STREAM, fds);
	struct note receive = note_make(world);
	loop_receive(world->loop, &receive.op, fds[1], note_done);
	world_turn(world, false);
	loop_close(world->loop, fds[0]);
	assert_int_equal(note_await(&receive), 0);
	loop_close(world->loop, fds[1]);
}

static void shutdown_ends_what_runs(struct loop_world *world)
{
	int fds[2];
	world->pair(world, SOCK_STREAM, fds);
	struct note receive = note_make(world), peer = note_make(world);
	loop_receive(world->loop, &receive.op, fds[0], note_done);
	loop_receive(world->loop, &peer.op, fds[1], note_done);
	world_turn(world, false);
	loop_shutdown(world->loop, fds[0]);
	assert_int_equal(note_await(&receive), 0);
	assert_int_equal(note_await(&peer), 0);
	assert_int_equal(send_now(world, fds[0], "too late"), -EPIPE);
	close_both(world, fds);
}

static void packets_stay_whole(struct loop_world *world)
{
	int fds[2];
	world->pair(world, SOCK_SEQPACKET, fds);
	assert_int_equal(send_now(world, fds[0], "one"), 3);
	assert_int_equal(send_now(world, fds[0], "three"), 5);
	struct note receive = note_make(world);
	loop_receive(world->loop, &receive.op, fds[1], note_done);
	assert_int_equal(note_await(&receive), 3);
	assert_memory_equal(receive.bytes, "one", 3);
	loop_receive(world->loop, &receive.op, fds[1], note_done);
	assert_int_equal(note_await(&receive), 5);
	assert_memory_equal(receive.bytes, "three", 5);
	loop_receive(world->loop, &receive.op, fds[1], note_done);
	world_turn(world, false);
	loop_close(world->loop, fds[0]);
	assert_int_equal(note_await(&receive), 0);
	loop_close(world->loop, fds[1]);
}

static void sending_to_nobody_fails(struct loop_world *world)
{
	int fds[2];
	world->pair(world, SOCK_STREAM, fds);
	loop_close(world->loop, fds[0]);
	assert_int_equal(send_now(world, fds[1], "hello"), -EPIPE);
	loop_close(world->loop, fds[1]);
	assert_int_equal(send_now(world, -1, "hello"), -EBADF);
}

enum { LARGE_BYTES = 4 * 1024 * 1024 };

static uint8_t *make_large(void)
{
	uint8_t *bytes = malloc(LARGE_BYTES);
	assert_non_null(bytes);
	for (size_t i = 0; i < LARGE_BYTES; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 11));
	return bytes;
}

/* Much more than any socket buffer holds, to a reader that comes late. */
static void a_large_send_waits_for_its_reader(struct loop_world *world)
{
	uint8_t *bytes = make_large();
	int fds[2];
	world->pair(world, SOCK_STREAM, fds);
	struct note send = note_make(world), receive = note_make(world);
	loop_send(world->loop, &send.op, fds[0], slice_of(bytes, LARGE_BYTES), note_done);
	for (int i = 0; i < 10; i++)
		world_turn(world, false);
	assert_int_equal(send.calls, 0);
	while (receive.total < LARGE_BYTES) {
		loop_receive(world->loop, &receive.op, fds[1], note_done);
		assert_true(note_await(&receive) > 0);
	}
	assert_int_equal(receive.sum, sum_bytes(0, slice_of(bytes, LARGE_BYTES)));
	assert_int_equal(note_await(&send), LARGE_BYTES);
	assert_int_equal(send.calls, 1);
	close_both(world, fds);
	free(bytes);
}

static void a_send_that_waits_can_be_cancelled(struct loop_world *world)
{
	uint8_t *bytes = make_large();
	int fds[2];
	world->pair(world, SOCK_STREAM, fds);
	struct note send = note_make(world);
	loop_send(world->loop, &send.op, fds[0], slice_of(bytes, LARGE_BYTES), note_done);
	for (int i = 0; i < 3; i++)
		world_turn(world, false);
	loop_cancel(world->loop, &send.op);
	assert_int_equal(send.calls, 0);
	assert_int_equal(note_await(&send), -ECANCELED);
	assert_int_equal(send.calls, 1);
	close_both(world, fds);
	free(bytes);
}

static void a_send_that_waits_ends_with_its_peer(struct loop_world *world)
{
	uint8_t *bytes = make_large();
	int fds[2];
	world->pair(world, SOCK_STREAM, fds);
	struct note send = note_make(world);
	loop_send(world->loop, &send.op, fds[0], slice_of(bytes, LARGE_BYTES), note_done);
	for (int i = 0; i < 3; i++)
		world_turn(world, false);
	loop_close(world->loop, fds[1]);
	int32_t result = note_await(&send);
	assert_true(result == -EPIPE || result == -ECONNRESET);
	loop_close(world->loop, fds[0]);
	free(bytes);
}

static void three_operations_share_a_descriptor(struct loop_world *world)
{
	int fds[2];
	world->pair(world, SOCK_STREAM, fds);
	struct note receive = note_make(world), readable = note_make(world), writable = note_make(world);
	loop_receive(world->loop, &receive.op, fds[1], note_done);
	loop_poll(world->loop, &readable.op, fds[0], POLLIN, note_done);
	loop_poll(world->loop, &writable.op, fds[0], POLLOUT, note_done);
	assert_int_equal(note_await(&writable) & (POLLOUT | POLLIN), POLLOUT);
	assert_int_equal(send_now(world, fds[0], "a"), 1);
	assert_int_equal(note_await(&receive), 1);
	assert_int_equal(readable.calls, 0);
	assert_int_equal(send_now(world, fds[1], "b"), 1);
	assert_int_equal(note_await(&readable) & POLLIN, POLLIN);
	/* Once; and at once again, since nothing was read. */
	loop_poll(world->loop, &readable.op, fds[0], POLLIN, note_done);
	assert_int_equal(note_await(&readable) & POLLIN, POLLIN);
	loop_receive(world->loop, &receive.op, fds[0], note_done);
	assert_int_equal(note_await(&receive), 1);
	loop_poll(world->loop, &readable.op, fds[0], POLLIN, note_done);
	for (int i = 0; i < 3; i++)
		world_turn(world, false);
	assert_true(loop_op_is_running(&readable.op));
	loop_close(world->loop, fds[1]);
	assert_true(note_await(&readable) & (POLLIN | POLLHUP));
	loop_close(world->loop, fds[0]);
}

/* --- many at once --- */

enum { MANY_PAIRS = 400 };

struct many {
	int fds[MANY_PAIRS][2];
	struct note sends[MANY_PAIRS];
	struct note receives[MANY_PAIRS];
};

/* All send in one turn, so that all have bytes at the same time. */
static void send_from_all(struct loop_world *world, struct many *many, const char *text)
{
	for (int i = 0; i < MANY_PAIRS; i++) {
		many->sends[i] = note_make(world);
		loop_send(world->loop, &many->sends[i].op, many->fds[i][0], slice_from_text(text), note_done);
	}
	for (int i = 0; i < MANY_PAIRS; i++)
		assert_int_equal(note_await(&many->sends[i]), 5);
}

/* More connections have bytes at the same time than there are buffers to receive into. */
static void receivers_outnumber_the_buffers(struct loop_world *world)
{
	struct many *many = calloc(1, sizeof *many);
	assert_non_null(many);
	for (int i = 0; i < MANY_PAIRS; i++) {
		world->pair(world, SOCK_STREAM, many->fds[i]);
		many->receives[i] = note_make(world);
		loop_receive(world->loop, &many->receives[i].op, many->fds[i][1], note_done);
	}
	world_turn(world, false);
	for (size_t round = 1; round <= 3; round++) {
		send_from_all(world, many, round == 1 ? "first" : "other");
		for (int i = 0; i < MANY_PAIRS; i++) {
			struct note *receive = &many->receives[i];
			for (note_await(receive); receive->total < 5 * round; note_await(receive))
				loop_receive(world->loop, &receive->op, many->fds[i][1], note_done);
			loop_receive(world->loop, &receive->op, many->fds[i][1], note_done);
		}
	}
	for (int i = 0; i < MANY_PAIRS; i++) {
		assert_int_equal(many->receives[i].sum, sum_bytes(0, SLICE_LITERAL("firstotherother")));
		if (i % 2)
			loop_cancel(world->loop, &many->receives[i].op);
		else
			loop_close(world->loop, many->fds[i][0]);
	}
	for (int i = 0; i < MANY_PAIRS; i++) {
		assert_int_equal(note_await(&many->receives[i]), i % 2 ? -ECANCELED : 0);
		if (i % 2)
			loop_close(world->loop, many->fds[i][0]);
		loop_close(world->loop, many->fds[i][1]);
	}
	free(many);
}

/* All have bytes, none has been collected: then every one is cancelled, whatever it waits for. */
static void starved_receivers_can_be_cancelled(struct loop_world *world)
{
	enum { PAIRS = 100 };
	int fds[PAIRS][2];
	struct note notes[PAIRS];
	for (int i = 0; i < PAIRS; i++) {
		world->pair(world, SOCK_STREAM, fds[i]);
		notes[i] = note_make(world);
		assert_int_equal(send_now(world, fds[i][0], "x"), 1);
	}
	for (int i = 0; i < PAIRS; i++)
		loop_receive(world->loop, &notes[i].op, fds[i][1], note_done);
	world_turn(world, false);
	for (int i = 0; i < PAIRS; i++)
		loop_cancel(world->loop, &notes[i].op);
	for (int i = 0; i < PAIRS; i++) {
		int32_t result = note_await(&notes[i]);
		assert_true(result == 1 || result == -ECANCELED);
		assert_int_equal(notes[i].calls, 1);
		close_both(world, fds[i]);
	}
}

static void a_quiet_connection_gets_its_turn(struct loop_world *world)
{
	uint8_t *bytes = make_large();
	int noisy[2], quiet[2];
	world->pair(world, SOCK_STREAM, noisy);
	world->pair(world, SOCK_STREAM, quiet);
	struct note send = note_make(world), much = note_make(world), little = note_make(world);
	much.again = true;
	loop_send(world->loop, &send.op, noisy[0], slice_of(bytes, LARGE_BYTES), note_done);
	loop_receive(world->loop, &much.op, noisy[1], note_done);
	while (much.total == 0)
		world_turn(world, true);
	assert_int_equal(send_now(world, quiet[0], "?"), 1);
	loop_receive(world->loop, &little.op, quiet[1], note_done);
	note_until(&little, 1);
	assert_true(much.total < LARGE_BYTES);
	much.again = false;
	loop_cancel(world->loop, &much.op);
	loop_cancel(world->loop, &send.op);
	note_await(&much);
	note_await(&send);
	close_both(world, noisy);
	close_both(world, quiet);
	free(bytes);
}

#define ROW(test)                                                                                                      \
	{                                                                                                              \
#test, test                                                                                            \
	}
const struct loop_table_row loop_socket_table[] = {
	ROW(bytes_go_both_ways),
	ROW(the_end_is_zero),
	ROW(the_end_is_seen_while_waiting),
	ROW(shutdown_ends_what_runs),
	ROW(packets_stay_whole),
	ROW(sending_to_nobody_fails),
	ROW(a_large_send_waits_for_its_reader),
	ROW(a_send_that_waits_can_be_cancelled),
	ROW(a_send_that_waits_ends_with_its_peer),
	ROW(three_operations_share_a_descriptor),
	ROW(receivers_outnumber_the_buffers),
	ROW(starved_receivers_can_be_cancelled),
	ROW(a_quiet_connection_gets_its_turn),
	{ 0 },
};
