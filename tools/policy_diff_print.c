/* Telling what differs between two policies; see policy_diff.h. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "tools/policy_cover.h"
#include "tools/policy_diff.h"

enum { ADDRESSES_TOLD = 10, RANGE_TEXT_BYTES = 2 * NET_ADDRESS_TEXT_BYTES };

_Static_assert((int)DIFF_SITUATIONS == (int)POLICY_COVER_SITUATIONS, "situations are the cover's");

/* --- clients --- */

/* "192.0.2.0/24" where it is a prefix, else "192.0.2.1-192.0.2.7". */
static void format_range(const struct diff_addresses *range, char text[RANGE_TEXT_BYTES])
{
	unsigned bits = 0, most = net_prefix_length_most(range->first.family);
	while (bits < most && !((range->first.bytes[bits / 8] ^ range->last.bytes[bits / 8]) & 0x80 >> bits % 8))
		bits++;
	struct net_prefix prefix = net_prefix_around(&range->first, bits);
	struct net_address first = net_prefix_first(&prefix), last = net_prefix_last(&prefix);
	if (net_address_equal(&first, &range->first) && net_address_equal(&last, &range->last)) {
		net_prefix_format(&prefix, text);
		return;
	}
	char ends[2][NET_ADDRESS_TEXT_BYTES];
	net_address_format(&range->first, ends[0]);
	net_address_format(&range->last, ends[1]);
	snprintf(text, RANGE_TEXT_BYTES, "%s-%s", ends[0], ends[1]);
}

static void print_addresses(const struct diff_group *group)
{
	char text[RANGE_TEXT_BYTES];
	for (size_t i = 0; i < group->count && i < ADDRESSES_TOLD; i++) {
		format_range(&group->addresses[i], text);
		printf("%s%s", i ? ", " : "", text);
	}
	if (group->count > ADDRESSES_TOLD)
		printf(" and %zu more", group->count - ADDRESSES_TOLD);
}

static const char *special_name(unsigned name)
{
	switch (name) {
	case 0:
		return "a name under no rule";
	case DIFF_NO_NAME:
		return "no name";
	case DIFF_FAILED_NAME:
		return "a name that can't be found out";
	default:
		return NULL;
	}
}

static void print_names(const struct policy_diff *diff, const struct diff_group *group)
{
	const char *between = ", with ";
	for (unsigned name = 0; name < DIFF_NAME_KINDS; name++) {
		const struct diff_name_kind *kind = &diff->names[name];
		if (!group->names[name])
			continue;
		fputs(between, stdout);
		between = " or ";
		if (special_name(name))
			fputs(special_name(name), stdout);
		for (size_t i = 0; i < kind->listed_count; i++)
			printf("%s%s", i ? ", " : "the name ", kind->listed[i]);
		if (kind->count > kind->listed_count)
			printf(" and %zu more", kind->count - kind->listed_count);
	}
}

/* --- situations --- */

/* Each bit, clear and set. */
static const struct {
	const char *text[2];
	const char *key;
} attributes[POLICY_COVER_BITS] = {
	{ { "not signed in", "signed in" }, "signed_in" },
	{ { "without TLS", "with TLS" }, "tls" },
	{ { "to a local recipient", "to a foreign recipient" }, "foreign" },
	{ { "not with a cipher of 128 bits", "with a cipher of 128 bits" }, "weak_cipher" },
};

static void print_cubes(const struct policy_cube *cubes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *between = i ? " or " : "";
		if (!cubes[i].fixed)
			fputs("always", stdout);
		for (unsigned bit = 0; bit < POLICY_COVER_BITS; bit++) {
			if (!(cubes[i].fixed >> bit & 1))
				continue;
			printf("%s%s", between, attributes[bit].text[cubes[i].value >> bit & 1]);
			between = ", ";
		}
	}
}

