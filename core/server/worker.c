/* A worker: accepting, the turn, draining; see worker.h. */
#include "core/server/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hidden.h"
#include "core/base/log.h"
#include "core/server/list_reload.h"
#include "core/server/session.h"

enum {
	ACCEPT_AGAIN_MS = 100,
	RENEWAL_LOOK_MS = 500, /* a certificate is served 2 s after its file has changed, all told */
};

/* --- accepting --- */

static void accepted(struct loop_op *op, const struct loop_completion *completion);

static void start_accepting(struct listener *listener)
{
	if (!listener->worker->draining)
		loop_accept(listener->worker->loop, &listener->accept, listener->fd, accepted);
}

static void accept_again(struct timer *timer)
{
	start_accepting(CONTAINER_OF(timer, struct listener, again));
}

/* One line a pause, not one a connection: descriptors run out under load, when lines are dear. */
static void pause_accepting(struct listener *listener, int result)
{
	if (result != -ECANCELED)
		log_message(LOG_WARN, "accept-failed",
			    "%s; trying again in %d ms (is the limit of open files high enough?)", strerror(-result),
			    ACCEPT_AGAIN_MS);
	loop_timer_start(listener->worker->loop, &listener->again, ACCEPT_AGAIN_MS);
}

static void accepted(struct loop_op *op, const struct loop_completion *completion)
{
	struct listener *listener = CONTAINER_OF(op, struct listener, accept);
	struct worker *worker = listener->worker;
	if (completion->result >= 0) {
		if (worker->draining)
			loop_close(worker->loop, completion->result);
		else
			session_create(worker, listener->server, listener->mode, completion->result);
	}
	if (completion->more)
		return;
	if (completion->result < 0)
		pause_accepting(listener, completion->result);
	else
		start_accepting(listener);
}

static bool open_listeners(struct worker *worker, const struct worker_settings *settings, struct error *error)
{
	worker->listeners = calloc(settings->listen_count ? settings->listen_count : 1, sizeof *worker->listeners);
	if (!worker->listeners)
		return error_set(error, "no memory for listeners");
	for (size_t i = 0; settings->listen_fds && i < settings->config->server_count; i++) {
		const struct config_server *server = &settings->config->servers[i];
		for (size_t j = 0; j < server->listener_count; j++) {
			ASSERT(worker->listener_count < settings->listen_count);
			struct listener *listener = &worker->listeners[worker->listener_count];
			*listener = (struct listener){
				.worker = worker,
				.server = &settings->servers[i],
				.fd = settings->listen_fds[worker->listener_count],
				.mode = server->listeners[j].mode,
			};
			loop_op_init(&listener->accept);
			timer_init(&listener->again, accept_again);
			start_accepting(listener);
			worker->listener_count++;
		}
	}
	return true;
}

/* --- what is made anew --- */

/* Sessions keep verdicts over turns, but nothing that lies in the rules; and of TLS what they began with. */
static void look_at_renewals(struct worker *worker)
{
	bool any = worker->tls_files != NULL;
	if (any)
		tls_files_adopt(worker->tls_files, worker->servers, worker->number, &worker->tls_generation);
	for (size_t i = 0; i < worker->config->server_count; i++) {
		any |= worker->servers[i].lists.state != NULL;
		list_reload_adopt(&worker->servers[i], worker->number, &worker->list_generations[i]);
	}
	if (any && !worker->draining)
		loop_timer_start(worker->loop, &worker->renewal_timer, RENEWAL_LOOK_MS);
}

static void renewal_time_has_come(struct timer *timer)
{
	look_at_renewals(CONTAINER_OF(timer, struct worker, renewal_timer));
}

/* A lane without listeners has no sessions. */
static void start_looking_at_renewals(struct worker *worker)
{
	if (worker->listener_count == 0)
		return;
	for (size_t i = 0; i < LIMIT_SERVERS; i++)
		worker->list_generations[i] = SHARED_IMAGE_FIRST;
	worker->tls_generation = SHARED_IMAGE_FIRST;
	look_at_renewals(worker);
}

/* --- life --- */

static size_t most_sessions(const struct config *config)
{
	size_t most = LIMIT_REFUSED_SESSIONS;
	for (size_t i = 0; i < config->server_count; i++)
		most += config->servers[i].limits.connections;
	return most;
}

