/* The line of progress: see progress.h. Reads the workers' counts while they write them: a count that is one behind does
 * not matter here. */
#include "bench/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static struct {
	bool printed;
	uint64_t operations;
	uint64_t server_ns;
	uint64_t at_ns;
} last;

static double since_last_s(uint64_t now_ns)
{
	return last.at_ns && now_ns > last.at_ns ? (double)(now_ns - last.at_ns) / 1e9 : 1;
}

void progress_print(const struct options *options, const struct scenario *scenario, const struct run_shared *shared,
		    const struct server_cpu *cpu)
{
	if (!isatty(STDERR_FILENO))
		return;
	uint64_t operations = 0, failed = 0, open = 0, now_ns = load_clock_ns();
	for (unsigned i = 0; i < options->workers; i++) {
		operations += shared->workers[i].results.operations;
		failed += shared->workers[i].results.failed;
		open += shared->workers[i].open;
	}
	double passed = since_last_s(now_ns);
	fprintf(stderr, "\r%" PRIu64 " %s, %.0f/s, %" PRIu64 " failed, %" PRIu64 " open", operations,
		scenario->operations, (double)(operations - last.operations) / passed, failed, open);
	if (cpu->tree) {
		uint64_t used = server_cpu_used_ns(cpu);
		fprintf(stderr, ", server %.0f %% of a core", (double)(used - last.server_ns) / 1e7 / passed);
		last.server_ns = used;
	}
	fprintf(stderr, "   ");
	last.operations = operations;
	last.at_ns = now_ns;
	last.printed = true;
}

void progress_end(void)
{
	if (last.printed)
		fprintf(stderr, "\n");
	last.printed = false;
}
