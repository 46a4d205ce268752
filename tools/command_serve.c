/* `postern serve`: checks the configuration, runs the server in the foreground, says when it is ready. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/config.h"
#include "core/server/first_start.h"
#include "core/server/supervisor.h"
#include "crypto/secret.h"
#include "tools/arguments.h"
#include "tools/command.h"

struct request {
	const char *file;
};

static void say_ready(const struct config *config)
{
	for (size_t i = 0; i < config->server_count; i++)
		for (size_t j = 0; j < config->servers[i].listener_count; j++)
			log_message(LOG_INFO, "listening", "%s: %s", config->servers[i].name,
				    config->servers[i].listeners[j].text);
	log_message(LOG_INFO, "ready", "%u workers, %u hashers, data in %s", config->workers, config->hashers,
		    config->data);
}

static bool prepare_default(const struct config *config)
{
	struct first_start first;
	struct error error;
	if (!first_start_prepare(config, &first, &error)) {
		fprintf(stderr, "postern: %s\n", error.text);
		free(first.ca);
		return false;
	}
	if (first.made_user)
		printf("login     %s\npassword  %s   (shown this once; change it: postern user passwd %s)\n"
		       "CA        %s\n",
		       first.user, first.password, first.user, first.ca);
	fflush(stdout);
	secret_wipe(first.password, sizeof first.password);
	free(first.ca);
	return true;
}

static bool is_sound(const struct config *config)
{
	struct config_problems problems = { 0 };
	bool sound = config_check(config, &problems);
	for (size_t i = 0; i < problems.count; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	config_problems_free(&problems);
	return sound;
}

static int serve(void *context)
{
	const struct request *request = context;
	struct config *config = command_load_config(request->file);
	if (!config)
		return EXIT_ENVIRONMENT;
	log_configure((enum log_level)config->log_level, STDERR_FILENO);
	if ((!request->file && !prepare_default(config)) || !is_sound(config)) {
		config_free(config);
		return EXIT_ENVIRONMENT;
	}
	struct error error;
	int status = supervisor_run(config, say_ready, &error);
	if (status == EXIT_ENVIRONMENT)
		fprintf(stderr, "postern: %s\n", error.text);
	return status;
}

static const struct argument_action actions[] = { { "", OPERANDS_NONE, NULL, serve, NULL } };

static const struct argument_option options[] = {
	{ "c", "FILE", ARGUMENT_TEXT, offsetof(struct request, file), 1, 0, 0, 0,
	  "the configuration; without it the embedded default: 127.0.0.1:2587 (STARTTLS) and 127.0.0.1:2465 (TLS) from "
	  "./postern-data, with a certificate and a user of its own making" },
};

static const struct argument_table table = {
	.command = "serve",
	.actions = actions,
	.action_count = 1,
	.options = options,
	.option_count = 1,
	.before = "Runs the server in the foreground and logs to standard error.",
	.after = "SIGTERM and SIGINT end it: transactions finish first (at most `shutdown`). SIGHUP has it read its "
		 "configuration anew, as `postern reload` does.\n\n"
		 "Exit status: 0 ended as told, 2 the configuration or the environment is wrong, 64 the call is.",
};

int command_serve(int argc, char **argv)
{
	struct request request = { 0 };
	return arguments_run(&table, argc, argv, &request);
}
