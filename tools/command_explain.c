/* `postern explain`: what the server would say to a client, and by which rule; and why it has refused one. */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/refusal_file.h"
#include "core/server/server_policy.h"
#include "core/spool/spool.h"
#include "core/users/users.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/lanes.h"
#include "tools/policy_case.h"
#include "tools/policy_situation.h"
#include "tools/refusal_print.h"

enum { TLS_AS_USUAL = UINT_MAX };

struct request {
	const char *file, *server, *address, *name, *user, *from, *to;
	unsigned tls_bits;
	bool json;
	struct argument_list id;
	const struct config *config;
};

/* --- a client --- */

static bool read_case(const struct request *request, const struct config_server *server, struct policy_case *asked)
{
	struct error error;
	unsigned usual = policy_has_tls(server) ? POLICY_BITS_USUAL : 0;
	bool good = net_address_parse(slice_from_text(request->address), &asked->facts.client, &error) &&
		    (!request->name || policy_read_name(request->name, &asked->facts, &error));
	if (!good)
		fprintf(stderr, "postern explain: %s\n", error.text);
	policy_set_tls(&asked->facts, server, request->tls_bits == TLS_AS_USUAL ? usual : request->tls_bits);
	asked->facts.signed_in = request->user != NULL;
	asked->recipient = slice_from_text(request->to ? request->to : "");
	return good;
}

static void print_step(const struct policy_step *step)
{
	printf("%-10s  %-6s  %s", policy_stage_name((enum policy_stage)step->verdict.stage),
	       policy_outcome_name((enum policy_outcome)step->verdict.outcome), step->reason.text);
	if (step->reason.line)
		printf("  (%s:%d)", step->reason.file, step->reason.line);
	printf("%s\n                    %s\n", step->without_name ? "; it depends on the client's name" : "",
	       step->reply);
}

static json_t *step_json(const struct policy_step *step)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:s}", "stage",
			 policy_stage_name((enum policy_stage)step->verdict.stage), "verdict",
			 policy_outcome_name((enum policy_outcome)step->verdict.outcome), "rule", step->reason.text,
			 "file", step->reason.file, "line", step->reason.line, "depends_on_name", step->without_name,
			 "reply", step->reply);
}

