/* The measurements of `postern-bench micro` and their report; see micro.h. */
#include "bench/micro.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "bench/micro_parts.h"

enum { NAIVE_LEAST = 5, NAIVE_MS = 100 };

static const struct row {
	const char *what;
	micro_measurement *measure;
} rows[] = {
	{ "addresses", micro_measure_addresses },
	{ "names", micro_measure_names },
	{ "names of no rule", micro_measure_other_names },
	{ "cached names", micro_measure_cache },
	{ "verdicts", micro_measure_verdicts },
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* --- shared --- */

volatile uint32_t micro_sink;

double micro_seconds(void)
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

double micro_median(double times[MICRO_RUNS])
{
	qsort(times, MICRO_RUNS, sizeof *times, compare_times);
	return times[MICRO_RUNS / 2];
}

void *micro_must(void *memory)
{
	if (memory)
		return memory;
	fputs("postern-bench: no memory\n", stderr);
	exit(EXIT_FAILURE);
}

uint32_t *micro_local_order(void)
{
	struct measure_random random = { 5 };
	uint32_t *order = micro_must(malloc(MICRO_LOOKUPS * sizeof *order));
	for (uint32_t i = 0; i < MICRO_LOOKUPS; i++)
		order[i] = measure_random_below(&random, MICRO_LOCAL);
	return order;
}

bool micro_time_naive(micro_find *naive, micro_find *find, const void *context, double *ns)
{
	double spent = 0;
	uint32_t count = 0;
	while (count < NAIVE_LEAST || (spent < NAIVE_MS / 1e3 && count < MICRO_LOOKUPS)) {
		double began = micro_seconds();
		uint32_t rule = naive(context, count);
		spent += micro_seconds() - began;
		if (rule != find(context, count)) {
			fprintf(stderr, "postern-bench: question %u: rule %u in the naive table, %u in the other\n",
				count, rule, find(context, count));
			return false;
		}
		count++;
	}
	*ns = spent / count * 1e9;
	return true;
}

/* --- the report --- */

static void print_head(void)
{
	printf("%-18s %10s %10s %12s %12s %12s %14s\n", "", "rules", "build, ms", "bytes/rule", "random, ns",
	       "local, ns", "naive, ns");
}

static void print_result(const struct micro_result *result)
{
	printf("%-18s %10u %10.1f %12.1f %12.0f %12.0f %14.0f\n", result->what, result->rules, result->build_ms,
	       result->bytes_per_rule, result->random_ns, result->local_ns, result->naive_ns);
	fflush(stdout);
}

static void print_legend(void)
{
	printf("\nA question waits for the answer to the one before. random: %d of them, under any of the rules; "
	       "local: the\n"
	       "same %d again and again; naive: the random ones, in a table that is searched from end to end. Of "
	       "cached\n"
	       "names the rules are the addresses that are kept; of verdicts half are for addresses and half for "
	       "names.\n",
	       MICRO_LOOKUPS, MICRO_LOCAL);
}

static json_t *json_of(const struct micro_result *result)
{
	return json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "what", result->what, "rules",
			 (json_int_t)result->rules, "build_ms", result->build_ms, "bytes_per_rule",
			 result->bytes_per_rule, "random_ns", result->random_ns, "local_ns", result->local_ns,
			 "naive_ns", result->naive_ns);
}

static bool print_json(json_t *results)
{
	json_t *report = json_pack("{s:O, s:i, s:i}", "results", results, "random_questions", MICRO_LOOKUPS,
				   "local_questions", MICRO_LOCAL);
	bool good = report && json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0 &&
		    fputc('\n', stdout) != EOF;
	json_decref(report);
	return good;
}

/* --- all of it --- */

static bool measure_one(const struct row *row, uint32_t rules, json_t *results)
{
	struct micro_result result = { .what = row->what, .rules = rules };
	if (!row->measure(rules, &result))
		return false;
	if (!results)
		print_result(&result);
	return !results || json_array_append_new(results, json_of(&result)) == 0;
}

static bool measure_all(const struct options *options, json_t *results)
{
	static const uint32_t sizes[] = { 1000, 100000, 1000000 };
	const uint32_t only = (uint32_t)options->rules;
	size_t count = only ? 1 : sizeof sizes / sizeof *sizes;
	for (size_t i = 0; i < ROWS; i++)
		for (size_t j = 0; j < count; j++)
			if (!measure_one(&rows[i], only ? only : sizes[j], results))
				return false;
	return true;
}

int micro_run(const struct options *options)
{
	json_t *results = options->json ? micro_must(json_array()) : NULL;
	if (!results)
		print_head();
	bool good = measure_all(options, results);
	if (good && results)
		good = print_json(results);
	else if (good)
		print_legend();
	json_decref(results);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
