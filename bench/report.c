/* The report for people, and what both reports share: see report.h. */
#include "bench/report.h"

#include <inttypes.h>

const unsigned report_percentiles[REPORT_PERCENTILES] = { 500, 900, 990, 999 };

const char *report_phase_name(const struct outcome *outcome, enum results_phase phase)
{
	return phase == PHASE_TOTAL ? outcome->scenario->total : results_phase_name(phase);
}

void report_failure_text(const struct results_failure *failure, char *text, size_t capacity)
{
	const uint16_t *enhanced = failure->enhanced;
	if (!failure->code)
		snprintf(text, capacity, "%s", failure->text);
	else if (enhanced[0])
		snprintf(text, capacity, "%u %u.%u.%u %s", failure->code, enhanced[0], enhanced[1], enhanced[2],
			 failure->text);
	else
		snprintf(text, capacity, "%u %s", failure->code, failure->text);
}

/* NULL: nothing to say. */
static const char *bottleneck_note(enum bottleneck bottleneck)
{
	static const char *const notes[] = {
		[BOTTLENECK_CLIENT] = "the client was always busy: rate and latencies say what this "
				      "client can do; what can be believed is the server's CPU time for an operation",
		[BOTTLENECK_BOTH] = "client and server were both always busy: each slows the other down; what can be "
				    "believed is the server's CPU time for an operation",
		[BOTTLENECK_SERVER] = "the server was always busy: the rate is what it can do with so many processes",
		[BOTTLENECK_NONE] =
			"neither client nor server was always busy: more connections, or what they wait for "
			"(disk, network), decide the rate",
		[BOTTLENECK_UNKNOWN] = NULL,
	};
	return notes[bottleneck];
}

void report_notes(const struct outcome *outcome, const char *notes[REPORT_NOTES_MOST + 1])
{
	size_t count = 0;
	bool rated = outcome->options->rate > 0;
	enum bottleneck bottleneck = outcome_bottleneck(outcome);
	if (outcome->interrupted)
		notes[count++] = "interrupted: this is what there was by then";
	if (outcome->workers_lost)
		notes[count++] = "a worker of the client ended before its time: its part is missing";
	if (outcome->options->server_pid_count && !outcome->has_server)
		notes[count++] = "the server's process ended: its CPU time is not known";
	if (!outcome->scenario->each_once && bottleneck_note(bottleneck) && !(rated && bottleneck == BOTTLENECK_NONE))
		notes[count++] = bottleneck_note(bottleneck);
	if (outcome_cores_were_short(outcome))
		notes[count++] =
			"cores were short: the client waited for one for a good part of the time, and its latencies "
			"hold that too";
	if (outcome->unstarted)
		notes[count++] = "some operations never started, for want of a free connection: the rate was too high";
	if (!rated && !outcome->scenario->each_once)
		notes[count++] =
			"closed loop: while the server is slow it is asked less often, so high percentiles are "
			"flattered; --rate measures from intended starts";
	ASSERT(count <= REPORT_NOTES_MOST);
	notes[count] = NULL;
}

static void print_heading(const struct outcome *outcome, FILE *out)
{
	const struct options *options = outcome->options;
	const char *security = options->security == SECURITY_STARTTLS ? "STARTTLS " : "";
	const char *tls = options->security == SECURITY_PLAIN ? "no TLS" : outcome->total.tls;
	const char *mechanism = options_mechanism_name(options);
	if (!tls[0])
		tls = "TLS (never up)";
	fprintf(out, "%s to %s: %s%s, %s, %" PRIu64 " connections, ", outcome->scenario->operations, options->to,
		security, tls, mechanism ? mechanism : "no sign-in", options->connections);
	if (outcome->scenario->lasting && !outcome->scenario->each_once)
		fprintf(out, "%" PRIu64 " in flight on each, ", options->pipeline);
	if (options->command & (COMMAND_SESSION | COMMAND_STREAM))
		fprintf(out, "messages of %" PRIu64 " bytes, ", options->size_bytes);
	if (options->rate)
		fprintf(out, "%" PRIu64 "/s wanted, ", options->rate);
	fprintf(out, "%" PRIu64 " client process%s on %s\n", options->workers, options->workers == 1 ? "" : "es",
		outcome->loop);
}

