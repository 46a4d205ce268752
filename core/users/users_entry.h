/* Reading and changing one entry of the user database: what users.c and users_grants.c share. Private to core/users. */
#ifndef POSTERN_USERS_USERS_ENTRY_H
#define POSTERN_USERS_USERS_ENTRY_H

#include "core/users/users_database.h"
#include "core/users/users_record.h"

/* What the entry points at lies in the database's own memory: valid while the transaction is, and until its next change. */
MUST_USE enum users_status users_get_entry(struct users *users, MDB_txn *transaction, struct slice key,
					   struct users_entry *entry, struct error *error);

/* Calls `read` with the entry, where there is one. Why it has failed is in the log. */
typedef void users_read(void *context, const struct users_entry *entry);
MUST_USE enum users_status users_read_entry(struct users *users, struct slice name, users_read *read, void *context);

/* A change: begin, look, store, end; the end gets what the step has answered, and answers what holds then. */
MUST_USE bool users_change_begin(struct users *users, struct error *error);
MUST_USE enum users_status users_change_end(struct users *users, enum users_status status, struct error *error);

/* Gives the entry a new version and time, and stores it. It may point into the one that it replaces. */
MUST_USE enum users_status users_store_entry(struct users *users, struct slice key, struct users_entry *entry,
					     struct error *error);

#endif
