/* `postern policy`: what the rules of a configuration mean, tested and compared. The call; each action is in a file of its
 * own. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/command.h"
#include "tools/policy_cases.h"
#include "tools/policy_compare.h"

static const char usage[] = "usage: postern policy test [-c FILE] [--json] CASES\n"
			    "       postern policy diff [--json] [--server NAME] OLD NEW\n";

static void print_help(void)
{
	fputs(usage, stdout);
	puts("\n"
	     "test  judges each client of the file CASES as the server would and tells where\n"
	     "      that is not what is expected. A line is a client's address, what is known\n"
	     "      of it, and what is expected:\n"
	     "\n"
	     "      192.0.2.9 -> allow\n"
	     "      198.51.100.7 name=mx.bad.example from=a@b.example -> refuse 554 connection\n"
	     "      203.0.113.5 tls=256 user=demo from=a@b.example to=c@d.example -> allow\n"
	     "\n"
	     "      name=     its confirmed host name; unknown: it has none; failed: that\n"
	     "                can't be found out now. Without it nobody has asked yet\n"
	     "      tls=      bits of the cipher, 0: no TLS. Without it 256 where the server\n"
	     "                has TLS\n"
	     "      user=     it has signed in\n"
	     "      from= to= sender and recipient\n"
	     "\n"
	     "      Behind -> allow, refuse, defer or needs-name; then, if it matters, the\n"
	     "      code of the reply; then the stage: connection, sender or recipient. Where\n"
	     "      there are several servers, a line `server NAME` says which one the lines\n"
	     "      behind it are for. # begins a comment.\n"
	     "\n"
	     "diff  tells which clients are treated otherwise under the configuration NEW than\n"
	     "      under OLD: for each range of addresses and each kind of name in which\n"
	     "      situations, what was, what is now, and by which rule.\n"
	     "\n"
	     "-c FILE        test: the configuration; without it the embedded default in\n"
	     "               ./postern-data\n"
	     "--json         one object a line\n"
	     "--server NAME  diff: this server block alone\n"
	     "\n"
	     "Exit status: 0 all is as expected, or there is no difference, 1 something is\n"
	     "not, or there is, 2 a file can't be read, 64 the call is wrong.");
}

struct call {
	const char *file;
	const char *server;
	bool json;
	bool help;
	char **operands;
};

static int run_test(const struct call *call)
{
	struct config *config = command_load_config(call->file);
	if (!config)
		return EXIT_ENVIRONMENT;
	int status = policy_cases_run(config, call->operands[0], call->json);
	config_free(config);
	return status;
}

static int run_diff(const struct call *call)
{
	return policy_compare_run(call->operands[0], call->operands[1], call->server, call->json);
}

enum option_bit { MAY_FILE = 1, MAY_JSON = 2, MAY_SERVER = 4 };

static const struct action {
	const char *name;
	int (*run)(const struct call *call);
	int operands;
	unsigned options;
} actions[] = {
	{ "test", run_test, 1, MAY_FILE | MAY_JSON },
	{ "diff", run_diff, 2, MAY_JSON | MAY_SERVER },
};

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "json", no_argument, NULL, MAY_JSON },
	{ "server", required_argument, NULL, MAY_SERVER },
	{ NULL, 0, NULL, 0 },
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; name && i < sizeof actions / sizeof *actions; i++)
		if (strcmp(name, actions[i].name) == 0)
			return &actions[i];
	return NULL;
}

/* NULL: the call is wrong, or asks for help. */
static const struct action *parse_call(int argc, char **argv, struct call *call)
{
	unsigned given = 0;
	opterr = 0;
	for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		if (option == 'h') {
			call->help = true;
			return NULL;
		}
		if (option == '?')
			return NULL;
		given |= option == 'c' ? MAY_FILE : (unsigned)option;
		if (option == 'c')
			call->file = optarg;
		if (option == MAY_SERVER)
			call->server = optarg;
	}
	call->json = given & MAY_JSON;
	const struct action *action = find_action(argv[optind]);
	if (!action || argc - optind - 1 != action->operands || (given & ~action->options))
		return NULL;
	call->operands = argv + optind + 1;
	return action;
}

int command_policy(int argc, char **argv)
{
	struct call call = { 0 };
	const struct action *action = parse_call(argc, argv, &call);
	if (call.help) {
		print_help();
		return EXIT_DONE;
	}
	if (!action) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	int status = action->run(&call);
	if (fflush(stdout) != 0) {
		fprintf(stderr, "postern policy: can't write: %s\n", strerror(errno));
		status = EXIT_ENVIRONMENT;
	}
	return status;
}
