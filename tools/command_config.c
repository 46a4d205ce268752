/* What the subcommands share about configurations; see command.h. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/command.h"

struct config *command_load_config(const char *file)
{
	struct config_problems problems = { 0 };
	struct config *config = file ? config_read(file, &problems) : config_default(&problems);
	for (size_t i = 0; i < problems.count; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	config_problems_free(&problems);
	return config;
}

char *command_data_path(const struct config *config, const char *name)
{
	char *path = NULL;
	return asprintf(&path, "%s/%s", config->data, name) < 0 ? NULL : path;
}
