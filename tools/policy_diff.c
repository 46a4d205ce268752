/* Comparing two policies; see policy_diff.h. First the kinds of addresses and names that there are, then what changes for each
 * pair of them, and then all addresses and names again, to list those of whom something does. */
#include "tools/policy_diff.h"

#include <stdlib.h>
#include <string.h>

#include "core/server/server_policy.h"
#include "tools/policy_diff_names.h"
#include "tools/policy_situation.h"

enum { STRONG_BITS = 256, WEAK_BITS = 128, TABLES = POLICY_TABLES_MOST };

#define NO_MEMORY "no memory to compare policies"

/* --- one side --- */

static bool make_side(struct diff_side *side, const struct config *config, const struct config_server *server,
		      struct error *error)
{
	for (size_t i = 0; i < config->routes.count; i++) {
		bool local = config->routes.routes[i].kind == ROUTE_MAILDIR;
		side->has_local |= local;
		side->has_foreign |= !local;
	}
	side->server = server;
	return server_policy_make(&side->policy, server, error);
}

static void set_facts(const struct policy_diff *diff, const struct diff_side *side, unsigned kind, unsigned name,
		      unsigned situation, struct policy_facts *facts)
{
	bool foreign = situation & DIFF_FOREIGN;
	/* Nobody asks for names with reverse = off. */
	bool asks = side->server->dns.reverse.value != REVERSE_OFF;
	*facts = (struct policy_facts){
		.client = diff->kinds[kind].example,
		.name_state = asks ? diff->names[name].state : POLICY_NAME_UNKNOWN,
		.name = slice_from_text(diff->names[name].example),
		.signed_in = situation & DIFF_SIGNED_IN,
		.has_route = foreign ? side->has_foreign : side->has_local,
		.local = !foreign && side->has_local,
		.has_mailbox = true,
	};
	policy_set_tls(facts, side->server, situation & DIFF_TLS ? situation & DIFF_WEAK ? WEAK_BITS : STRONG_BITS : 0);
}

static enum diff_what hindrance_of(const struct diff_side *side, const struct policy_facts *facts)
{
	switch (policy_find_hindrance(side->server, facts)) {
	case POLICY_NO_HINDRANCE:
	case POLICY_ASKS_NO_NAMES: /* nor do the facts have one then */
		break;
	case POLICY_LACKS_TLS:
		return DIFF_HAS_NO_TLS;
	case POLICY_LACKS_CLEAR:
		return DIFF_HAS_NO_CLEAR;
	case POLICY_LACKS_SIGN_IN:
	case POLICY_SIGN_IN_NEEDS_TLS:
		return DIFF_CAN_NOT_SIGN_IN;
	}
	return DIFF_NOTHING;
}

bool policy_diff_judge(const struct policy_diff *diff, const struct diff_side *side, unsigned kind, unsigned name,
		       unsigned situation, struct policy_verdict *verdict, struct diff_outcome *outcome)
{
	static const uint8_t whats[] = {
		[POLICY_ALLOW] = DIFF_ALLOWED,
		[POLICY_REFUSE] = DIFF_REFUSED,
		[POLICY_DEFER] = DIFF_DEFERRED,
	};
	struct policy_facts facts;
	set_facts(diff, side, kind, name, situation, &facts);
	*verdict = policy_judge_stage(&side->policy, &facts, POLICY_CONNECTION);
	*outcome = (struct diff_outcome){ 0 };
	if (verdict->outcome == POLICY_ALLOW) {
		outcome->what = (uint8_t)hindrance_of(side, &facts);
		if (outcome->what != DIFF_NOTHING)
			return false;
		*verdict = policy_judge_stages(&side->policy, &facts, POLICY_SENDER, POLICY_RECIPIENT);
	}
	ASSERT(verdict->outcome != POLICY_NEEDS_NAME); /* it is known, or that there is none */
	outcome->what = whats[verdict->outcome];
	outcome->stage = verdict->stage;
	outcome->code = (uint16_t)policy_verdict_code(verdict);
	return true;
}

/* --- changes --- */

