/* What a run came to: all workers' results together, the server's CPU time and memory, and what follows from them.
 *
 * A load generator on the machine of the server is often what limits the load. Rates and latencies then say what the client
 * can do; the server's CPU time for an operation stays true. outcome_bottleneck() says which it was. */
#ifndef POSTERN_BENCH_OUTCOME_H
#define POSTERN_BENCH_OUTCOME_H

#include "bench/load.h"
#include "bench/server_memory.h"

struct outcome {
	const struct options *options;
	const struct scenario *scenario;
	struct results total;
	char loop[16];
	bool interrupted;
	unsigned workers_lost; /* that ended before their time: their results are missing in part */
	uint64_t begin_ns;     /* measuring, on the monotonic clock */
	uint64_t end_ns;
	uint64_t busiest_client_ns; /* for how long the busiest worker ran, or waited for a core */
	uint64_t open;              /* connections that were up when measuring began */
	uint64_t still_open;        /* and when it ended */
	uint64_t unstarted;         /* open loop: operations that found no free client */

	bool has_server; /* the rest is known */
	uint64_t server_ns;
	uint64_t busiest_server_ns; /* the same of its busiest process */
	size_t server_processes;
	bool has_memory; /* idle: before the connections, and with them */
	struct server_memory memory_before, memory_with;
};

enum bottleneck {
	BOTTLENECK_NONE, /* neither was busy: latency, locks or the disk, or a rate that was asked for */
	BOTTLENECK_CLIENT,
	BOTTLENECK_SERVER,
	BOTTLENECK_BOTH,
	BOTTLENECK_UNKNOWN, /* the client was not, and nothing is known of the server */
};

enum {
	BOTTLENECK_PERCENT = 90, /* of the time that has passed: nearly always running, or waiting for a core */
	CORES_SHORT_PERCENT = 20 /* of that time waiting: others want the cores too */
};

/* True when the client had to wait for cores so much that its latencies are not the server's alone. */
bool outcome_cores_were_short(const struct outcome *outcome);

enum bottleneck outcome_bottleneck(const struct outcome *outcome);

/* From the beginning to the last operation that ended well; to the end where there was none. Never 0. */
double outcome_seconds(const struct outcome *outcome);

/* Operations a second. */
double outcome_rate(const struct outcome *outcome);

/* CPU microseconds an operation; 0 where there was none. */
double outcome_us_per_operation(const struct outcome *outcome, uint64_t cpu_ns);

/* Percent of one core that this much CPU time was. */
double outcome_core_percent(const struct outcome *outcome, uint64_t cpu_ns);

/* The server's memory for each connection, in KiB; 0 where there was none. */
double outcome_kib_per_connection(const struct outcome *outcome);

#endif
