/* How a user stands in the database: key and value as bytes. Private to core/users.
 *
 * Key: the name with its ASCII letters in lower case, so that the order is the name's and finding needs no case.
 * Value: a layout number first, so that a later Postern can read what an earlier one wrote. */
#ifndef POSTERN_USERS_USERS_RECORD_H
#define POSTERN_USERS_USERS_RECORD_H

#include "core/base/buffer.h"
#include "core/users/users.h"

enum {
	USERS_LAYOUT = 1,
	USERS_LAYOUT_GRANTS = 2, /* grants stand behind the hash */
	USERS_LAYOUT_KEYS = 3,   /* between them SCRAM's keys and the sealed NT hash, as the flags say */
	USERS_FLAG_DISABLED = 1,
	USERS_FLAG_SCRAM = 2,
	USERS_FLAG_NT = 4,
	USERS_FLAGS_OF_KEYS = USERS_FLAG_SCRAM | USERS_FLAG_NT,
	USERS_FLAGS = USERS_FLAG_DISABLED | USERS_FLAGS_OF_KEYS,
	USERS_SCRAM_BYTES = 4 + 1 + LIMIT_SCRAM_SALT_BYTES + 2 * SCRAM_KEY_BYTES, /* iterations, salt, both keys */
	/* layout, flags, version, time, name and hash behind a byte each for their sizes, keys and grants */
	USERS_VALUE_BYTES = 1 + 1 + 8 + 8 + 1 + LIMIT_LOGIN_NAME_BYTES + 1 + LIMIT_HASH_TEXT_BYTES + USERS_SCRAM_BYTES +
			    USERS_NT_SEALED_BYTES + USERS_GRANTS_MOST_BYTES,
};

/* What stands in the database. */
struct users_entry {
	struct slice name; /* as it was given */
	struct user_record record;
	struct slice grants; /* as users_next_grant() reads them */
};

/* `name` must be no longer than LIMIT_LOGIN_NAME_BYTES. The key's bytes are `storage`'s. */
struct slice users_fold_name(uint8_t storage[LIMIT_LOGIN_NAME_BYTES], struct slice name);

/* False when the buffer has no room: with USERS_VALUE_BYTES it always has. */
MUST_USE bool users_record_encode(struct buffer *value, const struct users_entry *entry);

/* False for what no Postern up to this one has written. Name and grants point into the value. */
MUST_USE bool users_record_decode(struct slice value, struct users_entry *entry);

#endif