static void print_rate(const struct outcome *outcome, FILE *out)
{
	const struct results *total = &outcome->total;
	fprintf(out, "  %" PRIu64 " %s in %.2f s: %.1f/s", total->operations, outcome->scenario->operations,
		outcome_seconds(outcome), outcome_rate(outcome));
	if (total->sent_bytes)
		fprintf(out, ", %.1f MB/s", (double)total->sent_bytes / 1e6 / outcome_seconds(outcome));
	fprintf(out, "; %" PRIu64 " failed; %" PRIu64 " connections ready, %" PRIu64 " TLS sessions resumed\n",
		total->failed, total->connections, total->resumed);
	if (outcome->unstarted)
		fprintf(out, "  %" PRIu64 " more should have started\n", outcome->unstarted);
	if (outcome->scenario->each_once)
		fprintf(out,
			"  %" PRIu64 " of %" PRIu64 " connections were up when they were asked; %" PRIu64 " answered\n",
			outcome->open, outcome->options->connections, total->operations);
}

static void print_latencies(const struct outcome *outcome, FILE *out)
{
	if (outcome->total.phases[PHASE_CONNECT].count == 0)
		return;
	fprintf(out, "  %-12s %9s %9s %9s %9s %9s %9s\n", "ms", "mean", "p50", "p90", "p99", "p99.9", "max");
	for (size_t i = 0; i < PHASE_COUNT; i++) {
		const struct histogram *phase = &outcome->total.phases[i];
		if (phase->count == 0)
			continue;
		fprintf(out, "  %-12s %9.2f", report_phase_name(outcome, (enum results_phase)i),
			(double)histogram_mean(phase) / 1e6);
		for (size_t p = 0; p < REPORT_PERCENTILES; p++)
			fprintf(out, " %9.2f", (double)histogram_percentile(phase, report_percentiles[p]) / 1e6);
		fprintf(out, " %9.2f\n", (double)phase->max_ns / 1e6);
	}
}

static void print_cpu(const struct outcome *outcome, FILE *out)
{
	const char *operation = outcome->scenario->operation;
	if (outcome->has_server)
		fprintf(out,
			"  server: %.1f µs CPU a %s, %.0f %% of a core (busiest of %zu processes: busy %.0f %% of the "
			"time)\n",
			outcome_us_per_operation(outcome, outcome->server_ns), operation,
			outcome_core_percent(outcome, outcome->server_ns), outcome->server_processes,
			outcome_core_percent(outcome, outcome->busiest_server_ns));
	fprintf(out, "  client: %.1f µs CPU a %s, %.0f %% of a core (busiest process: busy %.0f %% of the time)\n",
		outcome_us_per_operation(outcome, outcome->total.cpu_ns), operation,
		outcome_core_percent(outcome, outcome->total.cpu_ns),
		outcome_core_percent(outcome, outcome->busiest_client_ns));
	if (outcome->has_memory)
		fprintf(out, "  server: %.2f KiB a connection (%.1f MiB before, %.1f MiB with them; %s)\n",
			outcome_kib_per_connection(outcome), (double)outcome->memory_before.bytes / 1048576,
			(double)outcome->memory_with.bytes / 1048576,
			outcome->memory_with.shared_once ? "PSS" : "RSS: shared pages count for each process");
}

static void print_failures(const struct outcome *outcome, FILE *out)
{
	const struct results *total = &outcome->total;
	if (total->failed == 0)
		return;
	fprintf(out, "  failed:\n");
	for (size_t i = 0; i < RESULTS_FAILURES && total->failures[i].count; i++) {
		char text[RESULTS_TEXT_BYTES + 32];
		report_failure_text(&total->failures[i], text, sizeof text);
		fprintf(out, "  %9" PRIu64 "  %s: %s\n", total->failures[i].count, total->failures[i].where, text);
	}
	if (total->failures_untold)
		fprintf(out, "  %9" PRIu64 "  of other kinds\n", total->failures_untold);
}

void report_text(const struct outcome *outcome, FILE *out)
{
	const char *notes[REPORT_NOTES_MOST + 1];
	print_heading(outcome, out);
	print_rate(outcome, out);
	print_latencies(outcome, out);
	print_cpu(outcome, out);
	print_failures(outcome, out);
	report_notes(outcome, notes);
	for (size_t i = 0; notes[i]; i++)
		fprintf(out, "  note: %s\n", notes[i]);
}
