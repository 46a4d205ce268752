/* A worker: accepting, the turn, draining; see worker.h. */
#include "core/server/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hidden.h"
#include "core/base/log.h"
#include "core/server/session.h"
#include "core/server/worker_parts.h"

/* --- life --- */

static void init_memory(struct worker *worker)
{
	/* Room for sessions is what the configuration says. */
	pool_init(&worker->sessions, sizeof(struct session), 64, 0);
	pool_init(&worker->transactions, sizeof(struct transaction), 16, LIMIT_TRANSACTIONS);
	pool_init(&worker->texts, sizeof(struct transaction_text), 16, LIMIT_TRANSACTIONS);
	pool_init(&worker->blocks, LIMIT_BODY_BLOCK_BYTES, 8, LIMIT_BODY_BLOCKS);
	pool_init(&worker->exchanges, sizeof(struct session_sign_in), 16, LIMIT_SIGN_INS);
	pool_hide(&worker->exchanges);
	pool_init(&worker->from_fields, sizeof(struct session_from), 4, LIMIT_TRANSACTIONS);
	stream_buffers_init(&worker->buffers, 0);
	list_init(&worker->generations);
	list_init(&worker->listeners);
	list_init(&worker->ready);
	list_init(&worker->spool_waiters);
	worker->date_second = INT64_MIN;
	buffer_init(&worker->date, worker->date_storage, sizeof worker->date_storage);
	buffer_init(&worker->replies, worker->reply_storage, sizeof worker->reply_storage);
	buffer_init(&worker->challenge, worker->challenge_storage, sizeof worker->challenge_storage);
}

static bool open_lane(struct worker *worker, const struct worker_settings *settings, struct error *error)
{
	const struct config *config = settings->served->config;
	struct queue_settings queue = { .routes = &config->routes, .hostname = config->servers[0].hostname };
	worker->queue = queue_create(worker->loop, &queue, error);
	if (!worker->queue)
		return false;
	struct spool_settings lane = {
		.directory = settings->lane_directory,
		.lane = settings->number,
		.segment_bytes = settings->segment_bytes,
		.compaction_ms = settings->compaction_ms,
	};
	worker->spool = spool_open(worker->loop, &lane, queue_recovered, queue_moved, worker->queue, error);
	if (!worker->spool)
		return false;
	queue_start(worker->queue, worker->spool);
	worker->refusal_file = refusal_file_create(worker->loop, settings->lane_directory, settings->number);
	if (!worker->refusal_file)
		return error_set(error, "no memory for refusals");
	worker->control_servers = (struct control_servers){ .states = settings->states, .worker = settings->number };
	struct control_settings control = {
		.queue = worker->queue,
		.servers = &worker->control_servers,
		.directory = settings->lane_directory,
	};
	worker->control = control_start(worker->loop, &control, error);
	return worker->control != NULL;
}

static bool open_users(struct worker *worker, const struct worker_settings *settings, struct error *error)
{
	if (settings->hasher_fd < 0)
		return true;
	struct sign_in_backends_settings backends = {
		.loop = worker->loop,
		.users_directory = settings->users_directory,
		.salt_secret = settings->salt_secret,
		.ntlm_key_file = settings->ntlm_key_file,
		.counts = settings->states ? &settings->states->workers[settings->number].sign_ins : NULL,
		.hasher_fd = settings->hasher_fd,
		.hashers = settings->served->config->hashers,
	};
	return sign_in_backends_open(&worker->backends, &backends, error);
}

static bool begin_serving(struct worker *worker, const struct worker_settings *settings, struct served *served,
			  struct error *error)
{
	struct generation *generation =
		generation_create(served, !settings->takes_served, &worker->backends, &worker->names, error);
	served->config = NULL;
	if (!generation)
		return false;
	worker_begin_generation(worker, generation);
	return !settings->listen_fds || worker_open_listeners(worker, settings->listen_fds, error);
}

static bool open_all(struct worker *worker, const struct worker_settings *settings, struct error *error)
{
	struct served served = *settings->served;
	bool good = open_lane(worker, settings, error) && open_users(worker, settings, error) &&
		    begin_serving(worker, settings, &served, error);
	if (served.config && settings->takes_served)
		served_finish(&served);
	if (good)
		worker_open_channel(worker, settings->channel_fd);
	return good;
}

static void drain_time_is_up(struct timer *timer);

