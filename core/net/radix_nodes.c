/* From boundaries to the nodes of the radix tree; their layout stands in radix_parts.h. */
#include <stdlib.h>

#include "core/net/radix_parts.h"

enum {
	HALVES_LEAST = 512,
	DENSE_REFS = 2, /* a key at most in a dense node, which is then hardly larger and needs no search */
};

/* The boundaries of one block. */
struct block {
	const struct radix_boundary *list;
	size_t count;
	unsigned depth;  /* pieces that all addresses of the block agree in */
	uint32_t before; /* the rule in force before the first boundary */
};

/* What a node is going to hold beside its references. */
struct node_plan {
	uint32_t other;
	uint32_t skip;
	bool has_zero_key; /* key 0 is needed although no boundary is there */
};

/* Adds room for a node at the end; false: no memory. */
static bool reserve(struct radix_tree *tree, size_t halves)
{
	size_t capacity = tree->capacity ? tree->capacity : HALVES_LEAST;
	while (capacity - tree->count < halves)
		capacity += capacity / 2;
	if (capacity != tree->capacity) {
		uint16_t *larger = capacity < REF_NODE ? realloc(tree->halves, capacity * sizeof *larger) : NULL;
		if (!larger)
			return false;
		tree->halves = larger;
		tree->capacity = capacity;
	}
	tree->count += halves;
	return true;
}

static bool is_at_piece(const struct radix_boundary *boundary, unsigned depth)
{
	return (boundary->start & address_bits_behind((depth + 1) * PIECE_BITS)) == 0;
}

static uint32_t last_rule(const struct block *block)
{
	return block->list[block->count - 1].rule;
}

/* Can the piece that all boundaries agree in be skipped? Then an address below or above it must be under one rule, told
 * in `other`. */
static bool other_rule_of(const struct block *block, uint32_t piece, uint32_t *other)
{
	uint32_t after = last_rule(block);
	*other = piece == 0 ? after : block->before;
	return piece == 0 || piece == PIECE_MOST || block->before == after;
}

/* Moves the block's depth behind the pieces that can be skipped. */
static struct node_plan plan_node(struct block *block)
{
	struct node_plan plan = { .other = block->before };
	while (block->depth + 1 < PIECE_COUNT) {
		uint32_t piece = piece_of(block->list[0].start, block->depth), other;
		if (piece != piece_of(block->list[block->count - 1].start, block->depth) ||
		    (block->count == 1 && is_at_piece(block->list, block->depth)) ||
		    !other_rule_of(block, piece, &other) || (plan.skip > 0 && other != plan.other))
			break;
		plan.other = other;
		plan.skip++;
		block->depth++;
	}
	plan.has_zero_key = piece_of(block->list[0].start, block->depth) != 0 && plan.other != block->before;
	return plan;
}

/* The boundaries that begin at `from` and agree in the piece that the node looks at. */
static struct block part_of(const struct block *block, size_t from)
{
	uint32_t piece = piece_of(block->list[from].start, block->depth);
	size_t end = from + 1;
	while (end < block->count && piece_of(block->list[end].start, block->depth) == piece)
		end++;
	return (struct block){
		.list = block->list + from,
		.count = end - from,
		.depth = block->depth + 1,
		.before = from ? block->list[from - 1].rule : block->before,
	};
}

/* A part that is one boundary at the very start of its piece needs no node below. */
static bool is_plain(const struct block *part)
{
	return part->count == 1 && is_at_piece(part->list, part->depth - 1);
}

/* Behind a part with a node of its own its last rule goes on, where there is a piece and nothing else begins there. */
static bool goes_on(const struct block *block, const struct block *part, size_t end)
{
	uint32_t piece = piece_of(part->list->start, block->depth);
	return !is_plain(part) && piece != PIECE_MOST &&
	       (end == block->count || piece_of(block->list[end].start, block->depth) != piece + 1);
}

/* The keys that the node is going to have. */
struct node_keys {
	uint32_t count;
	uint32_t first;
	uint32_t last;
};

