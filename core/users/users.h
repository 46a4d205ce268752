/* The user database: LMDB in a folder, shared by the server (reading) and the command line (reading and writing).
 *
 * Name → record. Names are kept as given and found without case in ASCII. Every change gives the record a new, never
 * reused version; that is what makes cached logins of the old one worthless at once. */
#ifndef POSTERN_USERS_USERS_H
#define POSTERN_USERS_USERS_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/slice.h"
#include "crypto/password.h"
#include "crypto/scram_keys.h"

struct users;

/* The NT hash for NTLM as it is stored: nonce, tag and 16 bytes, sealed with a key that lies elsewhere. */
enum { USERS_NT_SEALED_BYTES = 24 + 16 + 16 };

struct user_record {
	char hash[LIMIT_HASH_TEXT_BYTES]; /* argon2id text; empty: there is none */
	struct scram_keys scram;          /* of 0 iterations: there are none */
	bool has_nt;
	uint8_t nt_sealed[USERS_NT_SEALED_BYTES];
	uint64_t version;
	int64_t changed_unix_us;
	bool disabled;
};

enum users_status {
	USERS_OK,
	USERS_UNKNOWN,
	USERS_EXISTS,
	USERS_BAD_NAME,
	USERS_TOO_MANY_COSTS,
	USERS_TOO_MANY_GRANTS,
	USERS_NOT_GRANTED,
	USERS_FAILED,
};

/* The longest address or "@domain" that can be granted. */
enum { USERS_GRANT_BYTES = 254 };

/* The costs of the hashes in the database, and how many users have each. */
struct users_costs {
	unsigned count;
	struct users_cost {
		struct password_cost cost;
		uint64_t users;
	} rows[LIMIT_HASH_COSTS];
};

/* `directory` is made (0700) when writable, with the owner of the folder it lies in. Must be opened in the process that
 * uses it (after fork), once in each. Any number of processes may have it open, one of them writing at a time; one that
 * is killed harms nobody. Root works as the owner of the directory, so that the server can go on with what root made.
 * NULL and `error` otherwise. */
struct users *users_open(const char *directory, bool writable, struct error *error);

/* The same with another size to start the map with, for tests and where address space is scarce: it grows by itself. */
struct users *users_open_with_map(const char *directory, bool writable, size_t map_bytes, struct error *error);

/* NULL is allowed. What a batch has not stored yet is lost. */
void users_close(struct users *users);

/* 1–254 bytes, no control character, no blank, no ':' ; UTF-8. */
MUST_USE bool users_name_is_valid(struct slice name);

/* What others may call a user whom they have verified: as above, but with blanks and ':', as directories have them. */
MUST_USE bool users_foreign_name_is_valid(struct slice name);

/* A microsecond: a read of mapped memory. Why it has failed is in the log. */
MUST_USE enum users_status users_find(struct users *users, struct slice name, struct user_record *record);

/* Also appends the name as it was given: room for LIMIT_LOGIN_NAME_BYTES is enough. */
MUST_USE enum users_status users_find_written(struct users *users, struct slice name, struct user_record *record,
					      struct buffer *written);

/* What the last lookup saw, and whether that is still all there is: then it would find the same. Some nanoseconds. */
uint64_t users_seen(const struct users *users);
MUST_USE bool users_are_unchanged(struct users *users, uint64_t seen);

/* Each cost that somebody's hash has; the usual one where there is nobody, so one at least. False when the database can't be
 * read: why is in the log. */
MUST_USE bool users_costs(struct users *users, struct users_costs *costs);

/* What is kept of a password. All of it is of one password, so they are only set together. */
struct user_credentials {
	const char *hash;               /* one that password_hash_is_valid() takes; NULL: none */
	const struct scram_keys *scram; /* NULL: none */
	const uint8_t *nt_sealed;       /* USERS_NT_SEALED_BYTES; NULL: none */
};

/* Changes. When one has returned, every later lookup in any process sees it; while it is being stored lookups see the
 * state before or after it, one now and the other then. */

/* `replace` false: USERS_EXISTS when it is there. Who is there keeps the name as it was given first, and stays disabled
 * if so. USERS_TOO_MANY_COSTS: the hash's cost would be one more than LIMIT_HASH_COSTS; never for the usual cost. */
MUST_USE enum users_status users_put(struct users *users, struct slice name, const struct user_credentials *credentials,
				     bool replace, struct error *error);

/* What is no password's. */
struct user_state {
	bool disabled;
	const struct slice *grants; /* made by users_add_grant(); NULL: as they are, none for who is new */
};

/* The same with the state as well: for restoring what users_walk() gave. */
MUST_USE enum users_status users_restore(struct users *users, struct slice name,
					 const struct user_credentials *credentials, const struct user_state *state,
					 bool replace, struct error *error);

MUST_USE enum users_status users_remove(struct users *users, struct slice name, struct error *error);
MUST_USE enum users_status users_set_disabled(struct users *users, struct slice name, bool disabled,
					      struct error *error);

/* Whom a user may send as, beside the own name: addresses, and domains as "@example.org". They are found without case in ASCII.
 * Granting what is granted already changes nothing; so does taking back what is not (USERS_NOT_GRANTED). `grant` is
 * one that users_grant_is_valid() takes. USERS_TOO_MANY_GRANTS: there are LIMIT_USER_GRANTS. */
MUST_USE bool users_grant_is_valid(struct slice grant, struct error *error);
MUST_USE enum users_status users_grant(struct users *users, struct slice name, struct slice grant, struct error *error);
MUST_USE enum users_status users_revoke(struct users *users, struct slice name, struct slice grant,
					struct error *error);

/* May this user send as that address? So it is with his own name and what is granted; also where others know him and this database does
 * not, which the status tells. A microsecond, as users_find(). */
MUST_USE enum users_status users_owns(struct users *users, struct slice name, struct slice address, bool *owns);

/* Appends all that is granted, to be read by users_next_grant(); with USERS_GRANTS_MOST_BYTES there is room. */
enum { USERS_GRANTS_MOST_BYTES = LIMIT_USER_GRANTS * (1 + USERS_GRANT_BYTES) };
MUST_USE enum users_status users_find_grants(struct users *users, struct slice name, struct buffer *grants);

/* Takes the next one off. False: that was all. */
MUST_USE bool users_next_grant(struct slice *grants, struct slice *grant);

/* Appends one that users_grant_is_valid() takes, unless it is there; the buffer holds nothing else and has
 * USERS_GRANTS_MOST_BYTES. USERS_TOO_MANY_GRANTS, or USERS_OK. */
MUST_USE enum users_status users_add_grant(struct buffer *grants, struct slice grant);

/* Many changes in few transactions, for import: begin, put…, end. They are stored when LIMIT_USERS_BATCH have come, when
 * the first is LIMIT_USERS_BATCH_MS old and the next comes, and at the end. USERS_FAILED loses those not stored yet. */
void users_batch_begin(struct users *users);
MUST_USE bool users_batch_end(struct users *users, struct error *error);

/* In order of name; the callback answers false to stop. It may find users, not change them. `grants` is for users_next_grant(). */
typedef bool users_each(void *context, struct slice name, const struct user_record *record, struct slice grants);
MUST_USE bool users_walk(struct users *users, users_each *each, void *context, struct error *error);
MUST_USE bool users_count(struct users *users, uint64_t *count);

#endif
