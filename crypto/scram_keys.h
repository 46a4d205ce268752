/* The computations of SCRAM-SHA-256 (RFC 5802 §3, RFC 7677): what a server keeps of a password, and what both sides prove
 * with it. The messages are proto/scram.h's.
 *
 * All but scram_keys_make() and scram_password_keys() take microseconds and allocate nothing. */
#ifndef POSTERN_CRYPTO_SCRAM_KEYS_H
#define POSTERN_CRYPTO_SCRAM_KEYS_H

#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/slice.h"
#include "crypto/secret.h"

/* The client pays for the iterations at each sign-in, and whoever steals the database for each guess. RFC 7677 wants 4,096 at
 * least. These cost 2 ms where the processor has SHA instructions and 7 to 13 ms where not; a phone does not notice. */
enum { SCRAM_KEY_BYTES = 32, SCRAM_ITERATIONS = 16384, SCRAM_SALT_BYTES = 16 };

/* Whoever has them can play the server, not the client: StoredKey is a hash of what the client proves to have. */
struct scram_keys {
	uint32_t iterations; /* 0: there are none */
	uint8_t salt_size;
	uint8_t salt[LIMIT_SCRAM_SALT_BYTES];
	uint8_t stored_key[SCRAM_KEY_BYTES];
	uint8_t server_key[SCRAM_KEY_BYTES];
};

/* Of a new password, with a new salt. Takes milliseconds. False: there is no such password (over LIMIT_PASSWORD_BYTES). */
MUST_USE bool scram_keys_make(struct scram_keys *keys, struct slice password);

/* Of a password under the iterations and salt that stand in `keys`; ClientKey too unless it is NULL. Takes milliseconds and
 * more, with the iterations. */
MUST_USE bool scram_password_keys(struct scram_keys *keys, uint8_t client_key[SCRAM_KEY_BYTES], struct slice password);

/* Keys that nobody has a password for, always the same for one name and secret, of the usual size and iterations: who asks for
 * a user that is not there must not see it from the salt. Some ten ns, as it is done for all. */
void scram_nobodys_keys(struct scram_keys *keys, const uint8_t secret[SECRET_KEY_BYTES], struct slice name);

/* The server: does this proof come from who knows the password? In constant time. */
MUST_USE bool scram_proof_is_right(const struct scram_keys *keys, struct slice auth_message,
				   const uint8_t proof[SCRAM_KEY_BYTES]);
/* The server's own proof; the client compares it with what it has computed itself. */
void scram_server_signature(uint8_t signature[SCRAM_KEY_BYTES], const struct scram_keys *keys,
			    struct slice auth_message);

/* The client. */
void scram_make_proof(uint8_t proof[SCRAM_KEY_BYTES], const struct scram_keys *keys,
		      const uint8_t client_key[SCRAM_KEY_BYTES], struct slice auth_message);

#endif
