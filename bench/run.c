/* Leading a run: see run.h.
 *
 * The parent and its workers share one mapping. The parent gives the word for each stage and waits until all workers
 * have followed; so the server's CPU time and memory are read when nothing but what is measured has happened in between. */
#include "bench/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/progress.h"
#include "bench/server_cpu.h"
#include "bench/target.h"

enum {
	RUN_STEP_MS = 20,            /* how often workers are looked at */
	RUN_SECOND_MS = 1000,        /* between samples of the server, and lines of progress */
	RUN_SETTLE_MS = 50,          /* for what the server still does for the last operation */
	RUN_SPARE_DESCRIPTORS = 100, /* the loop's, libraries', standard ones */
};

struct run {
	struct options *options;
	const struct scenario *scenario;
	struct target target;
	struct message message;
	struct logins logins;
	struct run_shared *shared;
	size_t shared_bytes;
	pid_t pids[OPTIONS_WORKERS_MOST]; /* 0: has ended */
	struct process_tree tree;
	struct server_cpu cpu;
	struct outcome *outcome;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

static void catch_interrupts(void)
{
	/* Without SA_RESTART: a pause ends at once. */
	struct sigaction action = { .sa_handler = on_interrupt };
	interrupted = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void pause_ms(unsigned ms)
{
	struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };
	nanosleep(&time, NULL);
}

/* --- before the fork --- */

/* Raises the limit of descriptors as far as it goes, and divides the connections so that they fit. */
static bool share_descriptors(struct options *options, struct error *error)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	uint64_t each = limit.rlim_cur > 2 * RUN_SPARE_DESCRIPTORS ? limit.rlim_cur - RUN_SPARE_DESCRIPTORS
								   : RUN_SPARE_DESCRIPTORS;
	uint64_t needed = (options->connections + each - 1) / each;
	if (!options->workers)
		options->workers = needed;
	if (options->workers < needed || options->workers > OPTIONS_WORKERS_MOST)
		return error_set(error,
				 "%d connections need %d workers: a process may have %d descriptors (ulimit -Hn)",
				 (int)options->connections, (int)needed, (int)limit.rlim_cur);
	return true;
}

