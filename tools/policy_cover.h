/* Saying a set of situations by no more than what matters: "not signed in" instead of all situations in which one is not.
 * Pure. */
#ifndef POSTERN_TOOLS_POLICY_COVER_H
#define POSTERN_TOOLS_POLICY_COVER_H

#include <stddef.h>
#include <stdint.h>

enum { POLICY_COVER_BITS = 4, POLICY_COVER_SITUATIONS = 16, POLICY_COVER_MOST = POLICY_COVER_SITUATIONS };

/* All situations whose bits in `fixed` are those of `value`. */
struct policy_cube {
	uint8_t fixed;
	uint8_t value;
};

/* `wanted` and `free` are sets of situations: bit s is situation s. Answers how few cubes hold all that are wanted and else
 * only free ones, those with least to say first. */
size_t policy_cover(uint16_t wanted, uint16_t free, struct policy_cube cubes[POLICY_COVER_MOST]);

#endif