static json_t *cubes_json(const struct policy_cube *cubes, size_t count)
{
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *object = json_object();
		for (unsigned bit = 0; bit < POLICY_COVER_BITS; bit++)
			if (cubes[i].fixed >> bit & 1)
				json_object_set_new(object, attributes[bit].key,
						    json_boolean(cubes[i].value >> bit & 1));
		json_array_append_new(list, object);
	}
	return list;
}

/* The situations that change as number `first` does, without those in `told`. 0: there is nothing more to tell of it. */
static uint16_t alike(const struct diff_change *change, unsigned first, uint16_t told)
{
	uint16_t set = 0;
	if (told >> first & 1 || change->was[first].what == DIFF_SAME || change->was[first].what == DIFF_NOTHING)
		return 0;
	for (unsigned i = first; i < DIFF_SITUATIONS; i++)
		if (memcmp(&change->was[i], &change->was[first], sizeof change->was[i]) == 0 &&
		    memcmp(&change->now[i], &change->now[first], sizeof change->now[i]) == 0)
			set |= (uint16_t)(1u << i);
	return set;
}

static uint16_t never_up(const struct diff_change *change)
{
	uint16_t set = 0;
	for (unsigned i = 0; i < DIFF_SITUATIONS; i++)
		if (change->was[i].what == DIFF_NOTHING)
			set |= (uint16_t)(1u << i);
	return set;
}

/* --- outcomes --- */

struct told {
	struct diff_outcome outcome;
	struct policy_verdict verdict;
	struct policy_reason reason; /* where there is a verdict */
	bool possible;
};

static void find_told(const struct policy_diff *diff, const struct diff_group *group, const struct diff_side *side,
		      unsigned situation, struct told *told)
{
	told->possible =
		policy_diff_judge(diff, side, group->kind, group->name, situation, &told->verdict, &told->outcome);
	if (told->possible)
		policy_explain(&side->policy, &told->verdict, &told->reason);
}

static bool is_rule(const struct told *told)
{
	uint32_t rule = told->verdict.rule;
	return rule != POLICY_BY_LOCAL && rule != POLICY_BY_ROUTE && rule != POLICY_BY_MAILBOX;
}

static void print_told(const struct told *told, bool now)
{
	static const char *const impossible[2][3] = {
		{ "could not sign in", "had no TLS", "could not come without" },
		{ "now can't sign in", "now has no TLS", "now can't come without" },
	};
	if (!told->possible) {
		fputs(impossible[now][told->outcome.what - DIFF_CAN_NOT_SIGN_IN], stdout);
		return;
	}
	fputs(now ? "now " : "was ", stdout);
	if (told->outcome.what == DIFF_ALLOWED)
		fputs("allowed", stdout);
	else
		printf("%s at the %s (%u)", told->outcome.what == DIFF_REFUSED ? "refused" : "deferred",
		       policy_stage_name((enum policy_stage)told->outcome.stage), told->outcome.code);
	printf("%s%s", is_rule(told) ? " by " : ", since ", told->reason.text);
	if (told->reason.line)
		printf(" (%s:%d)", told->reason.file, told->reason.line);
}

static json_t *told_json(const struct told *told)
{
	static const char *const impossible[] = { "can't sign in", "no TLS", "TLS only" };
	if (!told->possible)
		return json_pack("{s:s}", "outcome", impossible[told->outcome.what - DIFF_CAN_NOT_SIGN_IN]);
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:i}", "outcome",
			 policy_outcome_name((enum policy_outcome)told->verdict.outcome), "stage",
			 policy_stage_name((enum policy_stage)told->outcome.stage), "code", (int)told->outcome.code,
			 "rule", told->reason.text, "file", told->reason.file, "line", told->reason.line);
}

/* --- groups --- */

struct line {
	struct policy_cube cubes[POLICY_COVER_MOST];
	size_t cube_count;
	struct told was, now;
};

/* Of situations that change alike the one whose rules are most to the point: these are about foreign recipients and those who
 * have not signed in. */
