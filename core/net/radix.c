/* Finding an address in the radix tree, and walking it; see radix.h. */
#include <stdlib.h>

#include "core/net/radix_parts.h"

enum { CACHE_LINE_HALVES = 32, PREFETCH_LINES = 6 };

void radix_destroy(struct radix_tree *tree)
{
	if (!tree)
		return;
	if (!tree->borrowed)
		free(tree->halves);
	free(tree);
}

size_t radix_memory_bytes(const struct radix_tree *tree)
{
	return sizeof *tree + tree->capacity * sizeof *tree->halves;
}

static inline uint32_t piece_at(const uint8_t bytes[16], unsigned depth)
{
	return (uint32_t)bytes[2 * depth] << 8 | bytes[2 * depth + 1];
}

uint32_t radix_find(const struct radix_tree *tree, const struct net_address *address)
{
	if (address->family != 4 && address->family != 6)
		return RADIX_NO_RULE;
	uint32_t ref = tree->roots[address->family == 6];
	unsigned depth = 0;
	while (ref & REF_NODE) {
		const uint16_t *node = tree->halves + (ref & ~REF_NODE);
		/* Most nodes lie within these lines of the cache, and behind a small one what is below it: better to wait for
		 * all at once. */
		for (int line = 1; line <= PREFETCH_LINES; line++)
			__builtin_prefetch(node + line * CACHE_LINE_HALVES);
		for (uint32_t i = 0, skip = node_skip(node); i < skip; i++)
			if (node[NODE_HEAD_HALVES + i] != piece_at(address->bytes, depth++))
				return ref_load(node + 2);
		struct node_body body;
		uint32_t up_to = node_search(node, piece_at(address->bytes, depth++), &body);
		ref = node_ref(node, &body, up_to);
	}
	return ref;
}
