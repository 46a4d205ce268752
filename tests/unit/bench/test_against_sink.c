/* postern-bench against its own sink: every subcommand, both loops, TLS and STARTTLS, 200 connections for 2 s, without a
 * single failure; then what a load must notice, count and report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "bench/report.h"
#include "bench/run.h"
#include "bench/sink.h"
#include "core/io/loop.h"
#include "crypto/secret.h"
#include "proto/sasl.h"

enum { CONNECTIONS = 200, SECONDS = 2, MS = 1000 };

static struct {
	char folder[64];
	char ca[96];
	char plain[32], tls[32], nobody[32]; /* 127.0.0.1:PORT */
	pid_t pid;
} sink;

/* A port that was free a moment ago. */
static void find_port(char text[32])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	snprintf(text, 32, "127.0.0.1:%u", ntohs(address.sin_port));
	close(fd);
}

static void start_sink(enum loop_kind loop, unsigned workers)
{
	int ends[2];
	char said[64];
	assert_int_equal(pipe(ends), 0);
	sink.pid = fork();
	assert_true(sink.pid >= 0);
	if (sink.pid == 0) {
		struct options options = { .command = COMMAND_SINK,
					   .listen = sink.plain,
					   .tls_listen = sink.tls,
					   .private_files = sink.folder,
					   .workers = workers,
					   .loop = loop };
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		exit(sink_run(&options));
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], said, sizeof said), strlen("ready\n"));
	close(ends[0]);
}

/* After each test, also one that failed. */
static int stop_sink(void **state)
{
	(void)state;
	int status = 0;
	if (sink.pid == 0)
		return 0;
	kill(sink.pid, SIGTERM);
	waitpid(sink.pid, &status, 0);
	sink.pid = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* What a user would give on the command line. */
static struct options load_options(enum command command)
{
	struct options options;
	struct error error = { "" };
	char line[256], *arguments[16];
	int count = 0;
	snprintf(line, sizeof line, "--to %s --ca %s --user a --password b", sink.tls, sink.ca);
	for (char *at = line, *word; (word = strsep(&at, " "));)
		arguments[count++] = word;
	assert_true(options_parse(&options, command, count, arguments, &error));
	options.to = sink.tls;
	options.ca = sink.ca;
	options.user = "a";
	options.password = "b";
	options.workers = 1;
	options.server_pids[options.server_pid_count++] = (uint64_t)sink.pid;
	options.duration_ms = 300;
	options.connections = 10;
	return options;
}

static struct outcome *run(struct options *options, const struct scenario *scenario)
{
	struct error error = { "" };
	struct outcome *outcome = malloc(sizeof *outcome);
	assert_non_null(outcome);
	if (!run_load(options, scenario, outcome, &error))
		fail_msg("%s", error.text);
	return outcome;
}

static struct outcome *run_well(struct options *options, const struct scenario *scenario)
{
	struct outcome *outcome = run(options, scenario);
	if (outcome->total.failed || outcome->workers_lost || !outcome->total.operations)
		report_text(outcome, stdout);
	assert_int_equal(outcome->total.failed, 0);
	assert_int_equal(outcome->workers_lost, 0);
	assert_true(outcome->total.operations > 0);
	return outcome;
}

/* --- everything, everywhere --- */

struct subcommand {
	enum command command;
	const struct scenario *scenario;
};

static void check_numbers(const struct outcome *outcome, enum command command)
{
	const struct results *total = &outcome->total;
	bool lasting = command & (COMMAND_STREAM | COMMAND_IDLE);
	uint64_t connections = lasting ? CONNECTIONS : total->operations;
	assert_int_equal(total->connections, connections);
	assert_int_equal(total->phases[PHASE_CONNECT].count, connections);
	assert_int_equal(total->phases[PHASE_SIGN_IN].count, connections);
	assert_int_equal(total->phases[PHASE_TOTAL].count, total->operations);
	assert_int_equal(total->phases[PHASE_MESSAGE].count, command == COMMAND_SESSION ? total->operations : 0);
	assert_true(outcome->has_server && outcome->server_ns > 0 && total->cpu_ns > 0);
	if (command == COMMAND_IDLE) {
		assert_int_equal(total->operations, CONNECTIONS);
		assert_int_equal(outcome->open, CONNECTIONS);
		assert_int_equal(outcome->still_open, CONNECTIONS);
		/* The first ones come to a fresh server. */
		assert_true(outcome->has_memory);
		assert_true(outcome_kib_per_connection(outcome) > 0 || outcome->options->security != SECURITY_TLS);
	} else {
		assert_true(outcome_seconds(outcome) > SECONDS * 0.8);
	}
}

static void run_everything(enum loop_kind loop)
{
	static const struct subcommand subcommands[] = {
		{ COMMAND_IDLE, &scenario_idle },
		{ COMMAND_SESSION, &scenario_session },
		{ COMMAND_STREAM, &scenario_stream },
		{ COMMAND_LOGIN, &scenario_login },
	};
	start_sink(loop, 1);
	for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
		for (enum security security = SECURITY_TLS; security <= SECURITY_STARTTLS; security++) {
			struct options options = load_options(subcommands[i].command);
			options.to = security == SECURITY_TLS ? sink.tls : sink.plain;
			options.security = security;
			options.loop = loop;
			options.connections = CONNECTIONS;
			options.duration_ms = subcommands[i].command == COMMAND_IDLE ? 100 : SECONDS * MS;
			struct outcome *outcome = run_well(&options, subcommands[i].scenario);
			check_numbers(outcome, subcommands[i].command);
			free(outcome);
		}
	}
}

