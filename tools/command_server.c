/* `postern server`: which server blocks the running server has, pausing them, and what has become of passwords. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tools/arguments.h"
#include "tools/ask_workers.h"
#include "tools/command.h"

struct request {
	const char *file;
	bool json;
	struct argument_list operands;
};

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

static bool list(const struct config *config, const struct request *request, const char *order)
{
	json_t *answer = ask_workers(config, "server", json_pack("{s:s}", "order", order)), *server;
	json_t *servers = json_object_get(answer, "servers");
	bool good = json_is_array(servers);
	size_t i;
	json_array_foreach(servers, i, server) good &= print_server(server, request->json);
	json_decref(answer);
	return good;
}

static bool change(const struct config *config, const struct request *request, const char *order)
{
	const char *name = request->operands.items[0];
	json_t *answer = ask_workers(config, "server", json_pack("{s:s, s:s}", "order", order, "server", name));
	const char *state = json_string_value(json_object_get(answer, "state"));
	if (answer && request->json)
		print_json(answer);
	else if (state)
		printf("%s: %s\n", name, state);
	bool good = state != NULL;
	json_decref(answer);
	return good;
}

static bool list_sign_ins(const struct config *config, const struct request *request, const char *order)
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
	json_t *answer = ask_workers(config, "server", json_pack("{s:s}", "order", order));
	bool good = answer != NULL;
	if (good && request->json)
		good = print_json(answer);
	for (size_t i = 0; good && !request->json && i < sizeof rows / sizeof *rows; i++)
		printf("%12lld  %s\n", (long long)json_integer_value(json_object_get(answer, rows[i].key)),
		       rows[i].text);
	json_decref(answer);
	return good;
}

/* --- the call --- */

static int with_config(const struct request *request, const char *order,
		       bool (*run)(const struct config *config, const struct request *request, const char *order))
{
	struct config *config = command_load_config(request->file);
	if (!config)
		return EXIT_ENVIRONMENT;
	bool done = run(config, request, order);
	config_free(config);
	return done ? EXIT_DONE : EXIT_NOT_DONE;
}

static int run_list(void *request)
{
	return with_config(request, "servers", list);
}

static int run_pause(void *request)
{
	return with_config(request, "pause", change);
}

static int run_resume(void *request)
{
	return with_config(request, "resume", change);
}

static int run_sign_ins(void *request)
{
	return with_config(request, "sign-ins", list_sign_ins);
}

static const struct argument_action actions[] = {
	{ "list", OPERANDS_NONE, NULL, run_list,
	  "one line a server block of the running server: name, state, open sessions, listeners" },
	{ "pause", OPERANDS_ONE, "NAME", run_pause,
	  "who connects is told 421, try again later, in all workers from now on; sessions that are open go on to "
	  "their "
	  "end" },
	{ "resume", OPERANDS_ONE, "NAME", run_resume, "takes that back" },
	{ "sign-ins", OPERANDS_NONE, NULL, run_sign_ins,
	  "what has become of passwords since the start: how many were remembered, how many took a hasher, and why "
	  "others took none" },
};

enum { ALL = 0xf };

static const struct argument_option options[] = {
	{ "c", "FILE", ARGUMENT_TEXT, offsetof(struct request, file), ALL, 0, 0, 0,
	  "the configuration; without it the embedded default in ./postern-data" },
	{ "json", NULL, ARGUMENT_FLAG, offsetof(struct request, json), ALL, 0, 0, 0, "one object a line" },
};

static const struct argument_table table = {
	.command = "server",
	.actions = actions,
	.action_count = sizeof actions / sizeof *actions,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.operands = offsetof(struct request, operands),
	.before = "Shows the server blocks of the running server, and pauses them.",
	.after = "A pause lasts until it is taken back or the server ends: a server that is started is open, whatever "
		 "was "
		 "before.\n\n"
		 "Exit status: 0 done, 1 no server runs, or it has none of that name, 2 the configuration is wrong, 64 "
		 "the call is.",
};

int command_server(int argc, char **argv)
{
	struct request request = { 0 };
	return arguments_run(&table, argc, argv, &request);
}
