/* Planning a key and a request; see cert_plan.h. */
#include "tools/cert_plan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMMON_NAME_MOST = 64 };

struct planning {
	struct cert_plan *plan;
	const struct cert_request *request;
	const struct config *config;
};

/* --- what a text may be --- */

static bool check_names(struct cert_plan *plan, const char *text, struct error *error)
{
	plan->names.count = 0;
	snprintf(plan->name_texts, sizeof plan->name_texts, "%s", text);
	char *rest = NULL;
	for (char *word = strtok_r(plan->name_texts, " ,", &rest); word; word = strtok_r(NULL, " ,", &rest)) {
		if (!certificate_name_check(word, error))
			return false;
		if (plan->names.count == ARGUMENT_LIST_MOST)
			return error_set(error, "%d names are possible at most", ARGUMENT_LIST_MOST);
		plan->names.items[plan->names.count++] = word;
	}
	plan->names.items[plan->names.count] = NULL;
	return plan->names.count > 0 ||
	       error_set(error, "at least one name is needed: the host name that clients are set up with");
}

static const char **subject_field(struct certificate_subject *subject, enum plan_field field)
{
	switch (field) {
	case PLAN_COMMON_NAME:
		return &subject->common_name;
	case PLAN_ORGANISATION:
		return &subject->organisation;
	case PLAN_UNIT:
		return &subject->unit;
	case PLAN_CITY:
		return &subject->city;
	case PLAN_STATE:
		return &subject->state;
	case PLAN_COUNTRY:
		return &subject->country;
	default:
		return NULL;
	}
}

static bool check_key_type(struct cert_plan *plan, const char *text, struct error *error)
{
	return key_kind_find(text, &plan->kind) ||
	       error_set(error,
			 "there is no key type \"%s\"; there are p256, p384, rsa2048, rsa3072, rsa4096 and ed25519",
			 text);
}

static bool check(struct cert_plan *plan, enum plan_field field, const char *text, struct error *error)
{
	struct certificate_subject alone = { .common_name = NULL };
	const char **part = subject_field(&alone, field);
	if (part) {
		*part = text;
		return certificate_subject_check(&alone, error);
	}
	switch (field) {
	case PLAN_NAMES:
		return check_names(plan, text, error);
	case PLAN_KEY_TYPE:
		return check_key_type(plan, text, error);
	case PLAN_OUTPUT:
		if (plan->self_signed && access(text, F_OK) == 0)
			return error_set(error, "%s is there already; name another file", text);
		return *text || error_set(error, "a file is needed");
	default:
		return *text || error_set(error, "a file is needed");
	}
}

/* --- where the texts come from --- */

static void append_word(char text[PLAN_TEXT_BYTES], const char *word)
{
	size_t used = strlen(text);
	if (used + strlen(word) + 2 <= PLAN_TEXT_BYTES)
		snprintf(text + used, PLAN_TEXT_BYTES - used, "%s%s", used ? " " : "", word);
}

/* The hostnames that clients use for the blocks, or the block, that this is for. */
static void config_names(const struct planning *at, char text[PLAN_TEXT_BYTES])
{
	struct argument_list names = { .count = 0 };
	for (size_t i = 0; at->config && i < at->config->server_count; i++) {
		const struct config_server *server = &at->config->servers[i];
		bool wanted = !at->request->server || strcmp(at->request->server, server->name) == 0;
		for (size_t j = 0; wanted && j < server->certificate_count; j++)
			if (server->certificates[j].certificate)
				cert_host_names(at->config, server->certificates[j].certificate, &names);
	}
	for (size_t i = 0; i < names.count; i++)
		append_word(text, names.items[i]);
}

/* "mail.example.org.key"; a wildcard's star is no good in a file's name. */
static void default_file(const struct cert_plan *plan, const char *suffix, char text[PLAN_TEXT_BYTES])
{
	const char *name = plan->names.count ? plan->names.items[0] : "postern";
	bool wildcard = name[0] == '*';
	snprintf(text, PLAN_TEXT_BYTES, "%s%.300s%s", wildcard ? "wildcard" : "", name + wildcard, suffix);
}

static void find_default(const struct planning *at, enum plan_field field, char text[PLAN_TEXT_BYTES])
{
	const struct cert_plan *plan = at->plan;
	text[0] = 0;
	switch (field) {
	case PLAN_NAMES:
		config_names(at, text);
		return;
	case PLAN_COMMON_NAME:
		if (strlen(plan->names.items[0]) <= COMMON_NAME_MOST)
			snprintf(text, PLAN_TEXT_BYTES, "%s", plan->names.items[0]);
		return;
	case PLAN_KEY_TYPE:
		snprintf(text, PLAN_TEXT_BYTES, "p256");
		return;
	case PLAN_KEY_FILE:
		default_file(plan, ".key", text);
		return;
	case PLAN_OUTPUT:
		default_file(plan, plan->self_signed ? ".pem" : ".csr", text);
		return;
	default:
		return;
	}
}

