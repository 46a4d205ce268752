/* What was probably meant by a word that is wrong: an option, an action, a name in a configuration. */
#ifndef POSTERN_BASE_NEAR_MISS_H
#define POSTERN_BASE_NEAR_MISS_H

#include <stddef.h>
#include <stdint.h>

/* The candidate nearest to a word: one slip of the fingers in three letters of it, three at most, and one in any. Case does not
 * count, nor whether it is "-" or "_". Of several that are as near the first one is kept; none that is over 32 bytes. */
struct near_miss {
	const char *word;
	const char *best; /* NULL: none is near */
	size_t best_distance;
};

/* The word must stay as long as candidates are considered. */
static inline struct near_miss near_miss_of(const char *word)
{
	return (struct near_miss){ word, NULL, SIZE_MAX };
}

/* The candidate must stay as long as `best` is looked at. */
void near_miss_consider(struct near_miss *near, const char *candidate);

#endif
