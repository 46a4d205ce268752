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

/* What it takes to verify against a hash. Equal costs take equal time. */
enum password_kind { PASSWORD_ARGON2ID, PASSWORD_ARGON2I };
struct password_cost {
	uint8_t kind; /* enum password_kind */
	uint32_t memory_kib;
	uint32_t passes;
};

/* Of hashes that password_hash() makes. */
struct password_cost password_usual_cost(void);

/* False for what password_hash_is_valid() does not take. */
MUST_USE bool password_cost_of(const char *text, struct password_cost *cost);

bool password_cost_equal(const struct password_cost *a, const struct password_cost *b);

/* A hash of this cost that no password matches, another one each time. */
void password_nobodys_hash(char text[LIMIT_HASH_TEXT_BYTES], const struct password_cost *cost);

/* Takes as long as verifying this password against a hash of this cost, and says nothing; at once where there is no
 * memory for it. */
void password_spend(const struct password_cost *cost, struct slice password);

#endif
