/* Comparing a configuration with the one that is served; see config_change.h.
 *
 * Processes, their loops and the folder that they have open are made once, at the start. */
#include "core/server/config_change.h"

#include <string.h>

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_number(const struct config *config, int line, const char *key, unsigned before, unsigned now,
			 struct config_problems *problems)
{
	if (before != now)
		config_problem_add(problems, config->file, line,
				   "'%s' is %u now and was %u at the start: that needs a restart", key, now, before);
}

void config_change_check(const struct config *before, const struct config *config, struct config_problems *problems)
{
	if (config->data && !is_same_text(before->data, config->data))
		config_problem_add(problems, config->file, config->data_line,
				   "'data' is %s now and was %s at the start: that needs a restart", config->data,
				   before->data);
	if (!is_same_text(before->user, config->user))
		config_problem_add(problems, config->file, config->user_line,
				   "'user' is %s now and was %s at the start: that needs a restart",
				   config->user ? config->user : "not set", before->user ? before->user : "not set");
	check_number(config, config->workers_line, "workers", before->workers, config->workers, problems);
	check_number(config, config->hashers_line, "hashers", before->hashers, config->hashers, problems);
	if (before->loop != config->loop)
		config_problem_add(problems, config->file, config->loop_line,
				   "'loop' is not what it was at the start: that needs a restart");
}
