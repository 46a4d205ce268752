/* `postern cert request` and `postern cert self-sign`: a key, and what it is to be certified with. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "crypto/certificate_issue.h"
#include "tools/cert_plan.h"

/* --- names against the configuration --- */

static bool is_in(const struct argument_list *names, const char *name)
{
	const char *dot = strchr(name, '.');
	for (size_t i = 0; i < names->count; i++) {
		const char *item = names->items[i];
		if (strcasecmp(item, name) == 0 || (item[0] == '*' && dot && strcasecmp(item + 1, dot) == 0))
			return true;
	}
	return false;
}

/* Names that clients use and that it will not be for; what no block is called is most likely a slip of the pen. */
static void compare_names(const struct cert_plan *plan, const struct cert_request *request, const struct config *config)
{
	struct argument_list hosts = { .count = 0 };
	for (size_t i = 0; config && i < config->server_count; i++) {
		const struct config_server *server = &config->servers[i];
		if (request->server && strcmp(request->server, server->name) != 0)
			continue;
		for (size_t j = 0; j < server->certificate_count && hosts.count < ARGUMENT_LIST_MOST; j++)
			hosts.items[hosts.count++] =
				server->certificates[j].name ? server->certificates[j].name : server->hostname;
		if (server->certificate_count == 0 && hosts.count < ARGUMENT_LIST_MOST)
			hosts.items[hosts.count++] = server->hostname;
	}
	for (size_t i = 0; i < hosts.count; i++)
		if (!is_in(&plan->names, hosts.items[i]))
			cert_complain("warning: it will not be for %s, which %s serves", hosts.items[i], config->file);
	for (size_t i = 0; hosts.count && i < plan->names.count; i++) {
		const char *name = plan->names.items[i];
		bool used = is_in(&hosts, name);
		for (size_t j = 0; j < hosts.count && !used && name[0] == '*'; j++)
			used = is_in(&(struct argument_list){ { name }, 1 }, hosts.items[j]);
		if (!used)
			cert_complain("warning: no server block of %s is called %s", config->file, name);
	}
}

/* --- making --- */

static bool make_key(const struct cert_plan *plan)
{
	struct error error;
	const char *file = plan->text[PLAN_KEY_FILE];
	if (access(file, F_OK) == 0) {
		printf("key          %s, which was there\n", file);
		return true;
	}
	if (!certificate_key_create(plan->kind, file, &error)) {
		cert_complain("%s", error.text);
		return false;
	}
	printf("key          %s (%s, mode 0600)\n", file, key_kind_name(plan->kind));
	if (plan->given[PLAN_KEY_TYPE] && key_kind_warning(plan->kind))
		cert_complain("warning: %s: %s", key_kind_name(plan->kind), key_kind_warning(plan->kind));
	return true;
}

static bool make_output(const struct cert_plan *plan, unsigned days)
{
	struct error error;
	const char *key = plan->text[PLAN_KEY_FILE], *output = plan->text[PLAN_OUTPUT];
	bool done = plan->self_signed
			    ? certificate_self_sign(key, output, &plan->subject, plan->names.items, days, &error)
			    : certificate_request_make(key, output, &plan->subject, plan->names.items, &error);
	if (!done)
		cert_complain("%s", error.text);
	else
		printf("%s  %s\nnames        %s\n", plan->self_signed ? "certificate" : "request    ", output,
		       plan->text[PLAN_NAMES]);
	return done;
}

static void print_next(const struct cert_plan *plan, const struct cert_request *request)
{
	const char *config = request->config_file ? request->config_file : "FILE";
	if (plan->self_signed)
		printf("\nEach client must be given %s, since no CA vouches for it.\nNext: postern cert install -c %s "
		       "--key %s %s\n",
		       plan->text[PLAN_OUTPUT], config, plan->text[PLAN_KEY_FILE], plan->text[PLAN_OUTPUT]);
	else
		printf("\nNext: send %s to a CA (the key never leaves this machine), and install what it answers "
		       "with:\n"
		       "    postern cert install -c %s --key %s ANSWER\n",
		       plan->text[PLAN_OUTPUT], config, plan->text[PLAN_KEY_FILE]);
}

static int make(const struct cert_request *request, const struct config *config, bool self_signed)
{
	static struct cert_plan plan;
	plan.self_signed = self_signed;
	unsigned days = request->days ? request->days : CERTIFICATE_SERVER_DAYS;
	if (days > CERTIFICATE_DAYS_MOST) {
		cert_complain("%u days are too many: some clients refuse more than %d", days, CERTIFICATE_DAYS_MOST);
		return EXIT_USAGE;
	}
	switch (cert_plan_make(&plan, request, config)) {
	case PLAN_WRONG:
		return EXIT_USAGE;
	case PLAN_GIVEN_UP:
		puts("\nNothing was made.");
		return EXIT_NOT_DONE;
	case PLAN_MADE:
		break;
	}
	compare_names(&plan, request, config);
	if (!make_key(&plan) || !make_output(&plan, days))
		return EXIT_NOT_DONE;
	print_next(&plan, request);
	return EXIT_DONE;
}

static int plan_and_make(const struct cert_request *request, bool self_signed)
{
	struct config *config = NULL;
	if (request->config_file && !(config = command_load_config(request->config_file)))
		return EXIT_ENVIRONMENT;
	int status = make(request, config, self_signed);
	config_free(config);
	return status;
}

int cert_request(void *context)
{
	return plan_and_make(context, false);
}

int cert_self_sign(void *context)
{
	return plan_and_make(context, true);
}
