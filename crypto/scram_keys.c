/* SCRAM-SHA-256; see scram_keys.h.
 *
 * SHA-256 is BoringSSL's, which uses the processor's instructions for it; four times as fast here as libsodium's. HMAC
 * stands here, since its state is then on the stack and keyed once for all iterations. */
#include "crypto/scram_keys.h"

#include <string.h>

#include <openssl/sha.h>

#include "crypto/saslprep.h"

_Static_assert((int)SCRAM_KEY_BYTES == SHA256_DIGEST_LENGTH, "keys are hashes");
_Static_assert((int)SECRET_KEY_BYTES == 2 * (int)SECRET_SHORT_KEY_BYTES, "one half for each half of nobody's salt");
_Static_assert((int)SCRAM_SALT_BYTES == 2 * (int)sizeof(uint64_t), "a salt is two short hashes");

/* --- HMAC-SHA-256 (RFC 2104) --- */

/* With what is worked in: as good as the key, and wiped with it. */
struct hmac_key {
	SHA256_CTX inner, outer, work;
	uint8_t digest[SHA256_DIGEST_LENGTH];
};

static void start(SHA256_CTX *context, const uint8_t block[SHA256_CBLOCK], uint8_t pad)
{
	uint8_t padded[SHA256_CBLOCK];
	for (size_t i = 0; i < sizeof padded; i++)
		padded[i] = block[i] ^ pad;
	SHA256_Init(context);
	SHA256_Update(context, padded, sizeof padded);
	secret_wipe(padded, sizeof padded);
}

static void hmac_init(struct hmac_key *hmac, struct slice key)
{
	uint8_t block[SHA256_CBLOCK] = { 0 };
	if (key.size > sizeof block)
		SHA256(key.data, key.size, block);
	else if (key.size > 0)
		memcpy(block, key.data, key.size);
	start(&hmac->inner, block, 0x36);
	start(&hmac->outer, block, 0x5c);
	secret_wipe(block, sizeof block);
}

/* Of two pieces; `out` may be one of them. */
static void hmac_compute(uint8_t out[SCRAM_KEY_BYTES], struct hmac_key *hmac, struct slice first, struct slice second)
{
	hmac->work = hmac->inner;
	SHA256_Update(&hmac->work, first.data, first.size);
	SHA256_Update(&hmac->work, second.data, second.size);
	SHA256_Final(hmac->digest, &hmac->work);
	hmac->work = hmac->outer;
	SHA256_Update(&hmac->work, hmac->digest, sizeof hmac->digest);
	SHA256_Final(out, &hmac->work);
}

static void hmac_finish(struct hmac_key *hmac)
{
	secret_wipe(hmac, sizeof *hmac);
}

static void hmac_once(uint8_t out[SCRAM_KEY_BYTES], const uint8_t key[SCRAM_KEY_BYTES], struct slice text)
{
	struct hmac_key hmac;
	hmac_init(&hmac, slice_of(key, SCRAM_KEY_BYTES));
	hmac_compute(out, &hmac, text, SLICE_LITERAL(""));
	hmac_finish(&hmac);
}

static void combine(uint8_t out[SCRAM_KEY_BYTES], const uint8_t a[SCRAM_KEY_BYTES], const uint8_t b[SCRAM_KEY_BYTES])
{
	for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
		out[i] = a[i] ^ b[i];
}

/* --- keys --- */

/* Hi(): PBKDF2 with one block of output. */
static void salt_password(uint8_t salted[SCRAM_KEY_BYTES], const struct scram_keys *keys, struct slice password)
{
	static const uint8_t first_block[] = { 0, 0, 0, 1 };
	uint8_t round[SCRAM_KEY_BYTES];
	struct hmac_key hmac;
	hmac_init(&hmac, password);
	hmac_compute(round, &hmac, slice_of(keys->salt, keys->salt_size), slice_of(first_block, sizeof first_block));
	memcpy(salted, round, sizeof round);
	for (uint32_t i = 1; i < keys->iterations; i++) {
		hmac_compute(round, &hmac, slice_of(round, sizeof round), SLICE_LITERAL(""));
		combine(salted, salted, round);
	}
	secret_wipe(round, sizeof round);
	hmac_finish(&hmac);
}

bool scram_password_keys(struct scram_keys *keys, uint8_t client_key[SCRAM_KEY_BYTES], struct slice password)
{
	uint8_t storage[4 * LIMIT_PASSWORD_BYTES], salted[SCRAM_KEY_BYTES], client[SCRAM_KEY_BYTES];
	struct buffer prepared;
	buffer_init(&prepared, storage, sizeof storage);
	bool fits = password.size <= LIMIT_PASSWORD_BYTES && saslprep_append(&prepared, password);
	if (fits) {
		salt_password(salted, keys, buffer_slice(&prepared));
		hmac_once(client, salted, SLICE_LITERAL("Client Key"));
		hmac_once(keys->server_key, salted, SLICE_LITERAL("Server Key"));
		SHA256(client, sizeof client, keys->stored_key);
		if (client_key)
			memcpy(client_key, client, sizeof client);
	}
	secret_wipe(storage, sizeof storage);
	secret_wipe(salted, sizeof salted);
	secret_wipe(client, sizeof client);
	return fits;
}

bool scram_keys_make(struct scram_keys *keys, struct slice password)
{
	*keys = (struct scram_keys){ .iterations = SCRAM_ITERATIONS, .salt_size = SCRAM_SALT_BYTES };
	secret_random(keys->salt, keys->salt_size);
	return scram_password_keys(keys, NULL, password);
}

/* Only the salt is shown, and all that it must do is look like one. StoredKey stays zero: what has such a hash is not known of
 * anything. */
void scram_nobodys_keys(struct scram_keys *keys, const uint8_t secret[SECRET_KEY_BYTES], struct slice name)
{
	*keys = (struct scram_keys){ .iterations = SCRAM_ITERATIONS, .salt_size = SCRAM_SALT_BYTES };
	for (size_t half = 0; half < 2; half++) {
		uint64_t hash = secret_short_hash(secret + half * SECRET_SHORT_KEY_BYTES, name);
		memcpy(keys->salt + half * sizeof hash, &hash, sizeof hash);
	}
}

/* --- proofs --- */

bool scram_proof_is_right(const struct scram_keys *keys, struct slice auth_message,
			  const uint8_t proof[SCRAM_KEY_BYTES])
{
	uint8_t client_key[SCRAM_KEY_BYTES], hash[SHA256_DIGEST_LENGTH];
	hmac_once(client_key, keys->stored_key, auth_message);
	combine(client_key, client_key, proof);
	SHA256(client_key, sizeof client_key, hash);
	bool right = secret_equal(slice_of(hash, sizeof hash), slice_of(keys->stored_key, sizeof keys->stored_key));
	secret_wipe(client_key, sizeof client_key);
	secret_wipe(hash, sizeof hash);
	return right;
}

void scram_server_signature(uint8_t signature[SCRAM_KEY_BYTES], const struct scram_keys *keys,
			    struct slice auth_message)
{
	hmac_once(signature, keys->server_key, auth_message);
}

void scram_make_proof(uint8_t proof[SCRAM_KEY_BYTES], const struct scram_keys *keys,
		      const uint8_t client_key[SCRAM_KEY_BYTES], struct slice auth_message)
{
	hmac_once(proof, keys->stored_key, auth_message);
	combine(proof, proof, client_key);
}