static bool share_memory(struct run *run, struct error *error)
{
	run->shared_bytes = sizeof *run->shared + run->options->workers * sizeof run->shared->workers[0];
	void *memory = mmap(NULL, run->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return error_set_errno(error, errno, "memory of the workers");
	run->shared = memory;
	return true;
}

static bool prepare(struct run *run, struct error *error)
{
	struct options *options = run->options;
	if (!share_descriptors(options, error) || !target_find(&run->target, options->to, error))
		return false;
	if (!options->host)
		options->host = run->target.host;
	return message_init(&run->message, options, error) && logins_init(&run->logins, options, error) &&
	       share_memory(run, error);
}

static int run_worker(struct run *run, unsigned number)
{
	struct load *load = calloc(1, sizeof *load);
	if (!load)
		return 1;
	*load = (struct load){
		.options = run->options,
		.scenario = run->scenario,
		.message = &run->message,
		.logins = &run->logins,
		.address = (const struct sockaddr *)&run->target.address,
		.address_size = run->target.address_size,
		.run = run->shared,
		.shared = &run->shared->workers[number],
		.worker = number,
	};
	int status = load_run(load);
	free(load);
	return status;
}

static void clean_up(struct run *run)
{
	message_finish(&run->message);
	logins_finish(&run->logins);
	process_tree_finish(&run->tree);
	if (run->shared)
		munmap(run->shared, run->shared_bytes);
}

static bool fork_workers(struct run *run, struct error *error)
{
	for (unsigned i = 0; i < run->options->workers; i++) {
		run->pids[i] = fork();
		if (run->pids[i] < 0) {
			run->pids[i] = 0;
			return error_set_errno(error, errno, "fork");
		}
		if (run->pids[i] == 0) {
			int status = run_worker(run, i);
			clean_up(run);
			exit(status);
		}
	}
	return true;
}

/* --- stages --- */

/* Notices workers that have ended. */
static unsigned reap(struct run *run)
{
	unsigned alive = 0;
	for (unsigned i = 0; i < run->options->workers; i++) {
		int status;
		if (run->pids[i] && waitpid(run->pids[i], &status, WNOHANG) == run->pids[i]) {
			run->pids[i] = 0;
			run->outcome->workers_lost += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
		}
		alive += run->pids[i] != 0;
	}
	return alive;
}

static bool all_reached(const struct run *run, enum worker_stage stage)
{
	for (unsigned i = 0; i < run->options->workers; i++) {
		if (run->pids[i] && atomic_load(&run->shared->workers[i].stage) < stage)
			return false;
	}
	return true;
}

static uint64_t count_open(const struct run *run)
{
	uint64_t open = 0;
	for (unsigned i = 0; i < run->options->workers; i++)
		open += run->shared->workers[i].open;
	return open;
}

static void say(struct run *run, enum run_stage stage)
{
	atomic_store(&run->shared->stage, stage);
}

/* Waits for all workers, or those that are left. Samples the server and prints progress each second. */
static void await(struct run *run, enum worker_stage stage)
{
	uint64_t next_ns = load_clock_ns() + RUN_SECOND_MS * (uint64_t)CLOCK_NS_PER_MS;
	while (reap(run) && !all_reached(run, stage)) {
		pause_ms(RUN_STEP_MS);
		if (interrupted && atomic_load(&run->shared->stage) < RUN_INTERRUPT) {
			run->outcome->interrupted = true;
			say(run, RUN_INTERRUPT);
		}
		if (load_clock_ns() < next_ns)
			continue;
		next_ns += RUN_SECOND_MS * (uint64_t)CLOCK_NS_PER_MS;
		if (stage == WORKER_MEASURED && run->options->server_pid_count)
			run->outcome->has_server &= server_cpu_sample(&run->cpu, NULL);
		progress_print(run->options, run->scenario, run->shared, &run->cpu);
	}
	progress_end();
}

/* idle: the connections are up; they are held, then the server's memory is read again. */
static void hold(struct run *run)
{
	uint64_t end_ns = load_clock_ns() + run->options->duration_ms * CLOCK_NS_PER_MS;
	while (!interrupted && reap(run) && load_clock_ns() < end_ns)
		pause_ms(RUN_STEP_MS);
	if (run->outcome->has_memory)
		run->outcome->has_memory = server_memory_read(&run->tree, &run->outcome->memory_with, NULL);
}

static bool watch_server(struct run *run, struct error *error)
{
	process_tree_init(&run->tree, run->options->server_pids, run->options->server_pid_count);
	if (!run->options->server_pid_count)
		return true;
	run->outcome->has_server = true;
	run->outcome->has_memory = run->scenario->each_once;
	return !run->outcome->has_memory || server_memory_read(&run->tree, &run->outcome->memory_before, error);
}

static bool measure(struct run *run, struct error *error)
{
	await(run, WORKER_READY);
	if (reap(run) == 0)
		return error_set(error, "no worker could start");
	if (run->scenario->each_once)
		hold(run);
	pause_ms(RUN_SETTLE_MS);
	if (run->outcome->has_server && !server_cpu_begin(&run->cpu, &run->tree, error))
		return false;
	run->outcome->begin_ns = load_clock_ns();
	run->outcome->open = count_open(run);
	if (atomic_load(&run->shared->stage) == RUN_PREPARE)
		say(run, RUN_MEASURE);
	await(run, WORKER_MEASURED);
	run->outcome->end_ns = load_clock_ns();
	run->outcome->still_open = count_open(run);
	pause_ms(RUN_SETTLE_MS);
	if (run->outcome->has_server)
		run->outcome->has_server = server_cpu_sample(&run->cpu, NULL);
	return true;
}

static void gather(struct run *run)
{
	struct outcome *outcome = run->outcome;
	for (unsigned i = 0; i < run->options->workers; i++) {
		const struct worker_shared *worker = &run->shared->workers[i];
		results_merge(&outcome->total, &worker->results);
		outcome->unstarted += worker->unstarted;
		uint64_t busy_ns = worker->results.cpu_ns + worker->results.waited_ns;
		if (busy_ns > outcome->busiest_client_ns)
			outcome->busiest_client_ns = busy_ns;
	}
	memcpy(outcome->loop, run->shared->loop, sizeof outcome->loop);
	if (outcome->has_server) {
		outcome->server_ns = server_cpu_used_ns(&run->cpu);
		outcome->busiest_server_ns = server_cpu_busiest_ns(&run->cpu);
		outcome->server_processes = run->tree.count;
	}
}

/* Lets the workers say QUIT and end; with `now` set they don't. */
static void finish_workers(struct run *run, bool now)
{
	say(run, RUN_CLOSE);
	for (unsigned i = 0; now && i < run->options->workers; i++) {
		if (run->pids[i])
			kill(run->pids[i], SIGKILL);
	}
	while (reap(run))
		pause_ms(RUN_STEP_MS);
}

bool run_load(struct options *options, const struct scenario *scenario, struct outcome *outcome, struct error *error)
{
	struct run run = { .options = options, .scenario = scenario, .outcome = outcome };
	*outcome = (struct outcome){ .options = options, .scenario = scenario };
	catch_interrupts();
	bool good =
		prepare(&run, error) && watch_server(&run, error) && fork_workers(&run, error) && measure(&run, error);
	if (run.shared) {
		finish_workers(&run, !good);
		gather(&run);
	}
	clean_up(&run);
	return good;
}
