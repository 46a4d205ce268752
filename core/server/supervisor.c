/* Starting, watching and ending the server's processes; see supervisor.h. */
#include "core/server/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/data_folder.h"
#include "core/server/server_states.h"
#include "core/server/sockets.h"
#include "core/server/worker_process.h"
#include "core/users/sign_in.h"
#include "crypto/secret.h"

enum {
	RESTART_MS = 1000,    /* a child that died is started again this long after its last start */
	KILL_AFTER_MS = 5000, /* beyond the drain time */
};

enum child_kind { CHILD_WORKER, CHILD_HASHER };

struct child {
	enum child_kind kind;
	unsigned number;
	pid_t pid; /* 0: not running */
	uint64_t started_ms;
	bool ready;
};

struct supervisor {
	const struct config *config;
	struct run_as run_as;
	struct server_block *servers;
	struct server_states *states;
	int *listen_fds; /* worker by worker */
	size_t listen_each;
	unsigned lanes;
	int (*hasher_fds)[2]; /* a lane each: the worker's end, the hashers' end */
	struct child *children;
	size_t child_count;
	int signals;
	int ready_pipe[2];
	bool ending;
	bool said_ready;
	bool failed_start;
	uint64_t kill_at_ms;
};

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / CLOCK_NS_PER_MS;
}

/* --- children --- */

static void end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == 1)
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
		.listen_fds = serves ? own : NULL,
		.listen_count = serves ? supervisor->listen_each : 0,
		.hasher_fd = supervisor->hasher_fds[number][0],
		.ready_fd = supervisor->ready_pipe[1],
	};
	_exit(worker_process_run(&process));
}

static void start(struct supervisor *supervisor, struct child *child)
{
	child->started_ms = now_ms();
	child->ready = child->kind == CHILD_HASHER;
	log_flush();
	pid_t pid = fork();
	if (pid < 0) {
		log_message(LOG_ERROR, "fork", "%s", strerror(errno));
		return;
	}
	if (pid > 0) {
		child->pid = pid;
		return;
	}
	end_with_parent();
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

static void signal_children(struct supervisor *supervisor, enum child_kind kind, int number)
{
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (supervisor->children[i].pid && supervisor->children[i].kind == kind)
			kill(supervisor->children[i].pid, number);
}

static void end(struct supervisor *supervisor)
{
	if (supervisor->ending)
		return;
	supervisor->ending = true;
	supervisor->kill_at_ms = now_ms() + supervisor->config->drain_ms + KILL_AFTER_MS;
	log_message(LOG_INFO, "ending", "transactions may finish within %llu s",
		    (unsigned long long)supervisor->config->drain_ms / 1000);
	signal_children(supervisor, CHILD_WORKER, SIGTERM);
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

static void reap(struct supervisor *supervisor)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		struct child *child = find_child(supervisor, pid);
		if (!child)
			continue;
		if (!supervisor->ending && !supervisor->said_ready && WIFEXITED(status) &&
		    child->kind == CHILD_WORKER) {
			/* It has said why it can't start; trying again would not help. */
			supervisor->failed_start = true;
			end(supervisor);
		} else if (!supervisor->ending) {
			log_death(child, status);
		}
		if (child->kind == CHILD_WORKER)
			server_states_forget_worker(supervisor->states, child->number);
		child->pid = 0;
		child->ready = false;
	}
}

/* Starts again what died, not more often than once in RESTART_MS each. Answers how long to wait for the next, or -1. */
static int restart(struct supervisor *supervisor)
{
	int wait_ms = -1;
	uint64_t now = now_ms();
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

/* --- set-up --- */

static bool init_servers(struct supervisor *supervisor, struct error *error)
{
	uint8_t secret[TLS_TICKET_SECRET_BYTES];
	const struct config *config = supervisor->config;
	if (!data_folder_ticket_secret(config, &supervisor->run_as, secret, error))
		return false;
	supervisor->servers = calloc(config->server_count, sizeof *supervisor->servers);
	supervisor->states = server_states_create(error);
	bool good = supervisor->servers && supervisor->states;
	for (size_t i = 0; good && i < config->server_count; i++)
		good = server_block_init(&supervisor->servers[i], &config->servers[i], secret, error);
	secret_wipe(secret, sizeof secret);
	return good;
}

static bool init_children(struct supervisor *supervisor, struct error *error)
{
	supervisor->lanes = data_folder_lanes(supervisor->config);
	if (supervisor->lanes > supervisor->config->workers)
		log_message(LOG_INFO, "lanes", "%u lanes of an earlier start are served without listeners",
			    supervisor->lanes - supervisor->config->workers);
	unsigned hashers = supervisor->config->hashers;
	supervisor->child_count = supervisor->lanes + hashers;
	supervisor->children = calloc(supervisor->child_count, sizeof *supervisor->children);
	supervisor->hasher_fds = calloc(supervisor->lanes, sizeof *supervisor->hasher_fds);
	if (!supervisor->children || !supervisor->hasher_fds)
		return error_set(error, "no memory for %zu processes", supervisor->child_count);
	for (unsigned i = 0; i < supervisor->lanes; i++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, supervisor->hasher_fds[i]) !=
		    0)
			return error_set_errno(error, errno, "no socket pair for the hashers");
	for (unsigned i = 0; i < supervisor->child_count; i++)
		supervisor->children[i] = (struct child){
			.kind = i < hashers ? CHILD_HASHER : CHILD_WORKER,
			.number = i < hashers ? i : i - hashers,
		};
	return true;
}

