/* What was probably meant by a word; see near_miss.h. */
#include "core/base/near_miss.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/slice.h"

enum { NEAR_WORD_BYTES = 32 }; /* no name of ours is longer */

static size_t least(size_t a, size_t b, size_t c)
{
	size_t smaller = a < b ? a : b;
	return smaller < c ? smaller : c;
}

static bool is_same_letter(char a, char b)
{
	uint8_t x = ascii_lower((uint8_t)a), y = ascii_lower((uint8_t)b);
	return (x == '-' ? '_' : x) == (y == '-' ? '_' : y);
}

/* Letters left out, put in, changed, or two neighbours exchanged: each counts one (optimal string alignment). */
static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t rows[NEAR_WORD_BYTES + 1][NEAR_WORD_BYTES + 1];
	for (size_t i = 0; i <= a_size; i++)
		rows[i][0] = i;
	for (size_t j = 0; j <= b_size; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		for (size_t j = 1; j <= b_size; j++) {
			bool same = is_same_letter(a[i - 1], b[j - 1]);
			rows[i][j] = least(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + !same);
			bool swapped = i > 1 && j > 1 && is_same_letter(a[i - 1], b[j - 2]) &&
				       is_same_letter(a[i - 2], b[j - 1]);
			if (swapped && rows[i - 2][j - 2] + 1 < rows[i][j])
				rows[i][j] = rows[i - 2][j - 2] + 1;
		}
	}
	return rows[a_size][b_size];
}

void near_miss_consider(struct near_miss *near, const char *candidate)
{
	size_t word_size = strlen(near->word), size = strlen(candidate);
	if (word_size > NEAR_WORD_BYTES || size > NEAR_WORD_BYTES)
		return;
	size_t most = size / 3 < 1 ? 1 : size / 3;
	if (most > 3)
		most = 3;
	size_t distance = edit_distance(near->word, word_size, candidate, size);
	if (distance <= most && distance < near->best_distance) {
		near->best = candidate;
		near->best_distance = distance;
	}
}