static void init_memory(struct worker *worker)
{
	size_t most = most_sessions(worker->config);
	pool_init(&worker->sessions, sizeof(struct session), 64, most);
	pool_init(&worker->transactions, sizeof(struct transaction), 16, LIMIT_TRANSACTIONS);
	pool_init(&worker->texts, sizeof(struct transaction_text), 16, LIMIT_TRANSACTIONS);
	pool_init(&worker->blocks, LIMIT_BODY_BLOCK_BYTES, 8, LIMIT_BODY_BLOCKS);
	pool_init(&worker->exchanges, sizeof(struct session_sign_in), 16, LIMIT_SIGN_INS);
	pool_hide(&worker->exchanges);
	pool_init(&worker->from_fields, sizeof(struct session_from), 4, LIMIT_TRANSACTIONS);
	stream_buffers_init(&worker->buffers, most);
	list_init(&worker->live);
	list_init(&worker->ready);
	list_init(&worker->spool_waiters);
	worker->date_second = INT64_MIN;
	buffer_init(&worker->date, worker->date_storage, sizeof worker->date_storage);
	buffer_init(&worker->replies, worker->reply_storage, sizeof worker->reply_storage);
	buffer_init(&worker->challenge, worker->challenge_storage, sizeof worker->challenge_storage);
}

static bool open_lane(struct worker *worker, const struct worker_settings *settings, struct error *error)
{
	struct queue_settings queue = {
		.routes = &settings->config->routes,
		.hostname = settings->config->servers[0].hostname,
	};
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
	worker->control_servers =
		(struct control_servers){ settings->config, settings->states, settings->guard, settings->number };
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
		.config = settings->config,
		.users_directory = settings->users_directory,
		.salt_secret = settings->salt_secret,
		.ntlm_key_file = settings->ntlm_key_file,
		.counts = settings->states ? &settings->states->workers[settings->number].sign_ins : NULL,
		.hasher_fd = settings->hasher_fd,
	};
	return sign_in_backends_open(&worker->backends, &backends, error);
}

/* Only where there are clients: a lane without listeners has none. */
static bool open_names(struct worker *worker, const struct worker_settings *settings, struct error *error)
{
	if (!settings->listen_fds)
		return true;
	worker->names = client_names_create(worker->loop, settings->config, error);
	return worker->names != NULL;
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
	worker->config = settings->config;
	worker->servers = settings->servers;
	worker->states = settings->states;
	worker->quotas = settings->quotas;
	worker->guard = settings->guard;
	worker->tls_files = settings->tls_files && settings->tls_files->contents.state ? settings->tls_files : NULL;
	worker->number = settings->number;
	/* Session numbers of all workers differ, and those of a restarted one too. */
	worker->next_session = (uint64_t)(loop_now(loop)->unix_us / 1000000) << 24 | (uint64_t)settings->number << 18;
	init_memory(worker);
	timer_init(&worker->drain_deadline, drain_time_is_up);
	timer_init(&worker->renewal_timer, renewal_time_has_come);
	if (open_lane(worker, settings, error) && open_users(worker, settings, error) &&
	    open_names(worker, settings, error) && open_listeners(worker, settings, error)) {
		start_looking_at_renewals(worker);
		return worker;
	}
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
	bool more_is_ready = !list_is_empty(&worker->ready);
	if (!loop_turn(worker->loop, wait && !more_is_ready, error))
		return false;
	run_ready(worker);
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

static void drop_sessions(struct worker *worker)
{
	for (struct list *node = worker->live.next, *next; node != &worker->live; node = next) {
		next = node->next;
		session_abort(CONTAINER_OF(node, struct session, link));
	}
}

static void drain_time_is_up(struct timer *timer)
{
	struct worker *worker = CONTAINER_OF(timer, struct worker, drain_deadline);
	log_message(LOG_WARN, "drain", "time is up: %zu sessions are cut off", worker->sessions.used);
	drop_sessions(worker);
}

static void stop_accepting(struct worker *worker)
{
	for (size_t i = 0; i < worker->listener_count; i++) {
		loop_cancel(worker->loop, &worker->listeners[i].accept);
		loop_timer_stop(worker->loop, &worker->listeners[i].again);
	}
}

void worker_drain(struct worker *worker)
{
	if (worker->draining)
		return;
	worker->draining = true;
	stop_accepting(worker);
	for (struct list *node = worker->live.next; node != &worker->live; node = node->next)
		session_drain(CONTAINER_OF(node, struct session, link));
	loop_timer_start(worker->loop, &worker->drain_deadline, worker->config->drain_ms);
}

static bool is_accepting(const struct worker *worker)
{
	for (size_t i = 0; i < worker->listener_count; i++)
		if (loop_op_is_running(&worker->listeners[i].accept))
			return true;
	return false;
}

bool worker_is_drained(const struct worker *worker)
{
	return worker->draining && list_is_empty(&worker->live) && worker->commits == 0 && !is_accepting(worker) &&
	       queue_stop(worker->queue);
}

static void finish_turns(struct worker *worker)
{
	struct error error;
	drop_sessions(worker);
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
	loop_timer_stop(worker->loop, &worker->renewal_timer);
	client_names_destroy(worker->names);
	queue_destroy(worker->queue);
	sign_in_backends_close(&worker->backends);
	free(worker->listeners);
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
