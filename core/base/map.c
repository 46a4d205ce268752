/* Intrusive hash map; see map.h. */
#include "core/base/map.h"

#include <stdlib.h>

enum { BUCKETS_LEAST = 16 };

static struct map_node **bucket_of(const struct map *map, uint64_t hash)
{
	return &map->buckets[hash & (map->bucket_count - 1)];
}

bool map_init(struct map *map, size_t expected)
{
	size_t count = BUCKETS_LEAST;
	while (count < expected)
		count *= 2;
	*map = (struct map){ calloc(count, sizeof *map->buckets), count, 0 };
	return map->buckets != NULL;
}

void map_finish(struct map *map)
{
	free(map->buckets);
	*map = (struct map){ NULL, 0, 0 };
}

static void grow(struct map *map)
{
	struct map larger = { calloc(map->bucket_count * 2, sizeof *map->buckets), map->bucket_count * 2, map->size };
	if (!larger.buckets)
		return;
	for (size_t i = 0; i < map->bucket_count; i++) {
		for (struct map_node *node = map->buckets[i], *next; node; node = next) {
			next = node->next;
			struct map_node **bucket = bucket_of(&larger, node->hash);
			node->next = *bucket;
			*bucket = node;
		}
	}
	free(map->buckets);
	*map = larger;
}

void map_insert(struct map *map, struct map_node *node, uint64_t hash)
{
	if (map->size >= map->bucket_count)
		grow(map);
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
		from = (after->hash & (map->bucket_count - 1)) + 1;
	}
	for (size_t i = from; i < map->bucket_count; i++)
		if (map->buckets[i])
			return map->buckets[i];
	return NULL;
}
