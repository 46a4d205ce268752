/* The supervisor's children: workers and hashers, from fork() to their end; see supervisor_parts.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/supervisor_parts.h"
#include "core/server/worker_process.h"
#include "core/users/sign_in.h"

enum { RESTART_MS = 1000 }; /* a child that died is started again this long after its last start */

/* Also where the parent has gone already. It may be process 1 itself, as in a container. */
static void end_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_SUCCESS);
}

/* What is the supervisor's alone. */
static void leave_supervisor(struct supervisor *supervisor)
{
	close(supervisor->signals);
	close(supervisor->ready_pipe[0]);
	keeper_leave(&supervisor->keeper);
	list_watches_leave(&supervisor->lists);
	supervisor_control_leave(supervisor->control);
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (supervisor->children[i].channel >= 0)
			close(supervisor->children[i].channel);
}

/* All but those of that worker's, unless `own` is NULL. */
static void close_sockets(const struct listening *listening, unsigned workers, const int *own)
{
	for (const int *fd = listening->fds; fd < listening->fds + listening->each * workers; fd++)
		if (!own || fd < own || fd >= own + listening->each)
			close(*fd);
}

static void run_hasher(struct supervisor *supervisor, unsigned number)
{
	static char name[sizeof "hasher=4294967295"];
	snprintf(name, sizeof name, "hasher=%u", number);
	log_set_process(name);
	/* Ends by SIGTERM from us; a terminal's SIGINT is for the supervisor, who still needs it for last sign-ins. */
	sigset_t none;
	sigemptyset(&none);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	int fds[LIMIT_WORKERS];
	for (unsigned i = 0; i < supervisor->lanes; i++) {
		fds[i] = supervisor->hasher_fds[i][1];
		close(supervisor->hasher_fds[i][0]);
	}
	close_sockets(&supervisor->listening, supervisor->served.config->workers, NULL);
	/* Keys, rules and tables of clients are no business of its, and would be there as long as it lives, whatever is served. */
	served_finish(&supervisor->served);
	_exit(hasher_run(fds, supervisor->lanes, &supervisor->states->log_level));
}

static void run_worker(struct supervisor *supervisor, unsigned number, int channel)
{
	unsigned workers = supervisor->served.config->workers;
	for (unsigned i = 0; i < supervisor->lanes; i++) {
		close(supervisor->hasher_fds[i][1]);
		if (i != number)
			close(supervisor->hasher_fds[i][0]);
	}
	const int *own = number < workers ? supervisor->listening.fds + supervisor->listening.each * number : NULL;
	close_sockets(&supervisor->listening, workers, own);
	struct worker_process process = {
		.number = number,
		.served = &supervisor->served,
		.states = supervisor->states,
		.quotas = supervisor->quotas,
		.guard = &supervisor->guard,
		.listen_fds = own,
		.hasher_fd = supervisor->hasher_fds[number][0],
		.channel_fd = channel,
		.salt_secret = supervisor->salt_secret,
		.ready_fd = supervisor->ready_pipe[1],
	};
	_exit(worker_process_run(&process));
}

/* What a dead worker counted in memory of all. A lane without listeners counts nothing. */
static void forget_worker(struct supervisor *supervisor, unsigned number)
{
	const struct config *config = supervisor->served.config;
	server_states_forget_worker(supervisor->states, number);
	if (supervisor->quotas)
		quotas_forget_worker(supervisor->quotas, number);
	guard_forget_worker(&supervisor->guard, number);
	for (size_t i = 0; number < config->workers && i < config->server_count; i++)
		server_block_forget_worker(&supervisor->served.blocks[i], number);
}

int supervisor_look_at_lists(struct supervisor *supervisor)
{
	if (supervisor->ending || !supervisor->said_ready)
		return -1;
	return list_watches_look(&supervisor->lists, supervisor->served.blocks, supervisor_now_ms());
}

static void close_channel(struct child *child)
{
	if (child->channel >= 0)
		close(child->channel);
	child->channel = -1;
}

