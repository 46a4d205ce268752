/* From prefixes in any order to the boundaries between rules, and the tree made of them; see radix.h.
 *
 * Prefixes are sorted so that one comes before all that it contains, and read once with a stack of those that contain
 * the present one: each begins a stretch of its rule, and where it ends the one around it goes on. */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/net/radix_parts.h"

enum { ENTRIES_LEAST = 64, NESTING_MOST = 129 };

struct radix_entry {
	address_bits bits;
	uint32_t rule;
	uint32_t order; /* of the calls */
	uint8_t family;
	uint8_t length;
	uint8_t rank;
	bool removes;
} __attribute__((packed, aligned(4)));

void radix_builder_init(struct radix_builder *builder)
{
	*builder = (struct radix_builder){ NULL, 0, 0 };
}

void radix_builder_finish(struct radix_builder *builder)
{
	free(builder->entries);
	radix_builder_init(builder);
}

static bool append(struct radix_builder *builder, const struct net_prefix *prefix, uint32_t rule, uint8_t rank,
		   bool removes)
{
	ASSERT(rule < RADIX_NO_RULE && (prefix->family == 4 || prefix->family == 6));
	if (builder->count >= LIMIT_RULES)
		return false;
	if (builder->count == builder->capacity) {
		size_t capacity = builder->capacity ? builder->capacity * 2 : ENTRIES_LEAST;
		struct radix_entry *larger = realloc(builder->entries, capacity * sizeof *larger);
		if (!larger)
			return false;
		builder->entries = larger;
		builder->capacity = capacity;
	}
	builder->entries[builder->count] = (struct radix_entry){
		.bits = address_bits_of(prefix->bytes),
		.rule = rule,
		.order = (uint32_t)builder->count,
		.family = prefix->family,
		.length = prefix->length,
		.rank = rank,
		.removes = removes,
	};
	builder->count++;
	return true;
}

bool radix_builder_add(struct radix_builder *builder, const struct net_prefix *prefix, uint32_t rule, uint8_t rank)
{
	return append(builder, prefix, rule, rank, false);
}

bool radix_builder_remove(struct radix_builder *builder, const struct net_prefix *prefix, uint32_t rule)
{
	return append(builder, prefix, rule, 0, true);
}

static bool same_prefix(const struct radix_entry *a, const struct radix_entry *b)
{
	return a->bits == b->bits && a->length == b->length && a->family == b->family;
}

/* By family and address, the containing prefix before the contained, the earlier call before the later. */
static int compare_entries(const void *a_, const void *b_)
{
	const struct radix_entry *a = a_, *b = b_;
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->bits != b->bits)
		return a->bits < b->bits ? -1 : 1;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Carries out the removals among additions of one prefix; answers how many are left, in their order. */
static size_t settle_removals(struct radix_entry *group, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (!group[i].removes) {
			group[kept++] = group[i];
			continue;
		}
		size_t at = kept;
		while (at > 0 && group[at - 1].rule != group[i].rule)
			at--;
		if (at == 0)
			continue;
		memmove(&group[at - 1], &group[at], (kept - at) * sizeof *group);
		kept--;
	}
	return kept;
}

static void tell_hidden(const struct radix_entry *group, size_t count, size_t winner, radix_hidden *hidden,
			void *context)
{
	struct net_prefix prefix = { .length = group->length, .family = group->family };
	address_bits_store(group->bits, prefix.bytes);
	for (size_t i = 0; hidden && i < count; i++)
		if (i != winner)
			hidden(context, &prefix, group[winner].rule, group[i].rule);
}

/* Leaves one entry of each prefix, the one that decides. */
static void settle(struct radix_builder *builder, radix_hidden *hidden, void *context)
{
	struct radix_entry *entries = builder->entries;
	size_t kept = 0;
	for (size_t i = 0, end; i < builder->count; i = end) {
		for (end = i + 1; end < builder->count && same_prefix(&entries[i], &entries[end]);)
			end++;
		size_t count = settle_removals(&entries[i], end - i);
		size_t winner = 0;
		for (size_t k = 1; k < count; k++)
			if (entries[i + k].rank < entries[i + winner].rank)
				winner = k;
		if (count == 0)
			continue;
		tell_hidden(&entries[i], count, winner, hidden, context);
		entries[kept++] = entries[i + winner];
	}
	builder->count = kept;
}

