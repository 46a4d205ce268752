/* A run of a load: the parent that forks the workers, leads them through their stages, and watches the server. */
#ifndef POSTERN_BENCH_RUN_H
#define POSTERN_BENCH_RUN_H

#include "bench/outcome.h"

/* Runs the load that the options say and fills the outcome. SIGINT and SIGTERM end it early, with what there is by then. False
 * and `error` when it could not be run at all. `options` gets what was left to be decided here: host and workers. */
MUST_USE bool run_load(struct options *options, const struct scenario *scenario, struct outcome *outcome,
		       struct error *error);

#endif
