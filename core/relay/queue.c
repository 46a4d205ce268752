/* The queue's index; see queue.h. */
#include <stdlib.h>

#include "core/base/log.h"
#include "core/relay/queue_state.h"

enum {
	DELIVERIES_UNLESS_SAID = 64,
	/* Deliveries that only wait for their last record don't keep others from starting, up to this many times as many. */
	SESSIONS_A_DELIVERY = 4,
	MESSAGES_A_SLAB = 1024,
	SESSIONS_A_SLAB = 16,
	CHUNKS_A_SLAB = 4,
	RESUME_MS = 10,
};

static uint64_t now_ms(const struct queue *queue)
{
	return loop_now(queue->loop)->monotonic_ns / CLOCK_NS_PER_MS;
}

/* --- states --- */

static void start_retry_timer(struct queue *queue, uint64_t due_ms)
{
	if (timer_is_running(&queue->retry) && queue->retry_due_ms <= due_ms)
		return;
	uint64_t now = now_ms(queue);
	queue->retry_due_ms = due_ms;
	loop_timer_start(queue->loop, &queue->retry, due_ms > now ? due_ms - now : 0);
}

static void append_waiting(struct queue *queue, struct queue_message *message)
{
	int64_t age_us = loop_now(queue->loop)->unix_us - message->accepted_unix_us;
	unsigned step = schedule_step(age_us);
	message->due_ms = now_ms(queue) + schedule_delay_ms(step);
	list_append(&queue->waiting[step], &message->link);
	start_retry_timer(queue, message->due_ms);
}

void queue_enter(struct queue *queue, struct queue_message *message, enum message_state state)
{
	enum {
		NEW = 1 << MESSAGE_NEW,
		READY = 1 << MESSAGE_READY,
		DELIVERING = 1 << MESSAGE_DELIVERING,
		WAITING = 1 << MESSAGE_WAITING,
		HELD = 1 << MESSAGE_HELD
	};
	static const uint8_t may_come_from[MESSAGE_STATES] = {
		[MESSAGE_READY] = NEW | READY | DELIVERING | WAITING | HELD,
		[MESSAGE_DELIVERING] = READY,
		[MESSAGE_WAITING] = DELIVERING | WAITING,
		[MESSAGE_HELD] = NEW | READY | DELIVERING | WAITING | HELD,
	};
	ASSERT(may_come_from[state] >> message->state & 1);
	list_remove(&message->link);
	queue->state_counts[message->state]--;
	queue->state_counts[state]++;
	message->state = (uint8_t)state;
	if (state == MESSAGE_READY)
		list_append(&queue->ready, &message->link);
	else if (state == MESSAGE_HELD)
		list_append(&queue->held, &message->link);
	else if (state == MESSAGE_WAITING)
		append_waiting(queue, message);
}

struct queue_message *queue_find(const struct queue *queue, uint64_t id)
{
	struct map_node *node = map_find(&queue->by_id, id);
	return node ? CONTAINER_OF(node, struct queue_message, node) : NULL;
}

void queue_drop(struct queue *queue, struct queue_message *message)
{
	spool_forget(queue->spool, queue_message_id(message), message->place, message->large);
	map_remove(&queue->by_id, &message->node);
	list_remove(&message->link);
	queue->state_counts[message->state]--;
	free(message->done_bits);
	pool_give(&queue->messages, message);
}

static size_t done_bytes(uint32_t recipients)
{
	return (recipients + 7) / 8;
}

/* Where there is no memory for the bits the recipient may be delivered again, to the same name in the same Maildir. */
void queue_mark_done(struct queue_message *message, uint32_t recipient)
{
	ASSERT(recipient < message->recipients);
	if (!message->done_bits)
		message->done_bits = calloc(done_bytes(message->recipients), 1);
	if (message->done_bits)
		message->done_bits[recipient / 8] |= (uint8_t)(1 << recipient % 8);
}

/* --- coming in --- */

static void copy_done_bits(struct queue_message *message, const uint8_t *done_bits)
{
	for (uint32_t i = 0; done_bits && i < message->recipients; i++)
		if (done_bits[i / 8] >> i % 8 & 1)
			queue_mark_done(message, i);
}

static void log_held(uint64_t id, uint32_t recipients)
{
	struct log_line line;
	if (!log_begin(&line, LOG_DEBUG, "held"))
		return;
	char text[SPOOL_ID_TEXT_BYTES];
	spool_id_format(id, text);
	log_text(&line, "id", text);
	log_number(&line, "recipients", recipients);
	log_end(&line);
}

/* All who are left have routes that hold. */
static bool is_held(const struct queue *queue, const struct queue_message *message, struct slice bytes)
{
	struct envelope envelope;
	return envelope_read(&envelope, bytes) &&
	       recipients_are_held(&envelope, message->done_bits, &queue->recipients);
}

