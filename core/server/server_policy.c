/* Compiling a policy; see server_policy.h. */
#include "core/server/server_policy.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/policy/rules_image.h"
#include "core/server/config_tls.h"

/* --- files of rules --- */

static bool add_file(struct policy_rules_builder *builder, const struct config_rule_file *where,
		     const struct policy_problems *problems)
{
	uint32_t first, lines;
	if (!policy_rules_begin_file(builder, where->allow, where->path, &first)) {
		problems->tell(problems->context, where->path, 0, "there is no memory for its rules");
		return false;
	}
	bool good = rule_file_read(where->path, &builder->prefixes, &builder->names, first, policy_rank(where->allow),
				   &lines, problems->tell, problems->context);
	policy_rules_end_file(builder, lines);
	return good;
}

/* --- rules --- */

static bool add_rules(struct policy_rules_builder *builder, const struct config_rules *rules, const char *file,
		      const struct policy_problems *problems)
{
	bool good = true;
	for (size_t i = 0; i < rules->count; i++) {
		const struct config_rule *rule = &rules->list[i];
		struct policy_source where = { .file = file, .line = rule->line, .text = rule->text };
		if (policy_rules_add(builder, &rule->what, rule->allow, &where))
			continue;
		problems->tell(problems->context, file, (uint32_t)rule->line, "there is no memory for the rule");
		return false;
	}
	for (size_t i = 0; i < rules->file_count; i++)
		good &= add_file(builder, &rules->files[i], problems);
	return good;
}

static bool make_rules(struct policy_rules *made, const struct config_rules *rules, const char *file,
		       const struct policy_problems *problems)
{
	struct policy_rules_builder builder;
	policy_rules_builder_init(&builder);
	bool good = add_rules(&builder, rules, file, problems);
	if (good && !policy_rules_build(&builder, made)) {
		good = false;
		problems->tell(problems->context, file, 0, "there is no memory for the rules");
	}
	policy_rules_builder_finish(&builder);
	return good;
}

/* The first problem is the error. */
static void keep_first(void *context, const char *path, uint32_t line, const char *what)
{
	struct error *error = context;
	if (error->text[0])
		return;
	if (line)
		error_set(error, "%s:%u: %s", path, line, what);
	else
		error_set(error, "%s: %s", path, what);
}

bool server_policy_read_connect(struct policy_rules *rules, const struct config_server *config,
				const struct policy_problems *problems)
{
	struct policy_rules made = { .default_allow = rules->default_allow, .unknown_allow = rules->unknown_allow };
	if (!make_rules(&made, &config->connect.rules, config->file, problems))
		return false;
	*rules = made;
	return true;
}

static struct policy begin(const struct config_server *config)
{
	const struct config_connect *connect = &config->connect;
	const struct config_relay *relay = &config->relay;
	bool by_default = connect->default_allow.value;
	bool told = connect->unknown_name.value != UNKNOWN_NAME_AS_DEFAULT;
	return (struct policy){
		.connect = { .default_allow = by_default,
			     .unknown_allow = told ? connect->unknown_name.value == UNKNOWN_NAME_ALLOW : by_default },
		.relay = { .default_allow = relay->default_allow.value, .unknown_allow = relay->default_allow.value },
		.authenticated = relay->authenticated.value,
		.anonymous = config->anonymous,
		.can_sign_in = config->mechanisms != 0,
		.plaintext_sign_in = config->plaintext_sign_in,
		.tls_required = config_tls_requires(config),
		.min_bits = config->tls.min_bits,
		.server = config->name,
		.file = config->file,
		.line = config->line,
		.lines = {
			.connect_default = connect->default_allow.line,
			.unknown_name = connect->unknown_name.line,
			.relay_default = relay->default_allow.line,
			.authenticated = relay->authenticated.line,
			.anonymous = config->auth_line,
			.tls_required = config->tls.require_line,
			.min_bits = config->tls.min_bits_line,
		},
	};
}

static bool make(struct policy *policy, const struct config_server *config, bool with_connect, struct error *error)
{
	struct error first = { "" };
	struct policy_problems problems = { keep_first, &first };
	*policy = begin(config);
	if ((!with_connect || make_rules(&policy->connect, &config->connect.rules, config->file, &problems)) &&
	    make_rules(&policy->relay, &config->relay.rules, config->file, &problems))
		return true;
	error_set(error, "%s", first.text);
	policy_finish(policy);
	return false;
}

bool server_policy_make(struct policy *policy, const struct config_server *config, struct error *error)
{
	return make(policy, config, true, error);
}

bool server_policy_make_relay(struct policy *policy, const struct config_server *config, struct error *error)
{
	return make(policy, config, false, error);
}

bool server_policy_write_rules(const struct policy_rules *rules, int fd, struct error *error)
{
	size_t size = policy_rules_image_bytes(rules);
	void *memory = ftruncate(fd, (off_t)size) == 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
						       : MAP_FAILED;
	if (memory == MAP_FAILED)
		return error_set_errno(error, errno, "no memory for rules of lists");
	policy_rules_image_write(rules, memory);
	munmap(memory, size);
	return true;
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