/* A client that is in the situation under neither: it can't, or is not let in. */
static bool never_comes(const struct diff_outcome *was, const struct diff_outcome *now, bool was_possible,
			bool now_possible)
{
	bool was_in = was_possible && was->stage != POLICY_CONNECTION;
	bool now_in = now_possible && now->stage != POLICY_CONNECTION;
	return !was_in && !now_in && (!was_possible || !now_possible);
}

/* For its TLS alone nothing comes of it, whoever it is. */
static bool is_refused_for_tls(bool possible, const struct policy_verdict *verdict)
{
	return possible && (verdict->rule == POLICY_BY_TLS || verdict->rule == POLICY_BY_MIN_BITS);
}

static bool is_turned_away(bool possible, const struct policy_verdict *verdict)
{
	return possible && verdict->outcome != POLICY_ALLOW && verdict->stage == POLICY_CONNECTION;
}

/* False: there is none. */
static bool find_change(const struct policy_diff *diff, unsigned kind, unsigned name, struct diff_change *change)
{
	bool changed = false;
	for (unsigned i = 0; i < DIFF_SITUATIONS; i++) {
		struct policy_verdict old, new;
		struct diff_outcome *was = &change->was[i], *now = &change->now[i];
		bool was_possible = policy_diff_judge(diff, &diff->old, kind, name, i, &old, was);
		bool now_possible = policy_diff_judge(diff, &diff->new, kind, name, i, &new, now);
		bool no_cipher = (i & DIFF_WEAK) && !(i & DIFF_TLS);
		bool old_for_tls = is_refused_for_tls(was_possible, &old);
		bool new_for_tls = is_refused_for_tls(now_possible, &new);
		bool no_mail = (old_for_tls && (new_for_tls || is_turned_away(now_possible, &new))) ||
			       (new_for_tls && is_turned_away(was_possible, &old));
		if (no_cipher || no_mail || never_comes(was, now, was_possible, now_possible))
			*was = *now = (struct diff_outcome){ .what = DIFF_NOTHING };
		else if (memcmp(was, now, sizeof *was) == 0)
			*was = *now = (struct diff_outcome){ .what = DIFF_SAME };
		else
			changed = true;
	}
	return changed;
}

static struct diff_group *find_group(const struct policy_diff *diff, const struct diff_group *like)
{
	for (size_t i = 0; i < diff->group_count; i++) {
		struct diff_group *group = &diff->groups[i];
		if (group->any_name == like->any_name && memcmp(group->names, like->names, sizeof like->names) == 0 &&
		    memcmp(&group->change, &like->change, sizeof like->change) == 0)
			return group;
	}
	return NULL;
}

static bool add_group(struct policy_diff *diff, const struct diff_group *made)
{
	struct diff_group *group = find_group(diff, made);
	if (!group) {
		struct diff_group *larger = realloc(diff->groups, (diff->group_count + 1) * sizeof *larger);
		if (!larger)
			return false;
		diff->groups = larger;
		group = &larger[diff->group_count++];
		*group = *made;
	}
	group->kinds[made->kind] = true;
	return true;
}

/* The groups of a kind of addresses: for each change that there is, the names that it comes with. */
static bool add_groups_by_name(struct policy_diff *diff, unsigned kind)
{
	struct diff_change changes[DIFF_NAME_KINDS] = { 0 };
	bool left[DIFF_NAME_KINDS]; /* that change, and are in no group yet */
	for (unsigned name = 0; name < DIFF_NAME_KINDS; name++)
		left[name] = diff->names[name].there && find_change(diff, kind, name, &changes[name]);
	for (unsigned name = 0; name < DIFF_NAME_KINDS; name++) {
		struct diff_group group = { .kind = (uint8_t)kind, .name = (uint8_t)name, .any_name = true };
		if (!left[name])
			continue;
		group.change = changes[name];
		for (unsigned other = 0; other < DIFF_NAME_KINDS; other++) {
			bool same = left[other] && memcmp(&changes[other], &group.change, sizeof group.change) == 0;
			group.names[other] = same;
			group.any_name &= same || !diff->names[other].there;
			left[other] &= !same;
		}
		if (group.any_name)
			memset(group.names, 0, sizeof group.names);
		if (!add_group(diff, &group))
			return false;
	}
	return true;
}