static struct queue_message *add(struct queue *queue, const struct spool_message *durable)
{
	struct queue_message *message = pool_take(&queue->messages);
	if (!message)
		return NULL;
	*message = (struct queue_message){
		.node.hash = durable->id,
		.place = durable->place,
		.recipients = durable->recipients,
		.accepted_unix_us = durable->accepted_unix_us,
		.large = durable->large,
		.state = MESSAGE_NEW,
	};
	list_init(&message->link);
	copy_done_bits(message, durable->done_bits);
	map_insert(&queue->by_id, &message->node, queue_message_id(message));
	queue->state_counts[MESSAGE_NEW]++;
	return message;
}

static void admit(struct queue *queue, const struct spool_message *durable)
{
	if (durable->held) {
		queue->sleeping++;
		log_held(durable->id, durable->recipients);
		return;
	}
	struct queue_message *message = add(queue, durable);
	if (!message) {
		log_message(LOG_ERROR, "queue-full",
			    "no memory for a message in the queue; it is safe and is delivered after a restart");
		return;
	}
	/* What can't be read is for the delivery to find and to report. */
	bool held = is_held(queue, message, durable->envelope);
	queue_enter(queue, message, held ? MESSAGE_HELD : MESSAGE_READY);
	if (held)
		log_held(durable->id, durable->recipients);
}

struct queue_message *queue_wake(struct queue *queue, const struct spool_message *sleeping)
{
	ASSERT(queue->sleeping > 0);
	struct queue_message *message = add(queue, sleeping);
	if (!message)
		return NULL;
	queue->sleeping--;
	queue_enter(queue, message, MESSAGE_HELD);
	return message;
}

void queue_recovered(void *context, const struct spool_message *message)
{
	admit(context, message);
}

void queue_moved(void *context, uint64_t id, struct spool_place to)
{
	struct queue_message *message = queue_find(context, id);
	if (message)
		message->place = to;
}

void queue_add(struct queue *queue, const struct spool_message *message)
{
	admit(queue, message);
	queue_advance(queue);
}

bool queue_would_hold(const struct queue *queue, struct slice recipient_domain)
{
	const struct route *route = route_find(queue->settings.routes, recipient_domain);
	return !route || route->kind == ROUTE_HOLD;
}

/* --- deliveries --- */

static bool start_delivery(struct queue *queue)
{
	struct delivery *delivery = pool_take(&queue->sessions);
	uint8_t *chunk = delivery ? pool_take(&queue->chunks) : NULL;
	if (!chunk) {
		pool_give(&queue->sessions, delivery);
		return false;
	}
	struct queue_message *message = CONTAINER_OF(list_first(&queue->ready), struct queue_message, link);
	queue_enter(queue, message, MESSAGE_DELIVERING);
	list_append(&queue->deliveries, &delivery->link);
	delivery_start(delivery, queue, message, chunk);
	return true;
}

void queue_resume_later(struct queue *queue)
{
	if (!timer_is_running(&queue->resume))
		loop_timer_start(queue->loop, &queue->resume, RESUME_MS);
}

void queue_resume_soon(struct queue *queue)
{
	loop_timer_start(queue->loop, &queue->resume, 0);
}

void queue_advance(struct queue *queue)
{
	if (!queue->spool || queue->stopping || queue->settings.orders_only)
		return;
	while (!list_is_empty(&queue->ready) && queue->chunks.used < queue->settings.deliveries) {
		if (spool_is_busy(queue->spool)) {
			queue_resume_later(queue);
			return;
		}
		if (!start_delivery(queue)) {
			/* The end of a delivery goes on; if none runs, memory is short. */
			if (list_is_empty(&queue->deliveries))
				queue_resume_later(queue);
			return;
		}
	}
}

void queue_take_back_chunk(struct queue *queue, struct delivery *delivery)
{
	pool_give(&queue->chunks, delivery->chunk);
	delivery->chunk = NULL;
	queue_advance(queue);
}

void queue_delivery_ended(struct queue *queue, struct delivery *delivery)
{
	static const uint8_t next_state[] = {
		[DELIVERY_DEFERRED] = MESSAGE_WAITING,
		[DELIVERY_HELD] = MESSAGE_HELD,
		[DELIVERY_INTERRUPTED] = MESSAGE_READY,
	};
	struct queue_message *message = delivery->message;
	enum delivery_outcome outcome = delivery->outcome;
	list_remove(&delivery->link);
	pool_give(&queue->sessions, delivery);

	bool ordered = message->ordered;
	message->ordered = false;
	if (outcome == DELIVERY_DONE) {
		queue_drop(queue, message);
		message = NULL;
	} else {
		queue_enter(queue, message, next_state[outcome]);
	}
	if (ordered)
		order_take_delivered(queue, message);
	queue_advance(queue);
}

