/* The queue of a lane: every live message, what is due next, and the delivery sessions that work on it.
 *
 * The spool is the truth; this is its index in memory (under 128 bytes a waiting message). What the spool knows to be held is only
 * counted here, until an order wakes it. A message comes in with
 * queue_add() after its record is durable (or from recovery), is delivered recipient by recipient by the routes, and goes when
 * the spool says that it is done.
 *
 * Who can't be reached now is tried again by the schedule (schedule.h). A message is held, and not touched again until it is
 * released, when nobody is left that trying could help: the routes say hold, there is no route or no safe Maildir, or the schedule is
 * over. A release tries the routes again, as they are now: if they still say hold, the message is held again, which the
 * log tells. Nothing is ever thrown away but by QUEUE_REMOVE. */
#ifndef POSTERN_RELAY_QUEUE_H
#define POSTERN_RELAY_QUEUE_H

#include "core/io/loop.h"
#include "core/relay/route.h"
#include "core/spool/spool.h"

struct queue;

struct queue_settings {
	const struct route_table
		*routes; /* outlives the queue, or queue_change_routes() and queue_uses_routes(); likewise the next */
	const char *hostname; /* in Maildir names */
	unsigned deliveries;  /* that run at once, at most LIMIT_DELIVERIES; 0: 64 */
	bool orders_only;     /* deliver nothing: for the command line where no server runs */
};

struct queue *queue_create(struct loop *loop, const struct queue_settings *settings, struct error *error);

/* The spool can only be opened with a recovery callback, which needs the queue: open it with queue_recovered, queue_moved and the
 * queue as context, then tell the queue. Deliveries start. */
void queue_recovered(void *context, const struct spool_message *message);
void queue_moved(void *context, uint64_t id, struct spool_place to);
void queue_start(struct queue *queue, struct spool *spool);

/* From now on mail goes by these. Deliveries that are under way go on as they began. */
void queue_change_routes(struct queue *queue, const struct route_table *routes, const char *hostname);

/* Does a delivery still go by these? */
MUST_USE bool queue_uses_routes(const struct queue *queue, const struct route_table *routes);

/* A message is durable. `envelope` is read now and not kept. */
void queue_add(struct queue *queue, const struct spool_message *message);

/* Would every recipient be held? Then the message record can say so at once. */
MUST_USE bool queue_would_hold(const struct queue *queue, struct slice recipient_domain);

/* No new deliveries; those that run end. True when none runs. */
bool queue_stop(struct queue *queue);
/* After queue_stop() answered true. */
void queue_destroy(struct queue *queue);

enum queue_order { QUEUE_RELEASE, QUEUE_REMOVE, QUEUE_HOLD };
/* One message, or all with id 0. Answers how many it applies to; the changes are durable some turns later, when `done` (may be
 * NULL) is called, from the loop, with the number that are as ordered now. That may be fewer: a delivery that ran was quicker, or the
 * spool could not write. RELEASE of all is for what is held or waits for its next try; a single message that is already as
 * ordered counts. One order runs at a time: ask queue_has_order() first. */
typedef void queue_ordered(void *context, uint64_t count);
uint64_t queue_order(struct queue *queue, enum queue_order order, uint64_t id, queue_ordered *done, void *context);
bool queue_has_order(const struct queue *queue);

/* The orders' names: "release", "remove", "hold". */
MUST_USE bool queue_order_parse(struct slice name, enum queue_order *order);
const char *queue_order_name(enum queue_order order);

struct queue_counts {
	uint64_t messages, held, waiting, delivering;
	uint64_t delivered, deferred, failed; /* recipients, since the start */
};
void queue_count(const struct queue *queue, struct queue_counts *counts);

#endif
