/* `postern`: the table of subcommands, and nothing else. */
#include <stdio.h>
#include <string.h>

#include "core/base/near_miss.h"
#include "crypto/secret.h"
#include "tools/command.h"

#define POSTERN_VERSION "0.1.0"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
};

static const struct command commands[] = {
	{ "serve", command_serve, "run the server in the foreground" },
	{ "check", command_check, "say what is wrong with a configuration" },
	{ "user", command_user, "add, change, list, import users" },
	{ "queue", command_queue, "list, show, release, remove messages" },
	{ "server", command_server, "list, pause, resume servers" },
	{ "reload", command_reload, "have the running server take a changed configuration" },
	{ "ban", command_ban, "list, make, end bans of those who guess passwords" },
	{ "explain", command_explain, "say what a client may do and which rule says so" },
	{ "prove", command_prove, "say what a configuration lets happen" },
	{ "cert", command_cert, "make, install and judge certificates" },
	{ "verify", command_verify, "ask a running server whether it does what it should" },
	{ "policy", command_policy, "test rules with cases, and compare them with others" },
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *to)
{
	fputs("Postern, a mail submission server.\n\nusage: postern COMMAND [-c FILE] [option ...]\n"
	      "       postern --help|--version\n\n",
	      to);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].what);
	fputs("\n  -c FILE  the configuration; without it the embedded default in ./postern-data\n"
	      "\n`postern COMMAND --help` says more; see also postern(1) and postern.conf(5).\n",
	      to);
}

static void say_unknown(const char *name)
{
	struct near_miss near = near_miss_of(name);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		near_miss_consider(&near, commands[i].name);
	fprintf(stderr, "postern: there is no %s \"%s\"%s%s%s\n\n", name[0] == '-' ? "option" : "command", name,
		near.best ? "; did you mean " : "", near.best ? near.best : "", near.best ? "?" : "");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		print_help(stdout);
		return EXIT_DONE;
	}
	if (strcmp(name, "--version") == 0) {
		puts("postern " POSTERN_VERSION);
		return EXIT_DONE;
	}
	if (!secret_setup()) {
		fputs("postern: the system gives no random numbers\n", stderr);
		return EXIT_ENVIRONMENT;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	if (name[0])
		say_unknown(name);
	print_help(stderr);
	return EXIT_USAGE;
}
