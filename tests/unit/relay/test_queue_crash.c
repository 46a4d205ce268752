/* core/relay: kill -9 in the middle of deliveries, again and again; and what a delivery costs. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "tests/unit/relay/files.h"
#include "tests/unit/relay/lane.h"

enum { CRASHES = 20, MESSAGES_A_CRASH = 60, MESSAGE_BYTES = 1024 };
#ifdef POSTERN_SANITIZED
enum { MESSAGES = 1000 };
#else
enum { MESSAGES = 10000 };
#endif

static enum loop_kind kind;

static int set_up(void **state)
{
	(void)state;
	files_enter_folder();
	log_configure(LOG_WARN, 2);
	assert_int_equal(mkdir("mail", 0700), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	files_leave_folder();
	return 0;
}

/* --- crashes --- */

/* The child: stores messages, tells the id of each that is durable, delivers, until it is killed. */
static void deliver_until_killed(int told_fd)
{
	static struct lane_message messages[MESSAGES_A_CRASH];
	struct lane lane = { 0 };
	lane_open(&lane, kind, &lane_routes);
	size_t started = 0, told = 0;
	struct error error;
	for (;;) {
		if (started < MESSAGES_A_CRASH) {
			messages[started].to_queue = true;
			lane_start_message(&lane, &messages[started++], "a@example.org x@one.example b@example.org",
					   SLICE_LITERAL("Subject: crash\r\n\r\nx\r\n"));
		}
		if (!loop_turn(lane.loop, started == MESSAGES_A_CRASH, &error))
			_exit(1);
		for (; told < started && messages[told].durable; told++)
			if (write(told_fd, &messages[told].id, sizeof messages[told].id) != sizeof messages[told].id)
				_exit(1);
	}
}

/* Answers how many ids the child told before it was killed. */
static size_t crash_once(unsigned after_us, uint64_t *ids)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		deliver_until_killed(ends[1]);
	}
	close(ends[1]);
	/* The time counts from the first message on. */
	size_t count = 0;
	assert_int_equal(read(ends[0], ids, sizeof *ids), sizeof *ids);
	count++;
	usleep(after_us);
	assert_int_equal(kill(child, SIGKILL), 0);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	while (read(ends[0], &ids[count], sizeof *ids) == sizeof *ids)
		count++;
	close(ends[0]);
	return count;
}

static void a_killed_worker_loses_and_doubles_nothing(void **state)
{
	(void)state;
	static uint64_t ids[CRASHES * MESSAGES_A_CRASH];
	size_t count = 0;
	for (unsigned i = 0; i < CRASHES; i++)
		count += crash_once(i * i * 250, ids + count);
	struct lane lane = { 0 };
	lane_open(&lane, kind, &lane_routes);
	lane_settle(&lane);
	assert_int_equal(lane_counts(&lane).messages, 0);
	lane_close(&lane);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(lane_copies("mail/example.org/a/new", ids[i]), 1);
		assert_int_equal(lane_copies("mail/example.org/b/new", ids[i]), 1);
		assert_int_equal(lane_copies("all/new", ids[i]), 1);
	}
	assert_int_equal(files_count("all/tmp", NULL), 0);
	print_message("%zu messages in %d crashes\n", count, CRASHES);
}

/* --- what it costs --- */

static double cpu_us(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec * 1e6 + (double)usage.ru_utime.tv_usec +
	       (double)usage.ru_stime.tv_sec * 1e6 + (double)usage.ru_stime.tv_usec;
}

static double wall_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void store_all(struct lane *lane, struct lane_message *messages, unsigned maildirs, struct slice text)
{
	for (size_t i = 0; i < MESSAGES; i++) {
		char recipient[64];
		snprintf(recipient, sizeof recipient, "u%zu@example.org", i % maildirs);
		messages[i] = (struct lane_message){ 0 };
		lane_start_message(lane, &messages[i], recipient, text);
		/* The spool's limit on what waits. */
		while (spool_is_busy(lane->spool))
			files_turn(lane->loop);
	}
	for (size_t i = 0; i < MESSAGES; i++) {
		files_turn_until(lane->loop, &messages[i].durable);
		lane_free_message(&messages[i]);
	}
}

static void measure(unsigned maildirs)
{
	static struct lane_message messages[MESSAGES];
	char text[MESSAGE_BYTES];
	for (size_t i = 0; i < MESSAGE_BYTES; i++)
		text[i] = (char)(i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x');
	struct lane lane = { .orders_only = true };
	lane_open(&lane, kind, &lane_routes);
	store_all(&lane, messages, maildirs, slice_of(text, sizeof text));
	lane_close(&lane);
	lane.orders_only = false;
	lane_open(&lane, kind, &lane_routes);
	double cpu = cpu_us(), wall = wall_us();
	lane_settle(&lane);
	cpu = cpu_us() - cpu;
	wall = wall_us() - wall;
	assert_int_equal(lane_counts(&lane).delivered, MESSAGES);
	print_message("%s, %u Maildirs: %.1f us of CPU and %.1f us a message of 1 KB\n", loop_name(lane.loop), maildirs,
		      cpu / MESSAGES, wall / MESSAGES);
	lane_close(&lane);
}

static void ten_thousand_messages(void **state)
{
	(void)state;
	measure(1);
	measure(100);
	size_t count = 0;
	for (int i = 0; i < 100; i++) {
		char path[64];
		snprintf(path, sizeof path, "mail/example.org/u%d/new", i);
		count += files_count(path, NULL);
	}
	assert_int_equal(count, 2 * MESSAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_killed_worker_loses_and_doubles_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ten_thousand_messages, set_up, tear_down),
	};
	files_drop_root();
	kind = LOOP_EPOLL;
	int failed = cmocka_run_group_tests_name("crashes on epoll", tests, NULL, NULL);
	kind = LOOP_AUTO;
	return failed + cmocka_run_group_tests_name("crashes on io_uring, where there is one", tests, NULL, NULL);
}