static void retry_due(struct timer *timer)
{
	struct queue *queue = CONTAINER_OF(timer, struct queue, retry);
	uint64_t now = now_ms(queue);
	for (unsigned step = 0; step < SCHEDULE_STEPS; step++) {
		for (struct list *at; (at = list_first(&queue->waiting[step]));) {
			struct queue_message *message = CONTAINER_OF(at, struct queue_message, link);
			if (message->due_ms > now) {
				start_retry_timer(queue, message->due_ms);
				break;
			}
			queue_enter(queue, message, MESSAGE_READY);
		}
	}
	queue_advance(queue);
}

static void resume(struct timer *timer)
{
	struct queue *queue = CONTAINER_OF(timer, struct queue, resume);
	order_advance(queue);
	queue_advance(queue);
}

/* --- life --- */

static void init_lists(struct queue *queue)
{
	list_init(&queue->ready);
	list_init(&queue->held);
	list_init(&queue->deliveries);
	for (unsigned step = 0; step < SCHEDULE_STEPS; step++)
		list_init(&queue->waiting[step]);
}

void queue_change_routes(struct queue *queue, const struct route_table *routes, const char *hostname)
{
	queue->settings.routes = routes;
	queue->settings.hostname = hostname;
	queue->recipients = (struct recipients_settings){ routes, hostname };
	maildir_host(hostname, queue->host);
}

bool queue_uses_routes(const struct queue *queue, const struct route_table *routes)
{
	if (queue->settings.routes == routes)
		return true;
	for (const struct list *node = queue->deliveries.next; node != &queue->deliveries; node = node->next)
		if (CONTAINER_OF(node, struct delivery, link)->routing.routes == routes)
			return true;
	return false;
}

struct queue *queue_create(struct loop *loop, const struct queue_settings *settings, struct error *error)
{
	ASSERT(settings->deliveries <= LIMIT_DELIVERIES);
	struct queue *queue = calloc(1, sizeof *queue);
	if (!queue || !map_init(&queue->by_id, 0) || !folder_cache_init(&queue->folders, loop)) {
		error_set(error, "no memory for the queue");
		if (queue)
			map_finish(&queue->by_id);
		free(queue);
		return NULL;
	}
	queue->loop = loop;
	queue->settings = *settings;
	if (queue->settings.deliveries == 0)
		queue->settings.deliveries = DELIVERIES_UNLESS_SAID;
	queue_change_routes(queue, settings->routes, settings->hostname);
	init_lists(queue);
	timer_init(&queue->retry, retry_due);
	timer_init(&queue->resume, resume);
	order_init(&queue->order);
	unsigned deliveries = queue->settings.deliveries;
	pool_init(&queue->messages, sizeof(struct queue_message), MESSAGES_A_SLAB, SIZE_MAX);
	pool_init(&queue->sessions, sizeof(struct delivery), SESSIONS_A_SLAB, deliveries * SESSIONS_A_DELIVERY);
	pool_init(&queue->chunks, LIMIT_DELIVERY_CHUNK_BYTES, CHUNKS_A_SLAB, deliveries);
	return queue;
}

void queue_start(struct queue *queue, struct spool *spool)
{
	ASSERT(!queue->spool);
	queue->spool = spool;
	queue_advance(queue);
}

bool queue_stop(struct queue *queue)
{
	queue->stopping = true;
	return list_is_empty(&queue->deliveries) && !queue->order.runs;
}

void queue_destroy(struct queue *queue)
{
	if (!queue)
		return;
	ASSERT(list_is_empty(&queue->deliveries) && !queue->order.runs);
	loop_timer_stop(queue->loop, &queue->retry);
	loop_timer_stop(queue->loop, &queue->resume);
	for (struct map_node *node = map_walk(&queue->by_id, NULL); node; node = map_walk(&queue->by_id, node))
		free(CONTAINER_OF(node, struct queue_message, node)->done_bits);
	folder_cache_finish(&queue->folders);
	map_finish(&queue->by_id);
	pool_finish(&queue->messages);
	pool_finish(&queue->sessions);
	pool_finish(&queue->chunks);
	free(queue);
}

void queue_count(const struct queue *queue, struct queue_counts *counts)
{
	*counts = queue->counts;
	counts->messages = queue->by_id.size + queue->sleeping;
	counts->held = queue->state_counts[MESSAGE_HELD] + queue->sleeping;
	counts->waiting = queue->state_counts[MESSAGE_READY] + queue->state_counts[MESSAGE_WAITING];
	counts->delivering = queue->state_counts[MESSAGE_DELIVERING];
}