static void print_steps(const struct request *request, const struct config_server *server,
			const struct policy_steps *steps)
{
	if (!request->json) {
		for (size_t i = 0; i < steps->count; i++)
			print_step(&steps->list[i]);
		return;
	}
	json_t *list = json_array();
	for (size_t i = 0; i < steps->count; i++)
		json_array_append_new(list, step_json(&steps->list[i]));
	json_t *report =
		json_pack("{s:s, s:s, s:o}", "server", server->name, "address", request->address, "stages", list);
	json_dumpf(report, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(report);
}

/* Nobody is outside TLS, or inside, where there is no listener for it. */
static bool check_tls(const struct config_server *server, const struct policy_case *asked)
{
	enum policy_hindrance hindrance = policy_find_hindrance(server, &asked->facts);
	if (hindrance == POLICY_LACKS_TLS)
		fprintf(stderr, "postern explain: server '%s' offers no TLS; ask with --tls 0\n", server->name);
	if (hindrance == POLICY_LACKS_CLEAR)
		fprintf(stderr, "postern explain: server '%s' speaks to nobody outside TLS; ask without --tls 0\n",
			server->name);
	return hindrance != POLICY_LACKS_TLS && hindrance != POLICY_LACKS_CLEAR;
}

/* Who can't sign in as he is has not. */
static void check_sign_in(const struct config_server *server, struct policy_case *asked)
{
	if (!asked->facts.signed_in || (server->mechanisms && (asked->facts.tls_bits || server->plaintext_sign_in)))
		return;
	asked->facts.signed_in = false;
	fprintf(stderr, "postern explain: server '%s' offers no sign-in %s; judged without\n", server->name,
		server->mechanisms ? "outside TLS" : "at all");
}

/* May the login give that sender? The user database knows; with what is wrong otherwise, judged without it. */
static void judge_ownership(const struct request *request, const struct config *config,
			    const struct config_server *server, const struct policy_case *asked,
			    struct policy_steps *steps)
{
	struct policy_step *step = &steps->list[POLICY_SENDER];
	struct error error;
	bool owns = true;
	if (!server->senders_own || !asked->facts.signed_in || !request->from || !request->from[0] ||
	    steps->count <= POLICY_SENDER || step->verdict.outcome != POLICY_ALLOW)
		return;
	char *path = command_data_path(config, "users");
	struct users *users = path ? users_open(path, false, &error) : NULL;
	if (!users ||
	    users_owns(users, slice_from_text(request->user), slice_from_text(request->from), &owns) == USERS_FAILED)
		fprintf(stderr, "postern explain: %s; senders of logins are not looked at\n",
			users ? "the user database can't be read" : error.text);
	users_close(users);
	free(path);
	if (owns)
		return;
	step->verdict.outcome = POLICY_REFUSE;
	step->verdict.status = SMTP_SENDER_NOT_OWN;
	step->reason = (struct policy_reason){ .file = server->file, .line = server->senders_line };
	snprintf(step->reason.text, sizeof step->reason.text, "auth { senders = own }");
	policy_reply_format(SMTP_SENDER_NOT_OWN, asked->recipient, "ID", step->reply);
	steps->count = POLICY_SENDER + 1;
}

static int explain_case(void *context)
{
	const struct request *request = context;
	const struct config *config = request->config;
	struct policy policy;
	struct policy_case asked = { 0 };
	struct policy_steps steps;
	struct error error;
	const struct config_server *server = policy_find_server(config, request->server, "explain");
	if (!server || !read_case(request, server, &asked) || !check_tls(server, &asked))
		return EXIT_USAGE;
	if (!server_policy_make(&policy, server, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return EXIT_ENVIRONMENT;
	}
	check_sign_in(server, &asked);
	policy_case_judge(&asked, &policy, server, &config->routes, "ID", &steps);
	judge_ownership(request, config, server, &asked, &steps);
	print_steps(request, server, &steps);
	policy_finish(&policy);
	return steps.list[steps.count - 1].verdict.outcome == POLICY_ALLOW ? EXIT_DONE : EXIT_NOT_DONE;
}

/* --- a refusal --- */

static int explain_refusal(void *context)
{
	const struct request *request = context;
	const char *text = request->id.items[0];
	uint64_t id;
	struct refusal refusal;
	struct error error;
	if (!spool_id_parse(slice_from_text(text), &id)) {
		fprintf(stderr, "postern explain: \"%s\" is not the id of a refusal\n", text);
		return EXIT_USAGE;
	}
	char *lanes = command_data_path(request->config, "lanes");
	char *lane = lanes ? lanes_directory(lanes, (unsigned)(id >> 56)) : NULL;
	bool found = lane && refusal_file_find(lane, id, &refusal, &error);
	if (found)
		refusal_print(&refusal, request->json);
	else
		fprintf(stderr, "postern explain: %s\n", lane ? error.text : "no memory");
	free(lane);
	free(lanes);
	return found ? EXIT_DONE : EXIT_NOT_DONE;
}

/* --- the call --- */

static int with_config(void *context, int (*run)(void *request))
{
	struct request *request = context;
	struct config *config = command_load_config(request->file);
	if (!config)
		return EXIT_ENVIRONMENT;
	request->config = config;
	int status = run(request);
	config_free(config);
	return status;
}

enum { CASE = 1, REFUSAL = 2 };

static const struct argument_action actions[] = {
	{ "", OPERANDS_NONE, NULL, explain_case, NULL },
	{ "", OPERANDS_ONE, "ID", explain_refusal, NULL },
};

#define FIELD_OF(kind, member) kind, offsetof(struct request, member)
static const struct argument_option options[] = {
	{ "c", "FILE", FIELD_OF(ARGUMENT_TEXT, file), CASE | REFUSAL, 0, 0, 0,
	  "the configuration; without it the embedded default in ./postern-data" },
	{ "json", NULL, FIELD_OF(ARGUMENT_FLAG, json), CASE | REFUSAL, 0, 0, 0, "one object" },
	{ "server", "NAME", FIELD_OF(ARGUMENT_TEXT, server), CASE, 0, 0, 0,
	  "the server block; it need not be said where there is one" },
	{ "name", "HOST", FIELD_OF(ARGUMENT_TEXT, name), CASE, 0, 0, 0,
	  "the client's confirmed host name; \"\" is none. Without it, what depends on the name is told as for a "
	  "client "
	  "without one" },
	{ "tls", "BITS", FIELD_OF(ARGUMENT_NUMBER, tls_bits), CASE, 0, 0, POLICY_BITS_MOST,
	  "bits of the cipher, 128 or 256; 0: the client speaks no TLS. Without it 256 where the server has TLS" },
	{ "user", "NAME", FIELD_OF(ARGUMENT_TEXT, user), CASE, 0, 0, 0, "the client has signed in" },
	{ "from", "ADDRESS", FIELD_OF(ARGUMENT_TEXT, from), CASE, 0, 0, 0, "the sender's address" },
	{ "to", "ADDRESS", FIELD_OF(ARGUMENT_TEXT, to), CASE, 0, 0, 0, "the recipient's address" },
	{ "address", "ADDRESS", FIELD_OF(ARGUMENT_TEXT, address), CASE, CASE, 0, 0, "the client's address" },
};

static const struct argument_table table = {
	.command = "explain",
	.actions = actions,
	.action_count = sizeof actions / sizeof *actions,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.operands = offsetof(struct request, id),
	.around = with_config,
	.before =
		"Tells what the server would say to a client, stage by stage: the verdict, the rule that makes it with "
		"its file and line, and the reply. With an ID, from a reply or the log: why that client was refused.",
	.after = "Limits of connections and rates are not looked at.\n\n"
		 "Exit status: 0 the client may do it all (or the ID was found), 1 it may not, 2 the configuration is "
		 "wrong, 64 the call is.",
};

int command_explain(int argc, char **argv)
{
	struct request request = { .tls_bits = TLS_AS_USUAL };
	return arguments_run(&table, argc, argv, &request);
}
