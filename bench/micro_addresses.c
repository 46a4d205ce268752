/* Measures the radix tree: which of many prefixes is an address in? See micro_parts.h. */
#include <stdlib.h>

#include "bench/micro_naive.h"
#include "core/net/radix.h"

struct subject {
	struct net_prefix *prefixes; /* each a rule of its number */
	uint32_t rules;
	struct net_address *questions;
	struct radix_tree *tree;
	struct naive_prefixes naive;
};

static uint32_t find(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	return radix_find(subject->tree, &subject->questions[question]);
}

static uint32_t find_naively(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	return naive_prefixes_find(&subject->naive, &subject->questions[question]);
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
	subject->naive = naive_prefixes_make(subject->prefixes, rules, NULL);
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
	naive_prefixes_free(&subject.naive);
	free(subject.questions);
	free(subject.prefixes);
	free(order);
	return right;
}
