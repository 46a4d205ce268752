/* Secrets through libsodium; see secret.h. */
#include "crypto/secret.h"

#include <sodium.h>

_Static_assert(SECRET_KEY_BYTES == crypto_generichash_KEYBYTES, "keys are BLAKE2b's recommended size");
_Static_assert(SECRET_HASH_BYTES == crypto_generichash_BYTES, "hashes are BLAKE2b-256");
_Static_assert(SECRET_SHORT_KEY_BYTES == crypto_shorthash_KEYBYTES, "keys are SipHash's");
_Static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES, "a short hash is one number");

bool secret_setup(void)
{
	return sodium_init() >= 0;
}

void secret_wipe(void *at, size_t size)
{
	sodium_memzero(at, size);
}

bool secret_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || sodium_memcmp(a.data, b.data, a.size) == 0);
}

void secret_random(void *at, size_t size)
{
	randombytes_buf(at, size);
}

/* Crockford's base 32 in small letters: i, l, o and u are left out, so that 1 and 0 can't be mistaken. */
void secret_random_text(char *text, size_t characters)
{
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
	_Static_assert(sizeof alphabet == 32 + 1, "five bits a character");
	secret_random(text, characters);
	for (size_t i = 0; i < characters; i++)
		text[i] = alphabet[(uint8_t)text[i] & 31];
	text[characters] = 0;
}

void *secret_allocate(size_t size)
{
	return sodium_malloc(size);
}

void secret_free(void *at)
{
	sodium_free(at);
}

void secret_hash(uint8_t hash[SECRET_HASH_BYTES], const uint8_t key[SECRET_KEY_BYTES], struct slice bytes)
{
	crypto_generichash(hash, SECRET_HASH_BYTES, bytes.data, bytes.size, key, SECRET_KEY_BYTES);
}

uint64_t secret_short_hash(const uint8_t key[SECRET_SHORT_KEY_BYTES], struct slice bytes)
{
	uint64_t hash;
	crypto_shorthash((uint8_t *)&hash, bytes.data, bytes.size, key);
	return hash;
}
