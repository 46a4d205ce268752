/* core/io: the loop's contract on the real system, both back ends, with blocking and with non-blocking sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "tests/unit/io/real_world.h"

/* --- the tables, for each kind of world --- */

struct run {
	char name[128];
	enum loop_kind kind;
	int socket_flags;
	const struct loop_table_row *row;
};

static void run_row(void **state)
{
	const struct run *run = *state;
	unsigned before = count_descriptors();
	struct real_world world;
	real_world_open(&world, run->kind, run->socket_flags);
	assert_string_equal(loop_name(world.world.loop), run->kind == LOOP_EPOLL ? "epoll" : "io_uring");
	run->row->test(&world.world);
	real_world_close(&world);
	assert_int_equal(count_descriptors(), before);
}

enum { MOST_RUNS = 256 };
static struct run runs[MOST_RUNS];
static struct CMUnitTest tests[MOST_RUNS];
static size_t run_count;

static void add_table(const struct loop_table_row *table, enum loop_kind kind, int socket_flags)
{
	for (const struct loop_table_row *row = table; row->name; row++) {
		struct run *run = &runs[run_count];
		*run = (struct run){ .kind = kind, .socket_flags = socket_flags, .row = row };
		snprintf(run->name, sizeof run->name, "%s%s %s", kind == LOOP_EPOLL ? "epoll" : "io_uring",
			 socket_flags ? " non-blocking" : "", row->name);
		tests[run_count++] =
			(struct CMUnitTest){ .name = run->name, .test_func = run_row, .initial_state = run };
	}
}

/* --- what only the real system has --- */

static void auto_takes_io_uring(void **state)
{
	(void)state;
	struct error error = { "unset" };
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_AUTO }, &error);
	assert_non_null(loop);
	/* Where the kernel refuses, the reason is there. */
	assert_int_equal(strcmp(loop_name(loop), "io_uring") == 0, error.text[0] == 0);
	loop_destroy(loop);
}

static void a_closed_number_is_a_new_descriptor(void **state)
{
	(void)state;
	for (enum loop_kind kind = LOOP_IO_URING; kind <= LOOP_EPOLL; kind++) {
		struct real_world world;
		real_world_open(&world, kind, SOCK_NONBLOCK);
		for (int i = 0; i < 5; i++) {
			int fds[2];
			real_pair(&world.world, SOCK_STREAM, fds);
			/* A copy elsewhere keeps the socket alive, as a listener in another process. */
			int copy = dup(fds[0]);
			struct note receive = note_make(&world.world);
			loop_receive(world.world.loop, &receive.op, fds[0], note_done);
			assert_int_equal(write(fds[1], "x", 1), 1);
			assert_int_equal(note_await(&receive), 1);
			loop_close(world.world.loop, fds[0]);
			assert_int_equal(write(fds[1], "y", 1), 1);
			loop_close(world.world.loop, fds[1]);
			close(copy);
		}
		real_world_close(&world);
	}
}

static void expired(struct timer *timer)
{
	(void)timer;
}

static void a_turn_waits_for_its_timer(void **state)
{
	(void)state;
	for (enum loop_kind kind = LOOP_IO_URING; kind <= LOOP_EPOLL; kind++) {
		struct real_world world;
		real_world_open(&world, kind, 0);
		struct loop *loop = world.world.loop;
		struct error error;
		uint64_t start_ns = loop_now(loop)->monotonic_ns;
		struct timer timer;
		timer_init(&timer, expired);
		loop_timer_start(loop, &timer, 20);
		unsigned turns = 0;
		for (; timer_is_running(&timer); turns++)
			assert_true(loop_turn(loop, true, &error));
		uint64_t took_ms = (loop_now(loop)->monotonic_ns - start_ns) / CLOCK_NS_PER_MS;
		assert_in_range(took_ms, 20, 500);
		assert_in_range(turns, 1, 5);
		real_world_close(&world);
	}
}

#define EXTRA(test) (tests[run_count++] = (struct CMUnitTest)cmocka_unit_test(test))

int main(void)
{
	alarm(240);
	log_configure(LOG_ERROR, 2);
	EXTRA(auto_takes_io_uring);
	EXTRA(a_closed_number_is_a_new_descriptor);
	EXTRA(a_turn_waits_for_its_timer);
	for (enum loop_kind kind = LOOP_IO_URING; kind <= LOOP_EPOLL; kind++) {
		add_table(loop_socket_table, kind, 0);
		add_table(loop_socket_table, kind, SOCK_NONBLOCK);
		add_table(loop_connection_table, kind, 0);
		add_table(loop_connection_table, kind, SOCK_NONBLOCK);
		add_table(loop_file_table, kind, 0);
	}
	return _cmocka_run_group_tests("loop", tests, run_count, NULL, NULL);
}
