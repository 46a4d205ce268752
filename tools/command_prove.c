/* `postern prove`: what a configuration lets happen, by judging every class of client that its rules tell apart. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/server_policy.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/policy_case.h"
#include "tools/prove.h"
#include "tools/prove_print.h"

struct request {
	const char *file;
	bool json;
};

/* --- sessions --- */

static void judge_hole(const struct prove_subject *subject, const struct prove_hole *hole, struct policy_steps *steps)
{
	struct policy_case asked = { .facts = hole->facts, .recipient = slice_from_text(subject->report.foreign) };
	asked.facts.name = slice_from_text(hole->name);
	policy_case_judge(&asked, subject->policy, subject->server, &subject->config->routes, "ID", steps);
}

static void format_from(const struct prove_hole *hole, char *text, size_t capacity)
{
	char example[NET_ADDRESS_TEXT_BYTES], first[NET_ADDRESS_TEXT_BYTES], last[NET_ADDRESS_TEXT_BYTES],
		more[64] = "";
	const char *name = hole->name[0] ? ", with the name " : "";
	net_address_format(&hole->facts.client, example);
	net_address_format(&hole->first, first);
	net_address_format(&hole->last, last);
	if (hole->ranges > 1)
		snprintf(more, sizeof more, " and %llu range%s more", (unsigned long long)hole->ranges - 1,
			 hole->ranges > 2 ? "s" : "");
	if (hole->ranges == 0)
		snprintf(text, capacity, "all addresses that no prefix decides, with the name %s; here %s", hole->name,
			 example);
	else if (net_address_equal(&hole->first, &hole->last))
		snprintf(text, capacity, "%s%s%s%s", first, more, name, hole->name);
	else
		snprintf(text, capacity, "%s to %s%s%s%s; here %s", first, last, more, name, hole->name, example);
}

/* --- text --- */

static void print_reason(const struct policy_reason *reason)
{
	printf("%s", reason->text);
	if (reason->line)
		printf("  (%s:%d)", reason->file, reason->line);
}

static void print_hole(const struct prove_subject *subject, const struct prove_hole *hole)
{
	struct policy_steps steps;
	struct policy_reason reason;
	char lines[PROVE_SESSION_LINES][PROVE_SESSION_LINE_BYTES], from[512];
	judge_hole(subject, hole, &steps);
	policy_explain(subject->policy, &hole->verdict, &reason);
	format_from(hole, from, sizeof from);
	printf("    by ");
	print_reason(&reason);
	printf("\n      from %s\n", from);
	size_t count = prove_write_session(subject, &hole->facts, &steps, lines);
	for (size_t i = 0; i < count; i++)
		printf("      %s\n", lines[i]);
}

static void print_relay(const struct prove_subject *subject)
{
	const struct prove_report *report = &subject->report;
	printf("  can somebody who has not signed in have mail sent on? ");
	if (!report->has_foreign)
		puts("no: no route leads away from here");
	else
		puts(report->hole_count ? "yes" : "no");
	for (size_t i = 0; report->has_foreign && i < report->hole_count; i++)
		print_hole(subject, &report->holes[i]);
	if (report->open_relay)
		printf("    an open relay%s: %llu public IPv4 addresses, %llu IPv6 /48s%s\n",
		       subject->server->relay.open_relay_meant ? ", as open_relay = \"I mean it\" says" : "",
		       (unsigned long long)report->public_ipv4, (unsigned long long)report->public_ipv6,
		       report->any_name ? ", all hosts of a top-level domain" : "");
}

static void print_unreached(const struct prove_subject *subject)
{
	const struct prove_report *report = &subject->report;
	printf("  is there a rule that never decides? %s\n", report->unreached_count ? "yes" : "no");
	for (size_t i = 0; i < report->unreached_count; i++) {
		struct policy_reason reason;
		policy_explain(subject->policy, &report->unreached[i].verdict, &reason);
		printf("    ");
		print_reason(&reason);
		puts(": every client under it is decided by a more specific rule, or may not connect");
	}
	if (report->unreached_more)
		printf("    and %llu more\n", (unsigned long long)report->unreached_more);
}

static void print_text(const struct prove_subject *subject)
{
	printf("server %s  (%s:%d), %llu classes of clients judged\n", subject->server->name, subject->server->file,
	       subject->server->line, (unsigned long long)subject->report.classes);
	print_relay(subject);
	prove_print_clear_passwords(subject);
	prove_print_clear_mail(subject);
	print_unreached(subject);
}

/* --- JSON --- */

static json_t *reason_json(const struct policy *policy, const struct policy_verdict *verdict)
{
	struct policy_reason reason;
	policy_explain(policy, verdict, &reason);
	return json_pack("{s:s, s:s, s:i}", "rule", reason.text, "file", reason.file, "line", reason.line);
}

