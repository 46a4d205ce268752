/* core/io/loop_uring: kernels that know less, and rings that are full. The calls of liburing that would tell are wrapped: what
 * an older kernel refuses is refused, and a submission is refused as a kernel does that has no memory or wants its
 * completions collected first. All else is the real io_uring of this kernel, and what every back end must do is tried on it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <liburing.h>

#include "core/base/log.h"
#include "core/io/loop_uring.h"
#include "tests/unit/io/real_world.h"

/* --- the kernel that we pretend to have --- */

struct kernel {
	const char *name;
	unsigned unknown_flags; /* of io_uring_setup(): -EINVAL */
	int setup_error;        /* whatever is asked; 0: none */
	unsigned entries;       /* of the submission queue, the completion queue has twice as many; 0: as asked */
	unsigned refuse_one_in; /* submissions that find no memory; 0: none */
	bool no_probe;
	uint8_t missing_opcode; /* 0 (which is NOP): none */
	bool no_buffer_rings;
	bool no_registered_ring;
};

static const struct kernel *kernel;
static unsigned refusals; /* by what was chosen; the count of submissions decides which */
static unsigned submissions;
static unsigned refuse_next;

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
	if (kernel->setup_error)
		return kernel->setup_error;
	if (params->flags & kernel->unknown_flags)
		return -EINVAL;
	if (kernel->entries) {
		entries = kernel->entries;
		params->cq_entries = 2 * kernel->entries;
	}
	return __real_io_uring_queue_init_params(entries, ring, params);
}

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
	bool refused = refuse_next > 0 || (kernel->refuse_one_in && submissions++ % kernel->refuse_one_in == 0);
	if (!refused)
		return __real_io_uring_submit(ring);
	if (refuse_next > 0)
		refuse_next--;
	refusals++;
	return refusals % 2 ? -EAGAIN : -EBUSY;
}

struct io_uring_probe *__real_io_uring_get_probe_ring(struct io_uring *ring);
struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring);
struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring)
{
	struct io_uring_probe *probe = kernel->no_probe ? NULL : __real_io_uring_get_probe_ring(ring);
	if (probe && kernel->missing_opcode)
		probe->ops[kernel->missing_opcode].flags &= (uint16_t)~IO_URING_OP_SUPPORTED;
	return probe;
}

int __real_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration, unsigned flags);
int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration, unsigned flags);
int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration, unsigned flags)
{
	return kernel->no_buffer_rings ? -EINVAL : __real_io_uring_register_buf_ring(ring, registration, flags);
}

int __real_io_uring_register_ring_fd(struct io_uring *ring);
int __wrap_io_uring_register_ring_fd(struct io_uring *ring);
int __wrap_io_uring_register_ring_fd(struct io_uring *ring)
{
	return kernel->no_registered_ring ? -EINVAL : __real_io_uring_register_ring_fd(ring);
}

/* --- kernels on which it works all the same --- */

/* A ring of one entry is full with the second operation of a turn; then every second submission is refused. */
static const struct kernel kernels[] = {
	{ .name = "this one" },
	{ .name = "6.0", .unknown_flags = IORING_SETUP_DEFER_TASKRUN },
	{ .name = "5.19", .unknown_flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER },
	{ .name = "no flags",
	  .unknown_flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
			   IORING_SETUP_SUBMIT_ALL,
	  .no_registered_ring = true },
	{ .name = "full ring", .entries = 1, .refuse_one_in = 2 },
	{ .name = "full ring, 5.19",
	  .entries = 1,
	  .refuse_one_in = 3,
	  .unknown_flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER },
};
enum { KERNELS = sizeof kernels / sizeof kernels[0] };

struct run {
	char name[128];
	const struct kernel *kernel;
	const struct loop_table_row *row;
};

static unsigned deferred_runs; /* rows in which something was refused */

static void run_row(void **state)
{
	const struct run *run = *state;
	unsigned before = count_descriptors();
	struct real_world world;
	kernel = run->kernel;
	refusals = submissions = refuse_next = 0;
	real_world_open(&world, LOOP_IO_URING, 0);
	run->row->test(&world.world);
	real_world_close(&world);
	assert_int_equal(count_descriptors(), before);
	deferred_runs += refusals > 0;
}

