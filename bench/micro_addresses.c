/* Measures the radix tree: which of many prefixes is an address in? See micro_parts.h. */
#include <stdlib.h>
#include <string.h>

#include "bench/micro_parts.h"
#include "core/net/radix.h"

/* An address or prefix as two numbers, to be compared in few steps. */
struct wide {
	uint64_t high, low;
};

/* For the table that is searched from end to end. */
struct naive_rule {
	struct wide prefix, mask;
	uint8_t family, length;
};

struct subject {
	struct net_prefix *prefixes; /* each a rule of its number */
	uint32_t rules;
	struct net_address *questions;
	struct radix_tree *tree;
	struct naive_rule *naive;
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

static uint32_t find(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	return radix_find(subject->tree, &subject->questions[question]);
}

static uint32_t find_naively(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	const struct net_address *address = &subject->questions[question];
	struct wide wide = widen(address->bytes);
	uint32_t best = RADIX_NO_RULE;
	int best_length = -1;
	for (uint32_t i = 0; i < subject->rules; i++) {
		const struct naive_rule *rule = &subject->naive[i];
		bool in = !(((wide.high & rule->mask.high) ^ rule->prefix.high) |
			    ((wide.low & rule->mask.low) ^ rule->prefix.low));
		if (in && rule->length > best_length && rule->family == address->family) {
			best = i;
			best_length = rule->length;
		}
	}
	return best;
}

static void make_naive(struct subject *subject)
{
	subject->naive = micro_must(malloc(subject->rules * sizeof *subject->naive));
	for (uint32_t i = 0; i < subject->rules; i++) {
		const struct net_prefix *prefix = &subject->prefixes[i];
		unsigned low = prefix->length > 64 ? prefix->length - 64u : 0;
		subject->naive[i] = (struct naive_rule){
			.prefix = widen(prefix->bytes),
			.mask = { leading_ones(prefix->length), leading_ones(low) },
			.family = prefix->family,
			.length = prefix->length,
		};
	}
}

static double build(struct subject *subject)
{
	struct radix_builder builder;
	radix_destroy(subject->tree);
	double began = micro_seconds();
	radix_builder_init(&builder);
	for (uint32_t i = 0; i < subject->rules; i++)
		if (!radix_builder_add(&builder, &subject->prefixes[i], i, 0))
			micro_must(NULL);
	subject->tree = micro_must(radix_build(&builder, NULL, NULL));
	return micro_seconds() - began;
}

static void make_subject(struct subject *subject, uint32_t rules)
{
	struct measure_random random = { 7 };
	*subject = (struct subject){
		.prefixes = micro_must(malloc(rules * sizeof *subject->prefixes)),
		.rules = rules,
		.questions = micro_must(malloc(MICRO_LOOKUPS * sizeof *subject->questions)),
	};
	for (uint32_t i = 0; i < rules; i++)
		subject->prefixes[i] = measure_set_prefix(MEASURE_MIXED, i, &random);
	for (uint32_t i = 0; i < MICRO_LOOKUPS; i++)
		subject->questions[i] =
			measure_address_in(&subject->prefixes[measure_random_below(&random, rules)], &random);
	make_naive(subject);
}

bool micro_measure_addresses(uint32_t rules, struct micro_result *result)
{
	struct subject subject;
	double times[MICRO_RUNS];
	uint32_t *order = micro_local_order();
	make_subject(&subject, rules);
	for (int i = 0; i < MICRO_RUNS; i++)
		times[i] = build(&subject);
	result->build_ms = micro_median(times) * 1e3;
	result->bytes_per_rule = (double)radix_memory_bytes(subject.tree) / rules;
	result->random_ns = micro_time(find, &subject, NULL, MICRO_LOOKUPS);
	result->local_ns = micro_time(find, &subject, order, MICRO_LOOKUPS);
	bool right = micro_time_naive(find_naively, find, &subject, &result->naive_ns);
	radix_destroy(subject.tree);
	free(subject.naive);
	free(subject.questions);
	free(subject.prefixes);
	free(order);
	return right;
}
