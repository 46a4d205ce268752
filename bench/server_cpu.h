/* CPU time that a server has used, all its processes together, in nanoseconds.
 *
 * server_cpu_sample() is called now and then while measuring, so that processes that come and go are seen; what a
 * process used before it ended is found in its parent's count of reaped children, and where that did not grow (the
 * parent ignores SIGCHLD), what was seen last is kept. */
#ifndef POSTERN_BENCH_SERVER_CPU_H
#define POSTERN_BENCH_SERVER_CPU_H

#include "bench/process_tree.h"

struct server_cpu {
	struct process_tree *tree; /* the caller's */
	uint64_t begin_ns;         /* the whole tree's time when measuring began */
	uint64_t now_ns;           /* at the last sample */
	uint64_t lost_ns;          /* of processes that ended without being reaped */
};

/* Measuring begins now. */
MUST_USE bool server_cpu_begin(struct server_cpu *cpu, struct process_tree *tree, struct error *error);

MUST_USE bool server_cpu_sample(struct server_cpu *cpu, struct error *error);

static inline uint64_t server_cpu_used_ns(const struct server_cpu *cpu)
{
	return cpu->now_ns + cpu->lost_ns - cpu->begin_ns;
}

/* For how long the busiest single process has run, or waited for a core to run on, since the beginning: one that has one
 * thread can't be busy for more than the time that has passed. */
uint64_t server_cpu_busiest_ns(const struct server_cpu *cpu);

#endif
