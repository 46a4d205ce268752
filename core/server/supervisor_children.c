/* The supervisor's children: workers and hashers, from fork() to their end; see supervisor_parts.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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

static void run_hasher(struct supervisor *supervisor)
{
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
	for (size_t i = 0; i < supervisor->listen_each * supervisor->config->workers; i++)
		close(supervisor->listen_fds[i]);
	tls_files_leave(&supervisor->tls_files);
	_exit(hasher_run(fds, supervisor->lanes));
}

static void run_worker(struct supervisor *supervisor, unsigned number)
{
	bool serves = number < supervisor->config->workers;
	for (unsigned i = 0; i < supervisor->lanes; i++) {
		close(supervisor->hasher_fds[i][1]);
		if (i != number)
			close(supervisor->hasher_fds[i][0]);
	}
	tls_files_leave(&supervisor->tls_files);
	int *own = supervisor->listen_fds + supervisor->listen_each * number;
	for (size_t i = 0; i < supervisor->listen_each * supervisor->config->workers; i++)
		if (!serves || &supervisor->listen_fds[i] < own ||
		    &supervisor->listen_fds[i] >= own + supervisor->listen_each)
			close(supervisor->listen_fds[i]);
	struct worker_process process = {
		.number = number,
		.config = supervisor->config,
		.servers = supervisor->servers,
		.states = supervisor->states,
		.quotas = supervisor->quotas,
		.guard = supervisor->guard.memory ? &supervisor->guard : NULL,
		.tls_files = &supervisor->tls_files,
		.listen_fds = serves ? own : NULL,
		.listen_count = serves ? supervisor->listen_each : 0,
		.hasher_fd = supervisor->hasher_fds[number][0],
		.salt_secret = supervisor->salt_secret,
		.ready_fd = supervisor->ready_pipe[1],
	};
	_exit(worker_process_run(&process));
}

/* What a dead worker counted in memory of all. A lane without listeners counts nothing. */
static void forget_worker(struct supervisor *supervisor, unsigned number)
{
	server_states_forget_worker(supervisor->states, number);
	if (supervisor->quotas)
		quotas_forget_worker(supervisor->quotas, number);
	if (supervisor->guard.memory)
		guard_forget_worker(&supervisor->guard, number);
	tls_files_forget_worker(&supervisor->tls_files, number);
	for (size_t i = 0; number < supervisor->config->workers && i < supervisor->config->server_count; i++)
		server_block_forget_worker(&supervisor->servers[i], number);
}

/* The other way: from now on it uses what it is forked with. */
static void expect_worker(struct supervisor *supervisor, unsigned number)
{
	if (number < supervisor->config->workers)
		tls_files_expect_worker(&supervisor->tls_files, number);
	for (size_t i = 0; number < supervisor->config->workers && i < supervisor->config->server_count; i++)
		server_block_expect_worker(&supervisor->servers[i], number);
}

int supervisor_look_at_lists(struct supervisor *supervisor)
{
	if (supervisor->ending || !supervisor->said_ready)
		return -1;
	return list_watches_look(&supervisor->lists, supervisor->servers, supervisor_now_ms());
}

static void start(struct supervisor *supervisor, struct child *child)
{
	child->started_ms = supervisor_now_ms();
	child->ready = child->kind == CHILD_HASHER;
	if (child->kind == CHILD_WORKER)
		expect_worker(supervisor, child->number);
	log_flush();
	pid_t supervisor_pid = getpid();
	pid_t pid = fork();
	if (pid < 0) {
		log_message(LOG_ERROR, "fork", "%s", strerror(errno));
		return;
	}
	if (pid > 0) {
		child->pid = pid;
		return;
	}
	end_with_parent(supervisor_pid);
	close(supervisor->signals);
	close(supervisor->ready_pipe[0]);
	if (child->kind == CHILD_HASHER)
		run_hasher(supervisor);
	else
		run_worker(supervisor, child->number);
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
			if (!tls_files_reap(&supervisor->tls_files, pid))
				(void)list_watches_reap(&supervisor->lists, supervisor->servers, pid, status);
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
