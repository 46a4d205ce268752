/* `postern reload`: the running server takes its configuration as it is now. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/control_client.h"

/* Another reload may run before, and each is bounded. */
enum { PATIENCE_MS = 2 * (LIMIT_PACKING_MS + LIMIT_CHANGE_MS) + 10000 };

struct request {
	const char *file;
	bool json;
};

/* Also of a file that is wrong otherwise: what is wrong with it the server tells. */
static char *find_data(const char *file)
{
	char *data = file ? config_data_folder(file) : NULL;
	if (data)
		return data;
	struct config *config = command_load_config(file);
	data = config ? strdup(config->data) : NULL;
	config_free(config);
	return data;
}

static void print_problems(const json_t *answer, const char *error)
{
	json_t *problem;
	size_t i;
	json_array_foreach(json_object_get(answer, "problems"), i, problem)
		fprintf(stderr, "%s\n", json_string_value(problem));
	fprintf(stderr, "postern reload: %s\n", error);
}

static void print_done(const json_t *answer, double seconds)
{
	json_t *worker;
	size_t i;
	json_int_t workers = json_integer_value(json_object_get(answer, "workers"));
	printf("reloaded: generation %lld, %lld worker%s, %.2f s\n",
	       (long long)json_integer_value(json_object_get(answer, "generation")), (long long)workers,
	       workers == 1 ? "" : "s", seconds);
	json_array_foreach(json_object_get(answer, "late"), i, worker)
		fprintf(stderr, "postern reload: worker %lld does not answer; it changes over when it goes on\n",
			(long long)json_integer_value(worker));
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int order(const char *data, bool json)
{
	struct control_client client;
	struct error error = { "" };
	double began = now();
	if (control_client_connect(&client, data) != CONTROL_CLIENT_OK) {
		fprintf(stderr, "postern reload: no server runs in %s; is it that of another configuration?\n", data);
		return EXIT_ENVIRONMENT;
	}
	control_client_set_patience(&client, PATIENCE_MS);
	json_t *answer = control_client_ask_whole(&client, json_pack("{s:s}", "order", "reload"), &error);
	const char *refusal = json_string_value(json_object_get(answer, "error"));
	int status = !answer ? EXIT_ENVIRONMENT : refusal ? EXIT_NOT_DONE : EXIT_DONE;
	if (!answer)
		fprintf(stderr, "postern reload: %s\n", error.text);
	else if (json && (json_dumpf(answer, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF))
		status = EXIT_ENVIRONMENT;
	else if (!json && refusal)
		print_problems(answer, refusal);
	else if (!json)
		print_done(answer, now() - began);
	json_decref(answer);
	control_client_close(&client);
	return status;
}

static int reload(void *context)
{
	const struct request *request = context;
	char *data = find_data(request->file);
	int status = data ? order(data, request->json) : EXIT_ENVIRONMENT;
	free(data);
	return status;
}

static const struct argument_action actions[] = { { "", OPERANDS_NONE, NULL, reload, NULL } };

static const struct argument_option options[] = {
	{ "c", "FILE", ARGUMENT_TEXT, offsetof(struct request, file), 1, 0, 0, 0,
	  "says which server: that of its data folder; without it the embedded default in ./postern-data" },
	{ "json", NULL, ARGUMENT_FLAG, offsetof(struct request, json), 1, 0, 0, 0, "the server's answer, an object" },
};

static const struct argument_table table = {
	.command = "reload",
	.actions = actions,
	.action_count = 1,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.before = "The running server reads its configuration anew, with certificates and lists, and checks all of it. "
		  "When all is right new sessions get it, and those that are open end on what they began with; when "
		  "something is wrong every problem is told and nothing changes. `data`, `user`, `workers`, `hashers` "
		  "and `loop` need a restart.",
	.after = "Exit status: 0 done, 1 the server refused it, 2 no server runs there or FILE does not say where, 64 "
		 "the call is wrong.",
};

int command_reload(int argc, char **argv)
{
	struct request request = { 0 };
	return arguments_run(&table, argc, argv, &request);
}
