/* Measures the suffix table: under which of many domains and hosts is a name? See micro_parts.h. */
#include <stdlib.h>

#include "bench/micro_naive.h"

struct subject {
	struct names rules; /* each a rule of its number */
	struct names questions;
	struct suffix_table *table;
};

static uint32_t find(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	return suffix_find(subject->table, names_at(&subject->questions, question));
}

static uint32_t find_naively(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	return naive_names_find(&subject->rules, NULL, names_at(&subject->questions, question));
}

static double build(struct subject *subject)
{
	struct suffix_builder builder;
	suffix_destroy(subject->table);
	double began = micro_seconds();
	suffix_builder_init(&builder);
	for (uint32_t i = 0; i < subject->rules.count; i++) {
		struct suffix rule = names_rule_at(&subject->rules, i);
		if (!suffix_builder_add(&builder, &rule, i, 0))
			micro_must(NULL);
	}
	subject->table = micro_must(suffix_build(&builder, NULL, NULL));
	return micro_seconds() - began;
}

static bool measure(uint32_t rules, bool under, struct micro_result *result)
{
	struct measure_random random = { 9 };
	struct subject subject = { .rules = names_of_rules(rules, &random) };
	double times[MICRO_RUNS];
	uint32_t *order = micro_local_order();
	subject.questions = names_to_ask(&subject.rules, under, &random);
	for (int i = 0; i < MICRO_RUNS; i++)
		times[i] = build(&subject);
	result->build_ms = micro_median(times) * 1e3;
	result->bytes_per_rule = (double)suffix_memory_bytes(subject.table) / rules;
	result->random_ns = micro_time(find, &subject, NULL, MICRO_LOOKUPS);
	result->local_ns = micro_time(find, &subject, order, MICRO_LOOKUPS);
	bool right = micro_time_naive(find_naively, find, &subject, &result->naive_ns);
	suffix_destroy(subject.table);
	names_free(&subject.questions);
	names_free(&subject.rules);
	free(order);
	return right;
}

bool micro_measure_names(uint32_t rules, struct micro_result *result)
{
	return measure(rules, true, result);
}

bool micro_measure_other_names(uint32_t rules, struct micro_result *result)
{
	return measure(rules, false, result);
}
