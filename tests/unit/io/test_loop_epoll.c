/* core/io/loop_epoll_disk: kernels and filters that refuse asynchronous I/O or some of it, disks that fail, and more at once
 * than may be under way. syscall() is wrapped, which only these calls go through: what is refused is refused there, and what a
 * disk says is changed where it is told. All else is this kernel, and what every back end must do is tried on it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "tests/unit/io/real_world.h"

/* --- the kernel that we pretend to have --- */

struct kernel {
	const char *name;
	int setup_error;
	int submit_error; /* one in `refuse_one_in` */
	unsigned refuse_one_in;
	int disk_error; /* what every operation that was submitted ends with; 0: what it came to */
};

static const struct kernel this_one = { .name = "this one" };
static const struct kernel *kernel = &this_one;
static unsigned setups, submits, refusals;
static long running, most_running;

static long pretend_submit(void)
{
	bool refused = kernel->submit_error && submits++ % kernel->refuse_one_in == 0;
	refusals += refused;
	return refused ? kernel->submit_error : 0;
}

static void count_running(long number, long result)
{
	if (number == SYS_io_submit && result > 0)
		running += result;
	if (number == SYS_io_getevents && result > 0)
		running -= result;
	if (running > most_running)
		most_running = running;
}

static long refusal_of(long number)
{
	setups += number == SYS_io_setup;
	if (number == SYS_io_setup)
		return kernel->setup_error;
	return number == SYS_io_submit ? pretend_submit() : 0;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	long arguments[6];
	va_list list;
	va_start(list, number);
	for (size_t i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	long refusal = refusal_of(number);
	if (refusal) {
		errno = (int)refusal;
		return -1;
	}
	long result = __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
				     arguments[5]);
	count_running(number, result);
	struct io_event *events = (struct io_event *)arguments[3];
	for (long i = 0; number == SYS_io_getevents && kernel->disk_error && i < result; i++)
		events[i].res = -kernel->disk_error;
	return result;
}

static void pretend(const struct kernel *pretended)
{
	kernel = pretended;
	setups = submits = refusals = 0;
	running = most_running = 0;
}

/* --- what every back end must do, on each of them --- */

static const struct kernel kernels[] = {
	{ .name = "seccomp", .setup_error = EPERM },
	{ .name = "none", .setup_error = ENOSYS },
	{ .name = "4.12", .submit_error = EINVAL, .refuse_one_in = 1 },
	{ .name = "no memory", .submit_error = EAGAIN, .refuse_one_in = 2 },
};
enum { KERNELS = sizeof kernels / sizeof kernels[0] };

struct run {
	char name[128];
	const struct kernel *kernel;
	const struct loop_table_row *row;
};

static unsigned refused_runs; /* rows in which something was refused */

static void run_row(void **state)
{
	const struct run *run = *state;
	unsigned before = count_descriptors();
	struct real_world world;
	pretend(run->kernel);
	real_world_open(&world, LOOP_EPOLL, 0);
	run->row->test(&world.world);
	real_world_close(&world);
	assert_int_equal(count_descriptors(), before);
	assert_int_equal(running, 0);
	refused_runs += refusals > 0 || (setups > 0 && kernel->setup_error);
	pretend(&this_one);
}

static void refusals_were_met(void **state)
{
	(void)state;
	print_message("    in %u rows\n", refused_runs);
	assert_true(refused_runs > KERNELS * 3);
}

/* --- what the disk says --- */

static char file_path[64];

