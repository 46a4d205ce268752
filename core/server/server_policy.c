/* Compiling a policy; see server_policy.h. */
#include "core/server/server_policy.h"

#include "core/server/rule_file.h"

/* --- files of rules --- */

/* The first problem alone; `postern check` tells more. */
static void note_problem(void *context, const char *path, uint32_t line, const char *what)
{
	struct error *error = context;
	if (error->text[0])
		return;
	if (line)
		error_set(error, "%s:%u: %s", path, line, what);
	else
		error_set(error, "%s: %s", path, what);
}

static bool add_file(struct policy_rules_builder *builder, const struct config_rule_file *where, struct error *error)
{
	uint32_t first, lines = 0;
	if (!policy_rules_begin_file(builder, where->allow, where->path, &first))
		return error_set(error, "%s: no memory for its rules", where->path);
	error->text[0] = 0;
	bool good = rule_file_read(where->path, &builder->prefixes, &builder->names, first, policy_rank(where->allow),
				   &lines, note_problem, error);
	policy_rules_end_file(builder, lines);
	return good;
}

/* --- rules --- */

static bool add_rules(struct policy_rules_builder *builder, const struct config_rules *rules, const char *file,
		      struct error *error)
{
	for (size_t i = 0; i < rules->count; i++) {
		const struct config_rule *rule = &rules->list[i];
		struct policy_source where = { .file = file, .line = rule->line, .text = rule->text };
		if (!policy_rules_add(builder, &rule->what, rule->allow, &where))
			return error_set(error, "%s:%d: no memory for the rule", file, rule->line);
	}
	for (size_t i = 0; i < rules->file_count; i++)
		if (!add_file(builder, &rules->files[i], error))
			return false;
	return true;
}

static bool make_rules(struct policy_rules *made, const struct config_rules *rules, const char *file,
		       struct error *error)
{
	struct policy_rules_builder builder;
	policy_rules_builder_init(&builder);
	bool good = add_rules(&builder, rules, file, error);
	if (good && !policy_rules_build(&builder, made))
		good = error_set(error, "no memory for %zu rules", rules->count);
	policy_rules_builder_finish(&builder);
	return good;
}

bool server_policy_make(struct policy *policy, const struct config_server *config, struct error *error)
{
	const struct config_connect *connect = &config->connect;
	const struct config_relay *relay = &config->relay;
	bool by_default = connect->default_allow.value;
	bool told = connect->unknown_name.value != UNKNOWN_NAME_AS_DEFAULT;
	*policy = (struct policy){
		.connect = { .default_allow = by_default,
			     .unknown_allow = told ? connect->unknown_name.value == UNKNOWN_NAME_ALLOW : by_default },
		.relay = { .default_allow = relay->default_allow.value, .unknown_allow = relay->default_allow.value },
		.authenticated = relay->authenticated.value,
		.anonymous = config->anonymous,
		.can_sign_in = config->mechanisms != 0,
		.plaintext_sign_in = config->plaintext_sign_in,
		.server = config->name,
		.file = config->file,
		.line = config->line,
		.lines = {
			.connect_default = connect->default_allow.line,
			.unknown_name = connect->unknown_name.line,
			.relay_default = relay->default_allow.line,
			.authenticated = relay->authenticated.line,
			.anonymous = config->auth_line,
		},
	};
	if (make_rules(&policy->connect, &connect->rules, config->file, error) &&
	    make_rules(&policy->relay, &relay->rules, config->file, error))
		return true;
	policy_finish(policy);
	return false;
}

void server_policy_set_recipient(struct policy_facts *facts, const struct route_table *routes, struct slice local,
				 struct slice domain)
{
	char place[LIMIT_MAILDIR_PATH_BYTES];
	const struct route *route = route_find(routes, domain);
	facts->has_route = route != NULL;
	facts->local = route && route->kind == ROUTE_MAILDIR;
	facts->has_mailbox = route && (!facts->local || route_maildir_path(route, local, domain, place, sizeof place));
}
