/* Tables of rules that are searched from end to end, and names to fill tables with: what `postern-bench micro` compares with. */
#ifndef POSTERN_BENCH_MICRO_NAIVE_H
#define POSTERN_BENCH_MICRO_NAIVE_H

#include "bench/micro_parts.h"
#include "core/net/suffix.h"

/* What is under no rule. */
enum { NAIVE_NO_RULE = INT32_MAX };

/* --- prefixes --- */

struct naive_prefixes {
	struct naive_prefix *list;
	uint32_t count;
};

/* Each has its number as its rule; `denies` (NULL: none) says which go before others of the same prefix. */
struct naive_prefixes naive_prefixes_make(const struct net_prefix *prefixes, uint32_t count, const bool *denies);
void naive_prefixes_free(struct naive_prefixes *prefixes);
uint32_t naive_prefixes_find(const struct naive_prefixes *prefixes, const struct net_address *address);

/* --- names --- */

/* One behind the other. */
struct names {
	char *texts;
	uint32_t *starts; /* one more than there are names */
	uint32_t count;
};

struct names names_make(uint32_t most);
void names_add(struct names *names, const char *name, size_t size);
void names_free(struct names *names);

static inline struct slice names_at(const struct names *names, uint32_t at)
{
	return slice_of(names->texts + names->starts[at], names->starts[at + 1] - names->starts[at]);
}

/* As a rule: most are for a domain with all below it, one in eight for a host. */
static inline struct suffix names_rule_at(const struct names *names, uint32_t at)
{
	return (struct suffix){ names_at(names, at), at % 8 != 0 };
}

/* Names to make rules of, and to ask for: `under` puts a label before a rule's name, else they are new ones. */
struct names names_of_rules(uint32_t count, struct measure_random *random);
struct names names_to_ask(const struct names *rules, bool under, struct measure_random *random);

/* Each name is a rule of its number; as with prefixes. */
uint32_t naive_names_find(const struct names *rules, const bool *denies, struct slice name);

#endif
