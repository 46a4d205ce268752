/* For the relay's tests: a lane with its spool and its queue, in the current folder, and messages to put into it. */
#ifndef POSTERN_TESTS_RELAY_LANE_H
#define POSTERN_TESTS_RELAY_LANE_H

#include "core/relay/queue_state.h"
#include "core/spool/envelope.h"

struct lane {
	enum loop_kind kind;
	struct loop *loop;
	struct queue *queue;
	struct spool *spool;
	struct route_table routes;
	bool orders_only;
};

/* Example.org and its subdomains go to "mail/<domain>/<local part>", one.example to the Maildir "all", hold.example is held; there is no
 * other route. "mail" must be made. */
extern const struct route_table lane_routes;
extern const struct route_table lane_hold_routes; /* everything is held */

void lane_open(struct lane *lane, enum loop_kind kind, const struct route_table *routes);
/* Lets deliveries end. */
void lane_close(struct lane *lane);

/* One message in the making. */
struct lane_message {
	struct spool_entry entry;
	struct lane *lane;
	uint64_t id;
	int64_t accepted_unix_us;
	uint8_t *envelope;
	size_t envelope_size;
	struct iovec parts[2];
	size_t text_size;
	bool held;
	bool large;
	bool to_queue; /* queue_add() when it is durable */
	bool durable;
};

/* Starts storing a message for the recipients, which are separated by blanks; the text must stay until it is durable. */
void lane_start_message(struct lane *lane, struct lane_message *message, const char *recipients, struct slice text);
void lane_free_message(struct lane_message *message);

/* Stores a message and waits until it is durable and in the queue; answers its id. */
uint64_t lane_submit(struct lane *lane, const char *recipients, const char *text);
/* The same for one that was accepted this long ago. */
uint64_t lane_submit_old(struct lane *lane, const char *recipients, int64_t age_seconds);

/* Turns until nothing is delivered or about to be: all that is left is held or waits for its next try. */
void lane_settle(struct lane *lane);
struct queue_counts lane_counts(const struct lane *lane);

/* Gives an order and waits for its end; answers what it changed. */
uint64_t lane_order(struct lane *lane, enum queue_order order, uint64_t id);

/* How many files in a folder have the message's id in their name. */
size_t lane_copies(const char *folder, uint64_t id);

#endif
