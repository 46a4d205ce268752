/* Measures a verdict: may this client connect, with prefixes and names as
 * rules, half and half? See micro_parts.h. */
#include <stdlib.h>

#include "bench/micro_naive.h"
#include "core/policy/policy.h"

/* The rules come as two files, one that denies and one that allows, in turn
 * prefixes and names. */
struct subject {
	struct net_prefix *prefixes;
	struct names names;
	bool *denies; /* the prefix and the name of that number */
	uint32_t each;
	struct policy policy;
	struct naive_prefixes naive;
	struct net_address *clients;
	struct names called; /* what they are called */
};

/* --- the policy --- */

/* Every rule a line, though none is written: what is read from files comes so.
 */
static void add_rules(struct policy_rules_builder *builder, const struct subject *subject, bool deny)
{
	uint32_t rule, lines = 0;
	if (!policy_rules_begin_file(builder, !deny, deny ? "denied" : "allowed", &rule))
		micro_must(NULL);
	for (uint32_t i = 0; i < subject->each; i++) {
		struct suffix name = names_rule_at(&subject->names, i);
		if (subject->denies[i] != deny)
			continue;
		if (!radix_builder_add(&builder->prefixes, &subject->prefixes[i], rule + lines, policy_rank(!deny)) ||
		    !suffix_builder_add(&builder->names, &name, rule + lines + 1, policy_rank(!deny)))
			micro_must(NULL);
		lines += 2;
	}
	policy_rules_end_file(builder, lines);
}

static double build(struct subject *subject)
{
	struct policy_rules_builder builder;
	policy_finish(&subject->policy);
	double began = micro_seconds();
	subject->policy = (struct policy){ .connect = { .default_allow = true, .unknown_allow = true } };
	policy_rules_builder_init(&builder);
	add_rules(&builder, subject, true);
	add_rules(&builder, subject, false);
	if (!policy_rules_build(&builder, &subject->policy.connect))
		micro_must(NULL);
	return micro_seconds() - began;
}

/* --- verdicts --- */

static uint32_t find(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	struct policy_facts facts = {
		.client = subject->clients[question],
		.name_state = POLICY_NAME_KNOWN,
		.name = names_at(&subject->called, question),
		.tls_bits = 256,
	};
	return policy_judge_connection(&subject->policy, &facts).outcome;
}

static uint32_t find_naively(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	uint32_t rule = naive_prefixes_find(&subject->naive, &subject->clients[question]);
	if (rule == NAIVE_NO_RULE)
		rule = naive_names_find(&subject->names, subject->denies, names_at(&subject->called, question));
	return rule != NAIVE_NO_RULE && subject->denies[rule] ? POLICY_REFUSE : POLICY_ALLOW;
}

/* Half of the clients are in a prefix, the other half comes from anywhere and
 * is judged by its name. */
static void make_subject(struct subject *subject, uint32_t each)
{
	struct measure_random random = { 21 };
	*subject = (struct subject){
		.prefixes = micro_must(malloc(each * sizeof *subject->prefixes)),
		.denies = micro_must(malloc(each * sizeof *subject->denies)),
		.each = each,
		.clients = micro_must(malloc(MICRO_LOOKUPS * sizeof *subject->clients)),
	};
	for (uint32_t i = 0; i < each; i++) {
		subject->prefixes[i] = measure_set_prefix(MEASURE_MIXED, i, &random);
		subject->denies[i] = measure_random_below(&random, 2);
	}
	for (uint32_t i = 0; i < MICRO_LOOKUPS; i++) {
		struct net_prefix prefix = i % 2 ? measure_set_prefix(MEASURE_IPV4, i, &random)
						 : subject->prefixes[measure_random_below(&random, each)];
		subject->clients[i] = measure_address_in(&prefix, &random);
	}
	subject->names = names_of_rules(each, &random);
	subject->called = names_to_ask(&subject->names, true, &random);
	subject->naive = naive_prefixes_make(subject->prefixes, each, subject->denies);
}

static void finish(struct subject *subject)
{
	policy_finish(&subject->policy);
	naive_prefixes_free(&subject->naive);
	names_free(&subject->names);
	names_free(&subject->called);
	free(subject->prefixes);
	free(subject->denies);
	free(subject->clients);
}

static size_t memory_bytes(const struct policy_rules *rules)
{
	return radix_memory_bytes(rules->prefixes) + suffix_memory_bytes(rules->names) +
	       rules->source_count * sizeof *rules->sources;
}

bool micro_measure_verdicts(uint32_t rules, struct micro_result *result)
{
	struct subject subject;
	double times[MICRO_RUNS];
	uint32_t *order = micro_local_order();
	make_subject(&subject, rules > 1 ? rules / 2 : 1);
	for (int i = 0; i < MICRO_RUNS; i++)
		times[i] = build(&subject);
	result->build_ms = micro_median(times) * 1e3;
	result->bytes_per_rule = (double)memory_bytes(&subject.policy.connect) / rules;
	result->random_ns = micro_time(find, &subject, NULL, MICRO_LOOKUPS);
	result->local_ns = micro_time(find, &subject, order, MICRO_LOOKUPS);
	bool right = micro_time_naive(find_naively, find, &subject, &result->naive_ns);
	finish(&subject);
	free(order);
	return right;
}
