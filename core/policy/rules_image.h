/* The rules of a stage as bytes that hold wherever they lie: made by one process, used by others that map the same memory.
 *
 * All that rules need is in it, texts of their sources too, so that it outlives the configuration that they were read from. */
#ifndef POSTERN_POLICY_RULES_IMAGE_H
#define POSTERN_POLICY_RULES_IMAGE_H

#include "core/policy/rules.h"

size_t policy_rules_image_bytes(const struct policy_rules *rules);

/* The memory begins at a multiple of 8. */
void policy_rules_image_write(const struct policy_rules *rules, void *memory);

/* The rules that an image holds: it must be as it was written and stay until policy_rules_finish(). False: no memory, or the
 * size is wrong; `rules` is untouched then. */
MUST_USE bool policy_rules_image_open(struct slice image, struct policy_rules *rules);

#endif
