/* Rules of a stage; see rules.h. */
#include "core/policy/rules.h"

#include <stdlib.h>

#include "core/base/limits.h"

_Static_assert((uint32_t)RADIX_NO_RULE < POLICY_BY_DEFAULT && (uint32_t)SUFFIX_NO_RULE == (uint32_t)RADIX_NO_RULE,
	       "rules and settings are told apart");

/* --- building --- */

void policy_rules_builder_init(struct policy_rules_builder *builder)
{
	*builder = (struct policy_rules_builder){ .next = { 0, POLICY_ALLOWING } };
	radix_builder_init(&builder->prefixes);
	suffix_builder_init(&builder->names);
}

void policy_rules_builder_finish(struct policy_rules_builder *builder)
{
	radix_builder_finish(&builder->prefixes);
	suffix_builder_finish(&builder->names);
	free(builder->sources);
	policy_rules_builder_init(builder);
}

/* NULL: no memory. */
static struct policy_source *add_source(struct policy_rules_builder *builder)
{
	/* In powers of two. */
	size_t count = builder->source_count;
	if ((count & (count - 1)) == 0) {
		struct policy_source *larger =
			realloc(builder->sources, (count ? 2 * count : 1) * sizeof *builder->sources);
		if (!larger)
			return NULL;
		builder->sources = larger;
	}
	builder->source_count++;
	return &builder->sources[count];
}

static bool has_room(const struct policy_rules_builder *builder, bool allow)
{
	return builder->next[allow] < (allow ? (uint32_t)RADIX_NO_RULE : POLICY_ALLOWING) - LIMIT_RULES;
}

bool policy_rules_add(struct policy_rules_builder *builder, const struct rule_text *what, bool allow,
		      const struct policy_source *where)
{
	uint32_t rule = builder->next[allow];
	struct policy_source *source = has_room(builder, allow) ? add_source(builder) : NULL;
	if (!source)
		return false;
	*source = *where;
	source->first = rule;
	source->count = 1;
	builder->next[allow]++;
	return what->is_name ? suffix_builder_add(&builder->names, &what->suffix, rule, policy_rank(allow))
			     : radix_builder_add(&builder->prefixes, &what->prefix, rule, policy_rank(allow));
}

bool policy_rules_begin_file(struct policy_rules_builder *builder, bool allow, const char *file, uint32_t *first)
{
	struct policy_source *source = has_room(builder, allow) ? add_source(builder) : NULL;
	if (!source)
		return false;
	*first = builder->next[allow];
	*source = (struct policy_source){ .first = *first, .file = file, .line = 1 };
	return true;
}

void policy_rules_end_file(struct policy_rules_builder *builder, uint32_t lines)
{
	struct policy_source *source = &builder->sources[builder->source_count - 1];
	ASSERT(!source->text && source->count == 0);
	source->count = lines;
	builder->next[policy_rule_allows(source->first)] += lines;
}

static int compare_sources(const void *a_, const void *b_)
{
	const struct policy_source *a = a_, *b = b_;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return a->count < b->count ? -1 : a->count > b->count; /* an empty file is before what has its number */
}

/* A name may be under any rule there is for names, or under none. */
static bool do_names_matter(const struct policy_rules *rules)
{
	struct suffix suffix;
	uint32_t rule;
	for (size_t at = 0; rules->names && suffix_next(rules->names, &at, &suffix, &rule);)
		if (policy_rule_allows(rule) != rules->default_allow ||
		    policy_rule_allows(rule) != rules->unknown_allow)
			return true;
	return false;
}

bool policy_rules_build(struct policy_rules_builder *builder, struct policy_rules *rules)
{
	bool has_prefixes = builder->prefixes.count > 0, has_names = builder->names.count > 0;
	*rules = (struct policy_rules){
		.prefixes = has_prefixes ? radix_build(&builder->prefixes, NULL, NULL) : NULL,
		.names = has_names ? suffix_build(&builder->names, NULL, NULL) : NULL,
		.sources = builder->sources,
		.source_count = builder->source_count,
		.default_allow = rules->default_allow,
		.unknown_allow = rules->unknown_allow,
	};
	if (rules->source_count)
		qsort(rules->sources, rules->source_count, sizeof *rules->sources, compare_sources);
	builder->sources = NULL;
	policy_rules_builder_finish(builder);
	if ((has_prefixes && !rules->prefixes) || (has_names && !rules->names)) {
		policy_rules_finish(rules);
		return false;
	}
	rules->names_matter = do_names_matter(rules);
	return true;
}

void policy_rules_finish(struct policy_rules *rules)
{
	radix_destroy(rules->prefixes);
	suffix_destroy(rules->names);
	free(rules->sources);
	*rules = (struct policy_rules){ .default_allow = rules->default_allow, .unknown_allow = rules->unknown_allow };
}

/* --- deciding --- */

static enum policy_decision decision_of(bool allow)
{
	return allow ? POLICY_ALLOWS : POLICY_DENIES;
}

static enum policy_decision decide_by_name(const struct policy_rules *rules, enum policy_name state, struct slice name,
					   uint32_t *rule)
{
	switch (state) {
	case POLICY_NAME_NOT_ASKED:
		if (rules->names_matter)
			return POLICY_ASKS;
		break;
	case POLICY_NAME_KNOWN:
		*rule = suffix_find(rules->names, name);
		if (*rule != SUFFIX_NO_RULE)
			return decision_of(policy_rule_allows(*rule));
		break;
	case POLICY_NAME_UNKNOWN:
	case POLICY_NAME_FAILED:
		*rule = POLICY_BY_UNKNOWN_NAME;
		return decision_of(rules->unknown_allow);
	}
	*rule = POLICY_BY_DEFAULT;
	return decision_of(rules->default_allow);
}

enum policy_decision policy_rules_decide(const struct policy_rules *rules, const struct net_address *client,
					 enum policy_name state, struct slice name, uint32_t *rule)
{
	*rule = rules->prefixes ? radix_find(rules->prefixes, client) : RADIX_NO_RULE;
	if (*rule != RADIX_NO_RULE)
		return decision_of(policy_rule_allows(*rule));
	if (rules->names)
		return decide_by_name(rules, state, name, rule);
	*rule = POLICY_BY_DEFAULT;
	return decision_of(rules->default_allow);
}

/* --- for people --- */

const struct policy_source *policy_rules_source(const struct policy_rules *rules, uint32_t rule)
{
	size_t from = 0, to = rules->source_count;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct policy_source *source = &rules->sources[middle];
		if (rule >= source->first && rule - source->first < source->count)
			return source;
		if (rule < source->first)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

bool policy_rules_allow_somebody(const struct policy_rules *rules)
{
	if (rules->default_allow || (rules->names && rules->unknown_allow))
		return true;
	for (size_t i = 0; i < rules->source_count; i++)
		if (policy_rule_allows(rules->sources[i].first) && rules->sources[i].count)
			return true;
	return false;
}
