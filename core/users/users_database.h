/* The LMDB environment under the user database: opening it, transactions, growth. Private to core/users.
 *
 * One table, the environment's unnamed one. Its key USERS_HEAD_KEY (no name starts with that byte) holds the layout, the
 * version given last and the tally of costs. Every change moves them on in its own transaction: a version is never given
 * twice, and the tally is always right. */
#ifndef POSTERN_USERS_USERS_DATABASE_H
#define POSTERN_USERS_USERS_DATABASE_H

#include <lmdb.h>

#include "core/users/users.h"

struct users {
	MDB_env *env;
	MDB_dbi table;
	MDB_txn *reader; /* of users_find(); reset between lookups, so that it holds no page from the writer */
	MDB_txn *writer; /* the change or batch that is open, or NULL */
	uint64_t seen;   /* the transaction that the last lookup saw the end of; 0: it has failed */
	uint64_t last_version;
	struct users_costs costs; /* as the writer will leave them */
	unsigned walks;           /* that are running: the map may not move under them */
	bool batching;
	uint32_t batch_changes;
	uint64_t batch_began_ms;
};

#define USERS_HEAD_KEY SLICE_LITERAL("\0postern users")

static inline MDB_val users_value_of(struct slice bytes)
{
	return (MDB_val){ bytes.size, (void *)(uintptr_t)bytes.data };
}

static inline struct slice users_slice_of(const MDB_val *value)
{
	return slice_of(value->mv_data, value->mv_size);
}

/* False, with "what: LMDB's reason". */
bool users_failed(struct error *error, int code, const char *what);

/* Each answers 0 or LMDB's code, and follows a map that another process has made larger. */
MUST_USE int users_read_begin(struct users *users, MDB_txn **reader);
MUST_USE int users_read_again(struct users *users, MDB_txn *reader);

/* What the head has in this transaction; a new database has no head, version 0 and no costs. */
MUST_USE bool users_read_head(const struct users *users, MDB_txn *transaction, uint64_t *last_version,
			      struct users_costs *costs, struct error *error);

/* Opens users->writer, with room for what a batch can fill, last_version and costs; waits for the writer before. */
MUST_USE bool users_write_begin(struct users *users, struct error *error);
/* The transaction is over afterwards, whatever the answer. */
MUST_USE bool users_write_commit(struct users *users, struct error *error);
void users_write_abort(struct users *users);

#endif
