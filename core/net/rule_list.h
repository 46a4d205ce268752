/* Reads a file of rules, one prefix or name a line (rule_text.h), into the builders of tree and table (radix.h, suffix.h).
 *
 * A # begins a comment that goes to the end of its line; blanks round an entry, empty lines, CRLF and a byte order mark at the
 * start do no harm. All lines that are wrong are counted and the first few told, so that a file is put right in one go; what to
 * do with a file that has some is the caller's to decide. The text comes in pieces that may end anywhere, and none of it is
 * kept: a file of any size is read in the memory of the struct. Pure. */
#ifndef POSTERN_NET_RULE_LIST_H
#define POSTERN_NET_RULE_LIST_H

#include "core/base/limits.h"
#include "core/net/radix.h"
#include "core/net/suffix.h"

struct rule_list_fault {
	uint32_t line; /* from 1 */
	struct error error;
};

struct rule_list {
	struct radix_builder *prefixes;
	struct suffix_builder *names;
	uint32_t first_rule;
	uint8_t rank;
	uint32_t lines; /* read so far, empty ones too */
	uint32_t rules; /* of them that are in the builders */
	uint32_t wrong;
	struct rule_list_fault faults[LIMIT_LIST_FAULTS]; /* the first ones, of `wrong` */
	bool full;
	bool line_begun; /* and the rest is of that line */
	bool line_cut;
	size_t line_size;
	uint8_t line[LIMIT_LIST_LINE_BYTES];
};

/* The rule of line n is first_rule + n - 1, so that a rule's number tells its line; all are of one rank. The builders outlive
 * the reading. */
void rule_list_begin(struct rule_list *list, struct radix_builder *prefixes, struct suffix_builder *names,
		     uint32_t first_rule, uint8_t rank);

/* False: there is no memory for more rules, or LIMIT_RULES are there. Reading on makes no sense then. */
MUST_USE bool rule_list_take(struct rule_list *list, struct slice bytes);

/* The file is over; its last line may have no end. False as above. */
MUST_USE bool rule_list_end(struct rule_list *list);

#endif
