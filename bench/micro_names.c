/* Measures the suffix table: under which of many domains and hosts is a name? See micro_parts.h. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/micro_parts.h"
#include "core/net/suffix.h"

/* Names one behind the other. */
struct names {
	char *texts;
	uint32_t *starts; /* one more than there are names */
	uint32_t count;
};

struct subject {
	struct names rules; /* each a rule of its number */
	struct names questions;
	struct suffix_table *table;
};

/* --- names --- */

static struct names make_names(uint32_t most)
{
	return (struct names){ micro_must(malloc((size_t)most * MEASURE_NAME_BYTES)),
			       micro_must(calloc(most + 1, sizeof(uint32_t))), 0 };
}

static void add_name(struct names *names, const char *name, size_t size)
{
	uint32_t at = names->starts[names->count++];
	memcpy(names->texts + at, name, size);
	names->starts[names->count] = at + (uint32_t)size;
}

static struct slice name_at(const struct names *names, uint32_t at)
{
	return slice_of(names->texts + names->starts[at], names->starts[at + 1] - names->starts[at]);
}

static void free_names(struct names *names)
{
	free(names->texts);
	free(names->starts);
}

/* Most rules are for a domain with all below it, one in eight for a host. */
static struct suffix rule_at(const struct subject *subject, uint32_t at)
{
	return (struct suffix){ name_at(&subject->rules, at), at % 8 != 0 };
}

/* --- the tables --- */

static uint32_t find(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	return suffix_find(subject->table, name_at(&subject->questions, question));
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

static uint32_t find_naively(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	struct slice name = name_at(&subject->questions, question);
	uint32_t best = SUFFIX_NO_RULE;
	size_t best_weight = 0;
	for (uint32_t i = 0; i < subject->rules.count; i++) {
		struct suffix rule = rule_at(subject, i);
		/* A host goes before a domain of the same name. */
		size_t weight = 2 * rule.name.size + !rule.below;
		if (weight > best_weight && is_under(name, &rule)) {
			best = i;
			best_weight = weight;
		}
	}
	return best;
}

static double build(struct subject *subject)
{
	struct suffix_builder builder;
	suffix_destroy(subject->table);
	double began = micro_seconds();
	suffix_builder_init(&builder);
	for (uint32_t i = 0; i < subject->rules.count; i++) {
		struct suffix rule = rule_at(subject, i);
		if (!suffix_builder_add(&builder, &rule, i, 0))
			micro_must(NULL);
	}
	subject->table = micro_must(suffix_build(&builder, NULL, NULL));
	return micro_seconds() - began;
}

/* `under`: a label is put before a rule's name; else the names are new ones. */
static void make_subject(struct subject *subject, uint32_t rules, bool under)
{
	struct measure_random random = { 9 };
	char text[MEASURE_NAME_BYTES];
	*subject = (struct subject){ .rules = make_names(rules), .questions = make_names(MICRO_LOOKUPS) };
	for (uint32_t i = 0; i < rules; i++)
		add_name(&subject->rules, text, measure_name(&random, text));
	for (uint32_t i = 0; i < MICRO_LOOKUPS; i++) {
		size_t size = measure_name(&random, text);
		struct slice rule = name_at(&subject->rules, measure_random_below(&random, rules));
		if (under)
			size = (size_t)snprintf(text, sizeof text, "mx%u.%.*s", i % 100, SLICE_ARGS(rule));
		add_name(&subject->questions, text, size);
	}
}

static bool measure(uint32_t rules, bool under, struct micro_result *result)
{
	struct subject subject;
	double times[MICRO_RUNS];
	uint32_t *order = micro_local_order();
	make_subject(&subject, rules, under);
	for (int i = 0; i < MICRO_RUNS; i++)
		times[i] = build(&subject);
	result->build_ms = micro_median(times) * 1e3;
	result->bytes_per_rule = (double)suffix_memory_bytes(subject.table) / rules;
	result->random_ns = micro_time(find, &subject, NULL, MICRO_LOOKUPS);
	result->local_ns = micro_time(find, &subject, order, MICRO_LOOKUPS);
	bool right = micro_time_naive(find_naively, find, &subject, &result->naive_ns);
	suffix_destroy(subject.table);
	free_names(&subject.questions);
	free_names(&subject.rules);
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
