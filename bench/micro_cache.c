/* Measures the cache of reverse names: what is an address called, where that is
 * known? See micro_parts.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/micro_parts.h"
#include "core/dns/cache.h"

enum { NOW_S = 1000, TTL_S = 3600, NAME_BYTES = 32 };

struct entry {
	struct net_address address;
	char name[NAME_BYTES];
};

struct subject {
	struct entry *entries;
	uint32_t count;
	struct net_address *questions; /* of entries that the cache still has */
	struct reverse_cache *cache;
};

/* Names differ in their first bytes. */
static uint32_t answer_of(const void *name)
{
	uint32_t answer;
	memcpy(&answer, name, sizeof answer);
	return answer & INT32_MAX;
}

static uint32_t find(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	struct reverse_name name;
	if (!reverse_cache_find(subject->cache, &subject->questions[question], NOW_S, &name))
		return 0;
	return answer_of(name.name.data);
}

static uint32_t find_naively(const void *context, uint32_t question)
{
	const struct subject *subject = context;
	const struct net_address *address = &subject->questions[question];
	for (uint32_t i = subject->count; i > 0; i--)
		if (net_address_equal(&subject->entries[i - 1].address, address))
			return answer_of(subject->entries[i - 1].name);
	return 0;
}

static double fill(struct subject *subject)
{
	static const uint8_t key[REVERSE_CACHE_KEY_BYTES] = "not a secret";
	reverse_cache_destroy(subject->cache);
	double began = micro_seconds();
	subject->cache = micro_must(reverse_cache_create(subject->count, key));
	for (uint32_t i = 0; i < subject->count; i++) {
		const struct entry *entry = &subject->entries[i];
		struct reverse_name name = { REVERSE_CONFIRMED, slice_from_text(entry->name) };
		reverse_cache_put(subject->cache, &entry->address, NOW_S, TTL_S, &name);
	}
	return micro_seconds() - began;
}

static void make_entries(struct subject *subject, uint32_t count)
{
	struct measure_random random = { 17 };
	*subject = (struct subject){
		.entries = micro_must(malloc(count * sizeof *subject->entries)),
		.count = count,
		.questions = micro_must(malloc(MICRO_LOOKUPS * sizeof *subject->questions)),
	};
	for (uint32_t i = 0; i < count; i++) {
		struct net_prefix prefix = measure_set_prefix(MEASURE_MIXED, i, &random);
		subject->entries[i].address = measure_address_in(&prefix, &random);
		snprintf(subject->entries[i].name, NAME_BYTES, "%c%c%c%c.clients.example", 'a' + i % 26,
			 'a' + i / 26 % 26, 'a' + i / 676 % 26, 'a' + i / 17576 % 26);
	}
}

/* A full cache has had to let some go: questions are for those that it still
 * has. */
static void choose_questions(struct subject *subject)
{
	struct measure_random random = { 19 };
	struct reverse_name name;
	for (uint32_t i = 0; i < MICRO_LOOKUPS; i++)
		do
			subject->questions[i] = subject->entries[measure_random_below(&random, subject->count)].address;
		while (!reverse_cache_find(subject->cache, &subject->questions[i], NOW_S, &name));
}

bool micro_measure_cache(uint32_t rules, struct micro_result *result)
{
	struct subject subject;
	double times[MICRO_RUNS];
	uint32_t *order = micro_local_order();
	make_entries(&subject, rules);
	for (int i = 0; i < MICRO_RUNS; i++)
		times[i] = fill(&subject);
	choose_questions(&subject);
	result->build_ms = micro_median(times) * 1e3;
	result->bytes_per_rule = (double)reverse_cache_memory_bytes(subject.cache) / rules;
	result->random_ns = micro_time(find, &subject, NULL, MICRO_LOOKUPS);
	result->local_ns = micro_time(find, &subject, order, MICRO_LOOKUPS);
	bool right = micro_time_naive(find_naively, find, &subject, &result->naive_ns);
	reverse_cache_destroy(subject.cache);
	free(subject.entries);
	free(subject.questions);
	free(order);
	return right;
}
