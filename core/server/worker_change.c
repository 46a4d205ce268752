/* What comes from the supervisor while a worker runs: another configuration, renewed certificates, changed lists. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/data_folder.h"
#include "core/server/quota_file.h"
#include "core/server/session.h"
#include "core/server/worker_parts.h"

/* --- generations --- */

static size_t most_sessions(const struct config *config)
{
	size_t most = LIMIT_REFUSED_SESSIONS;
	for (size_t i = 0; i < config->server_count; i++)
		most += config->servers[i].limits.connections;
	return most;
}

/* Sessions of generations before count too, so that room only grows. */
static void make_room(struct worker *worker, const struct config *config)
{
	size_t most = most_sessions(config) + worker->sessions.used;
	pool_allow(&worker->sessions, most);
	stream_buffers_allow(&worker->buffers, most);
}

/* The oldest one that is not yet, where there are too many that are not. */
static void retire_oldest(struct worker *worker)
{
	struct generation *oldest = NULL;
	size_t count = 0;
	for (struct list *node = worker->generations.previous; node != &worker->generations; node = node->previous) {
		struct generation *generation = CONTAINER_OF(node, struct generation, link);
		if (generation->retired)
			break;
		oldest = generation;
		count++;
	}
	if (count <= LIMIT_GENERATIONS)
		return;
	oldest->retired = worker->retiring = true;
	log_message(LOG_INFO, "generation-retired",
		    "%zu configurations are in use: sessions of generation %llu are told to come again", count,
		    (unsigned long long)oldest->served.generation);
}

/* Some of the sessions, in this turn. */
static void tell_retired(struct worker *worker)
{
	unsigned left = LIMIT_RETIRED_SESSIONS;
	for (struct list *node = worker->generations.next; node != &worker->generations; node = node->next) {
		struct generation *generation = CONTAINER_OF(node, struct generation, link);
		if (!generation->retired)
			break;
		struct list *first;
		while (left > 0 && (first = list_take_first(&generation->sessions))) {
			list_append(&generation->leaving, first);
			session_retire(CONTAINER_OF(first, struct session, link));
			left--;
		}
	}
	worker->retiring = left == 0;
}

void worker_begin_generation(struct worker *worker, struct generation *generation)
{
	const struct config *config = generation_config(generation);
	generation_hold(generation);
	if (worker->present)
		generation_leave(worker->present);
	worker->present = generation;
	list_append(&worker->generations, &generation->link);
	retire_oldest(worker);
	make_room(worker, config);
	worker->drain_ms = config->drain_ms;
	worker->guard = config->guard.enable ? worker->guard_memory : NULL;
	if (worker->guard_memory)
		worker->guard_memory->settings = config->guard.settings;
	worker->control_servers.config = config;
	worker->control_servers.blocks = generation->served.blocks;
	worker->control_servers.guard = worker->guard;
	queue_change_routes(worker->queue, &config->routes, config->servers[0].hostname);
}

static bool is_over(const struct worker *worker, const struct generation *generation)
{
	return generation->holders == 0 && !queue_uses_routes(worker->queue, &generation_config(generation)->routes);
}

/* To end one turns the loop, and then anything may have changed. */
static void end_old_generations(struct worker *worker)
{
	struct list *node = worker->generations.next;
	while (node != &worker->present->link) {
		struct generation *generation = CONTAINER_OF(node, struct generation, link);
		node = node->next;
		if (!is_over(worker, generation))
			continue;
		generation_destroy(generation);
		node = worker->generations.next;
	}
}

void worker_end_generations(struct worker *worker)
{
	struct list *node;
	if (worker->present)
		generation_leave(worker->present);
	worker->present = NULL;
	while ((node = list_first(&worker->generations)))
		generation_destroy(CONTAINER_OF(node, struct generation, link));
}

/* --- parcels --- */

/* The supervisor has opened the file, and other workers may use it by now. */
static bool open_quotas(struct worker *worker, const struct config *config, struct error *error)
{
	bool wanted = false;
	for (size_t i = 0; i < config->server_count; i++)
		wanted |= quota_limits_anything(&config->servers[i].quota);
	if (!wanted || worker->quotas)
		return true;
	char *path = data_folder_path(config, "quotas");
	worker->quotas = path ? quota_file_join(path, LIMIT_QUOTA_LOGINS, error) : NULL;
	if (!path)
		error_set(error, "no memory");
	free(path);
	return worker->quotas != NULL;
}