static json_t *hole_json(const struct prove_subject *subject, const struct prove_hole *hole)
{
	struct policy_steps steps;
	char lines[PROVE_SESSION_LINES][PROVE_SESSION_LINE_BYTES], first[NET_ADDRESS_TEXT_BYTES],
		last[NET_ADDRESS_TEXT_BYTES];
	judge_hole(subject, hole, &steps);
	size_t count = prove_write_session(subject, &hole->facts, &steps, lines);
	json_t *object = reason_json(subject->policy, &hole->verdict), *session = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(session, json_string(lines[i]));
	net_address_format(&hole->facts.client, first);
	json_object_set_new(object, "example", json_string(first));
	net_address_format(&hole->first, first);
	net_address_format(&hole->last, last);
	if (hole->ranges) {
		json_object_set_new(object, "first", json_string(first));
		json_object_set_new(object, "last", json_string(last));
	}
	json_object_set_new(object, "ranges", json_integer((json_int_t)hole->ranges));
	json_object_set_new(object, "name", json_string(hole->name));
	json_object_set_new(object, "session", session);
	return object;
}

static void print_json(const struct prove_subject *subject)
{
	const struct prove_report *report = &subject->report;
	const struct config_server *server = subject->server;
	json_t *relay = json_array(), *unreached = json_array();
	for (size_t i = 0; report->has_foreign && i < report->hole_count; i++)
		json_array_append_new(relay, hole_json(subject, &report->holes[i]));
	for (size_t i = 0; i < report->unreached_count; i++)
		json_array_append_new(unreached, reason_json(subject->policy, &report->unreached[i].verdict));
	json_t *object = json_pack("{s:s, s:I, s:o, s:b, s:b, s:o, s:o, s:o}", "server", server->name, "classes",
				   (json_int_t)report->classes, "relay", relay, "open_relay", report->open_relay,
				   "open_relay_meant", server->relay.open_relay_meant, "clear",
				   prove_clear_passwords_json(subject), "clear_mail", prove_clear_mail_json(subject),
				   "unreached", unreached);
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

/* --- the call --- */

/* Answers an exit status. */
static int prove_one(const struct request *request, const struct config *config, const struct config_server *server)
{
	struct policy policy;
	struct error error;
	struct prove_subject subject = { config, server, &policy, { .holes = NULL } };
	if (!server_policy_make(&policy, server, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return EXIT_ENVIRONMENT;
	}
	bool done = prove_policy(&policy, prove_ways(server), &config->routes, &subject.report);
	if (!done)
		fputs("postern prove: out of memory\n", stderr);
	else if (request->json)
		print_json(&subject);
	else
		print_text(&subject);
	bool fine = done && (!subject.report.open_relay || server->relay.open_relay_meant);
	prove_finish(&subject.report);
	policy_finish(&policy);
	return fine ? EXIT_DONE : EXIT_NOT_DONE;
}

static int prove(void *context)
{
	const struct request *request = context;
	struct config_problems problems = { 0 };
	struct config *config = request->file ? config_read(request->file, &problems) : config_default(&problems);
	for (size_t i = 0; i < problems.count; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	/* One that is nothing but an open relay is what this is to find. */
	bool only_open = problems.count > 0 && problems.count == problems.open_relays;
	config_problems_free(&problems);
	if (!config)
		return only_open ? EXIT_NOT_DONE : EXIT_ENVIRONMENT;
	int status = EXIT_DONE;
	for (size_t i = 0; i < config->server_count; i++) {
		int one = prove_one(request, config, &config->servers[i]);
		status = one > status ? one : status;
	}
	config_free(config);
	return status;
}

static const struct argument_action actions[] = { { "", OPERANDS_NONE, NULL, prove, NULL } };

static const struct argument_option options[] = {
	{ "c", "FILE", ARGUMENT_TEXT, offsetof(struct request, file), 1, 0, 0, 0,
	  "the configuration; without it the embedded default in ./postern-data" },
	{ "json", NULL, ARGUMENT_FLAG, offsetof(struct request, json), 1, 0, 0, 0,
	  "one object a server block and line" },
};

static const struct argument_table table = {
	.command = "prove",
	.actions = actions,
	.action_count = 1,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.before =
		"Judges every class of client that the rules of a configuration tell apart, whatever its address, its "
		"name, signed in or not, inside TLS or not, and answers for each server block: can somebody who has "
		"not signed in have mail sent on to somewhere else, and from where? Can a password or mail cross the "
		"net in the clear? Does a rule never decide? Each yes comes with a session that shows it.",
	.after = "It is an open relay where more of the Internet may have mail sent on than any site is: a /8 of IPv4, "
		 "a "
		 "/20 of IPv6, a whole top-level domain.\n\n"
		 "Exit status: 0 no server block is an open relay that is not meant to be one (open_relay = \"I mean "
		 "it\"), 1 one is, 2 the configuration is wrong, 64 the call is.",
};

int command_prove(int argc, char **argv)
{
	struct request request = { 0 };
	return arguments_run(&table, argc, argv, &request);
}
