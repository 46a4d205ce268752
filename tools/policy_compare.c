/* Comparing configurations; see policy_compare.h. */
#include "tools/policy_compare.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/policy_diff.h"

struct comparison {
	const struct config *old, *new;
	const char *server; /* NULL: all */
	bool json;
	bool found; /* `server` */
	bool differs;
	bool failed;
};

/* For who waits at a terminal; with NULL the line is free again. */
static void show_progress(const char *what, const char *name)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, what ? "\r\033[K%s %s..." : "\r\033[K", what, name);
}

static const struct config_server *find_server(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->server_count; i++)
		if (strcmp(config->servers[i].name, name) == 0)
			return &config->servers[i];
	return NULL;
}

static void tell_lone(struct comparison *comparison, const struct config_server *server, bool added)
{
	comparison->differs = true;
	if (!comparison->json) {
		printf("server %s\n    %s: it is in %s only\n", server->name, added ? "added" : "removed",
		       server->file);
		return;
	}
	json_t *object = json_pack("{s:s, s:s}", "server", server->name, "only_in", server->file);
	if (!object || json_dumpf(object, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF)
		comparison->failed = true;
	json_decref(object);
}

static void compare(struct comparison *comparison, const struct config_server *old, const struct config_server *new)
{
	struct error error;
	show_progress("comparing server", old->name);
	struct policy_diff *diff = policy_diff_make(comparison->old, old, comparison->new, new, &error);
	show_progress(NULL, NULL);
	if (!diff) {
		fprintf(stderr, "%s\n", error.text);
		comparison->failed = true;
		return;
	}
	comparison->differs |= diff->group_count > 0;
	if (!policy_diff_print(diff, comparison->json))
		comparison->failed = true;
	policy_diff_destroy(diff);
}

static bool is_meant(struct comparison *comparison, const struct config_server *server)
{
	bool meant = !comparison->server || strcmp(comparison->server, server->name) == 0;
	comparison->found |= meant;
	return meant;
}

static int compare_all(struct comparison *comparison)
{
	const struct config *old = comparison->old, *new = comparison->new;
	for (size_t i = 0; i < old->server_count && !comparison->failed; i++) {
		const struct config_server *other = find_server(new, old->servers[i].name);
		if (!is_meant(comparison, &old->servers[i]))
			continue;
		if (other)
			compare(comparison, &old->servers[i], other);
		else
			tell_lone(comparison, &old->servers[i], false);
	}
	for (size_t i = 0; i < new->server_count && !comparison->failed; i++)
		if (is_meant(comparison, &new->servers[i]) && !find_server(old, new->servers[i].name))
			tell_lone(comparison, &new->servers[i], true);
	if (!comparison->found) {
		fprintf(stderr, "postern policy: there is no server '%s' in %s or %s\n", comparison->server, old->file,
			new->file);
		return EXIT_USAGE;
	}
	if (comparison->failed)
		return EXIT_ENVIRONMENT;
	if (!comparison->differs && !comparison->json)
		puts("no difference");
	return comparison->differs ? EXIT_NOT_DONE : EXIT_DONE;
}

int policy_compare_run(const char *old_file, const char *new_file, const char *server, bool json)
{
	struct config *old = command_load_config(old_file);
	struct config *new = command_load_config(new_file);
	struct comparison comparison = { .old = old, .new = new, .server = server, .json = json };
	int status = old && new ? compare_all(&comparison) : EXIT_ENVIRONMENT;
	config_free(old);
	config_free(new);
	return status;
}
