/* Measures core/policy; asserts nothing. Prints what a verdict costs with so many prefixes and as many names loaded, for clients
 * that a prefix decides, that a name decides, and that neither does.
 *
 *   measure_policy [rules, 1000000]
 *
 * Each figure is the median of several runs; a verdict waits for the one before it. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/measure_sets.h"
#include "core/policy/policy.h"

enum { RUNS = 5, VERDICTS = 1 << 19 };

static volatile uint32_t sink; /* so that nothing is left out as useless */

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare_times(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void must(bool done)
{
	if (done)
		return;
	fprintf(stderr, "no memory\n");
	exit(1);
}

static struct net_prefix *prefixes;
static char (*names)[MEASURE_NAME_BYTES];

static struct policy load(uint32_t count)
{
	struct policy policy = { .connect = { .default_allow = true, .unknown_allow = true } };
	struct policy_rules_builder builder;
	struct measure_random random = { 7 };
	uint32_t first;
	policy_rules_builder_init(&builder);
	must(policy_rules_begin_file(&builder, false, "list", &first));
	for (uint32_t i = 0; i < count; i++) {
		prefixes[i] = measure_set_prefix(MEASURE_MIXED, i, &random);
		struct suffix suffix = { slice_of(names[i], measure_name(&random, names[i])), true };
		must(radix_builder_add(&builder.prefixes, &prefixes[i], first + i, policy_rank(false)));
		must(suffix_builder_add(&builder.names, &suffix, first + i, policy_rank(false)));
	}
	policy_rules_end_file(&builder, count);
	must(policy_rules_build(&builder, &policy.connect));
	return policy;
}

enum client { BY_PREFIX, BY_NAME, BY_NOTHING, CLIENTS };

static struct policy_facts make_client(enum client client, uint32_t count, struct measure_random *random)
{
	static char other[VERDICTS][MEASURE_NAME_BYTES];
	static uint32_t next;
	uint32_t i = measure_random_below(random, count);
	struct policy_facts facts = { .name_state = POLICY_NAME_KNOWN };
	facts.client = measure_address_in(&prefixes[i], random);
	if (client != BY_PREFIX)
		facts.client = (struct net_address){ .bytes = { 0xfe, (uint8_t)i, (uint8_t)(i >> 8) }, .family = 6 };
	facts.name = slice_from_text(names[i]);
	if (client == BY_NOTHING) {
		char *name = other[next++ % VERDICTS];
		size_t size = measure_name(random, name);
		name[size - 1] = '-';
		facts.name = slice_of(name, size);
	}
	return facts;
}

static void measure(const struct policy *policy, enum client client, uint32_t count)
{
	static const char *const titles[] = { "decided by a prefix", "decided by a name", "decided by the default" };
	struct measure_random random = { 11 };
	struct policy_facts *facts = malloc(VERDICTS * sizeof *facts);
	double times[RUNS];
	must(facts != NULL);
	for (uint32_t i = 0; i < VERDICTS; i++)
		facts[i] = make_client(client, count, &random);
	for (int run = 0; run < RUNS; run++) {
		uint32_t sum = 0;
		double began = seconds();
		for (uint32_t i = 0; i < VERDICTS; i++) {
			facts[i].client.bytes[15] ^= (uint8_t)(sum >> 31 & 1);
			sum = policy_judge_connection(policy, &facts[i]).rule & INT32_MAX;
		}
		sink = sum;
		times[run] = (seconds() - began) / VERDICTS;
	}
	qsort(times, RUNS, sizeof *times, compare_times);
	printf("%-24s %6.0f ns a verdict\n", titles[client], times[RUNS / 2] * 1e9);
	free(facts);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
	prefixes = malloc(count * sizeof *prefixes);
	names = malloc(count * sizeof *names);
	must(count > 0 && prefixes && names);
	double began = seconds();
	struct policy policy = load(count);
	printf("%u prefixes and as many names, made in %.0f ms\n", count, (seconds() - began) * 1e3);
	for (enum client client = BY_PREFIX; client < CLIENTS; client++)
		measure(&policy, client, count);
	policy_finish(&policy);
	free(prefixes);
	free(names);
	return 0;
}
