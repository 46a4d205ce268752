/* `postern server`: which server blocks the running server has, and pausing them. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/control_client.h"
#include "tools/lanes.h"

enum {
	ANSWER_MS = 1000,   /* a worker that is not stopped answers within a turn or two */
	PATIENCE_MS = 5000, /* one that died is started again within a second; then it reads its lane */
	AGAIN_MS = 100,
};

static const char usage[] = "usage: postern server list [-c FILE] [--json]\n"
			    "       postern server pause|resume [-c FILE] [--json] NAME\n";

static void print_help(void)
{
	fputs(usage, stdout);
	puts("\n"
	     "list     one line a server block of the running server: name, state, open sessions, listeners\n"
	     "pause    who connects is told 421, try again later, in all workers from now on; sessions that are open\n"
	     "         go on to their end\n"
	     "resume   takes that back\n"
	     "--json   one object a line\n"
	     "\n"
	     "A pause lasts until it is taken back or the server ends: a server that is started is open, whatever was\n"
	     "before. Exit status: 0 done, 1 no server runs, or it has none of that name, 2 the configuration is "
	     "wrong.");
}

/* --- the running server --- */

struct workers {
	char *folder; /* of the lanes */
	unsigned lanes[LANES_MOST];
	size_t count;
};

/* False after telling why. */
static bool find_workers(struct workers *workers, const struct config *config)
{
	workers->folder = command_data_path(config, "lanes");
	if (!workers->folder)
		fputs("postern server: out of memory\n", stderr);
	return workers->folder && lanes_find(workers->folder, workers->lanes, &workers->count);
}

static json_t *ask_worker(const char *directory, const json_t *request, enum control_client_status *status,
			  struct error *error)
{
	struct control_client client;
	json_t *answer = NULL;
	*status = control_client_connect(&client, directory);
	if (*status == CONTROL_CLIENT_OK) {
		control_client_set_patience(&client, ANSWER_MS);
		answer = control_client_ask(&client, json_deep_copy(request), error);
		*status = answer || client.refused ? CONTROL_CLIENT_OK : CONTROL_CLIENT_DEAD;
	}
	control_client_close(&client);
	return answer;
}

/* One after the other until one answers; any will do. */
static json_t *ask_workers(const struct workers *workers, const json_t *request, enum control_client_status *status,
			   struct error *error)
{
	*status = CONTROL_CLIENT_NO_WORKER;
	for (size_t i = 0; i < workers->count; i++) {
		enum control_client_status one;
		char *directory = lanes_directory(workers->folder, workers->lanes[i]);
		json_t *answer = ask_worker(directory, request, &one, error);
		free(directory);
		if (one != CONTROL_CLIENT_NO_WORKER)
			*status = one;
		if (one == CONTROL_CLIENT_OK)
			return answer;
	}
	return NULL;
}

/* The request is used up. NULL after telling why there is no answer. */
static json_t *ask(const struct config *config, json_t *request)
{
	struct error error = { "" };
	struct workers workers;
	enum control_client_status status = CONTROL_CLIENT_DEAD;
	json_t *answer = NULL;
	bool found = find_workers(&workers, config);
	for (int waited_ms = 0; found && status == CONTROL_CLIENT_DEAD && waited_ms < PATIENCE_MS;
	     waited_ms += AGAIN_MS) {
		if (waited_ms)
			usleep(AGAIN_MS * 1000);
		answer = ask_workers(&workers, request, &status, &error);
	}
	if (found && status != CONTROL_CLIENT_OK)
		fprintf(stderr, "postern server: no server runs in %s; is it that of another configuration?\n",
			config->data);
	else if (found && !answer)
		fprintf(stderr, "postern server: %s\n", error.text);
	json_decref(request);
	free(workers.folder);
	return answer;
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
	json_t *answer = ask(config, json_pack("{s:s}", "order", "servers")), *server;
	json_t *servers = json_object_get(answer, "servers");
	bool good = json_is_array(servers);
	size_t i;
	json_array_foreach(servers, i, server) good &= print_server(server, json);
	json_decref(answer);
	return good;
}

static bool change(const struct config *config, const char *action, const char *name, bool json)
{
	json_t *answer = ask(config, json_pack("{s:s, s:s}", "order", action, "server", name));
	const char *state = json_string_value(json_object_get(answer, "state"));
	if (answer && json)
		print_json(answer);
	else if (state)
		printf("%s: %s\n", name, state);
	bool good = state != NULL;
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
