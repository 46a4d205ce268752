/* Remembers verified logins, so that a returning client costs microseconds instead of an argon2id.
 *
 * An entry is the keyed BLAKE2b of (name, password, record version), nothing else: no name, no password, no hash of
 * the database is in it. The key is random, lives in guarded memory and dies with the process. A changed or removed
 * user has another version (or none), so its old entries can never match again. Fixed memory: a set-associative
 * table; the oldest entry of a full set goes. */
#ifndef POSTERN_CRYPTO_SIGN_IN_CACHE_H
#define POSTERN_CRYPTO_SIGN_IN_CACHE_H

#include "core/base/error.h"
#include "core/base/slice.h"

struct sign_in_cache;

/* NULL when memory has run out. `lifetime_ms` counts from the verification. */
struct sign_in_cache *sign_in_cache_create(size_t entries, uint64_t lifetime_ms);
void sign_in_cache_destroy(struct sign_in_cache *cache);

MUST_USE bool sign_in_cache_has(struct sign_in_cache *cache, struct slice name, struct slice password, uint64_t version,
				uint64_t now_ms);
void sign_in_cache_add(struct sign_in_cache *cache, struct slice name, struct slice password, uint64_t version,
		       uint64_t now_ms);

#endif