static void all_loads_succeed_on_epoll(void **state)
{
	(void)state;
	run_everything(LOOP_EPOLL);
}

static void all_loads_succeed_on_io_uring(void **state)
{
	(void)state;
	struct error error = { "" };
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_IO_URING }, &error);
	if (!loop)
		skip();
	loop_destroy(loop);
	run_everything(LOOP_IO_URING);
}

/* --- the ways a message goes, and sizes over all buffers --- */

static void streams_work_in_every_manner(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 1, 1024, 15000, 100 * 1024, 1024 * 1024 };
	static const uint64_t pipelines[] = { 1, 2, 7, 100 };
	start_sink(LOOP_AUTO, 2);
	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		for (size_t p = 0; p < sizeof pipelines / sizeof pipelines[0]; p++) {
			struct options options = load_options(COMMAND_STREAM);
			options.size_bytes = sizes[s];
			options.pipeline = pipelines[p];
			options.recipients = 1 + p;
			options.duration_ms = 0;
			options.count = 203;
			options.workers = 2;
			struct outcome *outcome = run_well(&options, &scenario_stream);
			assert_int_equal(outcome->total.operations, 203);
			assert_int_equal(outcome->total.sent_bytes, 203 * sizes[s]);
			free(outcome);
		}
	}
}

static void sessions_work_in_every_manner(void **state)
{
	(void)state;
	start_sink(LOOP_AUTO, 1);
	for (uint64_t pipeline = 0; pipeline < 2; pipeline++) {
		for (enum security security = SECURITY_TLS; security <= SECURITY_PLAIN; security++) {
			struct options options = load_options(COMMAND_SESSION);
			options.to = security == SECURITY_TLS ? sink.tls : sink.plain;
			options.security = security;
			options.pipeline = pipeline;
			options.mechanism = pipeline ? SASL_LOGIN : SASL_PLAIN;
			options.recipients = 3;
			options.size_bytes = 100 * 1024;
			options.duration_ms = 0;
			options.count = 30;
			options.warm_up = 15;
			struct outcome *outcome = run_well(&options, &scenario_session);
			assert_int_equal(outcome->total.operations, 30);
			assert_int_equal(outcome->total.phases[PHASE_SIGN_IN].count, 30);
			free(outcome);
		}
	}
}

static void sessions_resume(void **state)
{
	(void)state;
	start_sink(LOOP_AUTO, 2);
	struct options options = load_options(COMMAND_LOGIN);
	options.resume = 1;
	options.duration_ms = 0;
	options.count = 200;
	struct outcome *outcome = run_well(&options, &scenario_login);
	/* The first ones have no ticket yet. */
	assert_in_range(outcome->total.resumed, 200 - 2 * options.connections, 199);
	free(outcome);
}

static void an_open_loop_keeps_its_rate(void **state)
{
	(void)state;
	start_sink(LOOP_AUTO, 1);
	struct options options = load_options(COMMAND_STREAM);
	options.rate = 700;
	options.duration_ms = 1000;
	options.workers = 2;
	struct outcome *outcome = run_well(&options, &scenario_stream);
	assert_in_range(outcome->total.operations + outcome->unstarted, 699, 701);
	free(outcome);
}

/* --- what goes wrong is seen --- */

static void assert_only_failure(const struct outcome *outcome, const char *where, const char *said)
{
	char text[RESULTS_TEXT_BYTES + 32];
	const struct results_failure *failure = &outcome->total.failures[0];
	assert_int_equal(outcome->total.operations, 0);
	assert_true(outcome->total.failed > 0);
	assert_int_equal(failure->count, outcome->total.failed);
	assert_string_equal(failure->where, where);
	report_failure_text(failure, text, sizeof text);
	if (!strstr(text, said))
		fail_msg("\"%s\" does not say \"%s\"", text, said);
}

