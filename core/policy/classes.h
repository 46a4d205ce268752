/* All clients that rules tell apart, one of each class: for whoever wants to know what rules mean, exhaustively.
 *
 * Addresses fall into ranges in which every table of prefixes says the same. Where some table says nothing of a range, the client's
 * name may decide; names fall into classes too: each name that a rule has, those below it and no longer rule, those under no rule,
 * and none. What is decided of a class is decided of each client in it. Of a range that is all: its `kind` and the name; so
 * who tries all ranges, and all names once for each kind that comes up, has tried everything, without trying each name with each
 * range. */
#ifndef POSTERN_POLICY_CLASSES_H
#define POSTERN_POLICY_CLASSES_H

#include "core/base/limits.h"
#include "core/policy/policy.h"

enum {
	POLICY_TABLES_MOST = 4, /* connect and relay of two policies */
	POLICY_KINDS = 81,      /* three words of each table */
};

/* --- ranges of addresses --- */

struct policy_range {
	struct net_address first, last;
	uint32_t rules[POLICY_TABLES_MOST]; /* by prefix, of each table; RADIX_NO_RULE */
	uint8_t kind; /* below POLICY_KINDS: of each table whether it denies, allows or says nothing */
	bool by_name; /* some table with names says nothing of it */
};

struct policy_ranges {
	const struct policy_rules *rules[POLICY_TABLES_MOST];
	size_t count;
	struct radix_walk walks[POLICY_TABLES_MOST];
	struct radix_range current[POLICY_TABLES_MOST];
	bool over;
};

/* Starts before the first range. The tables outlive the walk. */
void policy_ranges_begin(struct policy_ranges *ranges, const struct policy_rules *const *rules, size_t count);

/* IPv4 first; together they hold every address once. False: that was all. */
MUST_USE bool policy_ranges_next(struct policy_ranges *ranges, struct policy_range *range);

/* --- classes of names --- */

struct policy_names {
	const struct policy_rules *rules[POLICY_TABLES_MOST];
	size_t count;
	size_t table; /* whose suffixes come now */
	size_t at;
	uint8_t step;
	struct suffix suffix;
	char text[LIMIT_DNS_NAME_BYTES + 1];
};

struct policy_name_class {
	enum policy_name state; /* never POLICY_NAME_NOT_ASKED */
	struct slice name;      /* a name of the class, with POLICY_NAME_KNOWN; valid until the next call */
	struct slice below;     /* empty, or: all names below this one that no longer rule holds; likewise valid */
	bool any;               /* all names that are under no rule */
};

void policy_names_begin(struct policy_names *names, const struct policy_rules *const *rules, size_t count);

/* A class may come once for each table. False: that was all. */
MUST_USE bool policy_names_next(struct policy_names *names, struct policy_name_class *class);

#endif
