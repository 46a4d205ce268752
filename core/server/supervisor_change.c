/* What the supervisor changes over to, for itself, since workers that are started later are forked with it, and for those that run;
 * see supervisor_parts.h. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/supervisor_parts.h"

/* --- handing on --- */

static bool is_told(const struct child *child)
{
	return child->kind == CHILD_WORKER && child->pid && child->channel >= 0;
}

/* A worker that can't be told must not go on with what is no more: it ends, when its sessions have, and is started anew. Nothing further
 * is handed to it: if it hangs, the supervisor would wait for it each time. */
static void give_up(struct child *child, const struct error *error)
{
	log_message(LOG_ERROR, "change-failed", "worker %u: %s; it is ended, and started anew with the change",
		    child->number, error->text);
	kill(child->pid, SIGTERM);
	close(child->channel);
	child->channel = -1;
}

static void hand_to(struct child *child, const struct parcel *parcel)
{
	struct error error;
	if (!parcel_send(child->channel, parcel, &error))
		give_up(child, &error);
}

/* The same to all. */
static void hand_to_all(struct supervisor *supervisor, const struct parcel *parcel)
{
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (is_told(&supervisor->children[i]))
			hand_to(&supervisor->children[i], parcel);
}

/* --- configurations --- */

/* What one is served with beside the blocks. */
struct change {
	struct served served;
	struct list_watches lists;
	struct listening listening;
	size_t new_ones; /* listeners */
};

/* Those that there are, and the parcel's; both stay whose they are. */
static bool gather_sockets(const struct supervisor *supervisor, const struct parcel *parcel, struct change *change,
			   struct error *error)
{
	const struct config *before = supervisor->served.config, *config = change->served.config;
	const struct listening *had = &supervisor->listening;
	struct listening *listening = &change->listening;
	uint32_t next = served_files(config, false);
	listening->each = served_listeners(config);
	change->new_ones = served_new_listeners(before, config);
	if (parcel->count != next + change->new_ones * config->workers)
		return error_set(error, "what came of the configuration is cut short");
	listening->fds = malloc(listening->each * config->workers * sizeof *listening->fds);
	if (!listening->fds)
		return error_set(error, "no memory for sockets");
	for (unsigned worker = 0; worker < config->workers; worker++) {
		for (size_t i = 0; i < listening->each; i++) {
			int same = served_listener_before(before, config, i);
			listening->fds[worker * listening->each + i] =
				same >= 0 ? had->fds[worker * had->each + (size_t)same] : parcel->fds[next++];
		}
	}
	return true;
}

static bool make_change(struct supervisor *supervisor, const struct parcel *parcel, struct change *change,
			struct error *error)
{
	const struct served *present = &supervisor->served;
	return served_make(&change->served, parcel, false, present->config->file, present->blocks[0].ticket_secret,
			   error) &&
	       served_go_on(&change->served, present, supervisor->states, error) &&
	       supervisor_open_quotas(supervisor, change->served.config, error) &&
	       list_watches_begin(&change->lists, change->served.config, error) &&
	       gather_sockets(supervisor, parcel, change, error);
}

static void undo(struct change *change)
{
	free(change->listening.fds);
	list_watches_finish(&change->lists);
	if (change->served.config)
		served_finish(&change->served);
}

/* The sockets that it does not have yet are the last of its parcel. */
static void hand_config_to(const struct supervisor *supervisor, struct child *child, const struct change *change,
			   const struct parcel *from)
{
	struct parcel parcel;
	struct error error;
	const struct config *config = change->served.config;
	if (!served_pack(&change->served, from, change->new_ones, &parcel, &error)) {
		give_up(child, &error);
		return;
	}
	const int *own = change->listening.fds + change->listening.each * child->number;
	for (size_t i = 0; child->number < config->workers && i < change->listening.each; i++)
		if (served_listener_before(supervisor->served.config, config, i) < 0)
			parcel.fds[parcel.count++] = own[i];
	hand_to(child, &parcel);
	free(parcel.fds);
}

