/* auth { ntlm { … } } in a configuration; see config_ntlm.h. */
#include <stdlib.h>

#include "core/server/config_ntlm_keys.h"
#include "core/server/config_set.h"
#include "core/users/ntlm_names.h"

void config_ntlm_set_defaults(struct config_ntlm *ntlm)
{
	*ntlm = (struct config_ntlm){ .binding = NTLM_BINDING_ALLOW, .helpers = 4 };
}

void config_ntlm_free(struct config_ntlm *ntlm)
{
	free(ntlm->domain);
	free(ntlm->helper);
	free(ntlm->login);
}

void *config_open_ntlm(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	(void)statement;
	return &((struct config_server *)outer)->ntlm;
}

static void set_domain(struct config_reading *reading, const struct config_given *given)
{
	((struct config_ntlm *)given->target)->domain_line = given->value->line;
	if (!ntlm_domain_is_valid(slice_from_text(given->value->text)))
		config_given_problem(reading, given,
				     "not a NetBIOS name; write 1 to 15 letters, digits, - or _, like \"CORP\"");
	config_set_text(reading, given);
}

static void set_helper(struct config_reading *reading, const struct config_given *given)
{
	((struct config_ntlm *)given->target)->helper_line = given->value->line;
	config_set_path(reading, given);
}

static void set_helpers(struct config_reading *reading, const struct config_given *given)
{
	((struct config_ntlm *)given->target)->helpers_line = given->value->line;
	config_set_number(reading, given);
}

static void set_login(struct config_reading *reading, const struct config_given *given)
{
	((struct config_ntlm *)given->target)->login_line = given->value->line;
	if (!ntlm_login_is_valid(given->value->text))
		config_given_problem(reading, given,
				     "needs a %u (the user); and behind % comes u or d (the domain), like \"%u@%d\"");
	config_set_text(reading, given);
}

static const struct config_choice bindings[] = {
	{ "none", NTLM_BINDING_NONE }, { "allow", NTLM_BINDING_ALLOW }, { "require", NTLM_BINDING_REQUIRE }, { NULL }
};

#define NTLM(member) FIELD(config_ntlm, member)

/* clang-format off */
const struct config_key config_ntlm_keys[] = {
	{ "channel_binding", .set = config_set_choice, NTLM(binding), .choices = bindings },
	{ "domain", .set = set_domain, NTLM(domain) },
	{ "helper", .set = set_helper, NTLM(helper) },
	{ "helpers", .set = set_helpers, NTLM(helpers), .least = 1, .most = LIMIT_NTLM_HELPERS },
	{ "login", .set = set_login, NTLM(login) },
	{ NULL },
};
/* clang-format on */

void config_ntlm_check(const struct config_server *server, struct config_problems *problems)
{
	const struct config_ntlm *ntlm = &server->ntlm;
	if (ntlm->helper && ntlm->domain_line)
		config_problem_add(
			problems, server->file, ntlm->domain_line,
			"domain says what our own users' domain is called; with a helper the domain says so itself");
	if (!ntlm->helper && ntlm->helpers_line)
		config_problem_add(
			problems, server->file, ntlm->helpers_line,
			"helpers says how many of the helper run, but there is no helper = \"/usr/bin/ntlm_auth\"");
	if (!ntlm->helper && ntlm->login_line)
		config_problem_add(
			problems, server->file, ntlm->login_line,
			"login names the users of a domain, but there is no helper = \"/usr/bin/ntlm_auth\"");
}