struct worker *worker_create(struct loop *loop, const struct worker_settings *settings, struct error *error)
{
	struct worker *worker = hidden_allocate(sizeof *worker); /* for what a session uses of it */
	if (worker)
		memset(worker, 0, sizeof *worker);
	if (!worker) {
		loop_destroy(loop);
		error_set(error, "no memory for a worker");
		return NULL;
	}
	worker->loop = loop;
	worker->states = settings->states;
	worker->quotas = settings->quotas;
	worker->guard_memory = settings->guard;
	worker->number = settings->number;
	worker->drain_ms = settings->served->config->drain_ms;
	worker->serves = settings->listen_fds != NULL;
	worker->channel.fd = -1;
	/* Session numbers of all workers differ, and those of a restarted one too. */
	worker->next_session = (uint64_t)(loop_now(loop)->unix_us / 1000000) << 24 | (uint64_t)settings->number << 18;
	init_memory(worker);
	client_names_init(&worker->names, loop);
	timer_init(&worker->drain_deadline, drain_time_is_up);
	if (open_all(worker, settings, error))
		return worker;
	worker_destroy(worker);
	return NULL;
}

static void run_ready(struct worker *worker)
{
	if (!list_is_empty(&worker->spool_waiters) && !spool_is_busy(worker->spool))
		list_splice(&worker->ready, &worker->spool_waiters);
	/* Only what is ready now: a session that becomes ready meanwhile waits for the next turn. */
	struct list now;
	list_init(&now);
	list_splice(&now, &worker->ready);
	struct list *node;
	while ((node = list_first(&now)))
		session_continue(CONTAINER_OF(node, struct session, ready));
}

bool worker_turn(struct worker *worker, bool wait, struct error *error)
{
	bool more_is_ready = !list_is_empty(&worker->ready) || worker->retiring;
	if (!loop_turn(worker->loop, wait && !more_is_ready, error))
		return false;
	run_ready(worker);
	worker_take_changes(worker);
	return true;
}

/* Written once a second, not once a message. */
struct slice worker_date(struct worker *worker)
{
	int64_t now_us = loop_now(worker->loop)->unix_us;
	int64_t second = now_us / 1000000;
	if (second != worker->date_second) {
		buffer_clear(&worker->date);
		bool written = message_date_write(&worker->date, now_us);
		ASSERT(written);
		worker->date_second = second;
	}
	return buffer_slice(&worker->date);
}

/* --- draining --- */

static void with_each_of(struct list *sessions, void with(struct session *session))
{
	for (struct list *node = sessions->next, *next; node != sessions; node = next) {
		next = node->next;
		with(CONTAINER_OF(node, struct session, link));
	}
}

static void with_each_session(struct worker *worker, void with(struct session *session))
{
	for (struct list *node = worker->generations.next; node != &worker->generations; node = node->next) {
		struct generation *generation = CONTAINER_OF(node, struct generation, link);
		with_each_of(&generation->sessions, with);
		with_each_of(&generation->leaving, with);
	}
}

static void drain_time_is_up(struct timer *timer)
{
	struct worker *worker = CONTAINER_OF(timer, struct worker, drain_deadline);
	log_message(LOG_WARN, "drain", "time is up: %zu sessions are cut off", worker->sessions.used);
	with_each_session(worker, session_abort);
}

void worker_drain(struct worker *worker)
{
	if (worker->draining)
		return;
	worker->draining = true;
	worker_stop_accepting(worker);
	with_each_session(worker, session_drain);
	loop_timer_start(worker->loop, &worker->drain_deadline, worker->drain_ms);
}

bool worker_is_drained(const struct worker *worker)
{
	return worker->draining && worker->sessions.used == 0 && worker->commits == 0 && !worker_is_accepting(worker) &&
	       queue_stop(worker->queue);
}

static void finish_turns(struct worker *worker)
{
	struct error error;
	with_each_session(worker, session_abort);
	while (!worker_is_drained(worker))
		if (!worker_turn(worker, true, &error))
			return;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	if (worker->spool) {
		worker_drain(worker);
		finish_turns(worker);
		control_stop(worker->control);
		refusal_file_destroy(worker->refusal_file);
		spool_close(worker->spool);
	}
	loop_timer_stop(worker->loop, &worker->drain_deadline);
	worker_close_channel(worker);
	worker_free_listeners(worker);
	worker_end_generations(worker);
	queue_destroy(worker->queue);
	sign_in_backends_close(&worker->backends);
	stream_buffers_finish(&worker->buffers);
	pool_finish(&worker->from_fields);
	pool_finish(&worker->exchanges);
	pool_finish(&worker->blocks);
	pool_finish(&worker->texts);
	pool_finish(&worker->transactions);
	pool_finish(&worker->sessions);
	loop_destroy(worker->loop);
	hidden_free(worker, sizeof *worker);
}
