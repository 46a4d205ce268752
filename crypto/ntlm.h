/* What NTLMv2 computes (MS-NLMP §3.3.2, §3.4): digests and keys of names, a password's hash and messages. Old ciphers, used
 * because the protocol has them; what keeps the exchange safe is the TLS around it.
 *
 * Names come in UTF-16, the user's in capitals. Everything here is microseconds, in constant time for equal sizes. */
#ifndef POSTERN_CRYPTO_NTLM_H
#define POSTERN_CRYPTO_NTLM_H

#include "core/base/error.h"
#include "core/base/slice.h"

enum { NTLM_HASH_BYTES = 16, NTLM_SEALED_BYTES = 24 + 16 + NTLM_HASH_BYTES, NTLM_SEAL_KEY_BYTES = 32 };

/* The NT hash: MD4 of the password in UTF-16. As good as the password itself for NTLM. */
void ntlm_hash(uint8_t hash[NTLM_HASH_BYTES], struct slice password);

/* NTOWFv2: what stands for user, domain and password. */
void ntlm_user_key(uint8_t key[NTLM_HASH_BYTES], const uint8_t hash[NTLM_HASH_BYTES], struct slice user,
		   struct slice domain);

/* NTProofStr over the server's challenge and the client's blob. */
void ntlm_proof(uint8_t proof[NTLM_HASH_BYTES], const uint8_t user_key[NTLM_HASH_BYTES], struct slice challenge,
		struct slice blob);

/* SessionBaseKey. */
void ntlm_base_key(uint8_t key[NTLM_HASH_BYTES], const uint8_t user_key[NTLM_HASH_BYTES],
		   const uint8_t proof[NTLM_HASH_BYTES]);

/* Key exchange, both ways: a key of NTLM_HASH_BYTES through RC4 with the base key. */
void ntlm_exchange_key(uint8_t out[NTLM_HASH_BYTES], const uint8_t base_key[NTLM_HASH_BYTES],
		       const uint8_t in[NTLM_HASH_BYTES]);

/* The MIC over all three messages. What stands in AUTHENTICATE from `mic_at` on counts as zeros, as many as a MIC has. */
void ntlm_mic(uint8_t mic[NTLM_HASH_BYTES], const uint8_t key[NTLM_HASH_BYTES], struct slice negotiate,
	      struct slice challenge, struct slice authenticate, size_t mic_at);

/* The digest of a channel that the client puts in its pairs, of the server's certificate's hash as RFC 5929 §4.1 has it
 * (tls-server-end-point; the structure is RFC 4121 §4.1.1.2's). */
void ntlm_channel_digest(uint8_t digest[NTLM_HASH_BYTES], struct slice end_point);

/* --- hashes in the database --- */

/* Encrypts for one name, so that what is sealed for one user is worth nothing in another's row. */
void ntlm_seal(uint8_t sealed[NTLM_SEALED_BYTES], const uint8_t key[NTLM_SEAL_KEY_BYTES], struct slice name,
	       const uint8_t hash[NTLM_HASH_BYTES]);

/* False where it was not sealed so with this key: the hash is zeros then. */
MUST_USE bool ntlm_unseal(uint8_t hash[NTLM_HASH_BYTES], const uint8_t key[NTLM_SEAL_KEY_BYTES], struct slice name,
			  const uint8_t sealed[NTLM_SEALED_BYTES]);

#define NTLM_SEAL_KEY_NAME "ntlm.key" /* in the data folder, beside the user database and not in it */

/* The key that hashes are sealed with, in a file of its own; guarded memory, to be freed with secret_free(). The file is made where
 * there is none and `make` is set: readable for its owner alone, who is the folder's. NULL and `error` otherwise. Blocks:
 * for set-up and the command line. */
uint8_t *ntlm_seal_key_load(const char *path, bool make, struct error *error);

#endif
