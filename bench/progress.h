/* A line of progress on a terminal, rewritten each second. Where standard error is none, nothing is printed. */
#ifndef POSTERN_BENCH_PROGRESS_H
#define POSTERN_BENCH_PROGRESS_H

#include "bench/load.h"
#include "bench/server_cpu.h"

void progress_print(const struct options *options, const struct scenario *scenario, const struct run_shared *shared,
		    const struct server_cpu *cpu);

/* Leaves the line as it is and goes to the next. */
void progress_end(void);

#endif