static bool make_groups(struct policy_diff *diff)
{
	for (unsigned kind = 0; kind < POLICY_KINDS; kind++) {
		struct diff_group group = { .kind = (uint8_t)kind, .name = DIFF_NO_NAME, .any_name = true };
		bool good = true;
		if (diff->kinds[kind].there && diff->kinds[kind].by_name)
			good = add_groups_by_name(diff, kind);
		else if (diff->kinds[kind].there && find_change(diff, kind, DIFF_NO_NAME, &group.change))
			good = add_group(diff, &group);
		if (!good)
			return false;
	}
	return true;
}

/* --- addresses --- */

static void find_address_kinds(struct policy_diff *diff)
{
	struct policy_ranges ranges;
	struct policy_range range;
	policy_ranges_begin(&ranges, diff->tables, TABLES);
	while (policy_ranges_next(&ranges, &range))
		if (!diff->kinds[range.kind].there)
			diff->kinds[range.kind] = (struct diff_address_kind){ true, range.by_name, range.first };
}

static bool add_addresses(struct diff_group *group, const struct policy_range *range, uint64_t number)
{
	struct diff_addresses *last = group->count ? &group->addresses[group->count - 1] : NULL;
	if (last && group->last_range + 1 == number && last->last.family == range->first.family) {
		last->last = range->last;
		group->last_range = number;
		return true;
	}
	if (group->count == group->capacity) {
		size_t capacity = group->capacity ? 2 * group->capacity : 4;
		struct diff_addresses *larger = realloc(group->addresses, capacity * sizeof *larger);
		if (!larger)
			return false;
		group->addresses = larger;
		group->capacity = capacity;
	}
	group->addresses[group->count++] = (struct diff_addresses){ range->first, range->last };
	group->last_range = number;
	return true;
}

static bool list_addresses(struct policy_diff *diff)
{
	struct policy_ranges ranges;
	struct policy_range range;
	policy_ranges_begin(&ranges, diff->tables, TABLES);
	for (uint64_t number = 0; policy_ranges_next(&ranges, &range); number++)
		for (size_t i = 0; i < diff->group_count; i++)
			if (diff->groups[i].kinds[range.kind] && !add_addresses(&diff->groups[i], &range, number))
				return false;
	return true;
}

static int compare_groups(const void *a_, const void *b_)
{
	const struct net_address *a = &((const struct diff_group *)a_)->addresses[0].first;
	const struct net_address *b = &((const struct diff_group *)b_)->addresses[0].first;
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

/* --- all of it --- */

static bool compare(struct policy_diff *diff, struct error *error)
{
	const struct policy_rules *const tables[TABLES] = { &diff->old.policy.connect, &diff->old.policy.relay,
							    &diff->new.policy.connect, &diff->new.policy.relay };
	memcpy(diff->tables, tables, sizeof tables);
	diff->names[DIFF_NO_NAME].state = POLICY_NAME_UNKNOWN;
	find_address_kinds(diff);
	policy_diff_find_names(diff);
	if (!make_groups(diff) || !list_addresses(diff) || !policy_diff_list_names(diff))
		return error_set(error, NO_MEMORY);
	if (diff->group_count)
		qsort(diff->groups, diff->group_count, sizeof *diff->groups, compare_groups);
	return true;
}

struct policy_diff *policy_diff_make(const struct config *old, const struct config_server *old_server,
				     const struct config *new, const struct config_server *new_server,
				     struct error *error)
{
	struct policy_diff *diff = calloc(1, sizeof *diff);
	if (!diff)
		(void)error_set(error, NO_MEMORY);
	else if (make_side(&diff->old, old, old_server, error) && make_side(&diff->new, new, new_server, error) &&
		 compare(diff, error))
		return diff;
	policy_diff_destroy(diff);
	return NULL;
}

void policy_diff_destroy(struct policy_diff *diff)
{
	if (!diff)
		return;
	for (size_t i = 0; i < diff->group_count; i++)
		free(diff->groups[i].addresses);
	for (unsigned name = 0; name < DIFF_NAME_KINDS; name++)
		free(diff->names[name].hashes);
	free(diff->groups);
	policy_finish(&diff->old.policy);
	policy_finish(&diff->new.policy);
	free(diff);
}
