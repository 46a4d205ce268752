/* Intrusive hash map; see map.h.
 *
 * The table grows by linear hashing: one bucket for each node that is inserted, never all at once. With 2^n ≤ count < 2^(n+1)
 * buckets, a hash's low n+1 bits say which one; where there is none of that number yet, the low n bits do. The next bucket
 * to be made takes what is its own from the one that differs in bit n. Buckets lie in chunks, so that none moves. */
#include "core/base/map.h"

#include <stdlib.h>

enum {
	CHUNK_BUCKETS = 512, /* a page */
	CHUNKS_LEAST = 8,    /* in the directory */
	AHEAD = 8,           /* nodes are fetched so many splits before they are needed */
};

static struct map_node **bucket_at(const struct map *map, size_t at)
{
	return &map->chunks[at / CHUNK_BUCKETS][at % CHUNK_BUCKETS];
}

static size_t bucket_number(const struct map *map, uint64_t hash)
{
	size_t at = hash & map->mask;
	return at < map->bucket_count ? at : at & map->mask >> 1;
}

static struct map_node **bucket_of(const struct map *map, uint64_t hash)
{
	return bucket_at(map, bucket_number(map, hash));
}

/* --- growing --- */

static bool add_chunk(struct map *map)
{
	size_t count = map->bucket_count / CHUNK_BUCKETS;
	if (count == map->chunk_capacity) {
		size_t capacity = count ? 2 * count : CHUNKS_LEAST;
		struct map_node ***larger = realloc(map->chunks, capacity * sizeof *larger);
		if (!larger)
			return false;
		map->chunks = larger;
		map->chunk_capacity = capacity;
	}
	map->chunks[count] = calloc(CHUNK_BUCKETS, sizeof *map->chunks[count]);
	return map->chunks[count] != NULL;
}

/* Room for the next bucket; false: no memory. */
static bool add_bucket(struct map *map)
{
	if (map->bucket_count % CHUNK_BUCKETS == 0 && !add_chunk(map))
		return false;
	if (map->bucket_count > map->mask)
		map->mask = 2 * map->mask + 1;
	map->bucket_count++;
	return true;
}

static void split(struct map *map)
{
	if (!add_bucket(map))
		return;
	uint64_t bit = map->mask / 2 + 1;
	size_t high = map->bucket_count - 1, low = high - bit;
	__builtin_prefetch(*bucket_at(map, (low + AHEAD) % bit));
	struct map_node *node = *bucket_at(map, low), **lows = bucket_at(map, low), **highs = bucket_at(map, high);
	for (; node; node = node->next) {
		struct map_node ***to = node->hash & bit ? &highs : &lows;
		**to = node;
		*to = &node->next;
	}
	*lows = *highs = NULL;
}

/* --- life --- */

bool map_init(struct map *map, size_t expected)
{
	*map = (struct map){ 0 };
	do {
		if (!add_bucket(map)) {
			map_finish(map);
			return false;
		}
	} while (map->bucket_count < expected);
	return true;
}

void map_finish(struct map *map)
{
	for (size_t at = 0; at < map->bucket_count; at += CHUNK_BUCKETS)
		free(map->chunks[at / CHUNK_BUCKETS]);
	free(map->chunks);
	*map = (struct map){ 0 };
}

/* --- hashes --- */

/* FNV-1a. */
uint64_t map_hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
	return map_hash_number(hash);
}

/* --- nodes --- */

void map_insert(struct map *map, struct map_node *node, uint64_t hash)
{
	if (map->size >= map->bucket_count)
		split(map);
	struct map_node **bucket = bucket_of(map, hash);
	node->hash = hash;
	node->next = *bucket;
	*bucket = node;
	map->size++;
}

void map_remove(struct map *map, struct map_node *node)
{
	struct map_node **at = bucket_of(map, node->hash);
	while (*at != node) {
		ASSERT(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	map->size--;
}

struct map_node *map_find(const struct map *map, uint64_t hash)
{
	for (struct map_node *node = *bucket_of(map, hash); node; node = node->next)
		if (node->hash == hash)
			return node;
	return NULL;
}

struct map_node *map_find_next(const struct map_node *node)
{
	uint64_t hash = node->hash;
	for (struct map_node *next = node->next; next; next = next->next)
		if (next->hash == hash)
			return next;
	return NULL;
}

struct map_node *map_walk(const struct map *map, const struct map_node *after)
{
	size_t from = 0;
	if (after) {
		if (after->next)
			return after->next;
		from = bucket_number(map, after->hash) + 1;
	}
	for (size_t i = from; i < map->bucket_count; i++)
		if (*bucket_at(map, i))
			return *bucket_at(map, i);
	return NULL;
}
