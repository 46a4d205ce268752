/* Classes of clients; see classes.h. */
#include "core/policy/classes.h"

#include <stdio.h>

/* --- ranges --- */

/* What a table says of everything where it has no prefixes. */
static struct radix_range whole_family(uint8_t family)
{
	struct radix_range range = { .first.family = family, .last.family = family, .rule = RADIX_NO_RULE };
	memset(range.last.bytes, 0xff, family == 4 ? 4 : 16);
	return range;
}

/* False: the table's walk is over. */
static bool advance(struct policy_ranges *ranges, size_t table)
{
	struct radix_range *current = &ranges->current[table];
	if (ranges->rules[table]->prefixes)
		return radix_walk_next(&ranges->walks[table], current);
	uint8_t family = current->first.family;
	if (family == 6)
		return false;
	*current = whole_family(family == 4 ? 6 : 4);
	return true;
}

void policy_ranges_begin(struct policy_ranges *ranges, const struct policy_rules *const *rules, size_t count)
{
	ASSERT(count > 0 && count <= POLICY_TABLES_MOST);
	*ranges = (struct policy_ranges){ .count = count };
	for (size_t i = 0; i < count; i++) {
		ranges->rules[i] = rules[i];
		if (rules[i]->prefixes)
			ranges->walks[i] = radix_walk_from_start(rules[i]->prefixes);
		if (!advance(ranges, i))
			ranges->over = true;
	}
}

static bool ends_before(const struct radix_range *a, const struct radix_range *b)
{
	return memcmp(a->last.bytes, b->last.bytes, sizeof a->last.bytes) < 0;
}

static const struct radix_range *first_to_end(const struct policy_ranges *ranges)
{
	const struct radix_range *shortest = &ranges->current[0];
	for (size_t i = 1; i < ranges->count; i++)
		if (ends_before(&ranges->current[i], shortest))
			shortest = &ranges->current[i];
	return shortest;
}

/* Where one begins in the middle of another's. */
static struct net_address latest_first(const struct policy_ranges *ranges)
{
	const struct net_address *latest = &ranges->current[0].first;
	for (size_t i = 1; i < ranges->count; i++)
		if (memcmp(ranges->current[i].first.bytes, latest->bytes, sizeof latest->bytes) > 0)
			latest = &ranges->current[i].first;
	return *latest;
}

static struct net_address behind(const struct net_address *last)
{
	struct net_address next = *last;
	for (size_t i = next.family == 4 ? 4 : 16; i-- > 0 && ++next.bytes[i] == 0;)
		continue;
	return next;
}

static void fill(const struct policy_ranges *ranges, struct policy_range *range)
{
	range->kind = 0;
	range->by_name = false;
	for (size_t i = 0; i < ranges->count; i++) {
		uint32_t rule = ranges->current[i].rule;
		bool silent = rule == RADIX_NO_RULE;
		range->rules[i] = rule;
		range->kind = (uint8_t)(3 * range->kind + (silent ? 0 : policy_rule_allows(rule) ? 2 : 1));
		range->by_name |= silent && ranges->rules[i]->names;
	}
}

bool policy_ranges_next(struct policy_ranges *ranges, struct policy_range *range)
{
	if (ranges->over)
		return false;
	range->first = latest_first(ranges);
	range->last = first_to_end(ranges)->last;
	fill(ranges, range);
	struct net_address last = range->last;
	for (size_t i = 0; i < ranges->count; i++) {
		if (memcmp(ranges->current[i].last.bytes, last.bytes, sizeof last.bytes) != 0)
			ranges->current[i].first = behind(&last);
		else if (!advance(ranges, i))
			ranges->over = true;
	}
	return true;
}

/* --- names --- */

enum step { STEP_UNKNOWN, STEP_FAILED, STEP_ANY, STEP_NEXT_RULE, STEP_BELOW, STEP_OVER };
enum { TRIES = 64 };

void policy_names_begin(struct policy_names *names, const struct policy_rules *const *rules, size_t count)
{
	ASSERT(count <= POLICY_TABLES_MOST);
	*names = (struct policy_names){ .count = count, .step = STEP_UNKNOWN };
	memcpy(names->rules, rules, count * sizeof *rules);
}

static bool same_everywhere(const struct policy_names *names, struct slice a, struct slice b)
{
	for (size_t i = 0; i < names->count; i++) {
		const struct suffix_table *table = names->rules[i]->names;
		if (table && suffix_find(table, a) != suffix_find(table, b))
			return false;
	}
	return true;
}

/* A name below `suffix` (empty: any) that no rule is about alone: rules would have to hold two that were made up. False:
 * there is no room for a label. */
static bool make_up(struct policy_names *names, struct slice suffix)
{
	char other[sizeof names->text];
	for (unsigned i = 0; i < TRIES; i++) {
		int size = snprintf(names->text, sizeof names->text, "h%u%s%.*s", i, suffix.size ? "." : "",
				    SLICE_ARGS(suffix));
		int other_size =
			snprintf(other, sizeof other, "x%u%s%.*s", i, suffix.size ? "." : "", SLICE_ARGS(suffix));
		if ((size_t)size >= sizeof names->text || (size_t)other_size >= sizeof other)
			return false;
		if (same_everywhere(names, slice_from_text(names->text), slice_from_text(other)))
			return true;
	}
	return false;
}

static bool next_rule(struct policy_names *names)
{
	uint32_t rule;
	for (; names->table < names->count; names->table++, names->at = 0) {
		const struct suffix_table *table = names->rules[names->table]->names;
		if (table && suffix_next(table, &names->at, &names->suffix, &rule))
			return true;
	}
	return false;
}

/* False: this step has no class. */
static bool take_step(struct policy_names *names, enum step step, struct policy_name_class *class)
{
	*class = (struct policy_name_class){ .state = POLICY_NAME_KNOWN };
	switch (step) {
	case STEP_UNKNOWN:
		class->state = POLICY_NAME_UNKNOWN;
		return true;
	case STEP_FAILED:
		class->state = POLICY_NAME_FAILED;
		return true;
	case STEP_ANY:
		if (!make_up(names, slice_of(NULL, 0)))
			return false;
		class->any = true;
		class->name = slice_from_text(names->text);
		return true;
	case STEP_NEXT_RULE:
		class->name = names->suffix.name;
		return true;
	case STEP_BELOW:
		if (!make_up(names, names->suffix.name))
			return false;
		class->name = slice_from_text(names->text);
		class->below = names->suffix.name;
		return true;
	case STEP_OVER:
		break;
	}
	return false;
}

bool policy_names_next(struct policy_names *names, struct policy_name_class *class)
{
	for (;;) {
		enum step step = (enum step)names->step;
		if (step == STEP_NEXT_RULE && !next_rule(names))
			names->step = step = STEP_OVER;
		if (step == STEP_OVER)
			return false;
		names->step = step == STEP_BELOW ? STEP_NEXT_RULE : (uint8_t)(step + 1);
		if (take_step(names, step, class))
			return true;
	}
}