/* Those of listeners that are no more. */
static void close_old_sockets(const struct listening *had, const struct listening *have, unsigned workers)
{
	for (size_t i = 0; i < had->each * workers; i++) {
		size_t at = 0;
		while (at < have->each * workers && have->fds[at] != had->fds[i])
			at++;
		if (at == have->each * workers)
			close(had->fds[i]);
	}
}

static void tell(const char *event, const struct config *config, size_t listener)
{
	size_t block;
	const struct config_listener *found = served_listener(config, listener, &block);
	log_message(LOG_INFO, event, "%s: %s", config->servers[block].name, found->text);
}

static void tell_listeners(const struct config *before, const struct config *config)
{
	for (size_t i = 0; served_listener(config, i, NULL); i++)
		if (served_listener_before(before, config, i) < 0)
			tell("listening", config, i);
	for (size_t i = 0; served_listener(before, i, NULL); i++)
		if (served_listener_before(config, before, i) < 0)
			tell("closing", before, i);
}

static void take_over(struct supervisor *supervisor, struct change *change, struct parcel *parcel)
{
	const struct config *config = change->served.config;
	for (uint32_t i = served_files(config, false); i < parcel->count; i++)
		(void)parcel_take(parcel, i);
	tell_listeners(supervisor->served.config, config);
	close_old_sockets(&supervisor->listening, &change->listening, config->workers);
	free(supervisor->listening.fds);
	supervisor->listening = change->listening;
	list_watches_doubt(&change->lists, supervisor->reload.since);
	list_watches_finish(&supervisor->lists);
	supervisor->lists = change->lists;
	served_finish(&supervisor->served);
	supervisor->served = change->served;
	supervisor->guard.settings = config->guard.settings;
	log_configure((enum log_level)config->log_level, STDERR_FILENO);
	atomic_store_explicit(&supervisor->states->log_level, config->log_level, memory_order_relaxed);
}

bool supervisor_change_config(struct supervisor *supervisor, struct parcel *parcel, struct error *error)
{
	struct change change = { .new_ones = 0 };
	if (!make_change(supervisor, parcel, &change, error)) {
		undo(&change);
		return false;
	}
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (is_told(&supervisor->children[i]))
			hand_config_to(supervisor, &supervisor->children[i], &change, parcel);
	take_over(supervisor, &change, parcel);
	return true;
}

/* --- certificates --- */

void supervisor_change_tls(struct supervisor *supervisor, struct parcel *parcel)
{
	struct error error;
	if (parcel->generation != supervisor->served.generation || parcel->count != 1) {
		(void)keeper_tell(&supervisor->keeper, KEEPER_LOOK, 0);
		return;
	}
	if (!served_change_tls(&supervisor->served, parcel->fds[0], &error)) {
		log_message(LOG_ERROR, "certificates-refused", "%s; the ones before are served on", error.text);
		return;
	}
	hand_to_all(supervisor, parcel);
	log_message(LOG_INFO, "certificates", "new sessions get the certificates as they are now");
}

/* --- lists --- */

bool supervisor_change_lists(struct supervisor *supervisor, pid_t pid, int status)
{
	struct error error = { "" };
	size_t server;
	int fd;
	if (!list_watches_reap(&supervisor->lists, pid, status, &server, &fd))
		return false;
	struct server_block *block = &supervisor->served.blocks[server];
	bool good = fd >= 0 && server_block_change_rules(block, fd, &error);
	struct parcel parcel = { .kind = PARCEL_LISTS,
				 .server = (uint32_t)server,
				 .generation = supervisor->served.generation,
				 .count = 1,
				 .fds = &fd };
	if (good)
		hand_to_all(supervisor, &parcel);
	else if (error.text[0])
		log_message(LOG_ERROR, "list-wrong", "%s", error.text);
	if (fd >= 0)
		close(fd);
	log_message(good ? LOG_INFO : LOG_ERROR, good ? "lists" : "lists-refused", "server %s: %s", block->config->name,
		    good ? "changed lists are in force" : "the lists as they were before stay in force");
	return true;
}
