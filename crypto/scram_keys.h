/* What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 §3, RFC 7677). */
#ifndef POSTERN_CRYPTO_SCRAM_KEYS_H
#define POSTERN_CRYPTO_SCRAM_KEYS_H

#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

enum { SCRAM_KEY_BYTES = 32 };

/* Whoever has them can play the server, not the client: StoredKey is a hash of what the client proves to have. */
struct scram_keys {
	uint32_t iterations; /* 0: there are none */
	uint8_t salt_size;
	uint8_t salt[LIMIT_SCRAM_SALT_BYTES];
	uint8_t stored_key[SCRAM_KEY_BYTES];
	uint8_t server_key[SCRAM_KEY_BYTES];
};

#endif
