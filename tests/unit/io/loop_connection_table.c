/* The table of loop tests for connections, cancelling and timers; see loop_table.h. */
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

/* --- connections --- */

static void start_connect(struct note *note, int fd, const struct sockaddr_storage *address)
{
	loop_connect(note->world->loop, &note->op, fd, (const struct sockaddr *)address, sizeof(struct sockaddr_in),
		     note_done);
}

static void end_accept(struct note *accept)
{
	loop_cancel(accept->world->loop, &accept->op);
	assert_int_equal(note_await(accept), -ECANCELED);
	assert_false(accept->more);
}

/* A connection made through the loop: ends[0] accepted, ends[1] connected. */
static void connect_pair(struct loop_world *world, int ends[2])
{
	struct sockaddr_storage address;
	int listener = world->listener(world, &address);
	struct note accept = note_make(world), connect = note_make(world);
	loop_accept(world->loop, &accept.op, listener, note_done);
	ends[1] = world->socket(world);
	start_connect(&connect, ends[1], &address);
	assert_int_equal(note_await(&connect), 0);
	note_until(&accept, 1);
	assert_true(accept.more && accept.result >= 0);
	ends[0] = accept.result;
	end_accept(&accept);
	loop_close(world->loop, listener);
}

static void connections_come_in(struct loop_world *world)
{
	for (int i = 0; i < 3; i++) {
		int ends[2];
		connect_pair(world, ends);
		struct note receive = note_make(world);
		loop_receive(world->loop, &receive.op, ends[1], note_done);
		assert_int_equal(send_now(world, ends[0], "2"), 1);
		assert_int_equal(note_await(&receive), 1);
		loop_receive(world->loop, &receive.op, ends[1], note_done);
		loop_close(world->loop, ends[0]);
		assert_int_equal(note_await(&receive), 0);
		loop_close(world->loop, ends[1]);
	}
}

static void a_connection_has_an_address(struct loop_world *world)
{
	int ends[2];
	connect_pair(world, ends);
	struct sockaddr_storage address = { 0 };
	loop_peer_address(world->loop, ends[0], &address);
	assert_int_equal(address.ss_family, AF_INET);
	close_both(world, ends);
	loop_peer_address(world->loop, ends[0], &address);
	assert_int_equal(address.ss_family, AF_UNSPEC);
	loop_own_address(world->loop, ends[0], &address);
	assert_int_equal(address.ss_family, AF_UNSPEC);
}

static void one_accept_takes_many(struct loop_world *world)
{
	enum { MANY = 40 };
	struct sockaddr_storage address;
	int listener = world->listener(world, &address), clients[MANY];
	struct note accept = note_make(world), connects[MANY];
	loop_accept(world->loop, &accept.op, listener, note_done);
	for (int i = 0; i < MANY; i++) {
		clients[i] = world->socket(world);
		connects[i] = note_make(world);
		start_connect(&connects[i], clients[i], &address);
	}
	note_until(&accept, MANY);
	assert_int_equal(accept.accepted_count, MANY);
	end_accept(&accept);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(note_await(&connects[i]), 0);
		loop_close(world->loop, clients[i]);
		loop_close(world->loop, accept.accepted[i]);
	}
	loop_close(world->loop, listener);
}

static void nobody_listens(struct loop_world *world)
{
	struct sockaddr_storage address;
	loop_close(world->loop, world->listener(world, &address));
	int fd = world->socket(world);
	struct note connect = note_make(world);
	start_connect(&connect, fd, &address);
	assert_int_equal(note_await(&connect), -ECONNREFUSED);
	loop_close(world->loop, fd);
}

static void a_reset_is_told(struct loop_world *world)
{
	int ends[2];
	connect_pair(world, ends);
	struct note receive = note_make(world);
	loop_receive(world->loop, &receive.op, ends[0], note_done);
	world_turn(world, false);
	world->reset(world, ends[1]);
	assert_int_equal(note_await(&receive), -ECONNRESET);
	loop_close(world->loop, ends[0]);

	connect_pair(world, ends);
	world->reset(world, ends[1]);
	loop_receive(world->loop, &receive.op, ends[0], note_done);
	assert_int_equal(note_await(&receive), -ECONNRESET);
	loop_close(world->loop, ends[0]);
}

