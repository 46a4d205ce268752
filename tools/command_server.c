/* `postern server`: which server blocks the running server has, pausing them, and what has become of passwords. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/ask_workers.h"
#include "tools/command.h"

static const char usage[] = "usage: postern server list [-c FILE] [--json]\n"
			    "       postern server pause|resume [-c FILE] [--json] NAME\n"
			    "       postern server sign-ins [-c FILE] [--json]\n";

static void print_help(void)
{
	fputs(usage, stdout);
	puts("\n"
	     "list     one line a server block of the running server: name, state, open sessions, listeners\n"
	     "pause    who connects is told 421, try again later, in all workers from now on; sessions that are open\n"
	     "         go on to their end\n"
	     "resume   takes that back\n"
	     "sign-ins what has become of passwords since the start: how many were remembered, how many took a "
	     "hasher,\n"
	     "         and why others took none\n"
	     "--json   one object a line\n"
	     "\n"
	     "A pause lasts until it is taken back or the server ends: a server that is started is open, whatever was\n"
	     "before. Exit status: 0 done, 1 no server runs, or it has none of that name, 2 the configuration is "
	     "wrong.");
}

/* --- what it answers --- */

static bool print_json(const json_t *object)
{
	return json_dumpf(object, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
}

static bool print_server(const json_t *server, bool json)
{
	const char *name, *state;
	json_int_t sessions;
	json_t *listeners, *listener;
	size_t i;
	if (json)
		return print_json(server);
	if (json_unpack((json_t *)(uintptr_t)server, "{s:s, s:s, s:I, s:o}", "server", &name, "state", &state,
			"sessions", &sessions, "listeners", &listeners) != 0)
		return false;
	printf("%-20s %-6s %8lld  ", name, state, (long long)sessions);
	json_array_foreach(listeners, i, listener) printf("%s%s", i ? ", " : "", json_string_value(listener));
	return putchar('\n') != EOF;
}

static bool list(const struct config *config, const char *action, const char *name, bool json)
{
	(void)action;
	(void)name;
	json_t *answer = ask_workers(config, "server", json_pack("{s:s}", "order", "servers")), *server;
	json_t *servers = json_object_get(answer, "servers");
	bool good = json_is_array(servers);
	size_t i;
	json_array_foreach(servers, i, server) good &= print_server(server, json);
	json_decref(answer);
	return good;
}

static bool change(const struct config *config, const char *action, const char *name, bool json)
{
	json_t *answer = ask_workers(config, "server", json_pack("{s:s, s:s}", "order", action, "server", name));
	const char *state = json_string_value(json_object_get(answer, "state"));
	if (answer && json)
		print_json(answer);
	else if (state)
		printf("%s: %s\n", name, state);
	bool good = state != NULL;
	json_decref(answer);
	return good;
}

static bool list_sign_ins(const struct config *config, const char *action, const char *name, bool json)
{
	static const struct {
		const char *key, *text;
	} rows[] = {
		{ "remembered", "right, and remembered from before" },
		{ "hashed", "verified by a hasher" },
		{ "waiting", "waiting for a hasher now" },
		{ "refused", "refused while they waited: their network was banned meanwhile" },
		{ "left", "given up while they waited: the client had gone" },
		{ "turned_away", "told to come again: too many waited, or too long" },
	};
	(void)name;
	json_t *answer = ask_workers(config, "server", json_pack("{s:s}", "order", action));
	bool good = answer != NULL;
	if (good && json)
		good = print_json(answer);
	for (size_t i = 0; good && !json && i < sizeof rows / sizeof *rows; i++)
		printf("%12lld  %s\n", (long long)json_integer_value(json_object_get(answer, rows[i].key)),
		       rows[i].text);
	json_decref(answer);
	return good;
}

/* --- the call --- */

static const struct action {
	const char *name;
	bool (*run)(const struct config *config, const char *action, const char *name, bool json);
	int names;
} actions[] = {
	{ "list", list, 0 },
	{ "pause", change, 1 },
	{ "resume", change, 1 },
	{ "sign-ins", list_sign_ins, 0 },
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; name && i < sizeof actions / sizeof *actions; i++)
		if (strcmp(name, actions[i].name) == 0)
			return &actions[i];
	return NULL;
}

struct call {
	const struct action *action;
	const char *file;
	const char *name;
	bool json;
	bool help;
};

static bool parse_call(int argc, char **argv, struct call *call)
{
	for (int option; (option = getopt(argc, argv, "c:h-:")) != -1;) {
		if (option == 'c')
			call->file = optarg;
		else if (option == 'h' || (option == '-' && strcmp(optarg, "help") == 0))
			call->help = true;
		else if (option == '-' && strcmp(optarg, "json") == 0)
			call->json = true;
		else
			return false;
	}
	if (call->help)
		return true;
	call->action = find_action(argv[optind]);
	if (!call->action || argc - optind - 1 != call->action->names)
		return false;
	call->name = argv[optind + 1];
	return true;
}

int command_server(int argc, char **argv)
{
	struct call call = { 0 };
	if (!parse_call(argc, argv, &call)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (call.help) {
		print_help();
		return EXIT_DONE;
	}
	struct config *config = command_load_config(call.file);
	if (!config)
		return EXIT_ENVIRONMENT;
	bool done = call.action->run(config, call.action->name, call.name, call.json);
	if (fflush(stdout) != 0)
		done = false;
	config_free(config);
	return done ? EXIT_DONE : EXIT_NOT_DONE;
}
