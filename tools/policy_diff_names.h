/* The part of policy_diff.c that goes through the names in rules. */
#ifndef POSTERN_TOOLS_POLICY_DIFF_NAMES_H
#define POSTERN_TOOLS_POLICY_DIFF_NAMES_H

#include "tools/policy_diff.h"

/* The kinds of names that there are, with an example of each. */
void policy_diff_find_names(struct policy_diff *diff);

/* All names of the kinds that groups hold for, but those under no rule. False: no memory. */
MUST_USE bool policy_diff_list_names(struct policy_diff *diff);

#endif