static void the_full_ring_was_met(void **state)
{
	(void)state;
	print_message("    in %u rows\n", deferred_runs);
	assert_true(deferred_runs > 20);
}

/* --- kernels that are refused --- */

static void kernels_that_can_not_are_told_and_epoll_is_taken(void **state)
{
	(void)state;
	static const struct {
		struct kernel kernel;
		const char *said;
	} rows[] = {
		{ { .setup_error = -ENOSYS }, "the kernel refuses io_uring: Function not implemented" },
		{ { .setup_error = -EPERM }, "the kernel refuses io_uring: Operation not permitted" },
		{ { .setup_error = -ENOMEM }, "the kernel refuses io_uring: Cannot allocate memory" },
		{ { .setup_error = -EINVAL }, "the kernel refuses io_uring: Invalid argument" },
		{ { .no_probe = true }, "the kernel does not say what its io_uring can do" },
		{ { .missing_opcode = IORING_OP_RENAMEAT }, "the kernel's io_uring has no RENAMEAT" },
		{ { .missing_opcode = IORING_OP_ACCEPT }, "the kernel's io_uring has no ACCEPT" },
		{ { .missing_opcode = IORING_OP_ASYNC_CANCEL }, "the kernel's io_uring has no ASYNC_CANCEL" },
		{ { .no_buffer_rings = true }, "has no rings of receive buffers: Invalid argument" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		unsigned before = count_descriptors();
		struct error error = { "" };
		kernel = &rows[i].kernel;
		assert_null(loop_create(&(struct loop_settings){ .kind = LOOP_IO_URING }, &error));
		if (!strstr(error.text, rows[i].said))
			fail_msg("\"%s\" is not in \"%s\"", rows[i].said, error.text);
		struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_AUTO }, &error);
		assert_non_null(loop);
		assert_string_equal(loop_name(loop), "epoll");
		assert_non_null(strstr(error.text, rows[i].said));
		loop_destroy(loop);
		assert_int_equal(count_descriptors(), before);
	}
}

/* --- what a full ring may not do --- */

static const struct kernel small = { .entries = 2 };

/* With two pairs of sockets. */
struct small_world {
	struct real_world real;
	int fds[2], others[2];
};

static struct loop *open_small(struct small_world *world)
{
	kernel = &small;
	refusals = submissions = refuse_next = 0;
	real_world_open(&world->real, LOOP_IO_URING, 0);
	real_pair(&world->real.world, SOCK_STREAM, world->fds);
	real_pair(&world->real.world, SOCK_STREAM, world->others);
	return world->real.world.loop;
}

static void close_small(struct small_world *world)
{
	for (unsigned i = 0; i < 2; i++) {
		loop_close(world->real.world.loop, world->fds[i]);
		loop_close(world->real.world.loop, world->others[i]);
	}
	real_world_close(&world->real);
}

/* Two that wait for a byte fill the ring; the third would send it, and is refused twice. A turn that waits for the two may
 * not forget it. */
static void a_turn_does_not_wait_while_something_is_deferred(void **state)
{
	(void)state;
	struct small_world world;
	struct loop *loop = open_small(&world);
	struct note receive = note_make(&world.real.world), silent = note_make(&world.real.world),
		    send = note_make(&world.real.world);
	loop_receive(loop, &receive.op, world.fds[0], note_done);
	loop_receive(loop, &silent.op, world.others[0], note_done);
	refuse_next = 2;
	loop_send(loop, &send.op, world.fds[1], SLICE_LITERAL("x"), note_done);
	assert_true(loop_op_is_running(&send.op));
	assert_int_equal(note_await(&receive), 1);
	assert_int_equal(refuse_next, 0);
	assert_int_equal(note_await(&send), 1);
	loop_cancel(loop, &silent.op);
	assert_int_equal(note_await(&silent), -ECANCELED);
	close_small(&world);
}