static bool change_config(struct worker *worker, struct parcel *parcel, struct error *error)
{
	struct served served;
	const struct served *present = &worker->present->served;
	if (!served_make(&served, parcel, true, present->config->file, present->blocks[0].ticket_secret, error))
		return false;
	struct generation *generation = generation_create(&served, false, &worker->backends, &worker->names, error);
	if (!generation)
		return false;
	if (!open_quotas(worker, generation_config(generation), error) ||
	    (worker->serves && !worker_change_listeners(worker, generation, parcel, error))) {
		generation_destroy(generation);
		return false;
	}
	worker_begin_generation(worker, generation);
	log_configure((enum log_level)generation_config(generation)->log_level, STDERR_FILENO);
	return true;
}

/* The supervisor waits for it; where it has gone there is nothing to tell. */
static void tell_generation(const struct worker *worker)
{
	uint64_t generation = worker->present->served.generation;
	(void)!send(worker->channel.fd, &generation, sizeof generation, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool change_rules(struct worker *worker, const struct parcel *parcel, struct error *error)
{
	const struct served *present = &worker->present->served;
	ASSERT(parcel->server < present->config->server_count);
	return server_block_change_rules(&present->blocks[parcel->server], parcel->fds[0], error);
}

/* Whoever can't change over like all others ends, when his sessions have, and is started anew with what they have. */
static void take_parcel(struct worker *worker, struct parcel *parcel)
{
	struct error error = { "" };
	bool present = parcel->generation == worker->present->served.generation, good = true;
	if (parcel->kind == PARCEL_CONFIG)
		good = change_config(worker, parcel, &error);
	else if (parcel->kind == PARCEL_TLS && present)
		good = served_change_tls(&worker->present->served, parcel->fds[0], &error);
	else if (parcel->kind == PARCEL_LISTS && present)
		good = change_rules(worker, parcel, &error);
	if (good && parcel->kind == PARCEL_CONFIG)
		tell_generation(worker);
	if (good)
		return;
	log_message(LOG_ERROR, "change-failed", "%s; this worker ends, and is started anew with the change",
		    error.text);
	worker_drain(worker);
}

/* --- the channel --- */

static void came(struct loop_op *op, const struct loop_completion *completion)
{
	struct worker_channel *channel = CONTAINER_OF(op, struct worker_channel, poll);
	channel->ready = completion->result > 0;
}

void worker_open_channel(struct worker *worker, int fd)
{
	loop_op_init(&worker->channel.poll);
	worker->channel.fd = fd;
	if (fd >= 0)
		loop_poll(worker->loop, &worker->channel.poll, fd, POLLIN, came);
}

void worker_close_channel(struct worker *worker)
{
	struct worker_channel *channel = &worker->channel;
	if (channel->fd < 0)
		return;
	loop_cancel(worker->loop, &channel->poll);
	if (loop_op_is_running(&channel->poll))
		loop_await(worker->loop, &channel->poll);
	parcel_reader_finish(&channel->reader);
	loop_close(worker->loop, channel->fd);
	channel->fd = -1;
}

/* Where the supervisor has gone this process ends by a signal. */
static void read_channel(struct worker *worker)
{
	struct worker_channel *channel = &worker->channel;
	struct parcel parcel;
	struct error error;
	enum parcel_state state;
	channel->ready = false;
	while (!worker->draining &&
	       (state = parcel_receive(channel->fd, &channel->reader, &parcel, &error)) == PARCEL_WHOLE) {
		take_parcel(worker, &parcel);
		parcel_finish(&parcel);
	}
	if (worker->draining || state == PARCEL_ENDED)
		return;
	if (state == PARCEL_LATER) {
		loop_poll(worker->loop, &channel->poll, channel->fd, POLLIN, came);
		return;
	}
	log_message(LOG_ERROR, "change-failed", "%s; this worker ends, and is started anew", error.text);
	worker_drain(worker);
}

/* Answers how many it was before. */
static rlim_t allow_descriptors(rlim_t count)
{
	struct rlimit files = { 0, 0 };
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return count;
	rlim_t before = files.rlim_cur;
	files.rlim_cur = count < files.rlim_max ? count : files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files); /* a soft limit up to the hard one is everybody's to set */
	return before;
}

void worker_leave_descriptors(void)
{
	enum { SHARE = 8 }; /* where there are few, of them */
	rlim_t all = allow_descriptors(RLIM_INFINITY), most = all / SHARE;
	(void)allow_descriptors(all - (most < LIMIT_CHANGE_DESCRIPTORS ? most : LIMIT_CHANGE_DESCRIPTORS));
}

void worker_take_changes(struct worker *worker)
{
	if (!worker->present)
		return;
	if (worker->channel.ready) {
		rlim_t before = allow_descriptors(RLIM_INFINITY);
		read_channel(worker);
		(void)allow_descriptors(before);
	}
	if (worker->retiring)
		tell_retired(worker);
	if (list_first(&worker->generations) != &worker->present->link)
		end_old_generations(worker);
}
