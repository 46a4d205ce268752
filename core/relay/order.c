/* Orders to the queue: release, remove, hold; one message or all.
 *
 * An order takes what it is for out of the lists of the queue at once and then works through it, LIMIT_ORDER_CHANGES records at
 * a time; then it wakes what sleeps in the spool, a stretch at a time. A message whose record could not be written goes back to where
 * it was. What a delivery has is marked, and the
 * order gets it when the delivery ends. */
#include "core/base/log.h"
#include "core/relay/queue_state.h"

static const struct order_kind {
	enum spool_change change;
	enum message_state state; /* afterwards */
	const char *event;        /* in the log */
	const char *name;
} kinds[] = {
	[QUEUE_RELEASE] = { SPOOL_RELEASE, MESSAGE_READY, "released", "release" },
	[QUEUE_REMOVE] = { SPOOL_MESSAGE_DONE, MESSAGE_NEW, "removed", "remove" },
	[QUEUE_HOLD] = { SPOOL_HOLD, MESSAGE_HELD, "held", "hold" },
};

bool queue_order_parse(struct slice name, enum queue_order *order)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (slice_equal(name, slice_from_text(kinds[i].name))) {
			*order = (enum queue_order)i;
			return true;
		}
	}
	return false;
}

const char *queue_order_name(enum queue_order order)
{
	return kinds[order].name;
}

/* --- the end --- */

static void finished(struct timer *timer)
{
	struct order *order = CONTAINER_OF(timer, struct order, finished);
	order->runs = false;
	if (order->done)
		order->done(order->context, order->changed);
}

void order_init(struct order *order)
{
	list_init(&order->messages);
	timer_init(&order->finished, finished);
}

static void finish_if_over(struct queue *queue)
{
	struct order *order = &queue->order;
	if (order->runs && order->left == 0 && !order->wakes && !timer_is_running(&order->finished))
		loop_timer_start(queue->loop, &order->finished, 0);
}

static void log_change(const struct order_kind *kind, uint64_t id)
{
	struct log_line line;
	if (!log_begin(&line, LOG_INFO, kind->event))
		return;
	char text[SPOOL_ID_TEXT_BYTES];
	spool_id_format(id, text);
	log_text(&line, "id", text);
	log_text(&line, "reason", "ordered");
	log_end(&line);
}

/* --- changes --- */

static void changed(struct spool_entry *entry, enum spool_status status)
{
	struct order_change *change = CONTAINER_OF(entry, struct order_change, entry);
	struct queue *queue = change->queue;
	struct queue_message *message = change->message;
	struct order *order = &queue->order;
	const struct order_kind *kind = &kinds[order->kind];
	change->message = NULL;
	order->left--;
	if (status != SPOOL_OK) {
		queue_enter(queue, message, (enum message_state)message->state);
	} else {
		order->changed++;
		log_change(kind, queue_message_id(message));
		if (order->kind == QUEUE_REMOVE)
			queue_drop(queue, message);
		else
			queue_enter(queue, message, kind->state);
	}
	order_advance(queue);
	queue_advance(queue);
}

static void start_change(struct queue *queue, struct order_change *change, struct queue_message *message)
{
	list_remove(&message->link);
	change->queue = queue;
	change->message = message;
	spool_append_change(queue->spool, &change->entry, queue_message_id(message), kinds[queue->order.kind].change, 0,
			    slice_from_text(""), changed);
}

/* --- what sleeps --- */

static void wake(void *context, const struct spool_message *sleeping)
{
	struct queue *queue = context;
	struct order *order = &queue->order;
	if (!order->wakes || queue_find(queue, sleeping->id))
		return;
	struct queue_message *message = queue_wake(queue, sleeping);
	if (!message) {
		log_message(LOG_WARN, "order-incomplete", "no memory to %s all messages: give the order again",
			    kinds[order->kind].name);
		order->wakes = false;
		return;
	}
	list_remove(&message->link);
	list_append(&order->messages, &message->link);
	order->left++;
}

static void wake_more(struct queue *queue)
{
	struct order *order = &queue->order;
	if (!order->wakes || !list_is_empty(&order->messages))
		return;
	bool more = spool_next_held(queue->spool, &order->woken_id, wake, queue);
	order->wakes = order->wakes && more;
	/* Nothing in this stretch: the next one in another turn, so that nobody waits for a walk over all. */
	if (order->wakes && list_is_empty(&order->messages))
		queue_resume_soon(queue);
}

