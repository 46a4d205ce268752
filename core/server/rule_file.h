/* Reads a list file from the disk into builders of tree and table (core/net/rule_list.h says what stands in it). Blocks: for
 * start-up, the command line and the process that makes new contents, not for workers. */
#ifndef POSTERN_SERVER_RULE_FILE_H
#define POSTERN_SERVER_RULE_FILE_H

#include "core/net/rule_list.h"

/* Something that is wrong with it, as a sentence; line 0: with the file as a whole. */
typedef void rule_file_problem(void *context, const char *path, uint32_t line, const char *what);

/* Tells all that is wrong: the first few wrong lines, and how many there are beyond. False when anything is; the builders then
 * hold what was right. `lines`: how many rule numbers it took, from first_rule on, line by line. */
MUST_USE bool rule_file_read(const char *path, struct radix_builder *prefixes, struct suffix_builder *names,
			     uint32_t first_rule, uint8_t rank, uint32_t *lines, rule_file_problem *problem,
			     void *context);

#endif
