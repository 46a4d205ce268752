/* What the measurements of `postern-bench micro` share: micro.c (which there are, the report), micro_*.c (one each). */
#ifndef POSTERN_BENCH_MICRO_PARTS_H
#define POSTERN_BENCH_MICRO_PARTS_H

#include "bench/measure_sets.h"

enum {
	MICRO_LOOKUPS = 1 << 18, /* of random traffic */
	MICRO_LOCAL = 1000,      /* of local traffic: so many that come again and again */
	MICRO_RUNS = 5,          /* the median of these is told */
};

/* Times are means of one run, in ns; 0: not measured. */
struct micro_result {
	const char *what;
	uint32_t rules;
	double build_ms;
	double bytes_per_rule;
	double random_ns;
	double local_ns;
	double naive_ns;
};

/* Fills in all but `what` and `rules`. False, told on standard error: no memory, or the answers are wrong. */
typedef bool micro_measurement(uint32_t rules, struct micro_result *result);

micro_measurement micro_measure_addresses;
micro_measurement micro_measure_names;
micro_measurement micro_measure_other_names;
micro_measurement micro_measure_cache;
micro_measurement micro_measure_verdicts;

/* Takes what is found, so that nothing is left out as useless. */
extern volatile uint32_t micro_sink;

double micro_seconds(void);
double micro_median(double times[MICRO_RUNS]);

/* Memory, or the program's end. */
void *micro_must(void *memory);

/* Answers the rule that the question of that number comes under. */
typedef uint32_t micro_find(const void *context, uint32_t question);

/* The time of a lookup. Each waits for the answer to the one before it, as a caller does. Inline, so that no call through a pointer is
 * measured; `order` NULL: the questions one after the other. */
static inline __attribute__((always_inline)) double micro_time(micro_find *find, const void *context,
							       const uint32_t *order, uint32_t count)
{
	double times[MICRO_RUNS];
	for (int run = 0; run < MICRO_RUNS; run++) {
		uint32_t rule = 0, sum = 0;
		double began = micro_seconds();
		for (uint32_t i = 0; i < count; i++) {
			uint32_t at = i + (rule >> 31); /* never set */
			rule = find(context, order ? order[at] : at);
			sum += rule;
		}
		micro_sink = sum;
		times[run] = (micro_seconds() - began) / count;
	}
	return micro_median(times) * 1e9;
}

/* Questions of local traffic: MICRO_LOOKUPS numbers below MICRO_LOCAL, malloc'ed. */
uint32_t *micro_local_order(void);

/* The time of a lookup in the naive table, of as many as take a moment; each is compared with the other table's answer. False, told on
 * standard error: they differ. */
MUST_USE bool micro_time_naive(micro_find *naive, micro_find *find, const void *context, double *ns);

#endif