void order_advance(struct queue *queue)
{
	struct order *order = &queue->order;
	wake_more(queue);
	for (size_t i = 0; i < LIMIT_ORDER_CHANGES && !list_is_empty(&order->messages); i++) {
		if (order->changes[i].message)
			continue;
		if (spool_is_busy(queue->spool)) {
			queue_resume_later(queue);
			return;
		}
		struct list *first = list_first(&order->messages);
		start_change(queue, &order->changes[i], CONTAINER_OF(first, struct queue_message, link));
	}
	finish_if_over(queue);
}

void order_take_delivered(struct queue *queue, struct queue_message *message)
{
	struct order *order = &queue->order;
	ASSERT(order->runs && order->left > 0);
	if (message) {
		list_remove(&message->link);
		list_append(&order->messages, &message->link);
	} else {
		order->left--;
	}
	order_advance(queue);
}

/* --- starting --- */

static void take_list(struct order *order, struct list *messages)
{
	list_splice(&order->messages, messages);
}

static void take_waiting(struct queue *queue)
{
	for (unsigned step = 0; step < SCHEDULE_STEPS; step++)
		take_list(&queue->order, &queue->waiting[step]);
}

static void mark_deliveries(struct queue *queue)
{
	for (struct list *at = queue->deliveries.next; at != &queue->deliveries; at = at->next) {
		CONTAINER_OF(at, struct delivery, link)->message->ordered = true;
		queue->order.left++;
	}
}

/* What waits for its next try needs no record to be tried now. */
static uint64_t release_waiting(struct queue *queue)
{
	uint64_t count = queue->state_counts[MESSAGE_WAITING];
	for (unsigned step = 0; step < SCHEDULE_STEPS; step++)
		for (struct list *at; (at = list_first(&queue->waiting[step]));)
			queue_enter(queue, CONTAINER_OF(at, struct queue_message, link), MESSAGE_READY);
	return count;
}

static void take_all(struct queue *queue, enum queue_order kind)
{
	struct order *order = &queue->order;
	const uint64_t *counts = queue->state_counts;
	if (kind == QUEUE_RELEASE) {
		order->changed = release_waiting(queue);
		order->left = counts[MESSAGE_HELD];
		take_list(order, &queue->held);
		order->wakes = queue->sleeping > 0;
		return;
	}
	order->left = counts[MESSAGE_READY] + counts[MESSAGE_WAITING];
	take_list(order, &queue->ready);
	take_waiting(queue);
	if (kind == QUEUE_REMOVE) {
		order->left += counts[MESSAGE_HELD];
		take_list(order, &queue->held);
		order->wakes = queue->sleeping > 0;
	}
	mark_deliveries(queue);
}

/* True when there is nothing to record: the message is as ordered already, or only waited. */
static bool is_as_ordered(struct queue *queue, struct queue_message *message, enum queue_order kind)
{
	if (kind == QUEUE_REMOVE)
		return false;
	bool held = message->state == MESSAGE_HELD;
	if (kind == QUEUE_RELEASE && message->state == MESSAGE_WAITING)
		queue_enter(queue, message, MESSAGE_READY);
	return held == (kind == QUEUE_HOLD);
}

static void take_one(struct queue *queue, enum queue_order kind, uint64_t id)
{
	struct order *order = &queue->order;
	struct queue_message *message = queue_find(queue, id);
	struct spool_message sleeping;
	if (!message && spool_find(queue->spool, id, &sleeping) && sleeping.held) {
		if (kind == QUEUE_HOLD)
			order->changed = 1;
		else
			message = queue_wake(queue, &sleeping);
	}
	if (!message)
		return;
	if (is_as_ordered(queue, message, kind)) {
		order->changed = 1;
		return;
	}
	order->left = 1;
	if (message->state == MESSAGE_DELIVERING) {
		message->ordered = true;
		return;
	}
	list_remove(&message->link);
	list_append(&order->messages, &message->link);
}

uint64_t queue_order(struct queue *queue, enum queue_order kind, uint64_t id, queue_ordered *done, void *context)
{
	struct order *order = &queue->order;
	ASSERT(!order->runs && queue->spool);
	order->kind = kind;
	order->done = done;
	order->context = context;
	order->left = order->changed = 0;
	order->woken_id = 0;
	order->wakes = false;
	order->runs = true;
	if (id)
		take_one(queue, kind, id);
	else
		take_all(queue, kind);
	uint64_t count = order->left + order->changed + (order->wakes ? queue->sleeping : 0);
	order_advance(queue);
	queue_advance(queue);
	return count;
}

bool queue_has_order(const struct queue *queue)
{
	return queue->order.runs;
}
