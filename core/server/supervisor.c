/* Watching the server's processes and ending them; see supervisor.h. */
#include "core/server/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/server/supervisor_parts.h"

enum {
	KILL_AFTER_MS = 5000, /* beyond the drain time */
	MOST_DESCRIPTORS = 3 + SUPERVISOR_CONTROL_DESCRIPTORS + LIMIT_WORKERS,
};

uint64_t supervisor_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / CLOCK_NS_PER_MS;
}

void supervisor_end(struct supervisor *supervisor)
{
	if (supervisor->ending)
		return;
	supervisor->ending = true;
	supervisor->kill_at_ms = supervisor_now_ms() + supervisor->served.config->drain_ms + KILL_AFTER_MS;
	log_message(LOG_INFO, "ending", "transactions may finish within %llu s",
		    (unsigned long long)supervisor->served.config->drain_ms / 1000);
	supervisor_signal(supervisor, CHILD_WORKER, SIGTERM);
}

static void take_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;
	while (read(supervisor->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			supervisor_reap(supervisor);
		else if (info.ssi_signo == SIGHUP)
			(void)supervisor_reload(supervisor);
		else
			supervisor_end(supervisor);
	}
}

static bool all_ready(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (!supervisor->children[i].ready)
			return false;
	return true;
}

static void take_ready(struct supervisor *supervisor, supervisor_ready *ready)
{
	uint8_t number;
	while (read(supervisor->ready_pipe[0], &number, 1) == 1)
		for (size_t i = 0; i < supervisor->child_count; i++)
			if (supervisor->children[i].kind == CHILD_WORKER && supervisor->children[i].number == number)
				supervisor->children[i].ready = true;
	if (!supervisor->said_ready && !supervisor->ending && all_ready(supervisor)) {
		supervisor->said_ready = true;
		ready(supervisor->served.config);
	}
}

/* Answers false when the server has ended. Workers go first: their last sign-ins still need the hashers. */
static bool go_on_ending(struct supervisor *supervisor, int *status)
{
	if (supervisor_running(supervisor, CHILD_WORKER) == 0) {
		supervisor_signal(supervisor, CHILD_HASHER, SIGTERM);
		if (supervisor_running(supervisor, CHILD_HASHER) == 0)
			return false;
	}
	if (supervisor_now_ms() < supervisor->kill_at_ms)
		return true;
	log_message(LOG_ERROR, "ending", "time is up: killing what is left");
	supervisor_signal(supervisor, CHILD_WORKER, SIGKILL);
	supervisor_signal(supervisor, CHILD_HASHER, SIGKILL);
	supervisor->kill_at_ms = UINT64_MAX;
	*status = EXIT_FAILURE;
	return true;
}

/* Of two times to wait, of which -1 is for ever. */
static int sooner(int a_ms, int b_ms)
{
	return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static size_t gather(const struct supervisor *supervisor, struct pollfd fds[MOST_DESCRIPTORS])
{
	size_t count = 0;
	fds[count++] = (struct pollfd){ .fd = supervisor->signals, .events = POLLIN };
	fds[count++] = (struct pollfd){ .fd = supervisor->ready_pipe[0], .events = POLLIN };
	fds[count++] = (struct pollfd){ .fd = supervisor->keeper.socket, .events = POLLIN };
	count += supervisor_control_polls(supervisor->control, &fds[count]);
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (supervisor->children[i].channel >= 0)
			fds[count++] = (struct pollfd){ .fd = supervisor->children[i].channel, .events = POLLIN };
	return count;
}

/* Nothing here waits. */
static int go_on(struct supervisor *supervisor, supervisor_ready *ready)
{
	take_signals(supervisor);
	take_ready(supervisor, ready);
	supervisor_take_parcels(supervisor);
	supervisor_take_generations(supervisor);
	supervisor_control_serve(supervisor->control, supervisor_reload, supervisor);
	return supervisor_go_on_reloading(supervisor);
}

static int watch(struct supervisor *supervisor, supervisor_ready *ready)
{
	int status = EXIT_SUCCESS, reload_ms = -1;
	for (;;) {
		struct pollfd fds[MOST_DESCRIPTORS];
		int wait_ms = sooner(supervisor_start_children(supervisor), reload_ms);
		wait_ms = sooner(wait_ms, supervisor_look_at_lists(supervisor));
		wait_ms = sooner(wait_ms, supervisor_control_wait_ms(supervisor->control, supervisor_now_ms()));
		if (supervisor->ending) {
			if (!go_on_ending(supervisor, &status))
				return status;
			wait_ms = 100;
		}
		if (poll(fds, gather(supervisor, fds), wait_ms) < 0 && errno != EINTR)
			return EXIT_FAILURE;
		reload_ms = go_on(supervisor, ready);
	}
}

int supervisor_run(struct config *config, supervisor_ready *ready, struct error *error)
{
	struct supervisor supervisor = { .served = { .config = config }, .keeper = { .socket = -1 } };
	int status = 2;
	if (supervisor_prepare(&supervisor, error)) {
		status = watch(&supervisor, ready);
		if (supervisor.failed_start) {
			status = 2;
			error_set(error, "a worker could not start; the line before says why");
		}
	}
	supervisor_finish(&supervisor);
	return status;
}
