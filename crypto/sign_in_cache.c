/* The cache of verified logins; see sign_in_cache.h.
 *
 * A login's digest chooses its set with its first bytes and is compared by the following 192 bits. A set is two or four
 * cache lines, looked through whole and in constant time, so neither hit nor miss tells which entry was near. */
#include "crypto/sign_in_cache.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core/base/cursor.h"
#include "crypto/secret.h"

enum { WAYS = 8, DIGEST_BYTES = 24 };

struct entry {
	uint8_t digest[DIGEST_BYTES];
	uint64_t ends_ms; /* 0: free */
};

struct set {
	struct entry entries[WAYS];
};

struct sign_in_cache {
	uint8_t *key; /* guarded */
	uint64_t lifetime_ms;
	size_t set_count; /* a power of two */
	struct set *sets;
};

struct sign_in_cache *sign_in_cache_create(size_t entries, uint64_t lifetime_ms)
{
	struct sign_in_cache *cache = calloc(1, sizeof *cache);
	if (!cache)
		return NULL;
	cache->lifetime_ms = lifetime_ms;
	cache->set_count = 1;
	while (cache->set_count * WAYS < entries)
		cache->set_count *= 2;
	cache->key = secret_allocate(SECRET_KEY_BYTES);
	/* Zeroed pages cost no memory until they are used. */
	cache->sets = calloc(cache->set_count, sizeof *cache->sets);
	if (!cache->key || !cache->sets) {
		sign_in_cache_destroy(cache);
		return NULL;
	}
	secret_random(cache->key, SECRET_KEY_BYTES);
	return cache;
}

void sign_in_cache_destroy(struct sign_in_cache *cache)
{
	if (!cache)
		return;
	secret_free(cache->key);
	free(cache->sets);
	free(cache);
}

/* The sizes go in first, so that no two (name, password) pairs are the same bytes. */
static struct set *find_set(const struct sign_in_cache *cache, struct slice name, struct slice password,
			    uint64_t version, uint8_t digest[DIGEST_BYTES])
{
	uint8_t numbers[3 * sizeof(uint64_t)], hash[SECRET_HASH_BYTES];
	store_le(numbers, version, sizeof(uint64_t));
	store_le(numbers + sizeof(uint64_t), name.size, sizeof(uint64_t));
	store_le(numbers + 2 * sizeof(uint64_t), password.size, sizeof(uint64_t));
	crypto_generichash_state state;
	crypto_generichash_init(&state, cache->key, SECRET_KEY_BYTES, sizeof hash);
	crypto_generichash_update(&state, numbers, sizeof numbers);
	crypto_generichash_update(&state, name.data, name.size);
	crypto_generichash_update(&state, password.data, password.size);
	crypto_generichash_final(&state, hash, sizeof hash);
	secret_wipe(&state, sizeof state);

	struct cursor cursor = cursor_over(slice_of(hash, sizeof hash));
	uint64_t number = cursor_take_u64le(&cursor);
	memcpy(digest, cursor_take(&cursor, DIGEST_BYTES).data, DIGEST_BYTES);
	return &cache->sets[number & (cache->set_count - 1)];
}

/* The entry with this digest, or NULL. All are compared, always. */
static struct entry *find_entry(struct set *set, const uint8_t digest[DIGEST_BYTES])
{
	struct entry *found = NULL;
	for (size_t i = 0; i < WAYS; i++)
		if (sodium_memcmp(set->entries[i].digest, digest, DIGEST_BYTES) == 0)
			found = &set->entries[i];
	return found;
}

bool sign_in_cache_has(struct sign_in_cache *cache, struct slice name, struct slice password, uint64_t version,
		       uint64_t now_ms)
{
	uint8_t digest[DIGEST_BYTES];
	struct set *set = find_set(cache, name, password, version, digest);
	const struct entry *entry = find_entry(set, digest);
	return entry && now_ms < entry->ends_ms;
}

/* The entry that ends first: a free or past one before any other. */
static struct entry *find_oldest(struct set *set)
{
	struct entry *oldest = &set->entries[0];
	for (size_t i = 1; i < WAYS; i++)
		if (set->entries[i].ends_ms < oldest->ends_ms)
			oldest = &set->entries[i];
	return oldest;
}

void sign_in_cache_add(struct sign_in_cache *cache, struct slice name, struct slice password, uint64_t version,
		       uint64_t now_ms)
{
	uint8_t digest[DIGEST_BYTES];
	struct set *set = find_set(cache, name, password, version, digest);
	struct entry *entry = find_entry(set, digest);
	if (!entry)
		entry = find_oldest(set);
	memcpy(entry->digest, digest, DIGEST_BYTES);
	entry->ends_ms = now_ms + cache->lifetime_ms;
}
