/* The user database: LMDB in a folder, shared by the server (reading) and the command line (reading and writing).
 *
 * Name → record. Names are kept as given and found without case in ASCII. Every change gives the record a new, never
 * reused version; that is what makes cached logins of the old one worthless at once. */
#ifndef POSTERN_USERS_USERS_H
#define POSTERN_USERS_USERS_H

#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

struct users;

struct user_record {
	char hash[LIMIT_HASH_TEXT_BYTES]; /* argon2id text */
	uint64_t version;
	int64_t changed_unix_us;
	bool disabled;
};

enum users_status { USERS_OK, USERS_UNKNOWN, USERS_EXISTS, USERS_BAD_NAME, USERS_FAILED };

/* `directory` is made (0700) when writable. Must be opened in the process that uses it (after fork). Any number of processes may have
 * it open, one of them writing at a time. NULL and `error` otherwise. */
struct users *users_open(const char *directory, bool writable, struct error *error);
void users_close(struct users *users);

/* 1–254 bytes, no control character, no blank, no ':' ; UTF-8. */
MUST_USE bool users_name_is_valid(struct slice name);

/* A microsecond: a read of mapped memory. */
MUST_USE enum users_status users_find(struct users *users, struct slice name, struct user_record *record);

/* `replace` false: USERS_EXISTS when it is there. */
MUST_USE enum users_status users_put(struct users *users, struct slice name, const char *hash, bool replace,
				     struct error *error);
MUST_USE enum users_status users_remove(struct users *users, struct slice name, struct error *error);

/* Many puts, one transaction each LIMIT thousand: for import. Begin, put…, end. */
MUST_USE bool users_batch_begin(struct users *users, struct error *error);
MUST_USE bool users_batch_end(struct users *users, struct error *error);

/* In order of name; the callback answers false to stop. */
typedef bool users_each(void *context, struct slice name, const struct user_record *record);
MUST_USE bool users_walk(struct users *users, users_each *each, void *context, struct error *error);
MUST_USE bool users_count(struct users *users, uint64_t *count);

#endif
