/* The entries of `allow`, `deny` and `lists`; see config_access_keys.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/config_access_keys.h"
#include "core/server/config_set.h"

static struct config_rules *rules_of(const struct config_given *given)
{
	return config_field(given);
}

/* --- allow, deny --- */

static bool is_same(const struct rule_text *a, const struct rule_text *b)
{
	if (a->is_name != b->is_name)
		return false;
	if (!a->is_name)
		return memcmp(&a->prefix, &b->prefix, sizeof a->prefix) == 0; /* it has no holes */
	return a->suffix.below == b->suffix.below && slice_equal_nocase(a->suffix.name, b->suffix.name);
}

static const struct config_rule *find_same(const struct config_rules *rules, const struct rule_text *what)
{
	for (size_t i = 0; i < rules->count; i++)
		if (is_same(&rules->list[i].what, what))
			return &rules->list[i];
	return NULL;
}

/* Nothing is said where the entry is good. */
static bool check_rule(struct config_reading *reading, const struct config_given *given, const struct config_rule *rule)
{
	char what[96];
	const struct config_rules *rules = rules_of(given);
	const struct config_rule *before = find_same(rules, &rule->what);
	if (before && before->allow == rule->allow)
		snprintf(what, sizeof what, "is given twice; first on line %d", before->line);
	else if (before)
		snprintf(what, sizeof what, "is both allowed and denied; it is %s on line %d",
			 before->allow ? "allowed" : "denied", before->line);
	else if (rules->count == LIMIT_WRITTEN_RULES)
		snprintf(what, sizeof what,
			 "over %d entries; write prefixes, or put them into a file (connect { lists })",
			 LIMIT_WRITTEN_RULES);
	else
		return true;
	config_given_problem(reading, given, what);
	return false;
}

static void add_rule(struct config_reading *reading, const struct config_given *given, bool allow)
{
	struct config_rules *rules = rules_of(given);
	struct config_rule rule = { .text = strdup(given->value->text), .allow = allow, .line = given->value->line };
	struct error error = { "out of memory" };
	if (!rule.text || !rule_text_parse(slice_from_text(rule.text), &rule.what, &error)) {
		config_given_problem(reading, given, error.text);
		free(rule.text);
		return;
	}
	if (!check_rule(reading, given, &rule)) {
		free(rule.text);
		return;
	}
	struct config_rule *larger = realloc(rules->list, (rules->count + 1) * sizeof *larger);
	if (!larger) {
		config_given_problem(reading, given, "out of memory");
		free(rule.text);
		return;
	}
	rules->list = larger;
	rules->list[rules->count++] = rule;
}

void config_add_allow(struct config_reading *reading, const struct config_given *given)
{
	add_rule(reading, given, true);
}

void config_add_deny(struct config_reading *reading, const struct config_given *given)
{
	add_rule(reading, given, false);
}

/* --- lists --- */

static bool is_there(struct config_reading *reading, const struct config_given *given, const char *path)
{
	char what[96];
	const struct config_rules *rules = rules_of(given);
	for (size_t i = 0; i < rules->file_count; i++) {
		if (strcmp(rules->files[i].path, path) != 0)
			continue;
		snprintf(what, sizeof what, "this file is given twice; first on line %d", rules->files[i].line);
		config_given_problem(reading, given, what);
		return true;
	}
	return false;
}

void config_add_rule_file(struct config_reading *reading, const struct config_given *given)
{
	struct config_rules *rules = rules_of(given);
	struct slice text = slice_from_text(given->value->text);
	bool allow = slice_starts_with(text, SLICE_LITERAL("allow:"));
	size_t before = slice_find(text, ':') + 1;
	if ((!allow && !slice_starts_with(text, SLICE_LITERAL("deny:"))) || before == text.size) {
		config_given_problem(reading, given,
				     "a list is written \"deny:FILE\" or \"allow:FILE\", like "
				     "\"deny:/etc/postern/blocked.txt\"");
		return;
	}
	if (rules->file_count == LIMIT_RULE_FILES) {
		config_given_problem(reading, given, "too many files; put some together");
		return;
	}
	char *path = config_absolute_path(reading, given->value->text + before);
	struct config_rule_file *larger = realloc(rules->files, (rules->file_count + 1) * sizeof *larger);
	if (larger)
		rules->files = larger;
	if (!path || !larger)
		config_given_problem(reading, given, "out of memory");
	if (!path || !larger || is_there(reading, given, path)) {
		free(path);
		return;
	}
	rules->files[rules->file_count++] = (struct config_rule_file){ path, allow, given->value->line };
}
