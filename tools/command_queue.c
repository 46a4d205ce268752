/* `postern queue`: which messages there are, what is in one, and orders for them. */
#include "tools/command_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/spool/spool.h"

static const char usage[] = "usage: postern queue list [-c FILE] [--json]\n"
			    "       postern queue show [-c FILE] [--json] ID\n"
			    "       postern queue release|hold|remove [-c FILE] [--json] ID ...|--all\n";

static void print_help(void)
{
	fputs(usage, stdout);
	puts("\n"
	     "list     one line a message: id, size, age, state, sender, recipients\n"
	     "show     a message: its envelope, its state, its text\n"
	     "release  tries messages again at once, those that are held too. If their routes\n"
	     "         still say hold they are held again; change the route first\n"
	     "hold     keeps messages until they are released\n"
	     "remove   drops messages for good; nobody is told\n"
	     "\n"
	     "-c FILE  the configuration; without it the embedded default in ./postern-data\n"
	     "--json   one object a line\n"
	     "--all    all messages of all workers\n"
	     "\n"
	     "Works beside a running server, and without one.\n"
	     "\n"
	     "Exit status: 0 done, 1 there is no such message or it did not work out, 2 the\n"
	     "configuration is wrong, 64 the call is.");
}

unsigned queue_lane_of(uint64_t id)
{
	return (unsigned)(id >> 56);
}

/* --- the call --- */

static int list(const struct queue_request *request, const char *action)
{
	(void)action;
	return queue_list(request);
}

static int show(const struct queue_request *request, const char *action)
{
	(void)action;
	return queue_show(request);
}

static const struct action {
	const char *name;
	int (*run)(const struct queue_request *request, const char *action);
	size_t least_ids, most_ids;
	bool may_be_all;
} actions[] = {
	{ "list", list, 0, 0, false },
	{ "show", show, 1, 1, false },
	{ "release", queue_give_order, 1, QUEUE_IDS, true },
	{ "hold", queue_give_order, 1, QUEUE_IDS, true },
	{ "remove", queue_give_order, 1, QUEUE_IDS, true },
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
	bool help;
};

static bool parse_ids(struct queue_request *request, int count, char **texts)
{
	if (count > QUEUE_IDS) {
		fprintf(stderr, "postern queue: more than %d messages at once; --all takes all\n", QUEUE_IDS);
		return false;
	}
	for (int i = 0; i < count; i++) {
		uint64_t *id = &request->ids[request->id_count++];
		if (!spool_id_parse(slice_from_text(texts[i]), id) || *id == 0) {
			fprintf(stderr, "postern queue: \"%s\" is not a message id\n", texts[i]);
			return false;
		}
	}
	return true;
}

/* Options may stand in front of the action and behind it, but before the ids or after them: getopt moves them together. */
static bool parse_call(int argc, char **argv, struct call *call, struct queue_request *request)
{
	for (int option; (option = getopt(argc, argv, "c:h-:")) != -1;) {
		if (option == 'c')
			call->file = optarg;
		else if (option == 'h' || (option == '-' && strcmp(optarg, "help") == 0))
			call->help = true;
		else if (option == '-' && strcmp(optarg, "json") == 0)
			request->json = true;
		else if (option == '-' && strcmp(optarg, "all") == 0)
			request->all = true;
		else
			return false;
	}
	if (call->help)
		return true;
	call->action = find_action(argv[optind]);
	if (!call->action || !parse_ids(request, argc - optind - 1, argv + optind + 1))
		return false;
	if (request->all)
		return call->action->may_be_all && request->id_count == 0;
	return request->id_count >= call->action->least_ids && request->id_count <= call->action->most_ids;
}

int command_queue(int argc, char **argv)
{
	struct call call = { 0 };
	struct queue_request request = { 0 };
	if (!parse_call(argc, argv, &call, &request)) {
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
	char *lanes = command_data_path(config, "lanes");
	request.config = config;
	request.lanes = lanes;
	int status = lanes ? call.action->run(&request, call.action->name) : EXIT_NOT_DONE;
	if (fflush(stdout) != 0)
		status = EXIT_NOT_DONE;
	free(lanes);
	config_free(config);
	return status;
}
