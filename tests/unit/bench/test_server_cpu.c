/* bench/server_cpu, bench/server_memory: a process that is busy for a known time, children that end reaped and unreaped, memory
 * that a child touches; and what outcomes conclude from such numbers. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/outcome.h"
#include "bench/server_cpu.h"
#include "bench/server_memory.h"

enum { MS = 1000000, BUSY_MS = 200, SLACK_MS = 60 };

/* Runs until this process has had so much CPU time since it began. */
static void be_busy(unsigned ms)
{
	struct timespec time;
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	while ((uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / MS < ms);
}

/* A server: does its work when it is told to by a byte, says so by a byte, and stays until the pipe closes. */
struct server {
	pid_t pid;
	int orders;
	int answers;
};

static struct server start_server(void (*work)(void))
{
	int orders[2], answers[2];
	assert_int_equal(pipe(orders), 0);
	assert_int_equal(pipe(answers), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char byte;
		close(orders[1]);
		if (read(orders[0], &byte, 1) == 1)
			work();
		if (write(answers[1], "", 1) == 1 && read(orders[0], &byte, 1) == 0)
			_exit(0);
		_exit(1);
	}
	close(orders[0]);
	close(answers[1]);
	return (struct server){ pid, orders[1], answers[0] };
}

static void let_it_work(const struct server *server)
{
	char byte;
	assert_int_equal(write(server->orders, "", 1), 1);
	assert_int_equal(read(server->answers, &byte, 1), 1);
}

static void end_server(const struct server *server)
{
	int status;
	close(server->orders);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(server->answers);
}

static uint64_t used_by(void (*work)(void))
{
	struct server server = start_server(work);
	uint64_t pid = (uint64_t)server.pid;
	struct process_tree tree;
	struct server_cpu cpu;
	struct error error = { "" };
	process_tree_init(&tree, &pid, 1);
	assert_true(server_cpu_begin(&cpu, &tree, &error));
	let_it_work(&server);
	assert_true(server_cpu_sample(&cpu, &error));
	uint64_t used_ms = server_cpu_used_ns(&cpu) / MS;
	end_server(&server);
	process_tree_finish(&tree);
	return used_ms;
}

static void assert_about(uint64_t ms, uint64_t expected_ms)
{
	assert_in_range(ms, expected_ms > SLACK_MS ? expected_ms - SLACK_MS : 0, expected_ms + SLACK_MS);
}

static void rest(void)
{
	struct timespec time = { 0, BUSY_MS * (long)MS };
	nanosleep(&time, NULL);
}

static void work_itself(void)
{
	be_busy(BUSY_MS);
}

/* Two children, each busy; reaped. */
static void work_by_children(void)
{
	pid_t pids[2];
	for (size_t i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			be_busy(BUSY_MS);
			_exit(0);
		}
	}
	for (size_t i = 0; i < 2; i++)
		waitpid(pids[i], NULL, 0);
}

/* A grandchild that is busy and then stays: its parent is gone, but it was seen. */
static void work_by_one_that_stays(void)
{
	int ends[2];
	char byte;
	if (pipe(ends) != 0)
		_exit(1);
	if (fork() == 0) {
		be_busy(BUSY_MS);
		if (write(ends[1], "", 1) != 1)
			_exit(1);
		/* Until the server ends. */
		while (getppid() != 1)
			usleep(10 * 1000);
		_exit(0);
	}
	if (read(ends[0], &byte, 1) != 1)
		_exit(1);
}

static void time_is_counted_wherever_it_was_used(void **state)
{
	(void)state;
	assert_about(used_by(rest), 0);
	assert_about(used_by(work_itself), BUSY_MS);
	assert_about(used_by(work_by_children), 2 * BUSY_MS);
	assert_about(used_by(work_by_one_that_stays), BUSY_MS);
}

/* A child that was seen and whose parent does not want to know of its end. */
static void time_of_children_that_nobody_reaps_is_kept(void **state)
{
	(void)state;
	int ends[2];
	char byte;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGCHLD, SIG_IGN);
		if (fork() == 0) {
			be_busy(BUSY_MS);
			_exit(write(ends[1], "", 1) != 1 || usleep(200 * 1000));
		}
		pause();
	}
	uint64_t root = (uint64_t)pid;
	struct process_tree tree;
	struct server_cpu cpu;
	struct error error = { "" };
	process_tree_init(&tree, &root, 1);
	assert_true(server_cpu_begin(&cpu, &tree, &error));
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_true(server_cpu_sample(&cpu, &error));
	assert_int_equal(tree.count, 2);
	while (tree.count == 2) {
		usleep(20 * 1000);
		assert_true(server_cpu_sample(&cpu, &error));
	}
	assert_about(server_cpu_used_ns(&cpu) / MS, BUSY_MS);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_false(server_cpu_sample(&cpu, &error));
	process_tree_finish(&tree);
	close(ends[0]);
	close(ends[1]);
}

enum { TOUCHED_BYTES = 32 * 1024 * 1024 };

static void touch_memory(void)
{
	void *memory = mmap(NULL, TOUCHED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		_exit(1);
	memset(memory, 1, TOUCHED_BYTES);
}

static void memory_grows_by_what_was_touched(void **state)
{
	(void)state;
	struct server server = start_server(touch_memory);
	uint64_t pid = (uint64_t)server.pid;
	struct process_tree tree;
	struct server_memory before, after;
	struct error error = { "" };
	process_tree_init(&tree, &pid, 1);
	assert_true(server_memory_read(&tree, &before, &error));
	let_it_work(&server);
	assert_true(server_memory_read(&tree, &after, &error));
	assert_in_range(after.bytes - before.bytes, TOUCHED_BYTES - 1024 * 1024, TOUCHED_BYTES + 8 * 1024 * 1024);
	end_server(&server);
	process_tree_finish(&tree);
}

static void the_bottleneck_is_found(void **state)
{
	(void)state;
	static const struct {
		uint64_t client_ms, server_ms; /* of a second */
		bool has_server;
		enum bottleneck bottleneck;
	} cases[] = {
		{ 950, 300, true, BOTTLENECK_CLIENT }, { 950, 950, true, BOTTLENECK_BOTH },
		{ 500, 950, true, BOTTLENECK_SERVER }, { 500, 500, true, BOTTLENECK_NONE },
		{ 950, 0, false, BOTTLENECK_CLIENT },  { 500, 0, false, BOTTLENECK_UNKNOWN },
	};
	struct outcome *outcome = calloc(1, sizeof *outcome);
	assert_non_null(outcome);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		outcome->begin_ns = 5;
		outcome->end_ns = 5 + 1000 * (uint64_t)MS;
		outcome->busiest_client_ns = cases[i].client_ms * MS;
		outcome->busiest_server_ns = cases[i].server_ms * MS;
		outcome->has_server = cases[i].has_server;
		assert_int_equal(outcome_bottleneck(outcome), cases[i].bottleneck);
	}
	free(outcome);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_counted_wherever_it_was_used),
		cmocka_unit_test(time_of_children_that_nobody_reaps_is_kept),
		cmocka_unit_test(memory_grows_by_what_was_touched),
		cmocka_unit_test(the_bottleneck_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
