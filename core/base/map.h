/* Hash map from a 64-bit hash to a node embedded in its owner.
 *
 * Open hashing over intrusive chains: the map owns its table of buckets only. The caller brings the hash (keyed,
 * wherever the key is chosen by a client) and compares keys itself: map_find() walks all nodes of one hash.
 * The table grows a bucket at a time, so that no insertion takes longer than others, however many nodes there are; where memory
 * for that runs out the map goes on, only slower. */
#ifndef POSTERN_BASE_MAP_H
#define POSTERN_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

struct map_node {
	struct map_node *next;
	uint64_t hash;
};

struct map {
	struct map_node ***chunks; /* of buckets; NULL: not made */
	size_t chunk_capacity;
	size_t bucket_count;
	uint64_t mask; /* one less than a power of two, and at least the last bucket's number */
	size_t size;
};

/* With buckets for so many nodes. False: no memory; map_finish() is allowed then too. */
MUST_USE bool map_init(struct map *map, size_t expected);
void map_finish(struct map *map);
void map_insert(struct map *map, struct map_node *node, uint64_t hash);

/* The node must be in the map. */
void map_remove(struct map *map, struct map_node *node);

/* The first node with this hash, or NULL; map_find_next() the one after it. */
struct map_node *map_find(const struct map *map, uint64_t hash);
struct map_node *map_find_next(const struct map_node *node);

/* Walks everything in no order: start with NULL. The node answered may be removed before the next call only if
 * the next one was asked for first. */
struct map_node *map_walk(const struct map *map, const struct map_node *after);

/* For keys that are small numbers of our own making (generations): spreads them over the table. Message ids need no
 * spreading: they differ in their low bits, and those given one after the other share cache lines. */
static inline uint64_t map_hash_number(uint64_t number)
{
	number = (number ^ number >> 32) * 0x9e3779b97f4a7c15u;
	return number ^ number >> 29;
}

/* Without a key: for texts that are few at a time. Equal hashes are compared as texts by the caller. */
uint64_t map_hash_text(const char *text);

#endif