/* The connection stays in the listener's queue until there is a descriptor for it. */
static void accept_goes_on_after_running_out(struct loop_world *world)
{
	struct sockaddr_storage address;
	int listener = world->listener(world, &address), client = world->socket(world);
	struct note accept = note_make(world), connect = note_make(world);
	/* First: io_uring takes the limit of when the accept was started. */
	world->exhaust_descriptors(world, true);
	loop_accept(world->loop, &accept.op, listener, note_done);
	world_turn(world, false);
	start_connect(&connect, client, &address);
	note_until(&accept, 1);
	assert_int_equal(accept.result, -EMFILE);
	assert_false(loop_op_is_running(&accept.op));
	loop_accept(world->loop, &accept.op, listener, note_done);
	note_until(&accept, 2);
	assert_int_equal(accept.result, -EMFILE);
	world->exhaust_descriptors(world, false);
	loop_accept(world->loop, &accept.op, listener, note_done);
	note_until(&accept, 3);
	assert_true(accept.more && accept.result >= 0);
	loop_close(world->loop, accept.result);
	end_accept(&accept);
	assert_int_equal(note_await(&connect), 0);
	loop_close(world->loop, client);
	loop_close(world->loop, listener);
}

/* --- cancelling --- */

enum when { AT_ONCE, TWICE, AFTER_A_TURN, WHEN_READY, WHEN_READY_AND_COLLECTED, WHENS };

/* Whenever it comes: one last callback, never from inside loop_cancel(). */
static void a_receive_is_cancelled_at_any_time(struct loop_world *world)
{
	for (enum when when = AT_ONCE; when < WHENS; when++) {
		int fds[2];
		world->pair(world, SOCK_STREAM, fds);
		struct note receive = note_make(world);
		loop_receive(world->loop, &receive.op, fds[0], note_done);
		if (when >= AFTER_A_TURN)
			world_turn(world, false);
		if (when >= WHEN_READY) {
			struct note send = note_make(world);
			loop_send(world->loop, &send.op, fds[1], SLICE_LITERAL("x"), note_done);
			if (when == WHEN_READY_AND_COLLECTED)
				note_await(&send);
			loop_cancel(world->loop, &receive.op);
			note_await(&send);
		}
		unsigned calls = receive.calls;
		loop_cancel(world->loop, &receive.op);
		if (when == TWICE)
			loop_cancel(world->loop, &receive.op);
		assert_int_equal(receive.calls, calls);
		int32_t result = note_await(&receive);
		assert_true(result == -ECANCELED || (when >= WHEN_READY && result == 1));
		assert_int_equal(receive.calls, 1);
		loop_cancel(world->loop, &receive.op); /* not running: nothing */
		world_turn(world, false);
		assert_int_equal(receive.calls, 1);
		close_both(world, fds);
	}
}

static void polls_accepts_and_connects_are_cancelled(struct loop_world *world)
{
	struct sockaddr_storage address;
	int listener = world->listener(world, &address), fds[2];
	world->pair(world, SOCK_STREAM, fds);
	for (int turns = 0; turns < 2; turns++) {
		struct note accept = note_make(world), poll = note_make(world), connect = note_make(world);
		int client = world->socket(world);
		loop_accept(world->loop, &accept.op, listener, note_done);
		loop_poll(world->loop, &poll.op, fds[0], POLLIN, note_done);
		if (turns)
			world_turn(world, false);
		loop_cancel(world->loop, &poll.op);
		assert_int_equal(note_await(&poll), -ECANCELED);
		start_connect(&connect, client, &address);
		loop_cancel(world->loop, &connect.op);
		int32_t result = note_await(&connect);
		assert_true(result == 0 || result == -ECANCELED);
		loop_cancel(world->loop, &accept.op);
		assert_int_equal(note_await(&accept), -ECANCELED);
		for (unsigned i = 0; i < accept.accepted_count; i++)
			loop_close(world->loop, accept.accepted[i]);
		loop_close(world->loop, client);
	}
	close_both(world, fds);
	loop_close(world->loop, listener);
}

/* An owner that cancels its other operation from inside a callback, and is freed when both have ended. */
struct owner {
	struct loop *loop;
	struct loop_op receive, poll;
	unsigned ended;
	unsigned *freed;
};

static void owner_ended(struct owner *owner)
{
	loop_cancel(owner->loop, &owner->receive);
	loop_cancel(owner->loop, &owner->poll);
	if (++owner->ended < 2)
		return;
	++*owner->freed;
	free(owner);
}

static void owner_received(struct loop_op *op, const struct loop_completion *completion)
{
	(void)completion;
	owner_ended(CONTAINER_OF(op, struct owner, receive));
}

static void owner_polled(struct loop_op *op, const struct loop_completion *completion)
{
	(void)completion;
	owner_ended(CONTAINER_OF(op, struct owner, poll));
}

