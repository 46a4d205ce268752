/* Under which rule is an address? Of all prefixes that it lies in, the most specific one decides.
 *
 * A builder gathers prefixes in any order, each with its rule: a number of the caller's, who alone knows what it means
 * (allow or deny, of which file and line). A prefix may come several times; then the lowest rank wins (deny before allow,
 * say), and at equal rank what came first. The tree is made from the builder in one go, is read-only and as compact as
 * may be; where rules change, a new one is made and swapped for the old.
 *
 * The tree is path-compressed with a stride of 16 bits: an IPv4 address takes at most two steps, an IPv6 address eight,
 * whatever the rules are. Its memory is 12 to 17 bytes a prefix for usual lists and under 48 for single IPv6 addresses that
 * share nothing; while it is made some 70 bytes a prefix are needed. tests/unit/net/measure_net tells what that costs here. */
#ifndef POSTERN_NET_RADIX_H
#define POSTERN_NET_RADIX_H

#include "core/net/prefix.h"

/* What an address is under that no prefix holds. A rule is any number below it. */
enum { RADIX_NO_RULE = INT32_MAX };

struct radix_entry;
struct radix_tree;

struct radix_builder {
	struct radix_entry *entries;
	size_t count;
	size_t capacity;
};

void radix_builder_init(struct radix_builder *builder);
void radix_builder_finish(struct radix_builder *builder);

/* False: no memory, or LIMIT_RULES are there; the builder is as it was. */
MUST_USE bool radix_builder_add(struct radix_builder *builder, const struct net_prefix *prefix, uint32_t rule,
				uint8_t rank);

/* Takes back the last addition of that prefix with that rule; nothing happens where there is none. It is carried out
 * when the tree is made and until then costs as much memory as an addition. False as above. */
MUST_USE bool radix_builder_remove(struct radix_builder *builder, const struct net_prefix *prefix, uint32_t rule);

/* Called for each addition that can never decide, since another one has the same prefix and goes before it. */
typedef void radix_hidden(void *context, const struct net_prefix *prefix, uint32_t winner, uint32_t hidden);

/* Makes the tree and empties the builder; NULL: no memory. `hidden` may be NULL. A prefix that is covered by more
 * specific ones altogether is not told here: its rule does not come up in a walk. */
struct radix_tree *radix_build(struct radix_builder *builder, radix_hidden *hidden, void *context);

/* NULL is allowed. */
void radix_destroy(struct radix_tree *tree);

/* The rule, or RADIX_NO_RULE; of an unknown address too. */
uint32_t radix_find(const struct radix_tree *tree, const struct net_address *address);

/* Bytes that the tree holds, all in all; an image that it lies in is not counted. */
size_t radix_memory_bytes(const struct radix_tree *tree);

/* The tree as an image, bytes that hold wherever they lie: written by one process into memory that others share. */
size_t radix_image_bytes(const struct radix_tree *tree);
void radix_image_write(const struct radix_tree *tree, void *memory);

/* The tree that an image holds; the image begins at a multiple of 8, is as it was written (this is not looked into), and must
 * stay until the tree is destroyed. NULL: no memory, or the size is wrong. */
struct radix_tree *radix_image_open(struct slice image);

/* A walk over all addresses that there are, IPv4 first, in ranges that are under one rule (or none) and as long as may
 * be: neighbours differ in rule or family. Together they hold every address once. */
struct radix_walk {
	const struct radix_tree *tree;
	struct net_address next; /* where the next range begins; family 0: the walk is over */
};

struct radix_range {
	struct net_address first;
	struct net_address last;
	uint32_t rule;
};

struct radix_walk radix_walk_from_start(const struct radix_tree *tree);

/* False: the walk is over. */
MUST_USE bool radix_walk_next(struct radix_walk *walk, struct radix_range *range);

#endif
