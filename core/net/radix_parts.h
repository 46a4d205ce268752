/* What the files of the radix tree share: addresses as numbers, and how the tree lies in memory.
 *
 * The builder lists prefixes, turns them into boundaries (the addresses where another rule begins) and the boundaries
 * into nodes. A node stands for a block of addresses, those that agree in some leading pieces of 16 bits. It looks at the
 * next piece: sorted keys say where, counted in values of that piece, something new begins, and beside each key stands a
 * reference, what is there: a rule, or the node that looks at the piece behind. Where all boundaries of a block agree in
 * further pieces the node holds those and looks at the one behind (it "skips" them); an address that differs in them is
 * under the node's `other` rule.
 *
 *   half 0      count of references, less one
 *   half 1      count of skipped pieces, and NODE_DENSE
 *   half 2, 3   the `other` rule: where a skipped piece differs, or the piece is below the first key
 *   then        the skipped pieces
 *   then        with INDEXED_KEYS or more: how many keys have a high byte below 0, 1 … 256
 *   then        the keys
 *   then        a reference for each key, of two halves
 *
 * A dense node has its first key alone, no index, and a reference for each value from there to the last key. */
#ifndef POSTERN_NET_RADIX_PARTS_H
#define POSTERN_NET_RADIX_PARTS_H

#include "core/net/radix.h"

enum {
	PIECE_BITS = 16,
	PIECE_COUNT = 8, /* of an IPv6 address */
	PIECE_MOST = 0xffff,
	PIECE_VALUES = PIECE_MOST + 1,

	NODE_HEAD_HALVES = 4,
	NODE_DENSE = 0x8000,
	NODE_SKIP_MASK = 7,
	REF_HALVES = 2,
	INDEXED_KEYS =
		256, /* a search among so many would read many cache lines; the index costs 2 bytes a key at most */
	INDEX_HALVES = 257,
};

#define REF_NODE 0x80000000u /* in a reference: not a rule but the place of a node, in halves */

/* Memory is counted in halves of 2 bytes. A reference has no alignment of its own. */
struct radix_tree {
	uint16_t *halves;
	size_t count;
	size_t capacity;   /* 0 where the memory is an image's */
	uint32_t roots[2]; /* references: IPv4, IPv6 */
	bool borrowed;     /* it is */
};

static inline uint32_t ref_load(const uint16_t *at)
{
	uint32_t ref;
	memcpy(&ref, at, sizeof ref);
	return ref;
}

static inline void ref_store(uint16_t *at, uint32_t ref)
{
	memcpy(at, &ref, sizeof ref);
}

/* How many of the sorted keys are at most the piece. Without a branch that depends on the keys: the processor would guess
 * every other one wrong. */
static inline uint32_t keys_up_to(const uint16_t *keys, uint32_t count, uint32_t piece)
{
	const uint16_t *from = keys;
	while (count > 1) {
		uint32_t half = count / 2;
		from = from[half - 1] <= piece ? from + half : from;
		count -= half;
	}
	return (uint32_t)(from - keys) + (count == 1 && *from <= piece);
}

static inline uint32_t node_count(const uint16_t *node)
{
	return node[0] + 1u;
}

static inline uint32_t node_skip(const uint16_t *node)
{
	return node[1] & NODE_SKIP_MASK;
}

static inline bool node_is_dense(const uint16_t *node)
{
	return node[1] & NODE_DENSE;
}

/* What is behind the skipped pieces, told apart. */
struct node_body {
	const uint16_t *keys; /* of a dense node: one, the first */
	const uint16_t *refs;
};

/* How many of a node's keys are at most the piece; those of a dense node are its references. */
static inline uint32_t node_search(const uint16_t *node, uint32_t piece, struct node_body *body)
{
	uint32_t count = node_count(node);
	const uint16_t *at = node + NODE_HEAD_HALVES + node_skip(node);
	if (node_is_dense(node)) {
		*body = (struct node_body){ at, at + 1 };
		uint32_t up_to = piece - *at + 1;
		return piece < *at ? 0 : up_to < count ? up_to : count;
	}
	if (count < INDEXED_KEYS) {
		*body = (struct node_body){ at, at + count };
		return keys_up_to(at, count, piece);
	}
	*body = (struct node_body){ at + INDEX_HALVES, at + INDEX_HALVES + count };
	const uint16_t *index = at + (piece >> 8);
	return index[0] + keys_up_to(body->keys + index[0], index[1] - (uint32_t)index[0], piece);
}

/* The reference for a piece, given how many keys are at most that. */
static inline uint32_t node_ref(const uint16_t *node, const struct node_body *body, uint32_t up_to)
{
	return ref_load(up_to ? body->refs + REF_HALVES * (up_to - 1) : node + 2);
}

/* An address as a number. IPv4 stands in the uppermost 32 bits, so that pieces are counted alike. */
__extension__ typedef unsigned __int128 address_bits;

#define ADDRESS_BITS_MOST (~(address_bits)0)

static inline address_bits address_bits_of(const uint8_t bytes[16])
{
	uint64_t high = 0, low = 0;
	for (int i = 0; i < 8; i++) {
		high = high << 8 | bytes[i];
		low = low << 8 | bytes[i + 8];
	}
	return (address_bits)high << 64 | low;
}

static inline void address_bits_store(address_bits bits, uint8_t bytes[16])
{
	for (int i = 16; i-- > 0; bits >>= 8)
		bytes[i] = (uint8_t)bits;
}

/* The bits behind the first `length` ones, all set. */
static inline address_bits address_bits_behind(unsigned length)
{
	return length >= 128 ? 0 : ADDRESS_BITS_MOST >> length;
}

static inline uint32_t piece_of(address_bits bits, unsigned depth)
{
	return (uint32_t)(bits >> (PIECE_BITS * (PIECE_COUNT - 1 - depth))) & PIECE_MOST;
}

/* From `start` on, up to the next boundary, this rule is in force. */
struct radix_boundary {
	address_bits start;
	uint32_t rule;
} __attribute__((packed, aligned(4)));

/* Sorted by start; neighbours differ in rule, and before the first one none is in force. */
struct radix_boundaries {
	struct radix_boundary *list;
	size_t count;
};

/* Adds the nodes of one family and answers the reference to its root; false: no memory. */
MUST_USE bool radix_add_nodes(struct radix_tree *tree, const struct radix_boundaries *boundaries, uint32_t *root);

#endif
