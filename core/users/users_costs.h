/* The tally of what the hashes in the database cost, kept beside the users in each change. Private to core/users.
 *
 * It is small: each cost that is in use makes a wrong password more expensive (see sign_in.h), so there are few. */
#ifndef POSTERN_USERS_USERS_COSTS_H
#define POSTERN_USERS_USERS_COSTS_H

#include "core/base/buffer.h"
#include "core/base/cursor.h"
#include "core/users/users.h"

/* Count; then kind, memory, passes and users of each. */
enum { USERS_COSTS_BYTES = 1 + LIMIT_HASH_COSTS * (1 + 4 + 4 + 8) };

/* A user with this hash has come. False, and nothing is changed, when its cost would be one too many; there is always room
 * for the usual cost. A text that is no hash has no cost. */
MUST_USE bool users_costs_add(struct users_costs *costs, const char *hash);

/* A user with this hash has gone. */
void users_costs_remove(struct users_costs *costs, const char *hash);

/* Into USERS_COSTS_BYTES they fit. */
void users_costs_encode(struct buffer *out, const struct users_costs *costs);
/* False for what users_costs_encode() does not make; nothing at all is an empty tally. */
MUST_USE bool users_costs_decode(struct cursor *cursor, struct users_costs *costs);

#endif