static bool init_signals(struct supervisor *supervisor, struct error *error)
{
	sigset_t wanted;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGHUP);
	sigaddset(&wanted, SIGCHLD);
	/* Blocked in workers too: they read SIGTERM from a descriptor of their own. SIGINT of a terminal reaches all. */
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	signal(SIGPIPE, SIG_IGN);
	supervisor->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor->signals < 0 || pipe2(supervisor->ready_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return error_set_errno(error, errno, "no descriptor for signals");
	return true;
}

static void raise_limits(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	/* Memory holds passwords for moments and keys for ever. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}

/* Workers only read it, and may start before the first user is added. */
static bool make_user_database(const struct config *config, struct error *error)
{
	char *path = data_folder_path(config, "users");
	struct users *users = path ? users_open(path, true, error) : NULL;
	free(path);
	users_close(users);
	return users != NULL;
}

static bool prepare(struct supervisor *supervisor, struct error *error)
{
	const struct config *config = supervisor->config;
	raise_limits();
	if (!run_as_find(config, &supervisor->run_as, error) ||
	    !data_folder_prepare(config, &supervisor->run_as, error) || !init_servers(supervisor, error))
		return false;
	supervisor->listen_fds = sockets_open(config, config->workers, &supervisor->listen_each, error);
	return supervisor->listen_fds && run_as_become(config, &supervisor->run_as, error) &&
	       make_user_database(config, error) && init_signals(supervisor, error) && init_children(supervisor, error);
}

static void finish(struct supervisor *supervisor)
{
	for (size_t i = 0; supervisor->servers && i < supervisor->config->server_count; i++)
		server_block_finish(&supervisor->servers[i]);
	free(supervisor->servers);
	server_states_destroy(supervisor->states);
	free(supervisor->listen_fds);
	free(supervisor->hasher_fds);
	free(supervisor->children);
}

/* --- watching --- */

static void take_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;
	while (read(supervisor->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			reap(supervisor);
		else if (info.ssi_signo == SIGHUP)
			log_message(LOG_WARN, "signal", "SIGHUP: a changed configuration needs a restart");
		else
			end(supervisor);
	}
}

static bool all_ready(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (!supervisor->children[i].ready)
			return false;
	return true;
}

static void take_ready(struct supervisor *supervisor, supervisor_ready *ready, void *context)
{
	uint8_t number;
	while (read(supervisor->ready_pipe[0], &number, 1) == 1)
		for (size_t i = 0; i < supervisor->child_count; i++)
			if (supervisor->children[i].kind == CHILD_WORKER && supervisor->children[i].number == number)
				supervisor->children[i].ready = true;
	if (!supervisor->said_ready && !supervisor->ending && all_ready(supervisor)) {
		supervisor->said_ready = true;
		ready(context);
	}
}

static size_t running(const struct supervisor *supervisor, enum child_kind kind)
{
	size_t count = 0;
	for (size_t i = 0; i < supervisor->child_count; i++)
		count += supervisor->children[i].kind == kind && supervisor->children[i].pid;
	return count;
}

/* Answers false when the server has ended. Workers go first: their last sign-ins still need the hashers. */
static bool go_on_ending(struct supervisor *supervisor, int *status)
{
	if (running(supervisor, CHILD_WORKER) == 0) {
		signal_children(supervisor, CHILD_HASHER, SIGTERM);
		if (running(supervisor, CHILD_HASHER) == 0)
			return false;
	}
	if (now_ms() < supervisor->kill_at_ms)
		return true;
	log_message(LOG_ERROR, "ending", "time is up: killing what is left");
	signal_children(supervisor, CHILD_WORKER, SIGKILL);
	signal_children(supervisor, CHILD_HASHER, SIGKILL);
	supervisor->kill_at_ms = UINT64_MAX;
	*status = EXIT_FAILURE;
	return true;
}

static int watch(struct supervisor *supervisor, supervisor_ready *ready, void *context)
{
	int status = EXIT_SUCCESS;
	for (;;) {
		int wait_ms = restart(supervisor);
		if (supervisor->ending) {
			if (!go_on_ending(supervisor, &status))
				return status;
			wait_ms = 100;
		}
		struct pollfd fds[] = {
			{ .fd = supervisor->signals, .events = POLLIN },
			{ .fd = supervisor->ready_pipe[0], .events = POLLIN },
		};
		if (poll(fds, 2, wait_ms) < 0 && errno != EINTR)
			return EXIT_FAILURE;
		take_signals(supervisor);
		take_ready(supervisor, ready, context);
	}
}

int supervisor_run(const struct config *config, supervisor_ready *ready, void *context, struct error *error)
{
	struct supervisor supervisor = { .config = config };
	int status = 2;
	if (prepare(&supervisor, error)) {
		status = watch(&supervisor, ready, context);
		if (supervisor.failed_start) {
			status = 2;
			error_set(error, "a worker could not start; the line before says why");
		}
	}
	finish(&supervisor);
	return status;
}
