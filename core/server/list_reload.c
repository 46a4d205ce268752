/* Noticing changed list files, and making the rules anew; see list_reload.h. */
#include "core/server/list_reload.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/server_policy.h"

enum {
	MAKER_NICENESS = 10, /* nobody waits for it, and mail is more urgent */
	FIRST_FREE_FD = 3,   /* of a maker */
};

/* --- looking --- */

static bool begin_watch(struct list_watch *watch, const struct config_rules *rules)
{
	*watch = (struct list_watch){ .count = rules->file_count, .made_fd = -1 };
	if (watch->count == 0)
		return true;
	watch->files = calloc(watch->count, sizeof *watch->files);
	for (size_t i = 0; watch->files && i < watch->count; i++)
		file_watch_begin(&watch->files[i], rules->files[i].path);
	return watch->files != NULL;
}

bool list_watches_begin(struct list_watches *watches, const struct config *config, struct error *error)
{
	*watches = (struct list_watches){ .servers = calloc(config->server_count, sizeof *watches->servers) };
	bool good = watches->servers != NULL;
	for (size_t i = 0; good && i < config->server_count; i++, watches->count++) {
		good = begin_watch(&watches->servers[i], &config->servers[i].connect.rules);
		watches->any |= watches->servers[i].count > 0;
	}
	return good || error_set(error, "no memory to watch list files");
}

/* Changed in that second too: which came first is not known. */
void list_watches_doubt(struct list_watches *watches, time_t since)
{
	for (size_t i = 0; i < watches->count; i++) {
		struct list_watch *watch = &watches->servers[i];
		for (size_t j = 0; j < watch->count; j++)
			if (watch->files[j].taken.changed.tv_sec >= since)
				watch->files[j].taken = (struct file_state){ .inode = 0 };
	}
}

static void close_made(struct list_watch *watch)
{
	if (watch->made_fd >= 0)
		close(watch->made_fd);
	watch->made_fd = -1;
}

static void stop_making(struct list_watch *watch)
{
	if (watch->maker)
		kill(watch->maker, SIGKILL);
	watch->maker = 0;
	close_made(watch);
}

void list_watches_leave(struct list_watches *watches)
{
	for (size_t i = 0; i < watches->count; i++)
		close_made(&watches->servers[i]);
}

void list_watches_finish(struct list_watches *watches)
{
	for (size_t i = 0; i < watches->count; i++) {
		stop_making(&watches->servers[i]);
		free(watches->servers[i].files);
	}
	free(watches->servers);
	*watches = (struct list_watches){ .servers = NULL };
}

/* All are looked at: a look also sees that a file stays as it is. */
static bool has_changed(struct list_watch *watch)
{
	bool changed = false;
	for (size_t i = 0; i < watch->count; i++)
		changed |= file_watch_look(&watch->files[i]);
	return changed;
}

/* --- making --- */

static void tell(void *context, const char *path, uint32_t line, const char *what)
{
	(void)context;
	if (line)
		log_message(LOG_ERROR, "list-wrong", "%s:%u: %s", path, line, what);
	else
		log_message(LOG_ERROR, "list-wrong", "%s: %s", path, what);
}

/* Answers the exit status of the process. */
static int make(const struct server_block *block, int fd)
{
	struct policy_rules rules = block->policy.connect;
	struct error error = { "" };
	if (!server_policy_read_connect(&rules, block->config, &(struct policy_problems){ tell, NULL }))
		return EXIT_FAILURE;
	if (server_policy_write_rules(&rules, fd, &error))
		return EXIT_SUCCESS;
	log_message(LOG_ERROR, "list-wrong", "%s", error.text);
	return EXIT_FAILURE;
}

static void run_maker(const struct server_block *block, int fd)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* It may take long, and must not keep sockets open that the server closes. */
	if (dup2(fd, FIRST_FREE_FD) == FIRST_FREE_FD)
		close_range(FIRST_FREE_FD + 1, ~0U, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (nice(MAKER_NICENESS) < 0)
		errno = 0;
	int status = make(block, FIRST_FREE_FD);
	log_flush();
	_exit(status);
}

static void start_making(struct list_watch *watch, const struct server_block *block)
{
	log_flush();
	int fd = memfd_create("postern-lists", MFD_CLOEXEC);
	pid_t pid = fd < 0 ? -1 : fork();
	if (pid == 0)
		run_maker(block, fd);
	if (pid < 0) {
		log_message(LOG_ERROR, "fork", "%s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	watch->maker = pid;
	watch->made_fd = fd;
	for (size_t i = 0; i < watch->count; i++)
		file_watch_take(&watch->files[i]);
}

int list_watches_look(struct list_watches *watches, const struct server_block *blocks, uint64_t now_ms)
{
	if (!watches->any)
		return -1;
	if (now_ms < watches->looked_ms + LIST_LOOK_MS)
		return (int)(watches->looked_ms + LIST_LOOK_MS - now_ms);
	watches->looked_ms = now_ms;
	for (size_t i = 0; i < watches->count; i++) {
		struct list_watch *watch = &watches->servers[i];
		if (has_changed(watch) && watch->maker == 0)
			start_making(watch, &blocks[i]);
	}
	return LIST_LOOK_MS;
}

bool list_watches_reap(struct list_watches *watches, pid_t pid, int status, size_t *server, int *fd)
{
	size_t at = 0;
	while (at < watches->count && watches->servers[at].maker != pid)
		at++;
	if (at == watches->count)
		return false;
	struct list_watch *watch = &watches->servers[at];
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
	if (WIFSIGNALED(status)) /* else it has said itself what is wrong */
		log_message(
			LOG_ERROR, "list-wrong",
			"the process that read the lists has died: %s; they are read again when one of them changes",
			strsignal(WTERMSIG(status)));
	*server = at;
	*fd = good ? watch->made_fd : -1;
	if (good)
		watch->made_fd = -1;
	watch->maker = 0;
	stop_making(watch);
	return true;
}
