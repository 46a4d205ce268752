/* postern-bench: load for servers that take mail over TLS with a sign-in, and a server that does nothing else, to
 * compare with. Subcommands and their help; each is a file of its own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/micro.h"
#include "bench/report.h"
#include "bench/run.h"
#include "bench/sink.h"
#include "core/base/near_miss.h"
#include "crypto/secret.h"

enum { EXIT_GOOD = 0, EXIT_ERRORS = 1, EXIT_USAGE = 64 };

struct subcommand {
	const char *name;
	enum command command;
	const struct scenario *scenario; /* NULL: no load */
	const char *help;
};

static const struct subcommand subcommands[] = {
	{ "session", COMMAND_SESSION, &scenario_session,
	  "connect, TLS, EHLO, AUTH, one message, QUIT; again and again" },
	{ "stream", COMMAND_STREAM, &scenario_stream, "message after message over connections that last" },
	{ "login", COMMAND_LOGIN, &scenario_login, "connect, TLS, EHLO, AUTH, QUIT; again and again" },
	{ "idle", COMMAND_IDLE, &scenario_idle, "open many connections, sign in, hold them, then ask each with NOOP" },
	{ "sink", COMMAND_SINK, NULL, "be a server that does TLS and answers yes to everything, and stores nothing" },
	{ "micro", COMMAND_MICRO, NULL, "no server: what tables of rules cost, to make and to ask" },
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof subcommands[0] };

static void print_help(FILE *out)
{
	fprintf(out, "usage: postern-bench SUBCOMMAND [OPTION]…\n\n");
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		fprintf(out, "  %-8s %s\n", subcommands[i].name, subcommands[i].help);
	fprintf(out, "\npostern-bench SUBCOMMAND --help tells the options. Latencies: \"connect+TLS\" is from "
		     "connecting up to the\n"
		     "reply to EHLO (the second one with STARTTLS), \"sign-in\" AUTH up to its 235, \"message\" MAIL "
		     "up to the\n"
		     "250 for the text, \"total\" the whole operation. The report goes to standard output.\n"
		     "Exit status: 0 done, 1 there were failures, 64 the call is wrong.\n");
}

static void print_subcommand_help(const struct subcommand *subcommand)
{
	printf("usage: postern-bench %s [OPTION]…\n%s\n\n", subcommand->name, subcommand->help);
	options_print_help(subcommand->command, stdout);
}

static const struct subcommand *find_subcommand(const char *name)
{
	for (size_t i = 0; i < SUBCOMMANDS; i++) {
		if (strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	}
	return NULL;
}

static void say_unknown(const char *name)
{
	struct near_miss near = near_miss_of(name);
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		near_miss_consider(&near, subcommands[i].name);
	fprintf(stderr, "postern-bench: there is no subcommand \"%s\"%s%s%s\n\n", name,
		near.best ? "; did you mean " : "", near.best ? near.best : "", near.best ? "?" : "");
}

static bool is_help(const char *argument)
{
	return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

static bool report(const struct outcome *outcome)
{
	if (outcome->options->json)
		return report_json(outcome, stdout);
	report_text(outcome, stdout);
	return true;
}

static int run_scenario(struct options *options, const struct scenario *scenario)
{
	struct error error = { "" };
	struct outcome *outcome = malloc(sizeof *outcome);
	if (!outcome)
		return EXIT_ERRORS;
	bool good = run_load(options, scenario, outcome, &error);
	if (!good)
		fprintf(stderr, "postern-bench: %s\n", error.text);
	else
		good = report(outcome) && outcome->total.failed == 0 && outcome->workers_lost == 0;
	free(outcome);
	return good ? EXIT_GOOD : EXIT_ERRORS;
}

int main(int argc, char **argv)
{
	struct options options;
	struct error error = { "" };
	const struct subcommand *subcommand = argc > 1 ? find_subcommand(argv[1]) : NULL;
	if (argc > 1 && is_help(argv[1])) {
		print_help(stdout);
		return EXIT_GOOD;
	}
	if (!subcommand) {
		if (argc > 1)
			say_unknown(argv[1]);
		print_help(stderr);
		return EXIT_USAGE;
	}
	for (int i = 2; i < argc; i++)
		if (is_help(argv[i])) {
			print_subcommand_help(subcommand);
			return EXIT_GOOD;
		}
	if (!options_parse(&options, subcommand->command, argc - 2, argv + 2, &error)) {
		fprintf(stderr, "postern-bench %s: %s\n", subcommand->name, error.text);
		return EXIT_USAGE;
	}
	if (!secret_setup()) {
		fprintf(stderr, "postern-bench: the system has no randomness\n");
		return EXIT_ERRORS;
	}
	if (subcommand->command == COMMAND_MICRO)
		return micro_run(&options);
	return subcommand->scenario ? run_scenario(&options, subcommand->scenario) : sink_run(&options);
}