static unsigned most_telling(uint16_t set)
{
	static const uint8_t order[DIFF_SITUATIONS / 2] = {
		DIFF_FOREIGN | DIFF_TLS,       DIFF_FOREIGN,   DIFF_FOREIGN | DIFF_TLS | DIFF_SIGNED_IN,
		DIFF_FOREIGN | DIFF_SIGNED_IN, DIFF_TLS,       0,
		DIFF_TLS | DIFF_SIGNED_IN,     DIFF_SIGNED_IN,
	};
	for (unsigned weak = 0; weak <= DIFF_WEAK; weak += DIFF_WEAK)
		for (unsigned i = 0; i < DIFF_SITUATIONS / 2; i++)
			if (set >> (order[i] | weak) & 1)
				return order[i] | weak;
	ASSERT(false);
	return 0;
}

/* The next change to tell; false: that was all. */
static bool next_line(const struct policy_diff *diff, const struct diff_group *group, uint16_t *done, struct line *line)
{
	for (unsigned i = 0; i < DIFF_SITUATIONS; i++) {
		uint16_t set = alike(&group->change, i, *done);
		if (!set)
			continue;
		*done |= set;
		line->cube_count = policy_cover(set, never_up(&group->change), line->cubes);
		unsigned telling = most_telling(set);
		find_told(diff, group, &diff->old, telling, &line->was);
		find_told(diff, group, &diff->new, telling, &line->now);
		return true;
	}
	return false;
}

static void print_group(const struct policy_diff *diff, const struct diff_group *group)
{
	struct line line;
	print_addresses(group);
	print_names(diff, group);
	putchar('\n');
	for (uint16_t done = 0; next_line(diff, group, &done, &line);) {
		fputs("    ", stdout);
		print_cubes(line.cubes, line.cube_count);
		fputs(": ", stdout);
		print_told(&line.was, false);
		fputs(", ", stdout);
		print_told(&line.now, true);
		putchar('\n');
	}
}

static json_t *names_json(const struct policy_diff *diff, const struct diff_group *group)
{
	json_t *list = json_array();
	size_t more = 0;
	for (unsigned name = 1; name < POLICY_KINDS; name++) {
		const struct diff_name_kind *kind = &diff->names[name];
		for (size_t i = 0; group->names[name] && i < kind->listed_count; i++)
			json_array_append_new(list, json_string(kind->listed[i]));
		if (group->names[name])
			more += kind->count - kind->listed_count;
	}
	return json_pack("{s:o, s:I, s:b, s:b, s:b}", "rules", list, "more", (json_int_t)more, "other",
			 (int)group->names[0], "none", (int)group->names[DIFF_NO_NAME], "failed",
			 (int)group->names[DIFF_FAILED_NAME]);
}

static bool print_group_json(const struct policy_diff *diff, const struct diff_group *group)
{
	struct line line;
	json_t *addresses = json_array(), *changes = json_array();
	for (size_t i = 0; i < group->count; i++) {
		char text[RANGE_TEXT_BYTES];
		format_range(&group->addresses[i], text);
		json_array_append_new(addresses, json_string(text));
	}
	for (uint16_t done = 0; next_line(diff, group, &done, &line);)
		json_array_append_new(changes, json_pack("{s:o, s:o, s:o}", "situations",
							 cubes_json(line.cubes, line.cube_count), "was",
							 told_json(&line.was), "now", told_json(&line.now)));
	json_t *report =
		json_pack("{s:s, s:o, s:o, s:o}", "server", diff->new.server->name, "addresses", addresses, "names",
			  group->any_name ? json_null() : names_json(diff, group), "changes", changes);
	bool printed = report && json_dumpf(report, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
	json_decref(report);
	return printed;
}

bool policy_diff_print(const struct policy_diff *diff, bool json)
{
	if (!json && diff->group_count)
		printf("server %s\n", diff->new.server->name);
	for (size_t i = 0; i < diff->group_count; i++) {
		if (!json)
			print_group(diff, &diff->groups[i]);
		else if (!print_group_json(diff, &diff->groups[i]))
			return false;
	}
	return true;
}