/* Answers the worker's end; -1: none, also of a hasher. What the worker is forked with is the newest; what comes later goes that way. */
static int open_channel(const struct supervisor *supervisor, struct child *child)
{
	int sockets[2];
	child->generation = supervisor->served.generation;
	if (child->kind == CHILD_HASHER)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) != 0)
		return -1;
	child->channel = sockets[0];
	return sockets[1];
}

static _Noreturn void run_child(struct supervisor *supervisor, const struct child *child, int channel, pid_t parent)
{
	end_with_parent(parent);
	leave_supervisor(supervisor);
	if (child->kind == CHILD_HASHER)
		run_hasher(supervisor, child->number);
	else
		run_worker(supervisor, child->number, channel);
	_exit(EXIT_FAILURE);
}

static void start(struct supervisor *supervisor, struct child *child)
{
	child->started_ms = supervisor_now_ms();
	child->ready = child->kind == CHILD_HASHER;
	int channel = open_channel(supervisor, child);
	log_flush();
	pid_t supervisor_pid = getpid();
	pid_t pid = child->kind == CHILD_WORKER && channel < 0 ? -1 : fork();
	int code = errno;
	if (pid == 0)
		run_child(supervisor, child, channel, supervisor_pid);
	if (channel >= 0)
		close(channel);
	if (pid > 0) {
		child->pid = pid;
		return;
	}
	close_channel(child);
	log_message(LOG_ERROR, "fork", "%s", strerror(code));
}

static const char *kind_name(const struct child *child)
{
	return child->kind == CHILD_WORKER ? "worker" : "hasher";
}

static struct child *find_child(struct supervisor *supervisor, pid_t pid)
{
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (supervisor->children[i].pid == pid)
			return &supervisor->children[i];
	return NULL;
}

static void log_death(const struct child *child, int status)
{
	if (WIFSIGNALED(status))
		log_message(LOG_ERROR, "died", "%s %u (process %d): %s; starting it again", kind_name(child),
			    child->number, (int)child->pid, strsignal(WTERMSIG(status)));
	else
		log_message(LOG_ERROR, "died", "%s %u (process %d): exit %d; starting it again", kind_name(child),
			    child->number, (int)child->pid, WEXITSTATUS(status));
}

void supervisor_reap(struct supervisor *supervisor)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		struct child *child = find_child(supervisor, pid);
		if (!child) {
			if (keeper_reap(&supervisor->keeper, pid))
				supervisor_lost_keeper(supervisor);
			else
				(void)supervisor_change_lists(supervisor, pid, status);
			continue;
		}
		if (!supervisor->ending && !supervisor->said_ready && WIFEXITED(status) &&
		    child->kind == CHILD_WORKER) {
			/* It has said why it can't start; trying again would not help. */
			supervisor->failed_start = true;
			supervisor_end(supervisor);
		} else if (!supervisor->ending) {
			log_death(child, status);
		}
		if (child->kind == CHILD_WORKER)
			forget_worker(supervisor, child->number);
		close_channel(child);
		child->pid = 0;
		child->ready = false;
	}
}

int supervisor_start_children(struct supervisor *supervisor)
{
	int wait_ms = -1;
	uint64_t now = supervisor_now_ms();
	for (size_t i = 0; i < supervisor->child_count && !supervisor->ending; i++) {
		struct child *child = &supervisor->children[i];
		if (child->pid)
			continue;
		uint64_t due = child->started_ms + RESTART_MS;
		if (due <= now)
			start(supervisor, child);
		else if (wait_ms < 0 || (int)(due - now) < wait_ms)
			wait_ms = (int)(due - now);
	}
	return wait_ms;
}

void supervisor_signal(struct supervisor *supervisor, enum child_kind kind, int number)
{
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (supervisor->children[i].pid && supervisor->children[i].kind == kind)
			kill(supervisor->children[i].pid, number);
}

size_t supervisor_running(const struct supervisor *supervisor, enum child_kind kind)
{
	size_t count = 0;
	for (size_t i = 0; i < supervisor->child_count; i++)
		count += supervisor->children[i].kind == kind && supervisor->children[i].pid;
	return count;
}
