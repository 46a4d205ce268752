/* `postern check`: everything that `postern serve` would refuse in a configuration, all of it in one run. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/dovecot_check.h"
#include "tools/arguments.h"
#include "tools/command.h"

struct request {
	const char *file;
	bool json;
};

static void print_text(const struct config *config, const struct config_problems *problems,
		       const struct config_problems *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		printf("%s (a warning)\n", notes->list[i].text);
	for (size_t i = 0; i < problems->count; i++)
		puts(problems->list[i].text);
	if (problems->count > 0)
		return;
	size_t listeners = 0;
	for (size_t i = 0; i < config->server_count; i++)
		listeners += config->servers[i].listener_count;
	printf("%s: all is right: servers %zu, listeners %zu, routes %zu\n", config->file, config->server_count,
	       listeners, config->routes.count);
}

/* A file that isn't UTF-8 may be quoted in the text: JSON takes none of it, so such bytes become question marks. */
static json_t *json_text(const char *text)
{
	json_t *string = json_string(text);
	if (string)
		return string;
	char *ascii = strdup(text);
	for (char *c = ascii; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	string = ascii ? json_string(ascii) : NULL;
	free(ascii);
	return string;
}

static json_t *json_problems(const struct config_problems *problems)
{
	json_t *list = json_array();
	for (size_t i = 0; i < problems->count; i++) {
		const struct config_problem *problem = &problems->list[i];
		json_array_append_new(list, json_pack("{s:i, s:o}", "line", problem->line, "text",
						      json_text(problem->text + problem->said_at)));
	}
	return list;
}

/* {"file": …, "right": …, "problems": [{"line": …, "text": …}], "warnings": likewise}; line 0 is the whole file. */
static bool print_json(const char *file, const struct config_problems *problems, const struct config_problems *notes)
{
	json_t *report = json_pack("{s:o, s:b, s:o, s:o}", "file", json_text(file), "right", problems->count == 0,
				   "problems", json_problems(problems), "warnings", json_problems(notes));
	bool printed = report && json_dumpf(report, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
	json_decref(report);
	return printed;
}

static int check(void *context)
{
	const struct request *request = context;
	struct config_problems problems = { 0 }, notes = { 0 };
	struct config *config = request->file ? config_examine(request->file, &problems) : config_default(&problems);
	bool right = config && (request->file || config_check(config, &problems));
	if (config)
		dovecot_check(config, &notes);
	if (!request->json)
		print_text(config, &problems, &notes);
	else if (!print_json(request->file ? request->file : CONFIG_BUILT_IN, &problems, &notes))
		right = false;
	config_problems_free(&notes);
	config_problems_free(&problems);
	config_free(config);
	return right ? EXIT_DONE : EXIT_ENVIRONMENT;
}

static const struct argument_action actions[] = { { "", OPERANDS_NONE, NULL, check, NULL } };

static const struct argument_option options[] = {
	{ "c", "FILE", ARGUMENT_TEXT, offsetof(struct request, file), 1, 0, 0, 0,
	  "the configuration; without it the embedded default in ./postern-data" },
	{ "json", NULL, ARGUMENT_FLAG, offsetof(struct request, json), 1, 0, 0, 0, "one object instead of text" },
};

static const struct argument_table table = {
	.command = "check",
	.actions = actions,
	.action_count = 1,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.before = "Reads a configuration and tells everything that `postern serve` would refuse: unknown names, wrong "
		  "values, contradictions, certificates and folders that can't be used. Opens no listener and changes "
		  "nothing.",
	.after = "Exit status: 0 all is right, 2 something is wrong, 64 the call is.",
};

int command_check(int argc, char **argv)
{
	struct request request = { 0 };
	return arguments_run(&table, argc, argv, &request);
}
