/* Walking the radix tree in ranges of addresses that are under one rule; see radix.h. */
#include "core/net/radix_parts.h"

static address_bits piece_in_place(uint32_t piece, unsigned depth)
{
	return (address_bits)piece << (PIECE_BITS * (PIECE_COUNT - 1 - depth));
}

/* The last address whose first pieces, `depth` of them, are those of `bits`. */
static address_bits end_of_block(address_bits bits, unsigned depth)
{
	return bits | address_bits_behind(depth * PIECE_BITS);
}

/* The last address with that piece behind `depth` pieces of `bits`. */
static address_bits end_of_piece(address_bits bits, unsigned depth, uint32_t piece)
{
	address_bits before = bits & ~address_bits_behind(depth * PIECE_BITS);
	return end_of_block(before | piece_in_place(piece, depth), depth + 1);
}

/* What a node says of an address: a reference that holds up to and including `last`. */
struct stretch {
	uint32_t ref;
	address_bits last;
};

/* Up to the skipped path, or behind it, where the address is not on it; ref is a node's where it is. */
static struct stretch skip_stretch(const uint16_t *node, address_bits bits, unsigned depth)
{
	struct stretch stretch = { ref_load(node + 2), 0 };
	for (unsigned i = 0; i < node_skip(node); i++) {
		uint32_t skipped = node[NODE_HEAD_HALVES + i], piece = piece_of(bits, depth + i);
		if (piece == skipped)
			continue;
		if (piece > skipped) {
			stretch.last = end_of_block(bits, depth);
			return stretch;
		}
		address_bits start = bits & ~address_bits_behind((depth + i) * PIECE_BITS);
		for (unsigned k = i; k < node_skip(node); k++)
			start |= piece_in_place(node[NODE_HEAD_HALVES + k], depth + k);
		stretch.last = start - 1;
		return stretch;
	}
	stretch.ref = REF_NODE;
	return stretch;
}

static struct stretch node_stretch(const uint16_t *node, address_bits bits, unsigned depth)
{
	struct node_body body;
	uint32_t up_to = node_search(node, piece_of(bits, depth), &body), end = PIECE_MOST;
	if (up_to < node_count(node))
		end = (node_is_dense(node) ? body.keys[0] + up_to : body.keys[up_to]) - 1;
	return (struct stretch){ node_ref(node, &body, up_to), end_of_piece(bits, depth, end) };
}

static struct stretch stretch_of(const struct radix_tree *tree, uint32_t root, address_bits bits)
{
	struct stretch stretch = { root, ADDRESS_BITS_MOST };
	unsigned depth = 0;
	while (stretch.ref & REF_NODE) {
		const uint16_t *node = tree->halves + (stretch.ref & ~REF_NODE);
		stretch = skip_stretch(node, bits, depth);
		if (!(stretch.ref & REF_NODE))
			return stretch;
		depth += node_skip(node);
		stretch = node_stretch(node, bits, depth++);
	}
	return stretch;
}

struct radix_walk radix_walk_from_start(const struct radix_tree *tree)
{
	return (struct radix_walk){ tree, { .family = 4 } };
}

static struct net_address address_from_bits(address_bits bits, uint8_t family)
{
	struct net_address address = { .family = family };
	address_bits_store(family == 4 ? bits & ~address_bits_behind(32) : bits, address.bytes);
	return address;
}

bool radix_walk_next(struct radix_walk *walk, struct radix_range *range)
{
	uint8_t family = walk->next.family;
	if (family == 0)
		return false;
	uint32_t root = walk->tree->roots[family == 6];
	struct stretch stretch = stretch_of(walk->tree, root, address_bits_of(walk->next.bytes)), next = stretch;
	/* Nodes cut a range where a block ends; what is under the same rule behind belongs to it. */
	while (next.ref == stretch.ref) {
		stretch.last = next.last;
		if (stretch.last == ADDRESS_BITS_MOST)
			break;
		next = stretch_of(walk->tree, root, stretch.last + 1);
	}
	*range = (struct radix_range){ walk->next, address_from_bits(stretch.last, family), stretch.ref };
	if (stretch.last != ADDRESS_BITS_MOST)
		walk->next = address_from_bits(stretch.last + 1, family);
	else
		walk->next = (struct net_address){ .family = family == 4 ? 6 : 0 };
	return true;
}
