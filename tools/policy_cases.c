/* Running a file of cases; see policy_cases.h. Policies are made when their first case comes. */
#include "tools/policy_cases.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/server/server_policy.h"
#include "tools/command.h"
#include "tools/line_reader.h"
#include "tools/policy_case_line.h"
#include "tools/policy_situation.h"

enum { NO_SERVER = SIZE_MAX };

struct made {
	bool there;
	struct policy policy;
};

struct cases {
	const struct config *config;
	const char *path;
	bool json;
	struct made *made; /* one a server block */
	size_t server;     /* that lines are for now; NO_SERVER: none was named, or one that there is not */
	bool passing_over; /* lines for a server that there is not */
	bool failed;       /* it can't go on, or the result not be told */
	uint64_t line, count, wrong, unreadable;
};

static void tell_unreadable(struct cases *cases, const char *what)
{
	if (cases->unreadable++ < LIMIT_LIST_FAULTS)
		fprintf(stderr, "%s:%llu: %s\n", cases->path, (unsigned long long)cases->line, what);
}

/* --- what is wrong --- */

static void print_json(struct cases *cases, json_t *object)
{
	if (!object || json_dumpf(object, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF)
		cases->failed = true;
	json_decref(object);
}

/* Of a client that there can't be. */
static void tell_hindrance(struct cases *cases, const struct policy_case_line *line, enum policy_hindrance hindrance)
{
	static const char *const reasons[] = {
		[POLICY_LACKS_TLS] = "offers no TLS",
		[POLICY_LACKS_CLEAR] = "speaks to nobody outside TLS",
		[POLICY_LACKS_SIGN_IN] = "lets nobody sign in: it has no mechanisms",
		[POLICY_SIGN_IN_NEEDS_TLS] = "lets nobody sign in outside TLS",
		[POLICY_ASKS_NO_NAMES] = "asks for no names: dns { reverse = off }",
	};
	const struct config_server *server = &cases->config->servers[cases->server];
	bool listens = hindrance == POLICY_LACKS_TLS || hindrance == POLICY_LACKS_CLEAR;
	int told = hindrance == POLICY_ASKS_NO_NAMES ? server->dns.reverse.line : listens ? 0 : server->auth_line;
	int at = told ? told : server->line;
	if (cases->json)
		print_json(cases, json_pack("{s:I, s:s, s:s, s:s, s:i}", "line", (json_int_t)cases->line, "expected",
					    line->expected.text, "impossible", reasons[hindrance], "file", server->file,
					    "rule_line", at));
	else
		printf("%s:%llu: expected %s, but server '%s' %s (%s:%d)\n", cases->path,
		       (unsigned long long)cases->line, line->expected.text, server->name, reasons[hindrance],
		       server->file, at);
}

static const char *outcome_word(const struct policy_verdict *verdict)
{
	return verdict->outcome == POLICY_NEEDS_NAME ? "needs-name"
						     : policy_outcome_name((enum policy_outcome)verdict->outcome);
}

static void tell_wrong(struct cases *cases, const struct policy_case_line *line, const struct policy *policy,
		       const struct policy_verdict *verdict)
{
	struct policy_reason reason;
	unsigned code = policy_verdict_code(verdict);
	const char *stage = policy_stage_name((enum policy_stage)verdict->stage);
	policy_explain(policy, verdict, &reason);
	if (cases->json) {
		print_json(cases, json_pack("{s:I, s:s, s:s, s:i, s:s, s:s, s:s, s:i}", "line", (json_int_t)cases->line,
					    "expected", line->expected.text, "outcome", outcome_word(verdict), "code",
					    (int)code, "stage", stage, "rule", reason.text, "file", reason.file,
					    "rule_line", reason.line));
		return;
	}
	printf("%s:%llu: expected %s, is %s", cases->path, (unsigned long long)cases->line, line->expected.text,
	       outcome_word(verdict));
	/* An allow says no more than that, unless one was expected and it is another. */
	if (code && (verdict->outcome != POLICY_ALLOW || line->expected.outcome == POLICY_ALLOW))
		printf(" %u %s", code, stage);
	printf(": %s", reason.text);
	if (reason.line)
		printf(" (%s:%d)", reason.file, reason.line);
	putchar('\n');
}

/* --- a case --- */

/* NULL: the policy can't be made, which is told. */
static const struct policy *get_policy(struct cases *cases)
{
	struct made *made = &cases->made[cases->server];
	struct error error;
	if (!made->there && !server_policy_make(&made->policy, &cases->config->servers[cases->server], &error)) {
		fprintf(stderr, "%s\n", error.text);
		cases->failed = true;
		return NULL;
	}
	made->there = true;
	return &made->policy;
}

static bool is_as_expected(const struct policy_case_line *line, const struct policy_verdict *verdict)
{
	return verdict->outcome == line->expected.outcome &&
	       (!line->expected.code || policy_verdict_code(verdict) == line->expected.code) &&
	       (line->expected.stage == POLICY_STAGES || verdict->stage == line->expected.stage);
}

static void run_case(struct cases *cases, struct policy_case_line *line)
{
	struct policy_facts *facts = &line->facts;
	if (cases->server == NO_SERVER) {
		if (!cases->passing_over)
			tell_unreadable(cases,
					"there are several servers: say which one, on a line before: server NAME");
		return;
	}
	const struct config_server *server = &cases->config->servers[cases->server];
	const struct policy *policy = get_policy(cases);
	if (!policy)
		return;
	cases->count++;
	if (!line->tls_told)
		facts->tls_bits = policy_has_tls(server) ? POLICY_BITS_USUAL : 0;
	policy_set_tls(facts, server, facts->tls_bits);
	if (facts->name_state == POLICY_NAME_NOT_ASKED && server->dns.reverse.value == REVERSE_OFF)
		facts->name_state = POLICY_NAME_UNKNOWN; /* as it stays */
	enum policy_hindrance hindrance = policy_find_hindrance(server, facts);
	if (hindrance != POLICY_NO_HINDRANCE) {
		cases->wrong++;
		tell_hindrance(cases, line, hindrance);
		return;
	}
	if (line->last == POLICY_RECIPIENT)
		policy_set_recipient(facts, line->recipient, server, &cases->config->routes);
	struct policy_verdict verdict = policy_judge_stages(policy, facts, POLICY_CONNECTION, line->last);
	if (is_as_expected(line, &verdict))
		return;
	cases->wrong++;
	tell_wrong(cases, line, policy, &verdict);
}

static void choose_server(struct cases *cases, const char *name)
{
	const struct config *config = cases->config;
	struct error error;
	cases->passing_over = false;
	for (cases->server = 0; cases->server < config->server_count; cases->server++)
		if (strcmp(config->servers[cases->server].name, name) == 0)
			return;
	cases->server = NO_SERVER;
	cases->passing_over = true;
	(void)error_set(&error, "there is no server '%s' in %s", name, config->file);
	tell_unreadable(cases, error.text);
}

static void run_line(struct cases *cases, struct slice bytes)
{
	char text[LIMIT_POLICY_CASE_BYTES];
	struct policy_case_line line;
	struct error error;
	if (bytes.size >= sizeof text || memchr(bytes.data, 0, bytes.size)) {
		tell_unreadable(cases, "a case is a line of text, and shorter");
		return;
	}
	(void)!slice_to_text(bytes, text, sizeof text);
	switch (policy_case_line_parse(text, &line, &error)) {
	case POLICY_LINE_EMPTY:
		return;
	case POLICY_LINE_SERVER:
		choose_server(cases, line.server);
		return;
	case POLICY_LINE_CASE:
		run_case(cases, &line);
		return;
	case POLICY_LINE_WRONG:
		tell_unreadable(cases, error.text);
		return;
	}
}

/* --- the file --- */

static void run_lines(struct cases *cases, struct line_reader *reader)
{
	struct slice bytes = slice_of(NULL, 0);
	while (!cases->failed) {
		enum line_status status = line_reader_next(reader, &bytes);
		cases->line = reader->line;
		if (status == LINE_END)
			return;
		if (status == LINE_UNREADABLE) {
			fprintf(stderr, "%s: can't be read: %s\n", cases->path, strerror(errno));
			cases->failed = true;
		} else if (status == LINE_TOO_LONG) {
			tell_unreadable(cases, "a case is a line of text, and shorter");
		} else {
			run_line(cases, bytes);
		}
	}
}

static void tell_sum(struct cases *cases)
{
	unsigned long long count = cases->count, wrong = cases->wrong, unreadable = cases->unreadable;
	if (unreadable > LIMIT_LIST_FAULTS)
		fprintf(stderr, "%s: and %llu more lines that can't be read\n", cases->path,
			unreadable - LIMIT_LIST_FAULTS);
	if (cases->json) {
		print_json(cases, json_pack("{s:I, s:I, s:I}", "cases", (json_int_t)count, "wrong", (json_int_t)wrong,
					    "unreadable", (json_int_t)unreadable));
		return;
	}
	printf("%llu case%s, ", count, count == 1 ? "" : "s");
	if (wrong)
		printf("%llu wrong", wrong);
	else
		fputs("all right", stdout);
	if (unreadable)
		printf("; %llu line%s can't be read", unreadable, unreadable == 1 ? "" : "s");
	putchar('\n');
}

static int run_file(struct cases *cases, int fd)
{
	struct line_reader *reader = malloc(sizeof *reader);
	cases->made = calloc(cases->config->server_count, sizeof *cases->made);
	if (reader && cases->made) {
		line_reader_init(reader, fd);
		run_lines(cases, reader);
		line_reader_finish(reader);
	} else {
		fputs("postern policy: no memory\n", stderr);
		cases->failed = true;
	}
	if (!cases->failed)
		tell_sum(cases);
	for (size_t i = 0; cases->made && i < cases->config->server_count; i++)
		if (cases->made[i].there)
			policy_finish(&cases->made[i].policy);
	free(cases->made);
	free(reader);
	if (cases->failed || cases->unreadable)
		return EXIT_ENVIRONMENT;
	return cases->wrong ? EXIT_NOT_DONE : EXIT_DONE;
}

int policy_cases_run(const struct config *config, const char *path, bool json)
{
	struct cases cases = {
		.config = config,
		.path = path,
		.json = json,
		.server = config->server_count == 1 ? 0 : NO_SERVER,
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "%s: can't be read: %s\n", path, strerror(errno));
		return EXIT_ENVIRONMENT;
	}
	int status = run_file(&cases, fd);
	close(fd);
	return status;
}
