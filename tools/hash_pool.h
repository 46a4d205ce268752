/* Hashing many passwords at once: child processes, one a processor, each with a few passwords in hand.
 *
 * Made before anything is opened that a fork may not share. Answers come in any order. */
#ifndef POSTERN_TOOLS_HASH_POOL_H
#define POSTERN_TOOLS_HASH_POOL_H

#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/slice.h"
#include "crypto/scram_keys.h"

struct hash_pool;

/* What is kept of a password. */
struct hashed_password {
	char hash[LIMIT_HASH_TEXT_BYTES]; /* empty: there was no memory for it */
	struct scram_keys scram;
};

/* As many processes as there are processors for us. NULL and `error` when they can't be made. */
struct hash_pool *hash_pool_create(struct error *error);
/* Ends the processes. NULL is allowed. */
void hash_pool_destroy(struct hash_pool *pool);

/* True when a password can be given without waiting. */
bool hash_pool_has_room(const struct hash_pool *pool);

/* There must be room. `number` comes back with the answer. False and `error` when a process has died. */
MUST_USE bool hash_pool_give(struct hash_pool *pool, uint64_t number, struct slice password, struct error *error);

/* Waits for the next answer; something must have been given. False and `error` when a process has died. */
MUST_USE bool hash_pool_take(struct hash_pool *pool, uint64_t *number, struct hashed_password *hashed,
			     struct error *error);

#endif
