/* The names in two policies; see policy_diff_names.h. */
#include "tools/policy_diff_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static unsigned kind_of_name(const struct policy_diff *diff, const struct policy_name_class *class)
{
	unsigned kind = 0;
	if (class->state != POLICY_NAME_KNOWN)
		return class->state == POLICY_NAME_UNKNOWN ? DIFF_NO_NAME : DIFF_FAILED_NAME;
	for (size_t i = 0; i < POLICY_TABLES_MOST; i++) {
		const struct suffix_table *table = diff->tables[i]->names;
		uint32_t rule = table ? suffix_find(table, class->name) : SUFFIX_NO_RULE;
		kind = 3 * kind + (rule == SUFFIX_NO_RULE ? 0 : policy_rule_allows(rule) ? 2 : 1);
	}
	return kind;
}

void policy_diff_find_names(struct policy_diff *diff)
{
	struct policy_names names;
	struct policy_name_class class;
	policy_names_begin(&names, diff->tables, POLICY_TABLES_MOST);
	while (policy_names_next(&names, &class)) {
		struct diff_name_kind *kind = &diff->names[kind_of_name(diff, &class)];
		if (kind->there)
			continue;
		kind->there = true;
		kind->state = class.state;
		(void)!slice_to_text(class.name, kind->example, sizeof kind->example);
	}
}

static bool is_listed(const struct diff_name_kind *kind, const char *text)
{
	for (size_t i = 0; i < kind->listed_count; i++)
		if (strcmp(kind->listed[i], text) == 0)
			return true;
	return false;
}

static bool list_name(struct diff_name_kind *kind, const char *before, struct slice name)
{
	char text[sizeof kind->listed[0]];
	int size = snprintf(text, sizeof text, "%s%.*s", before, SLICE_ARGS(name));
	ASSERT(size > 0 && (size_t)size < sizeof text);
	if (kind->count == kind->capacity) {
		size_t capacity = kind->capacity ? 2 * kind->capacity : 16;
		uint64_t *larger = realloc(kind->hashes, capacity * sizeof *larger);
		if (!larger)
			return false;
		kind->hashes = larger;
		kind->capacity = capacity;
	}
	kind->hashes[kind->count++] = XXH3_64bits(text, (size_t)size);
	if (kind->listed_count < DIFF_NAMES_LISTED && !is_listed(kind, text))
		memcpy(kind->listed[kind->listed_count++], text, (size_t)size + 1);
	return true;
}

/* A rule's own name comes first, then those below it, if it is for them: where both are of one kind, that is told as one. */
static bool list_names(struct policy_diff *diff, const bool wanted[DIFF_NAME_KINDS])
{
	struct policy_names names;
	struct policy_name_class class;
	char own[LIMIT_DNS_NAME_BYTES + 1] = "";
	unsigned own_kind = 0; /* of a name that is not listed yet */
	bool good = true;
	policy_names_begin(&names, diff->tables, POLICY_TABLES_MOST);
	while (good && policy_names_next(&names, &class)) {
		unsigned kind = kind_of_name(diff, &class);
		bool below = class.below.size && names.suffix.below;
		bool both = below && own_kind == kind;
		if (!both && wanted[own_kind])
			good = list_name(&diff->names[own_kind], "", slice_from_text(own));
		if (good && below && wanted[kind])
			good = list_name(&diff->names[kind], both ? "." : "*.", class.below);
		own_kind = 0;
		if (!class.below.size && class.state == POLICY_NAME_KNOWN) {
			own_kind = kind;
			(void)!slice_to_text(class.name, own, sizeof own);
		}
	}
	return good && (!wanted[own_kind] || list_name(&diff->names[own_kind], "", slice_from_text(own)));
}

static int compare_hashes(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Each name counts once. Those that are told come in order. */
static void count_names(struct diff_name_kind *kind)
{
	size_t kept = 0;
	if (kind->count)
		qsort(kind->hashes, kind->count, sizeof *kind->hashes, compare_hashes);
	for (size_t i = 0; i < kind->count; i++)
		if (i == 0 || kind->hashes[i] != kind->hashes[kept - 1])
			kind->hashes[kept++] = kind->hashes[i];
	kind->count = kept;
	qsort(kind->listed, kind->listed_count, sizeof kind->listed[0], compare_texts);
}

bool policy_diff_list_names(struct policy_diff *diff)
{
	bool wanted[DIFF_NAME_KINDS] = { false }, some = false;
	for (size_t i = 0; i < diff->group_count; i++)
		for (unsigned name = 1; name < POLICY_KINDS; name++) /* 0: those under no rule */
			some |= wanted[name] |= diff->groups[i].names[name];
	if (some && !list_names(diff, wanted))
		return false;
	for (unsigned name = 0; name < DIFF_NAME_KINDS; name++)
		count_names(&diff->names[name]);
	return true;
}
