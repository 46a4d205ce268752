/* `postern-bench sink`: a server that does TLS and answers yes to everything, and nothing else.
 *
 * It stands on the same loop, stream and TLS as Postern, so what it costs is the floor: TLS, kernel and loop. It checks nothing, stores
 * nothing and offers PIPELINING, CHUNKING, STARTTLS and AUTH PLAIN LOGIN. */
#ifndef POSTERN_BENCH_SINK_H
#define POSTERN_BENCH_SINK_H

#include "bench/options.h"

/* Serves until SIGINT or SIGTERM; says "ready" on standard error when it listens. Answers the exit status. */
int sink_run(const struct options *options);

#endif
