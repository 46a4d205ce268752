/* A bounded queue that is fair between client networks. Private to core/users.
 *
 * Networks take turns, one job each; the jobs of one network keep their order. So a network with thousands of jobs
 * delays another's single one by one turn. When the queue is full, the newest job of whoever has most makes room for
 * somebody who has less: a flood fills its own share only. All is O(1). */
#ifndef POSTERN_USERS_SIGN_IN_QUEUE_H
#define POSTERN_USERS_SIGN_IN_QUEUE_H

#include "core/base/error.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/pool.h"
#include "crypto/secret.h"

struct sign_in_turn; /* a network that has jobs here */

/* Embedded in the job; `turn` is NULL when it is not in a queue. */
struct sign_in_waiting {
	struct list link;
	struct sign_in_turn *turn;
	uint64_t network;
};

struct sign_in_queue {
	struct map turns;                    /* by network */
	struct pool pool;                    /* of turns */
	struct list order;                   /* turns: whose is next stands first */
	struct list *by_size;                /* turns with that many jobs, from 0 to most */
	size_t longest;                      /* no turn has more jobs */
	size_t size, most;                   /* jobs */
	uint8_t key[SECRET_SHORT_KEY_BYTES]; /* clients choose their networks */
};

MUST_USE bool sign_in_queue_init(struct sign_in_queue *queue, size_t most);
/* Must be empty, or zeroed and never set up. */
void sign_in_queue_finish(struct sign_in_queue *queue);

static inline bool sign_in_queue_is_full(const struct sign_in_queue *queue)
{
	return queue->size >= queue->most;
}

/* Whose place a job of this network takes when the queue is full; NULL when nobody has enough more. */
struct sign_in_waiting *sign_in_queue_victim(const struct sign_in_queue *queue, uint64_t network);

/* False when it is full or memory has run out. */
MUST_USE bool sign_in_queue_add(struct sign_in_queue *queue, struct sign_in_waiting *waiting, uint64_t network);
void sign_in_queue_remove(struct sign_in_queue *queue, struct sign_in_waiting *waiting);

/* Takes out whose turn it is; NULL when it is empty. */
struct sign_in_waiting *sign_in_queue_take(struct sign_in_queue *queue);

/* Calls back for each job of the network, in order; the job may be removed meanwhile, and no other one. */
typedef void sign_in_queue_look(struct sign_in_waiting *waiting);
void sign_in_queue_visit(const struct sign_in_queue *queue, uint64_t network, sign_in_queue_look *look);

#endif