static void what_is_deferred_can_be_cancelled(void **state)
{
	(void)state;
	struct small_world world;
	struct loop *loop = open_small(&world);
	struct note first = note_make(&world.real.world), second = note_make(&world.real.world),
		    third = note_make(&world.real.world);
	loop_receive(loop, &first.op, world.fds[0], note_done);
	loop_receive(loop, &second.op, world.fds[1], note_done);
	refuse_next = 1;
	loop_receive(loop, &third.op, world.others[0], note_done);
	loop_cancel(loop, &third.op);
	loop_cancel(loop, &third.op);
	assert_int_equal(third.calls, 0);
	assert_int_equal(note_await(&third), -ECANCELED);
	assert_int_equal(third.calls, 1);
	loop_cancel(loop, &first.op);
	loop_cancel(loop, &second.op);
	assert_int_equal(note_await(&first), -ECANCELED);
	assert_int_equal(note_await(&second), -ECANCELED);
	close_small(&world);
}

/* The kernel has the operation, and the ring has no room for the wish to end it: that must wait, not be lost. */
static void a_cancel_that_finds_no_room_is_not_lost(void **state)
{
	(void)state;
	struct small_world world;
	struct loop *loop = open_small(&world);
	struct note silent = note_make(&world.real.world), first = note_make(&world.real.world),
		    second = note_make(&world.real.world);
	for (unsigned i = 0; i < 2; i++) {
		loop_receive(loop, &silent.op, world.others[0], note_done);
		world_turn(&world.real.world, false);
		loop_receive(loop, &first.op, world.fds[0], note_done);
		loop_receive(loop, &second.op, world.fds[1], note_done);
		refuse_next = 1;
		loop_cancel(loop, &silent.op);
		assert_int_equal(refuse_next, 0);
		if (i == 1) { /* it ends by itself meanwhile */
			assert_int_equal(write(world.others[1], "x", 1), 1);
			assert_true(note_await(&silent) == 1 || silent.result == -ECANCELED);
		} else {
			assert_int_equal(note_await(&silent), -ECANCELED);
		}
		loop_cancel(loop, &first.op);
		loop_cancel(loop, &second.op);
		assert_int_equal(note_await(&first), -ECANCELED);
		assert_int_equal(note_await(&second), -ECANCELED);
	}
	close_small(&world);
}

/* --- all of them --- */

enum { MOST_RUNS = 256 };
static struct run runs[MOST_RUNS];
static struct CMUnitTest tests[MOST_RUNS];
static size_t run_count;

static void add_table(const struct loop_table_row *table, const struct kernel *pretended)
{
	for (const struct loop_table_row *row = table; row->name; row++) {
		struct run *run = &runs[run_count];
		*run = (struct run){ .kernel = pretended, .row = row };
		snprintf(run->name, sizeof run->name, "%s: %s", pretended->name, row->name);
		tests[run_count++] =
			(struct CMUnitTest){ .name = run->name, .test_func = run_row, .initial_state = run };
	}
}

#define EXTRA(test) (tests[run_count++] = (struct CMUnitTest)cmocka_unit_test(test))

int main(void)
{
	alarm(240);
	log_configure(LOG_ERROR, 2);
	kernel = &kernels[0];
	struct error error;
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_IO_URING }, &error);
	EXTRA(kernels_that_can_not_are_told_and_epoll_is_taken);
	if (!loop)
		print_message("io_uring is not to be had here: %s\n", error.text);
	for (size_t i = 0; loop && i < KERNELS; i++) {
		add_table(loop_socket_table, &kernels[i]);
		add_table(loop_connection_table, &kernels[i]);
		add_table(loop_file_table, &kernels[i]);
	}
	if (loop) {
		EXTRA(the_full_ring_was_met);
		EXTRA(a_turn_does_not_wait_while_something_is_deferred);
		EXTRA(what_is_deferred_can_be_cancelled);
		EXTRA(a_cancel_that_finds_no_room_is_not_lost);
	}
	loop_destroy(loop);
	return _cmocka_run_group_tests("loop_uring", tests, run_count, NULL, NULL);
}
