/* `postern queue`: which messages there are, what is in one, and orders for them. */
#include "tools/command_queue.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/spool/spool.h"
#include "tools/arguments.h"

unsigned queue_lane_of(uint64_t id)
{
	return (unsigned)(id >> 56);
}

/* --- the call --- */

struct call {
	const char *file;
	bool json, all;
	struct argument_list ids;
};

/* False, and told, when one is none. */
static bool parse_ids(const struct argument_list *texts, struct queue_request *request)
{
	for (size_t i = 0; i < texts->count; i++) {
		uint64_t *id = &request->ids[request->id_count++];
		if (!spool_id_parse(slice_from_text(texts->items[i]), id) || *id == 0) {
			fprintf(stderr, "postern queue: \"%s\" is not a message id\n", texts->items[i]);
			return false;
		}
	}
	return true;
}

static int with_config(const struct call *call, const char *order, int (*run)(const struct queue_request *request))
{
	struct queue_request request = { .order = order, .json = call->json, .all = call->all };
	if (!parse_ids(&call->ids, &request))
		return EXIT_USAGE;
	struct config *config = command_load_config(call->file);
	if (!config)
		return EXIT_ENVIRONMENT;
	char *lanes = command_data_path(config, "lanes");
	request.config = config;
	request.lanes = lanes;
	int status = lanes ? run(&request) : EXIT_NOT_DONE;
	free(lanes);
	config_free(config);
	return status;
}

static int run_list(void *call)
{
	return with_config(call, NULL, queue_list);
}

static int run_show(void *call)
{
	return with_config(call, NULL, queue_show);
}

static int run_release(void *call)
{
	return with_config(call, "release", queue_give_order);
}

static int run_hold(void *call)
{
	return with_config(call, "hold", queue_give_order);
}

static int run_remove(void *call)
{
	return with_config(call, "remove", queue_give_order);
}

enum { LIST = 1, SHOW = 2, RELEASE = 4, HOLD = 8, REMOVE = 16, ORDERS = RELEASE | HOLD | REMOVE };

static const struct argument_action actions[] = {
	{ "list", OPERANDS_NONE, NULL, run_list, "one line a message: id, size, age, state, sender, recipients" },
	{ "show", OPERANDS_ONE, "ID", run_show, "a message: its envelope, its state, its text" },
	{ "release", OPERANDS_SOME, "ID", run_release,
	  "tries messages again at once, those that are held too. If their routes still say hold they are held again; "
	  "change the route first" },
	{ "hold", OPERANDS_SOME, "ID", run_hold, "keeps messages until they are released" },
	{ "remove", OPERANDS_SOME, "ID", run_remove, "drops messages for good; nobody is told" },
};

#define FIELD_OF(kind, member) kind, offsetof(struct call, member)
static const struct argument_option options[] = {
	{ "c", "FILE", FIELD_OF(ARGUMENT_TEXT, file), LIST | SHOW | ORDERS, 0, 0, 0,
	  "the configuration; without it the embedded default in ./postern-data" },
	{ "json", NULL, FIELD_OF(ARGUMENT_FLAG, json), LIST | SHOW | ORDERS, 0, 0, 0, "one object a line" },
	{ "all", NULL, FIELD_OF(ARGUMENT_INSTEAD, all), ORDERS, 0, 0, 0, "all messages of all workers" },
};

static const struct argument_table table = {
	.command = "queue",
	.actions = actions,
	.action_count = sizeof actions / sizeof *actions,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.operands = offsetof(struct call, ids),
	.before = "Shows and changes the messages that are held or wait for delivery.",
	.after =
		"Works beside a running server, and without one.\n\n"
		"Exit status: 0 done, 1 there is no such message or it did not work out, 2 the configuration is wrong, "
		"64 the call is.",
};

int command_queue(int argc, char **argv)
{
	struct call call = { 0 };
	return arguments_run(&table, argc, argv, &call);
}
