/* A table of prefixes that is searched from end to end: what the radix tree must agree with. */
#ifndef POSTERN_TESTS_RADIX_MODEL_H
#define POSTERN_TESTS_RADIX_MODEL_H

#include "core/net/radix.h"

enum { MODEL_MOST = 4096 };

struct model_entry {
	struct net_prefix prefix;
	uint32_t rule;
	uint8_t rank;
};

struct model {
	struct model_entry entries[MODEL_MOST]; /* in the order of their coming */
	size_t count;
};

void model_add(struct model *model, const struct net_prefix *prefix, uint32_t rule, uint8_t rank);
void model_remove(struct model *model, const struct net_prefix *prefix, uint32_t rule);
uint32_t model_find(const struct model *model, const struct net_address *address);

/* How many entries can never decide, since another one of the same prefix does. */
size_t model_count_hidden(const struct model *model);

/* The neighbours in the order of addresses; false at the family's end. */
bool model_next(struct net_address *address);
bool model_previous(struct net_address *address);

#endif