static void owners_may_go_in_their_last_callback(struct loop_world *world)
{
	enum { OWNERS = 20 };
	int fds[OWNERS][2];
	unsigned freed = 0;
	for (int i = 0; i < OWNERS; i++) {
		world->pair(world, SOCK_STREAM, fds[i]);
		struct owner *owner = calloc(1, sizeof *owner);
		assert_non_null(owner);
		owner->loop = world->loop;
		owner->freed = &freed;
		loop_op_init(&owner->receive);
		loop_op_init(&owner->poll);
		loop_receive(world->loop, &owner->receive, fds[i][0], owner_received);
		loop_poll(world->loop, &owner->poll, fds[i][0], POLLIN, owner_polled);
		assert_int_equal(send_now(world, fds[i][1], "x"), 1);
	}
	while (freed < OWNERS)
		world_turn(world, true);
	for (int i = 0; i < OWNERS; i++)
		close_both(world, fds[i]);
}

/* --- timers --- */

struct alarm {
	struct timer timer;
	struct loop_world *world;
	uint64_t due_ns;
	unsigned *rung;
};

static void ring(struct timer *timer)
{
	struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);
	assert_true(loop_now(alarm->world->loop)->monotonic_ns >= alarm->due_ns);
	++*alarm->rung;
}

static void ten_thousand_timers_run_and_none_early(struct loop_world *world)
{
	enum { TIMERS = 10000 };
	struct alarm *alarms = calloc(TIMERS, sizeof *alarms);
	assert_non_null(alarms);
	unsigned rung = 0, stopped = 0;
	uint64_t now_ns = loop_now(world->loop)->monotonic_ns;
	for (unsigned i = 0; i < TIMERS; i++) {
		uint64_t after_ms = i * 7919 % 61;
		alarms[i] = (struct alarm){ .world = world, .due_ns = now_ns + after_ms * CLOCK_NS_PER_MS };
		alarms[i].rung = &rung;
		timer_init(&alarms[i].timer, ring);
		loop_timer_start(world->loop, &alarms[i].timer, after_ms);
	}
	for (unsigned i = 0; i < TIMERS; i += 10, stopped++)
		loop_timer_stop(world->loop, &alarms[i].timer);
	while (rung < TIMERS - stopped)
		world_turn(world, true);
	uint64_t took_ns = loop_now(world->loop)->monotonic_ns - now_ns;
	assert_true(took_ns >= 60 * CLOCK_NS_PER_MS);
	assert_int_equal(rung, TIMERS - stopped);
	free(alarms);
}

struct order {
	struct timer timer;
	struct loop_op op;
	unsigned step;
};

static void order_received(struct loop_op *op, const struct loop_completion *completion)
{
	struct order *order = CONTAINER_OF(op, struct order, op);
	assert_int_equal(completion->result, 1);
	assert_int_equal(order->step++, 0);
}

static void order_expired(struct timer *timer)
{
	struct order *order = CONTAINER_OF(timer, struct order, timer);
	assert_int_equal(order->step++, 1);
}

/* Both have come when the loop looks: the bytes go first, so that nothing is timed out that was in time. */
static void completions_go_before_timers(struct loop_world *world)
{
	int fds[2];
	world->pair(world, SOCK_STREAM, fds);
	struct order order = { .step = 0 };
	loop_op_init(&order.op);
	timer_init(&order.timer, order_expired);
	struct note readable = note_make(world);
	loop_poll(world->loop, &readable.op, fds[0], POLLIN, note_done);
	assert_int_equal(send_now(world, fds[1], "x"), 1);
	note_await(&readable);
	loop_receive(world->loop, &order.op, fds[0], order_received);
	loop_timer_start(world->loop, &order.timer, 0);
	while (order.step < 2)
		world_turn(world, true);
	close_both(world, fds);
}

#define ROW(test)                                                                                                      \
	{                                                                                                              \
#test, test                                                                                            \
	}
const struct loop_table_row loop_connection_table[] = {
	ROW(connections_come_in),
	ROW(a_connection_has_an_address),
	ROW(one_accept_takes_many),
	ROW(nobody_listens),
	ROW(a_reset_is_told),
	ROW(accept_goes_on_after_running_out),
	ROW(a_receive_is_cancelled_at_any_time),
	ROW(polls_accepts_and_connects_are_cancelled),
	ROW(owners_may_go_in_their_last_callback),
	ROW(ten_thousand_timers_run_and_none_early),
	ROW(completions_go_before_timers),
	{ 0 },
};
