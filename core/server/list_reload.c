/* Noticing changed list files, making the rules anew, changing over; see list_reload.h. */
#include "core/server/list_reload.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/policy/rules_image.h"
#include "core/server/server_policy.h"

enum { MAKER_NICENESS = 10 }; /* nobody waits for it, and mail is more urgent */

/* --- looking --- */

static bool begin_watch(struct list_watch *watch, const struct config_rules *rules)
{
	*watch = (struct list_watch){ .count = rules->file_count };
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

void list_watches_finish(struct list_watches *watches)
{
	for (size_t i = 0; i < watches->count; i++)
		free(watches->servers[i].files);
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
static int make(struct server_block *block)
{
	struct policy_rules rules = block->policy.connect;
	struct error error = { "" };
	if (!server_policy_read_connect(&rules, block->config, &(struct policy_problems){ tell, NULL }))
		return EXIT_FAILURE;
	size_t size = policy_rules_image_bytes(&rules);
	void *memory = shared_image_reserve(&block->lists, size, &error);
	if (!memory) {
		log_message(LOG_ERROR, "list-wrong", "%s", error.text);
		return EXIT_FAILURE;
	}
	policy_rules_image_write(&rules, memory);
	return EXIT_SUCCESS;
}

static void start_making(struct list_watch *watch, struct server_block *block)
{
	log_flush();
	pid_t pid = fork();
	if (pid < 0) {
		log_message(LOG_ERROR, "fork", "%s", strerror(errno));
		return;
	}
	if (pid > 0) {
		watch->maker = pid;
		for (size_t i = 0; i < watch->count; i++)
			file_watch_take(&watch->files[i]);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (nice(MAKER_NICENESS) < 0)
		errno = 0;
	int status = make(block);
	log_flush();
	_exit(status);
}

int list_watches_look(struct list_watches *watches, struct server_block *blocks, uint64_t now_ms)
{
	if (!watches->any)
		return -1;
	if (now_ms < watches->looked_ms + LIST_LOOK_MS)
		return (int)(watches->looked_ms + LIST_LOOK_MS - now_ms);
	watches->looked_ms = now_ms;
	for (size_t i = 0; i < watches->count; i++) {
		struct list_watch *watch = &watches->servers[i];
		if (has_changed(watch) && watch->maker == 0 && shared_image_is_free(&blocks[i].lists))
			start_making(watch, &blocks[i]);
	}
	return LIST_LOOK_MS;
}

bool list_watches_reap(struct list_watches *watches, struct server_block *blocks, pid_t pid, int status)
{
	size_t at = 0;
	while (at < watches->count && watches->servers[at].maker != pid)
		at++;
	if (at == watches->count)
		return false;
	watches->servers[at].maker = 0;
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
	if (good)
		shared_image_publish(&blocks[at].lists);
	log_message(good ? LOG_INFO : LOG_ERROR, good ? "lists" : "lists-refused", "server %s: %s",
		    blocks[at].config->name,
		    good ? "changed lists are in force" : "the lists as they were before stay in force");
	return true;
}

/* --- changing over --- */

void list_reload_adopt(struct server_block *block, unsigned worker, uint64_t *generation)
{
	struct policy_rules rules;
	struct error error = { "" };
	uint64_t next;
	if (!block->lists.state || shared_image_generation(&block->lists) == *generation)
		return;
	struct slice contents = shared_image_map(&block->lists, &next, &error);
	if (!policy_rules_image_open(contents, &rules)) {
		shared_image_unmap(contents);
		log_message(LOG_ERROR, "lists-refused", "server %s: %s; trying again", block->config->name,
			    error.text[0] ? error.text : "no memory");
		return;
	}
	policy_rules_finish(&block->policy.connect);
	shared_image_unmap(block->list_contents);
	block->policy.connect = rules;
	block->list_contents = contents;
	*generation = next;
	shared_image_settle(&block->lists, worker, next);
}
