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
#include "tools/command.h"

static void print_help(void)
{
	puts("usage: postern serve [-c FILE]\n"
	     "\n"
	     "Runs the server in the foreground and logs to standard error.\n"
	     "\n"
	     "-c FILE  the configuration; without it the embedded default: 127.0.0.1:2587\n"
	     "         (STARTTLS) and 127.0.0.1:2465 (TLS) from ./postern-data, with a\n"
	     "         certificate and a user of its own making\n"
	     "\n"
	     "SIGTERM and SIGINT end it: transactions finish first (at most `shutdown`).\n"
	     "\n"
	     "Exit status: 0 ended as told, 2 the configuration or the environment is wrong,\n"
	     "64 the call is.");
}

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

int command_serve(int argc, char **argv)
{
	const char *file = NULL;
	for (int option; (option = getopt(argc, argv, "+c:h-:")) != -1;) {
		if (option == 'h' || (option == '-' && strcmp(optarg, "help") == 0)) {
			print_help();
			return EXIT_DONE;
		}
		if (option != 'c') {
			fputs("usage: postern serve [-c FILE]\n", stderr);
			return EXIT_USAGE;
		}
		file = optarg;
	}
	if (optind < argc) {
		fprintf(stderr, "postern serve: what is \"%s\"? usage: postern serve [-c FILE]\n", argv[optind]);
		return EXIT_USAGE;
	}
	struct config *config = command_load_config(file);
	if (!config)
		return EXIT_ENVIRONMENT;
	log_configure((enum log_level)config->log_level, STDERR_FILENO);
	if ((!file && !prepare_default(config)) || !is_sound(config)) {
		config_free(config);
		return EXIT_ENVIRONMENT;
	}
	struct error error;
	int status = supervisor_run(config, say_ready, &error);
	if (status == EXIT_ENVIRONMENT)
		fprintf(stderr, "postern: %s\n", error.text);
	return status;
}