static void failures_are_told_by_place_and_kind(void **state)
{
	(void)state;
	static const struct subcommand subcommands[] = {
		{ COMMAND_SESSION, &scenario_session },
		{ COMMAND_STREAM, &scenario_stream },
		{ COMMAND_IDLE, &scenario_idle },
	};
	start_sink(LOOP_AUTO, 1);
	for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
		struct options options = load_options(subcommands[i].command);
		options.to = sink.nobody;
		struct outcome *outcome = run(&options, subcommands[i].scenario);
		assert_only_failure(outcome, "connect", "Connection refused");
		free(outcome);

		options = load_options(subcommands[i].command);
		options.host = "another.example";
		outcome = run(&options, subcommands[i].scenario);
		assert_only_failure(outcome, "TLS", "");
		free(outcome);

		options = load_options(subcommands[i].command);
		options.security = SECURITY_PLAIN; /* on the TLS port: no greeting comes */
		options.timeout_ms = 100;
		outcome = run(&options, subcommands[i].scenario);
		assert_only_failure(outcome, "greeting", "time-out");
		free(outcome);
	}
}

/* The sink dies under a stream: failures are counted, the run ends in time, and the server's end is told. */
static void a_server_that_dies_is_noticed(void **state)
{
	(void)state;
	start_sink(LOOP_AUTO, 1);
	pid_t killer = fork();
	if (killer == 0) {
		usleep(700 * 1000);
		kill(sink.pid, SIGTERM);
		_exit(0);
	}
	struct options options = load_options(COMMAND_STREAM);
	options.duration_ms = 1500;
	options.pipeline = 5;
	struct outcome *outcome = run(&options, &scenario_stream);
	assert_true(outcome->total.operations > 0);
	assert_true(outcome->total.failed >= options.connections);
	free(outcome);
	waitpid(killer, NULL, 0);
}

static void an_interrupt_ends_and_reports(void **state)
{
	(void)state;
	start_sink(LOOP_AUTO, 1);
	pid_t self = getpid(), killer = fork();
	if (killer == 0) {
		usleep(500 * 1000);
		kill(self, SIGINT);
		_exit(0);
	}
	struct options options = load_options(COMMAND_SESSION);
	options.duration_ms = 60 * MS;
	struct outcome *outcome = run_well(&options, &scenario_session);
	assert_true(outcome->interrupted);
	assert_true(outcome_seconds(outcome) < 30);
	free(outcome);
	waitpid(killer, NULL, 0);
}

static void json_is_whole(void **state)
{
	(void)state;
	start_sink(LOOP_AUTO, 1);
	struct options options = load_options(COMMAND_SESSION);
	struct outcome *outcome = run_well(&options, &scenario_session);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	assert_true(report_json(outcome, out));
	fclose(out);
	json_t *report = json_loadb(text, size, 0, NULL);
	assert_non_null(report);
	assert_true(json_number_value(json_object_get(report, "server_cpu_us_per_operation")) > 0);
	assert_int_equal(json_integer_value(json_object_get(report, "operations")), outcome->total.operations);
	json_t *sign_in = json_object_get(json_object_get(report, "latencies"), "sign-in");
	assert_true(json_number_value(json_object_get(sign_in, "p99_9_us")) > 0);
	json_decref(report);
	free(text);
	free(outcome);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(sink.folder, "/tmp/postern-sink-XXXXXX");
	if (!secret_setup() || !mkdtemp(sink.folder))
		return -1;
	snprintf(sink.ca, sizeof sink.ca, "%s/ca.pem", sink.folder);
	find_port(sink.plain);
	find_port(sink.tls);
	find_port(sink.nobody);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	static const char *const names[] = { "ca.pem", "ca.key", "certificate.pem", "certificate.key" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char path[128];
		snprintf(path, sizeof path, "%s/%s", sink.folder, names[i]);
		unlink(path);
	}
	return rmdir(sink.folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(all_loads_succeed_on_epoll, stop_sink),
		cmocka_unit_test_teardown(all_loads_succeed_on_io_uring, stop_sink),
		cmocka_unit_test_teardown(streams_work_in_every_manner, stop_sink),
		cmocka_unit_test_teardown(sessions_work_in_every_manner, stop_sink),
		cmocka_unit_test_teardown(sessions_resume, stop_sink),
		cmocka_unit_test_teardown(an_open_loop_keeps_its_rate, stop_sink),
		cmocka_unit_test_teardown(failures_are_told_by_place_and_kind, stop_sink),
		cmocka_unit_test_teardown(a_server_that_dies_is_noticed, stop_sink),
		cmocka_unit_test_teardown(an_interrupt_ends_and_reports, stop_sink),
		cmocka_unit_test_teardown(json_is_whole, stop_sink),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
