/* What follows from a run's numbers: see outcome.h. */
#include "bench/outcome.h"

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 1e-9;
}

double outcome_seconds(const struct outcome *outcome)
{
	return seconds(outcome->begin_ns, outcome->total.operations ? outcome->total.last_ns : outcome->end_ns);
}

double outcome_rate(const struct outcome *outcome)
{
	return (double)outcome->total.operations / outcome_seconds(outcome);
}

double outcome_us_per_operation(const struct outcome *outcome, uint64_t cpu_ns)
{
	return outcome->total.operations ? (double)cpu_ns / 1e3 / (double)outcome->total.operations : 0;
}

double outcome_core_percent(const struct outcome *outcome, uint64_t cpu_ns)
{
	return 100 * (double)cpu_ns / 1e9 / seconds(outcome->begin_ns, outcome->end_ns);
}

double outcome_kib_per_connection(const struct outcome *outcome)
{
	if (!outcome->has_memory || outcome->open == 0)
		return 0;
	return ((double)outcome->memory_with.bytes - (double)outcome->memory_before.bytes) / 1024 /
	       (double)outcome->open;
}

bool outcome_cores_were_short(const struct outcome *outcome)
{
	double waited = outcome_core_percent(outcome, outcome->total.waited_ns);
	return waited / (double)outcome->options->workers >= CORES_SHORT_PERCENT;
}

enum bottleneck outcome_bottleneck(const struct outcome *outcome)
{
	bool client = outcome_core_percent(outcome, outcome->busiest_client_ns) >= BOTTLENECK_PERCENT;
	bool server = outcome_core_percent(outcome, outcome->busiest_server_ns) >= BOTTLENECK_PERCENT;
	if (!outcome->has_server)
		return client ? BOTTLENECK_CLIENT : BOTTLENECK_UNKNOWN;
	if (client && server)
		return BOTTLENECK_BOTH;
	if (client)
		return BOTTLENECK_CLIENT;
	return server ? BOTTLENECK_SERVER : BOTTLENECK_NONE;
}
