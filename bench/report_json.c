/* The report as JSON: see report.h.
 *
 * Names carry their units and stay as they are once released; a reader may rely on a key that is there. The keys that scripts read
 * most stand at the top level, each name once in the whole object. */
#include "bench/report.h"

#include <jansson.h>

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *latencies_of(const struct histogram *histogram)
{
	static const char *const names[REPORT_PERCENTILES] = { "p50_us", "p90_us", "p99_us", "p99_9_us" };
	json_t *object = json_pack("{s:o, s:f}", "count", number(histogram->count), "mean_us",
				   (double)histogram_mean(histogram) / 1e3);
	for (size_t i = 0; i < REPORT_PERCENTILES; i++)
		json_object_set_new(object, names[i],
				    json_real((double)histogram_percentile(histogram, report_percentiles[i]) / 1e3));
	json_object_set_new(object, "max_us", json_real((double)histogram->max_ns / 1e3));
	return object;
}

static json_t *all_latencies(const struct outcome *outcome)
{
	json_t *object = json_object();
	for (size_t i = 0; i < PHASE_COUNT; i++) {
		const struct histogram *phase = &outcome->total.phases[i];
		if (phase->count)
			json_object_set_new(object, report_phase_name(outcome, (enum results_phase)i),
					    latencies_of(phase));
	}
	return object;
}

static json_t *all_failures(const struct outcome *outcome)
{
	json_t *array = json_array();
	for (size_t i = 0; i < RESULTS_FAILURES && outcome->total.failures[i].count; i++) {
		const struct results_failure *failure = &outcome->total.failures[i];
		char text[RESULTS_TEXT_BYTES + 32];
		report_failure_text(failure, text, sizeof text);
		/* A text that is not UTF-8 can't be in JSON: what was built from it is NULL and left out. */
		json_array_append_new(array, json_pack("{s:s, s:i, s:s*, s:o}", "where", failure->where, "code",
						       failure->code, "text", text, "times", number(failure->count)));
	}
	return array;
}

static json_t *all_notes(const struct outcome *outcome)
{
	const char *notes[REPORT_NOTES_MOST + 1];
	json_t *array = json_array();
	report_notes(outcome, notes);
	for (size_t i = 0; notes[i]; i++)
		json_array_append_new(array, json_string(notes[i]));
	return array;
}

static json_t *what_was_asked(const struct options *options)
{
	static const char *const securities[] = { "tls", "starttls", "plain" };
	return json_pack("{s:s, s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "to", options->to, "security",
			 securities[options->security], "mechanism", options_mechanism_name(options), "connections",
			 number(options->connections), "workers", number(options->workers), "size_bytes",
			 number(options->size_bytes), "recipients", number(options->recipients), "pipeline",
			 number(options->pipeline), "rate", number(options->rate), "warm_up", number(options->warm_up),
			 "resume", json_boolean(options->resume));
}

static void add_server(json_t *report, const struct outcome *outcome)
{
	json_object_set_new(report, "server_cpu_us_per_operation",
			    json_real(outcome_us_per_operation(outcome, outcome->server_ns)));
	json_object_set_new(report, "server_cpu_percent", json_real(outcome_core_percent(outcome, outcome->server_ns)));
	json_object_set_new(report, "server_busiest_percent",
			    json_real(outcome_core_percent(outcome, outcome->busiest_server_ns)));
	json_object_set_new(report, "server_processes", number(outcome->server_processes));
	if (!outcome->has_memory)
		return;
	json_object_set_new(report, "server_kib_per_connection", json_real(outcome_kib_per_connection(outcome)));
	json_object_set_new(report, "server_bytes_before", number(outcome->memory_before.bytes));
	json_object_set_new(report, "server_bytes_with", number(outcome->memory_with.bytes));
}

static void add_client(json_t *report, const struct outcome *outcome)
{
	static const char *const bottlenecks[] = { "none", "client", "server", "both", "unknown" };
	json_object_set_new(report, "client_cpu_us_per_operation",
			    json_real(outcome_us_per_operation(outcome, outcome->total.cpu_ns)));
	json_object_set_new(report, "client_busiest_percent",
			    json_real(outcome_core_percent(outcome, outcome->busiest_client_ns)));
	json_object_set_new(report, "client_waited_percent",
			    json_real(outcome_core_percent(outcome, outcome->total.waited_ns)));
	json_object_set_new(report, "bottleneck", json_string(bottlenecks[outcome_bottleneck(outcome)]));
}

bool report_json(const struct outcome *outcome, FILE *out)
{
	const struct results *total = &outcome->total;
	json_t *report = json_pack("{s:s, s:o, s:s, s:s, s:o, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:b}", "operation",
				   outcome->scenario->operation, "options", what_was_asked(outcome->options), "loop",
				   outcome->loop, "tls", total->tls, "operations", number(total->operations), "seconds",
				   outcome_seconds(outcome), "per_second", outcome_rate(outcome), "failed",
				   number(total->failed), "connections_ready", number(total->connections), "resumed",
				   number(total->resumed), "sent_bytes", number(total->sent_bytes), "unstarted",
				   number(outcome->unstarted), "interrupted", outcome->interrupted);
	if (!report)
		return false;
	if (outcome->scenario->each_once) {
		json_object_set_new(report, "open", number(outcome->open));
		json_object_set_new(report, "still_open", number(outcome->still_open));
	}
	add_client(report, outcome);
	if (outcome->has_server)
		add_server(report, outcome);
	json_object_set_new(report, "latencies", all_latencies(outcome));
	json_object_set_new(report, "failures", all_failures(outcome));
	json_object_set_new(report, "notes", all_notes(outcome));
	bool good = json_dumpf(report, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0 && fputc('\n', out) != EOF;
	json_decref(report);
	return good;
}
