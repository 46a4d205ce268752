/* The rules of a stage, connect or relay: which of them decides for a client, and where is it written?
 *
 * The most specific prefix that a client's address is in decides; of equal ones a deny. Where none holds it the longest
 * rule for its name does, and where that is none either, the default. A name that there is not, or that does not lead back
 * to the address, or that can't be found, is decided by `unknown_name` where a rule for names could have applied.
 *
 * Built once, read-only then. Pure. */
#ifndef POSTERN_POLICY_RULES_H
#define POSTERN_POLICY_RULES_H

#include "core/net/radix.h"
#include "core/net/rule_text.h"

/* What is known of a client's name. */
enum policy_name {
	POLICY_NAME_NOT_ASKED,
	POLICY_NAME_KNOWN,   /* and confirmed: it leads back to the address */
	POLICY_NAME_UNKNOWN, /* there is none, or it does not lead back */
	POLICY_NAME_FAILED,  /* it could not be found out now */
};

/* Where rules come from: an entry of the configuration, or a file of them. Rules are numbered, denying ones from 0, allowing ones
 * from POLICY_ALLOWING on; above all of them are the settings that decide where no rule does. */
struct policy_source {
	uint32_t first; /* of `count` rules; those of a file are its lines */
	uint32_t count;
	const char *file; /* the caller's; likewise text */
	int line;         /* of the entry; of a file 1 */
	const char *text; /* of the entry, as written; NULL: a file of rules */
};

enum { POLICY_ALLOWING = 1 << 30 };
#define POLICY_BY_DEFAULT      0x80000000u
#define POLICY_BY_UNKNOWN_NAME 0x80000001u

struct policy_rules {
	struct radix_tree *prefixes; /* NULL: there are none; likewise names */
	struct suffix_table *names;
	struct policy_source *sources; /* by their first rule */
	size_t source_count;
	bool default_allow;
	bool unknown_allow;
	bool names_matter; /* it depends on a client's name what is decided */
};

struct policy_rules_builder {
	struct radix_builder prefixes;
	struct suffix_builder names;
	struct policy_source *sources;
	size_t source_count;
	uint32_t next[2]; /* rule: denying, allowing */
};

void policy_rules_builder_init(struct policy_rules_builder *builder);
void policy_rules_builder_finish(struct policy_rules_builder *builder);

/* False: no memory, or too many rules; likewise below. */
MUST_USE bool policy_rules_add(struct policy_rules_builder *builder, const struct rule_text *what, bool allow,
			       const struct policy_source *where);

/* A file of rules: its line n is rule *first + n - 1 in the builder's tables, with policy_rank() (see rule_list.h). Other
 * rules can be added once it has ended. */
MUST_USE bool policy_rules_begin_file(struct policy_rules_builder *builder, bool allow, const char *file,
				      uint32_t *first);
void policy_rules_end_file(struct policy_rules_builder *builder, uint32_t lines);

static inline uint8_t policy_rank(bool allow)
{
	return allow;
}

/* Makes the tables and empties the builder. `rules` has its default_allow and unknown_allow. */
MUST_USE bool policy_rules_build(struct policy_rules_builder *builder, struct policy_rules *rules);
void policy_rules_finish(struct policy_rules *rules);

enum policy_decision { POLICY_DENIES, POLICY_ALLOWS, POLICY_ASKS /* for the client's name */ };

/* *rule: the one that decides, or POLICY_BY_…. With POLICY_NAME_FAILED it is as if there were no name. */
MUST_USE enum policy_decision policy_rules_decide(const struct policy_rules *rules, const struct net_address *client,
						  enum policy_name state, struct slice name, uint32_t *rule);

/* Where the rule is written; NULL for POLICY_BY_…. */
const struct policy_source *policy_rules_source(const struct policy_rules *rules, uint32_t rule);

static inline bool policy_rule_allows(uint32_t rule)
{
	return rule >= POLICY_ALLOWING;
}

/* Is there a rule that allows, or does the default? */
bool policy_rules_allow_somebody(const struct policy_rules *rules);

#endif
