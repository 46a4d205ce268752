/* What the queue's own files share: the index, the orders, the delivery sessions. Private to core/relay.
 *
 *   queue.c     the index: messages come, wait, become due, go
 *   order.c     release, remove, hold
 *   delivery.c  one try of one message
 */
#ifndef POSTERN_RELAY_QUEUE_STATE_H
#define POSTERN_RELAY_QUEUE_STATE_H

#include "core/relay/folder.h"
#include "core/relay/maildir.h"
#include "core/relay/queue.h"
#include "core/relay/recipients.h"
#include "core/relay/schedule.h"

/* --- a message in the index --- */

enum message_state {
	MESSAGE_NEW,
	MESSAGE_READY,      /* next in turn */
	MESSAGE_DELIVERING, /* a delivery session has it */
	MESSAGE_WAITING,    /* for its next try */
	MESSAGE_HELD,       /* for an order */
	MESSAGE_STATES,
};

struct queue_message {
	struct map_node node; /* by id, which is its hash */
	struct list link;     /* of its state, or of the order that it waits for */
	struct spool_place place;
	uint32_t recipients;
	int64_t accepted_unix_us;
	uint64_t due_ms;    /* waiting: on the loop's monotonic time */
	uint8_t *done_bits; /* malloc'ed; NULL: no recipient is finished */
	uint8_t state;      /* enum message_state */
	bool large;
	bool ordered; /* an order waits for the end of the delivery */
};

/* With its share of the map's buckets this is what a message costs. */
_Static_assert(sizeof(struct queue_message) <= 80, "a waiting message takes less than 96 bytes");

static inline uint64_t queue_message_id(const struct queue_message *message)
{
	return message->node.hash;
}

/* --- a delivery session --- */

enum delivery_step {
	DELIVERY_READING,   /* the message from the spool */
	DELIVERY_COPYING,   /* to one Maildir after the other */
	DELIVERY_RECORDING, /* how it ended, in the spool */
};

enum delivery_outcome {
	DELIVERY_DONE,        /* nobody is left */
	DELIVERY_DEFERRED,    /* somebody is to be tried again */
	DELIVERY_HELD,        /* trying again does not help those who are left */
	DELIVERY_INTERRUPTED, /* the queue is stopping */
};

struct delivery {
	struct list link; /* queue->deliveries */
	struct queue *queue;
	struct queue_message *message;
	struct spool_read read;
	struct spool_place read_place; /* where the record was when reading it began */
	struct spool_entry entry;      /* one change at a time */
	struct envelope envelope;
	struct recipients_settings routing; /* as it was when the message had been read */
	struct recipients recipients;
	struct maildir_copy copy;
	struct maildir_message source;
	uint8_t *chunk;
	uint32_t current;   /* recipient that is tried now */
	uint32_t recording; /* recipient whose record is under way */
	uint8_t step;       /* enum delivery_step */
	uint8_t outcome;    /* enum delivery_outcome; known when recording */
	bool entry_runs;
	bool read_is_open;
	char id[SPOOL_ID_TEXT_BYTES];
	char name[MAILDIR_NAME_BYTES];
	char reason[96]; /* of the last failure: for the log and the attempt record */
	char path[LIMIT_MAILDIR_PATH_BYTES];
};

/* Starts a try; `delivery` and `chunk` are from the queue's pools. Ends with queue_delivery_ended(). */
void delivery_start(struct delivery *delivery, struct queue *queue, struct queue_message *message, uint8_t *chunk);

/* --- orders --- */

struct order_change {
	struct spool_entry entry;
	struct queue *queue;
	struct queue_message *message; /* NULL: free */
};

struct order {
	enum queue_order kind;
	queue_ordered *done;
	void *context;
	struct list messages; /* that wait for their change */
	uint64_t woken_id;    /* so far the sleeping ones were looked through */
	bool wakes;           /* there is more to look through */
	uint64_t left;        /* messages that are not finished, wherever they are */
	uint64_t changed;
	struct timer finished; /* calls back from the loop */
	bool runs;
	struct order_change changes[LIMIT_ORDER_CHANGES];
};

void order_init(struct order *order);
/* Goes on where it can: changes ended, the spool is less busy. */
void order_advance(struct queue *queue);
/* The delivery of a message that was marked `ordered` ended; `message` is NULL when nothing is left of it. */
void order_take_delivered(struct queue *queue, struct queue_message *message);

/* --- the queue --- */

struct queue {
	struct loop *loop;
	struct spool *spool; /* NULL before queue_start() */
	struct queue_settings settings;
	struct recipients_settings recipients;
	char host[MAILDIR_HOST_BYTES];
	struct folder_cache folders;
	struct map by_id;
	struct pool messages;
	struct pool sessions;
	struct pool chunks; /* one for each delivery that reads or copies */
	struct list ready;
	struct list waiting[SCHEDULE_STEPS]; /* each in order of due time */
	struct list held;  /* for which the spool has no record yet that says so, and what an order has woken */
	uint64_t sleeping; /* held in the spool, and not in `by_id` */
	struct list deliveries;
	uint64_t state_counts[MESSAGE_STATES];
	struct queue_counts counts;
	struct timer retry;  /* the first that waits is due */
	struct timer resume; /* the spool was busy, or memory short */
	uint64_t retry_due_ms;
	struct order order;
	bool stopping;
};

/* The one way to change a message's state: takes it out of whatever list it is in and puts it into the new state's. */
void queue_enter(struct queue *queue, struct queue_message *message, enum message_state state);

/* The spool has no more of it: frees the record and the index entry. */
void queue_drop(struct queue *queue, struct queue_message *message);

/* In memory only: the recipient is finished. */
void queue_mark_done(struct queue_message *message, uint32_t recipient);

/* The delivery gives back what it needs for reading and copying: another one may start. */
void queue_take_back_chunk(struct queue *queue, struct delivery *delivery);
void queue_delivery_ended(struct queue *queue, struct delivery *delivery);

/* Starts what can be started. */
void queue_advance(struct queue *queue);
/* The spool was busy: again soon. */
void queue_resume_later(struct queue *queue);
/* In the next turn. */
void queue_resume_soon(struct queue *queue);

struct queue_message *queue_find(const struct queue *queue, uint64_t id);

/* A sleeping message becomes one that is held here; NULL: no memory. */
struct queue_message *queue_wake(struct queue *queue, const struct spool_message *sleeping);

#endif
