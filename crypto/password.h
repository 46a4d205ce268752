/* Password hashing: argon2id through libsodium. Slow on purpose (tens of ms, 64 MiB): only hashers, the command
 * line and tests call these, never a worker. */
#ifndef POSTERN_CRYPTO_PASSWORD_H
#define POSTERN_CRYPTO_PASSWORD_H

#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

/* `text` becomes "$argon2id$…", NUL-ended. False when memory has run out. */
MUST_USE bool password_hash(char text[LIMIT_HASH_TEXT_BYTES], struct slice password);

enum password_verdict {
	PASSWORD_WRONG, /* also for a text that is not a hash: nothing is right for it, and the answer comes at once */
	PASSWORD_RIGHT,
	PASSWORD_NO_MEMORY, /* it could not be told: the hash's cost is more than there is */
};
MUST_USE enum password_verdict password_verify(const char *text, struct slice password);

/* True for a text that password_verify() can work with: right form, sane cost. */
MUST_USE bool password_hash_is_valid(const char *text);

/* A hash that no password matches, of the usual cost: what unknown users are verified against, so that they take
 * the same time. Made at first use; static. */
const char *password_unknown_user_hash(void);

#endif
