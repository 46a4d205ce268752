/* Secrets: wiping, guarded memory, randomness, comparing. A thin door to libsodium, the only one outside crypto/. */
#ifndef POSTERN_CRYPTO_SECRET_H
#define POSTERN_CRYPTO_SECRET_H

#include "core/base/error.h"
#include "core/base/slice.h"

/* Once in each program, before anything else of crypto/. False when the system has no randomness. */
MUST_USE bool secret_setup(void);

/* Overwrites in a way that the compiler may not drop. */
void secret_wipe(void *at, size_t size);

/* Constant time for equal sizes; the sizes themselves are no secret. */
bool secret_equal(struct slice a, struct slice b);

void secret_random(void *at, size_t size);

/* A password a person can read out: `characters` of an unambiguous alphabet (5 bits each) and a NUL. */
void secret_random_text(char *text, size_t characters);

/* Guarded pages: overflow traps, not in core dumps, wiped by secret_free(). NULL when memory has run out. They are locked
 * too as far as RLIMIT_MEMLOCK lets us: a limit that is small costs the lock (the pages may be swapped out), never
 * the start of the server. Each allocation takes whole pages, so this is for a few keys, not for one a session. After
 * fork() the child has its own copy, unlocked. secret_free() takes NULL. */
void *secret_allocate(size_t size);
void secret_free(void *at);

/* Keyed BLAKE2b-256. `key` has SECRET_KEY_BYTES. */
enum { SECRET_KEY_BYTES = 32, SECRET_HASH_BYTES = 32 };
void secret_hash(uint8_t hash[SECRET_HASH_BYTES], const uint8_t key[SECRET_KEY_BYTES], struct slice bytes);

/* Keyed SipHash-2-4, for hash tables whose keys clients choose. */
enum { SECRET_SHORT_KEY_BYTES = 16 };
uint64_t secret_short_hash(const uint8_t key[SECRET_SHORT_KEY_BYTES], struct slice bytes);

#endif