static int open_file(struct real_world *world, int flags)
{
	snprintf(file_path, sizeof file_path, "%s/file", world->directory);
	return open(file_path, flags | O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void close_world(struct real_world *world, int fd)
{
	loop_close(world->world.loop, fd);
	assert_int_equal(unlink(file_path), 0);
	real_world_close(world);
}

enum { BLOCK_BYTES = 4096, BLOCKS = 4 };
static _Alignas(BLOCK_BYTES) uint8_t blocks[BLOCKS * BLOCK_BYTES];

static int32_t write_blocks(struct real_world *world, int fd, uint64_t offset)
{
	struct note note = note_make(&world->world);
	struct iovec part = { blocks, sizeof blocks };
	loop_write(world->world.loop, &note.op, fd, &part, 1, offset, LOOP_WRITE_DURABLE, note_done);
	return note_await(&note);
}

/* Past the page cache and through it; where the kernel does it and where the loop does. */
static void a_failing_disk_is_told(void **state)
{
	(void)state;
	static const struct kernel failing = { .disk_error = EIO };
	struct real_world world;
	pretend(&failing);
	real_world_open(&world, LOOP_EPOLL, 0);
	int fd = open_file(&world, 0);
	assert_int_equal(write_blocks(&world, fd, 0), -EIO);
	struct note sync = note_make(&world.world);
	loop_sync(world.world.loop, &sync.op, fd, true, note_done);
	assert_int_equal(note_await(&sync), -EIO);
	assert_int_equal(running, 0);
	int direct = open_file(&world, O_DIRECT);
	if (direct >= 0) {
		assert_int_equal(write_blocks(&world, direct, 0), -EIO);
		loop_close(world.world.loop, direct);
	}
	close_world(&world, fd);
	pretend(&this_one);
}

/* A limit on sizes of files makes what a full disk does: short writes, and then none. */
static void short_writes_are_told(void **state)
{
	(void)state;
	struct rlimit before, limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = sizeof blocks;
	signal(SIGXFSZ, SIG_IGN);
	for (int flags = 0; flags <= O_DIRECT; flags += O_DIRECT) {
		struct real_world world;
		real_world_open(&world, LOOP_EPOLL, 0);
		int fd = open_file(&world, flags);
		if (fd < 0) /* a file system without it */
			fd = open_file(&world, 0);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_int_equal(write_blocks(&world, fd, BLOCK_BYTES), sizeof blocks - BLOCK_BYTES);
		assert_int_equal(write_blocks(&world, fd, sizeof blocks), -EFBIG);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_int_equal(write_blocks(&world, fd, sizeof blocks), sizeof blocks);
		close_world(&world, fd);
	}
}

/* --- how many --- */

enum { MANY = 4 * LIMIT_DISK_OPERATIONS };

static void start_syncs(struct real_world *world, struct note *notes, int fd)
{
	for (unsigned i = 0; i < MANY; i++) {
		notes[i] = note_make(&world->world);
		loop_sync(world->world.loop, &notes[i].op, fd, i % 2, note_done);
	}
}

static void more_than_may_be_under_way_wait(void **state)
{
	(void)state;
	struct note *notes = calloc(MANY, sizeof *notes);
	assert_non_null(notes);
	struct real_world world;
	pretend(&this_one);
	real_world_open(&world, LOOP_EPOLL, 0);
	int fd = open_file(&world, 0);
	start_syncs(&world, notes, fd);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(note_await(&notes[i]), 0);
	assert_in_range(most_running, 1, LIMIT_DISK_OPERATIONS);
	assert_int_equal(running, 0);
	close_world(&world, fd);
	free(notes);
}

/* A disk from which nothing comes is one whose ends nobody collects yet: after a turn of callbacks, the first are under way
 * and the others held. */
static void what_waits_can_be_cancelled_and_what_is_under_way_ends(void **state)
{
	(void)state;
	struct note *notes = calloc(MANY, sizeof *notes);
	assert_non_null(notes);
	struct real_world world;
	pretend(&this_one);
	real_world_open(&world, LOOP_EPOLL, 0);
	int fd = open_file(&world, 0);
	start_syncs(&world, notes, fd);
	world_turn(&world.world, false);
	assert_int_equal(most_running, LIMIT_DISK_OPERATIONS);
	for (unsigned i = 0; i < MANY; i++) {
		loop_cancel(world.world.loop, &notes[i].op);
		assert_int_equal(notes[i].calls, 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(note_await(&notes[i]), i < LIMIT_DISK_OPERATIONS ? 0 : -ECANCELED);
		assert_int_equal(notes[i].calls, 1);
	}
	close_world(&world, fd);
	free(notes);
}

/* --- the log --- */

static void a_refusal_is_logged_once(void **state)
{
	(void)state;
	static const struct {
		struct kernel kernel;
		const char *said;
	} rows[] = {
		{ { .setup_error = EPERM }, "refuses io_setup: Operation not permitted" },
		{ { .setup_error = EAGAIN }, "fs.aio-max-nr" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[4096] = "";
		int ends[2];
		assert_int_equal(pipe(ends), 0);
		log_configure(LOG_WARN, ends[1]);
		struct real_world world;
		pretend(&rows[i].kernel);
		real_world_open(&world, LOOP_EPOLL, 0);
		int fd = open_file(&world, 0);
		assert_int_equal(setups, 0); /* a loop that writes nothing has none */
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(write_blocks(&world, fd, 0), sizeof blocks);
		assert_int_equal(setups, 1);
		close_world(&world, fd);
		log_configure(LOG_ERROR, 2);
		assert_true(read(ends[0], text, sizeof text - 1) > 0);
		const char *line = strstr(text, " loop-disk ");
		assert_non_null(line);
		assert_non_null(strstr(text, rows[i].said));
		assert_null(strstr(line + 1, " loop-disk "));
		close(ends[0]);
		close(ends[1]);
	}
	pretend(&this_one);
}

/* --- all of them --- */

enum { MOST_RUNS = 64 };
static struct run runs[MOST_RUNS];
static struct CMUnitTest tests[MOST_RUNS];
static size_t run_count;

static void add_table(const struct kernel *pretended)
{
	for (const struct loop_table_row *row = loop_file_table; row->name; row++) {
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
	for (size_t i = 0; i < KERNELS; i++)
		add_table(&kernels[i]);
	EXTRA(refusals_were_met);
	EXTRA(a_failing_disk_is_told);
	EXTRA(short_writes_are_told);
	EXTRA(more_than_may_be_under_way_wait);
	EXTRA(what_waits_can_be_cancelled_and_what_is_under_way_ends);
	EXTRA(a_refusal_is_logged_once);
	return _cmocka_run_group_tests("loop_epoll", tests, run_count, NULL, NULL);
}
