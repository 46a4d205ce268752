/* `postern ban`: who may not sign in for now, at the running server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/config_value.h"
#include "core/users/guard.h"
#include "tools/arguments.h"
#include "tools/ask_workers.h"
#include "tools/command.h"

struct ban_request {
	const char *file, *login, *period, *reason;
	bool json;
	struct argument_list operands;
	const struct config *config;
};

/* --- printing --- */

/* What a client has said is made harmless for a terminal. */
static void print_harmless(const char *text)
{
	for (; *text; text++)
		putchar(*text >= ' ' && *text <= '~' ? *text : '?');
}

static const char *text_of(const json_t *ban, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(ban, name));
	return text ? text : otherwise;
}

static void print_ban(const json_t *ban, bool json)
{
	if (json) {
		json_dumpf(ban, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	printf("%-18s  since %s  until %-20s  refused %-6lld  ", text_of(ban, "network", ""), text_of(ban, "since", ""),
	       text_of(ban, "until", "it is removed"), (long long)json_integer_value(json_object_get(ban, "refused")));
	const char *login = text_of(ban, "login", NULL), *reason = text_of(ban, "reason", "");
	if (login)
		fputs("from login ", stdout);
	print_harmless(login ? login : "from all logins");
	printf(", by %s", text_of(ban, "by", ""));
	if (reason[0])
		fputs(": ", stdout);
	print_harmless(reason);
	putchar('\n');
}

/* --- actions --- */

static int list(void *context)
{
	const struct ban_request *request = context;
	json_int_t from = 0;
	for (bool more = true; more;) {
		json_t *answer =
			ask_workers(request->config, "ban", json_pack("{s:s, s:I}", "order", "bans", "from", from));
		json_t *bans = json_object_get(answer, "bans"), *next = json_object_get(answer, "next"), *ban;
		size_t i;
		if (!answer)
			return EXIT_NOT_DONE;
		json_array_foreach(bans, i, ban) print_ban(ban, request->json);
		more = json_is_integer(next) && json_integer_value(next) > from;
		from = json_integer_value(next);
		json_decref(answer);
	}
	return EXIT_DONE;
}

/* Its order, and what all have; NULL after telling what is wrong with the call. */
static json_t *order_of(const struct ban_request *request, const char *order)
{
	struct net_prefix prefix;
	struct error error;
	char text[NET_PREFIX_TEXT_BYTES];
	if (!net_prefix_parse(slice_from_text(request->operands.items[0]), &prefix, &error)) {
		fprintf(stderr, "postern ban: %s\n", error.text);
		return NULL;
	}
	net_prefix_format(&prefix, text);
	json_t *asked = json_pack("{s:s, s:s}", "order", order, "prefix", text);
	if (request->login && json_object_set_new(asked, "login", json_string(request->login)) != 0) {
		fputs("postern ban: the login is not UTF-8\n", stderr);
		json_decref(asked);
		asked = NULL;
	}
	return asked;
}

static int change(const struct ban_request *request, json_t *asked, const char *done)
{
	json_t *answer = ask_workers(request->config, "ban", asked);
	if (answer && request->json)
		print_ban(answer, true);
	else if (answer)
		printf("%s: %s\n", text_of(answer, "network", ""), done);
	int status = answer ? EXIT_DONE : EXIT_NOT_DONE;
	json_decref(answer);
	return status;
}

static bool set_period(const struct ban_request *request, json_t *asked)
{
	uint64_t ms;
	if (!request->period)
		return true;
	if (config_duration_parse(request->period, &ms) == CONFIG_DURATION_OK && ms >= 1000 &&
	    ms <= UINT64_C(36500) * 24 * 3600 * 1000)
		return json_object_set_new(asked, "for_s", json_integer((json_int_t)(ms / 1000))) == 0;
	fprintf(stderr, "postern ban: --for %s: not a time; write 10min, 1h or 7d\n", request->period);
	return false;
}

static bool set_reason(const struct ban_request *request, json_t *asked)
{
	if (!request->reason || (strlen(request->reason) < GUARD_REASON_BYTES &&
				 json_object_set_new(asked, "reason", json_string(request->reason)) == 0))
		return true;
	fprintf(stderr, "postern ban: --reason takes at most %d bytes of UTF-8\n", GUARD_REASON_BYTES - 1);
	return false;
}

static int add(void *context)
{
	const struct ban_request *request = context;
	json_t *asked = order_of(request, "ban");
	if (asked && set_period(request, asked) && set_reason(request, asked))
		return change(request, asked, "banned");
	json_decref(asked);
	return EXIT_USAGE;
}

static int take_back(void *context)
{
	const struct ban_request *request = context;
	json_t *asked = order_of(request, "unban");
	return asked ? change(request, asked, "no longer banned") : EXIT_USAGE;
}

/* --- the call --- */

static int with_config(void *context, int (*run)(void *request))
{
	struct ban_request *request = context;
	struct config *config = command_load_config(request->file);
	if (!config)
		return EXIT_ENVIRONMENT;
	request->config = config;
	int status = run(request);
	config_free(config);
	return status;
}

enum { LIST = 1, ADD = 2, REMOVE = 4 };

static const struct argument_action actions[] = {
	{ "list", OPERANDS_NONE, NULL, list,
	  "one line a ban: network, since, until, tries that it has refused, from which\n"
	  "login, what has led to it" },
	{ "add", OPERANDS_ONE, "PREFIX", add,
	  "nobody signs in from that address or prefix, but for what the configuration\n"
	  "exempts" },
	{ "remove", OPERANDS_ONE, "PREFIX", take_back, "ends a ban, and forgets the failures that led to it" },
};

#define FIELD_OF(kind, member) kind, offsetof(struct ban_request, member)
static const struct argument_option options[] = {
	{ "c", "FILE", FIELD_OF(ARGUMENT_TEXT, file), LIST | ADD | REMOVE, 0, 0, 0,
	  "the configuration; without it the embedded default in ./postern-data" },
	{ "json", NULL, FIELD_OF(ARGUMENT_FLAG, json), LIST | ADD | REMOVE, 0, 0, 0, "one object a line" },
	{ "login", "NAME", FIELD_OF(ARGUMENT_TEXT, login), ADD | REMOVE, 0, 0, 0,
	  "a ban from this login; without it from all" },
	{ "for", "TIME", FIELD_OF(ARGUMENT_TEXT, period), ADD, 0, 0, 0,
	  "how long, like 1h or 7d; without it until it is removed" },
	{ "reason", "TEXT", FIELD_OF(ARGUMENT_TEXT, reason), ADD, 0, 0, 0, "for those who see the list or a refusal" },
};

static const struct argument_table table = {
	.command = "ban",
	.actions = actions,
	.action_count = sizeof actions / sizeof *actions,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.operands = offsetof(struct ban_request, operands),
	.around = with_config,
	.before = "Shows and changes who may not sign in for now; see guard { ... } in postern.conf(5).",
	.after = "All workers of the running server obey at once, and bans outlast a restart. Connections are not\n"
		 "refused: connect { deny } does that.\n"
		 "\n"
		 "Exit status: 0 done, 1 no server runs, or there is no such ban, 2 the configuration is wrong, 64 the "
		 "call is.",
};

int command_ban(int argc, char **argv)
{
	struct ban_request request = { .file = NULL };
	return arguments_run(&table, argc, argv, &request);
}
