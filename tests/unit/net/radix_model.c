/* The slow table; see radix_model.h. */
#include "tests/unit/net/radix_model.h"

#include <string.h>

static bool same(const struct net_prefix *a, const struct net_prefix *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

void model_add(struct model *model, const struct net_prefix *prefix, uint32_t rule, uint8_t rank)
{
	ASSERT(model->count < MODEL_MOST);
	model->entries[model->count++] = (struct model_entry){ *prefix, rule, rank };
}

void model_remove(struct model *model, const struct net_prefix *prefix, uint32_t rule)
{
	for (size_t i = model->count; i-- > 0;) {
		if (!same(&model->entries[i].prefix, prefix) || model->entries[i].rule != rule)
			continue;
		for (model->count--; i < model->count; i++)
			model->entries[i] = model->entries[i + 1];
		return;
	}
}

/* Does b go before a? Entries are asked in the order of their coming. */
static bool goes_before(const struct model_entry *a, const struct model_entry *b)
{
	return !a || b->prefix.length > a->prefix.length || (b->prefix.length == a->prefix.length && b->rank < a->rank);
}

uint32_t model_find(const struct model *model, const struct net_address *address)
{
	const struct model_entry *best = NULL;
	for (size_t i = 0; i < model->count; i++)
		if (net_prefix_contains(&model->entries[i].prefix, address) && goes_before(best, &model->entries[i]))
			best = &model->entries[i];
	return best ? best->rule : RADIX_NO_RULE;
}

size_t model_count_hidden(const struct model *model)
{
	size_t hidden = 0;
	for (size_t i = 0; i < model->count; i++) {
		bool first = true;
		for (size_t k = 0; k < i; k++)
			first &= !same(&model->entries[i].prefix, &model->entries[k].prefix);
		hidden += !first;
	}
	return hidden;
}

bool model_next(struct net_address *address)
{
	for (size_t i = address->family == 4 ? 4 : 16; i-- > 0;)
		if (++address->bytes[i] != 0)
			return true;
	return false;
}

bool model_previous(struct net_address *address)
{
	for (size_t i = address->family == 4 ? 4 : 16; i-- > 0;)
		if (address->bytes[i]-- != 0)
			return true;
	return false;
}