/* A later boundary at the same address replaces the earlier one; one that changes nothing goes. */
static void put_boundary(struct radix_boundaries *boundaries, address_bits start, uint32_t rule)
{
	struct radix_boundary *list = boundaries->list;
	if (boundaries->count == 0 || list[boundaries->count - 1].start != start)
		boundaries->count++;
	list[boundaries->count - 1] = (struct radix_boundary){ start, rule };
	uint32_t before = boundaries->count >= 2 ? list[boundaries->count - 2].rule : RADIX_NO_RULE;
	if (before == rule)
		boundaries->count--;
}

/* The prefixes around the present place. */
struct nesting {
	struct {
		address_bits last; /* of its addresses */
		uint32_t rule;
	} levels[NESTING_MOST];
	size_t depth;
};

/* Ends the innermost prefix: behind its last address the one around it goes on. */
static void leave_prefix(struct nesting *nesting, struct radix_boundaries *boundaries)
{
	address_bits last = nesting->levels[--nesting->depth].last;
	uint32_t around = nesting->depth ? nesting->levels[nesting->depth - 1].rule : RADIX_NO_RULE;
	if (last != ADDRESS_BITS_MOST)
		put_boundary(boundaries, last + 1, around);
}

/* At most two boundaries a prefix: where it begins and where it ends. */
static bool find_boundaries(const struct radix_entry *entries, size_t count, struct radix_boundaries *boundaries)
{
	struct nesting nesting = { .depth = 0 };
	*boundaries = (struct radix_boundaries){ malloc((2 * count + 1) * sizeof *boundaries->list), 0 };
	if (!boundaries->list)
		return false;
	for (size_t i = 0; i < count; i++) {
		while (nesting.depth > 0 && nesting.levels[nesting.depth - 1].last < entries[i].bits)
			leave_prefix(&nesting, boundaries);
		ASSERT(nesting.depth < NESTING_MOST);
		put_boundary(boundaries, entries[i].bits, entries[i].rule);
		nesting.levels[nesting.depth].last = entries[i].bits | address_bits_behind(entries[i].length);
		nesting.levels[nesting.depth++].rule = entries[i].rule;
	}
	while (nesting.depth > 0)
		leave_prefix(&nesting, boundaries);
	return true;
}

static bool add_family(struct radix_tree *tree, const struct radix_entry *entries, size_t count, uint32_t *root)
{
	struct radix_boundaries boundaries;
	if (count == 0)
		return true;
	bool ok = find_boundaries(entries, count, &boundaries) && radix_add_nodes(tree, &boundaries, root);
	free(boundaries.list);
	return ok;
}

static bool add_families(struct radix_tree *tree, const struct radix_builder *builder)
{
	size_t ipv4 = 0;
	tree->roots[0] = tree->roots[1] = RADIX_NO_RULE;
	if (builder->count == 0)
		return true;
	while (ipv4 < builder->count && builder->entries[ipv4].family == 4)
		ipv4++;
	return add_family(tree, builder->entries, ipv4, &tree->roots[0]) &&
	       add_family(tree, builder->entries + ipv4, builder->count - ipv4, &tree->roots[1]);
}

struct radix_tree *radix_build(struct radix_builder *builder, radix_hidden *hidden, void *context)
{
	struct radix_tree *tree = calloc(1, sizeof *tree);
	if (builder->count)
		qsort(builder->entries, builder->count, sizeof *builder->entries, compare_entries);
	settle(builder, hidden, context);
	if (tree && !add_families(tree, builder)) {
		radix_destroy(tree);
		tree = NULL;
	}
	radix_builder_finish(builder);
	if (!tree || tree->count == 0)
		return tree;
	uint16_t *fitting = realloc(tree->halves, tree->count * sizeof *fitting);
	if (fitting) {
		tree->halves = fitting;
		tree->capacity = tree->count;
	}
	return tree;
}
