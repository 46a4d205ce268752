/* Tables that are searched from end to end; see micro_naive.h. */
#include "bench/micro_naive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- prefixes --- */

/* An address as two numbers, to be compared in few steps. */
struct wide {
	uint64_t high, low;
};

struct naive_prefix {
	struct wide prefix, mask;
	uint8_t family;
	uint16_t weight; /* a longer one has more, and of equal ones what denies */
};

static struct wide widen(const uint8_t bytes[16])
{
	uint64_t halves[2];
	memcpy(halves, bytes, sizeof halves);
	return (struct wide){ __builtin_bswap64(halves[0]), __builtin_bswap64(halves[1]) };
}

static uint64_t leading_ones(unsigned count)
{
	return count == 0 ? 0 : count >= 64 ? UINT64_MAX : ~(UINT64_MAX >> count);
}

struct naive_prefixes naive_prefixes_make(const struct net_prefix *prefixes, uint32_t count, const bool *denies)
{
	struct naive_prefixes made = { micro_must(malloc(count * sizeof *made.list)), count };
	for (uint32_t i = 0; i < count; i++) {
		const struct net_prefix *prefix = &prefixes[i];
		made.list[i] = (struct naive_prefix){
			.prefix = widen(prefix->bytes),
			.mask = { leading_ones(prefix->length),
				  leading_ones(prefix->length > 64 ? prefix->length - 64u : 0) },
			.family = prefix->family,
			.weight = (uint16_t)(1 + 2 * prefix->length + (denies && denies[i])),
		};
	}
	return made;
}

void naive_prefixes_free(struct naive_prefixes *prefixes)
{
	free(prefixes->list);
}

uint32_t naive_prefixes_find(const struct naive_prefixes *prefixes, const struct net_address *address)
{
	struct wide wide = widen(address->bytes);
	uint32_t best = NAIVE_NO_RULE;
	unsigned weight = 0;
	for (uint32_t i = 0; i < prefixes->count; i++) {
		const struct naive_prefix *prefix = &prefixes->list[i];
		bool in = !(((wide.high & prefix->mask.high) ^ prefix->prefix.high) |
			    ((wide.low & prefix->mask.low) ^ prefix->prefix.low));
		if (in && prefix->weight > weight && prefix->family == address->family) {
			best = i;
			weight = prefix->weight;
		}
	}
	return best;
}

/* --- names --- */

struct names names_make(uint32_t most)
{
	return (struct names){ micro_must(malloc((size_t)most * MEASURE_NAME_BYTES)),
			       micro_must(calloc(most + 1, sizeof(uint32_t))), 0 };
}

void names_add(struct names *names, const char *name, size_t size)
{
	uint32_t at = names->starts[names->count++];
	memcpy(names->texts + at, name, size);
	names->starts[names->count] = at + (uint32_t)size;
}

void names_free(struct names *names)
{
	free(names->texts);
	free(names->starts);
}

struct names names_of_rules(uint32_t count, struct measure_random *random)
{
	struct names names = names_make(count);
	char text[MEASURE_NAME_BYTES];
	for (uint32_t i = 0; i < count; i++)
		names_add(&names, text, measure_name(random, text));
	return names;
}

struct names names_to_ask(const struct names *rules, bool under, struct measure_random *random)
{
	struct names names = names_make(MICRO_LOOKUPS);
	char text[MEASURE_NAME_BYTES];
	for (uint32_t i = 0; i < MICRO_LOOKUPS; i++) {
		size_t size = measure_name(random, text);
		struct slice rule = names_at(rules, measure_random_below(random, rules->count));
		if (under)
			size = (size_t)snprintf(text, sizeof text, "mx%u.%.*s", i % 100, SLICE_ARGS(rule));
		names_add(&names, text, size);
	}
	return names;
}

static bool is_under(struct slice name, const struct suffix *rule)
{
	if (name.size < rule->name.size)
		return false;
	size_t before = name.size - rule->name.size;
	if (before > 0 && (!rule->below || name.data[before - 1] != '.'))
		return false;
	return slice_equal(slice_skip(name, before), rule->name);
}

uint32_t naive_names_find(const struct names *rules, const bool *denies, struct slice name)
{
	uint32_t best = NAIVE_NO_RULE;
	size_t best_weight = 0;
	for (uint32_t i = 0; i < rules->count; i++) {
		struct suffix rule = names_rule_at(rules, i);
		/* A host goes before a domain of the same name. */
		size_t weight = 4 * rule.name.size + 2 * !rule.below + (denies && denies[i]);
		if (weight > best_weight && is_under(name, &rule)) {
			best = i;
			best_weight = weight;
		}
	}
	return best;
}