static void take_options(struct planning *at)
{
	struct cert_plan *plan = at->plan;
	const struct certificate_subject *subject = &at->request->subject;
	const char *const given[PLAN_FIELDS] = {
		[PLAN_COMMON_NAME] = subject->common_name,
		[PLAN_ORGANISATION] = subject->organisation,
		[PLAN_UNIT] = subject->unit,
		[PLAN_CITY] = subject->city,
		[PLAN_STATE] = subject->state,
		[PLAN_COUNTRY] = subject->country,
		[PLAN_KEY_TYPE] = at->request->key_type,
		[PLAN_KEY_FILE] = at->request->key_file,
		[PLAN_OUTPUT] = at->request->output,
	};
	for (size_t i = 0; i < at->request->names.count; i++)
		append_word(plan->text[PLAN_NAMES], at->request->names.items[i]);
	plan->given[PLAN_NAMES] = at->request->names.count > 0;
	for (size_t i = 0; i < PLAN_FIELDS; i++) {
		if (!given[i])
			continue;
		plan->given[i] = true;
		snprintf(plan->text[i], PLAN_TEXT_BYTES, "%s", given[i]);
	}
}

/* --- the terminal --- */

static const char *const questions[PLAN_FIELDS] = {
	[PLAN_NAMES] = "Host names that clients use, blanks between",
	[PLAN_COMMON_NAME] = "Common name",
	[PLAN_ORGANISATION] = "Organisation",
	[PLAN_UNIT] = "Unit of the organisation",
	[PLAN_CITY] = "City",
	[PLAN_STATE] = "State or province",
	[PLAN_COUNTRY] = "Country, two letters",
	[PLAN_KEY_TYPE] = "Key (p256, p384, rsa2048, rsa3072, rsa4096, ed25519)",
	[PLAN_KEY_FILE] = "File for the key",
	[PLAN_OUTPUT] = "File for the request",
};

/* A line without its end and blanks round it; false when there is none any more. */
static bool read_line(char text[PLAN_TEXT_BYTES])
{
	char line[PLAN_TEXT_BYTES];
	if (!fgets(line, sizeof line, stdin))
		return false;
	char *begin = line + strspn(line, " \t");
	size_t size = strcspn(begin, "\r\n");
	while (size > 0 && (begin[size - 1] == ' ' || begin[size - 1] == '\t'))
		size--;
	snprintf(text, PLAN_TEXT_BYTES, "%.*s", (int)size, begin);
	return true;
}

static void make_tidy(enum plan_field field, char text[PLAN_TEXT_BYTES])
{
	for (char *c = text; field == PLAN_COUNTRY && *c; c++)
		*c = (char)toupper((unsigned char)*c);
}

static bool ask(struct planning *at, enum plan_field field, const char *usual)
{
	struct cert_plan *plan = at->plan;
	const char *question =
		field == PLAN_OUTPUT && plan->self_signed ? "File for the certificate" : questions[field];
	struct error error;
	for (;;) {
		printf("%s%s%s%s: ", question, *usual ? " [" : "", usual, *usual ? "]" : "");
		fflush(stdout);
		if (!read_line(plan->text[field]))
			return false;
		if (plan->text[field][0] == 0)
			snprintf(plan->text[field], PLAN_TEXT_BYTES, "%s", usual);
		else if (strcmp(plan->text[field], "-") == 0)
			plan->text[field][0] = 0;
		make_tidy(field, plan->text[field]);
		if (check(plan, field, plan->text[field], &error))
			break;
		printf("  %s\n", error.text);
	}
	if (field == PLAN_KEY_TYPE && key_kind_warning(plan->kind))
		printf("  %s: %s\n", key_kind_name(plan->kind), key_kind_warning(plan->kind));
	if (field == PLAN_KEY_FILE && access(plan->text[field], F_OK) == 0)
		puts("  It is there already and is used as it is.");
	return true;
}

static bool confirm(const struct cert_plan *plan)
{
	char answer[PLAN_TEXT_BYTES];
	printf("\nFor %s. Make it? [yes]: ", plan->text[PLAN_NAMES]);
	fflush(stdout);
	return read_line(answer) && (answer[0] == 0 || answer[0] == 'y' || answer[0] == 'Y');
}

/* --- all --- */

static enum plan_outcome fill(struct planning *at, enum plan_field field, bool asks)
{
	struct cert_plan *plan = at->plan;
	struct error error;
	char usual[PLAN_TEXT_BYTES];
	if (!plan->given[field]) {
		find_default(at, field, usual);
		if (asks)
			return ask(at, field, usual) ? PLAN_MADE : PLAN_GIVEN_UP;
		snprintf(plan->text[field], PLAN_TEXT_BYTES, "%s", usual);
	}
	if (check(plan, field, plan->text[field], &error))
		return PLAN_MADE;
	cert_complain("%s%s", error.text, field == PLAN_NAMES && !plan->given[field] ? "; say it with --name" : "");
	return PLAN_WRONG;
}

enum plan_outcome cert_plan_make(struct cert_plan *plan, const struct cert_request *request,
				 const struct config *config)
{
	struct planning at = { plan, request, config };
	bool asks = !request->batch && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	take_options(&at);
	if (asks)
		puts("An empty answer takes what stands in brackets, - leaves it out.\n");
	for (enum plan_field field = 0; field < PLAN_FIELDS; field++) {
		enum plan_outcome outcome = fill(&at, field, asks);
		const char **part = subject_field(&plan->subject, field);
		if (outcome != PLAN_MADE)
			return outcome;
		if (part)
			*part = plan->text[field];
	}
	return asks && !confirm(plan) ? PLAN_GIVEN_UP : PLAN_MADE;
}