static struct node_keys list_keys(const struct block *block, const struct node_plan *plan)
{
	struct node_keys keys = { .count = plan->has_zero_key };
	keys.first = plan->has_zero_key ? 0 : piece_of(block->list[0].start, block->depth);
	for (size_t i = 0; i < block->count;) {
		struct block part = part_of(block, i);
		i += part.count;
		bool two = goes_on(block, &part, i);
		keys.count += two ? 2 : 1;
		keys.last = piece_of(part.list->start, block->depth) + two;
	}
	return keys;
}

/* Where a node's parts are among the tree's halves, which may move while nodes below are made. */
struct node_place {
	struct radix_tree *tree;
	size_t node;
	size_t index; /* 0: none */
	size_t keys;
	size_t refs;
	uint32_t count; /* put in so far */
	bool dense;
};

/* Keys come in their order. A dense node's values between two of them are under what the first is under. */
static void put_key(struct node_place *place, uint32_t key, uint32_t ref)
{
	uint16_t *halves = place->tree->halves, *refs = halves + place->refs;
	if (!place->dense || place->count == 0)
		halves[place->keys + place->count] = (uint16_t)key;
	for (uint32_t first = halves[place->keys]; place->dense && first + place->count < key; place->count++)
		ref_store(refs + REF_HALVES * place->count, ref_load(refs + REF_HALVES * (place->count - 1)));
	ref_store(refs + REF_HALVES * place->count++, ref);
}

static void fill_index(const struct node_place *place)
{
	uint16_t *index = place->tree->halves + place->index;
	const uint16_t *keys = place->tree->halves + place->keys;
	uint32_t below = 0;
	for (uint32_t high = 0; place->index && high < INDEX_HALVES; high++) {
		while (below < place->count && (uint32_t)keys[below] >> 8 < high)
			below++;
		index[high] = (uint16_t)below;
	}
}

static bool place_node(struct radix_tree *tree, const struct block *block, const struct node_plan *plan,
		       struct node_place *place)
{
	struct node_keys keys = list_keys(block, plan);
	uint32_t values = keys.last - keys.first + 1;
	bool dense = values <= DENSE_REFS * keys.count;
	uint32_t refs = dense ? values : keys.count;
	size_t index = !dense && keys.count >= INDEXED_KEYS ? INDEX_HALVES : 0;
	size_t head = NODE_HEAD_HALVES + plan->skip, at = tree->count;
	if (!reserve(tree, head + index + (dense ? 1 : keys.count) + REF_HALVES * refs))
		return false;
	uint16_t *node = tree->halves + at;
	node[0] = (uint16_t)(refs - 1);
	node[1] = (uint16_t)(plan->skip | (dense ? NODE_DENSE : 0));
	ref_store(node + 2, plan->other);
	for (unsigned i = 0; i < plan->skip; i++)
		node[NODE_HEAD_HALVES + i] = (uint16_t)piece_of(block->list->start, block->depth - plan->skip + i);
	*place = (struct node_place){ .tree = tree, .node = at, .dense = dense };
	place->index = index ? at + head : 0;
	place->keys = at + head + index;
	place->refs = place->keys + (dense ? 1 : keys.count);
	return true;
}

/* Recursion goes no deeper than an address has pieces. */
static bool add_node(struct radix_tree *tree, struct block block, uint32_t *ref)
{
	struct node_plan plan = plan_node(&block);
	struct node_place place;
	if (!place_node(tree, &block, &plan, &place))
		return false;
	if (plan.has_zero_key)
		put_key(&place, 0, block.before);
	for (size_t i = 0; i < block.count;) {
		struct block part = part_of(&block, i);
		uint32_t piece = piece_of(part.list->start, block.depth), below = part.list->rule;
		if (!is_plain(&part) && !add_node(tree, part, &below))
			return false;
		i += part.count;
		put_key(&place, piece, below);
		if (goes_on(&block, &part, i))
			put_key(&place, piece + 1, last_rule(&part));
	}
	fill_index(&place);
	*ref = REF_NODE | (uint32_t)place.node;
	return true;
}

bool radix_add_nodes(struct radix_tree *tree, const struct radix_boundaries *boundaries, uint32_t *root)
{
	*root = RADIX_NO_RULE;
	struct block block = { boundaries->list, boundaries->count, 0, RADIX_NO_RULE };
	if (block.count == 0)
		return true;
	if (block.count == 1 && block.list->start == 0) {
		*root = block.list->rule;
		return true;
	}
	return add_node(tree, block, root);
}
