/* `postern-bench micro`: what deciding who may connect and relay costs, part by part, without a server: making the tables of
 * rules, and asking them, beside naive tables that are searched from end to end. */
#ifndef POSTERN_BENCH_MICRO_H
#define POSTERN_BENCH_MICRO_H

#include "bench/options.h"

/* Measures, prints the report to standard output, and answers the exit status: 1 where memory is short, or a table and its naive
 * counterpart disagree. */
int micro_run(const struct options *options);

#endif
