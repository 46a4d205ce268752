/* The inner loop over message text; see smtp_body_scan.h.
 *
 * A block of 64 bytes becomes four masks with a bit a byte: where CR, LF, NUL and dots are. Shifting a mask by one bit
 * asks what stands before each byte, so that one expression judges the whole block, line ends and all. */
#include "proto/smtp_body_scan.h"

#if defined(__SSE2__) && !defined(POSTERN_PORTABLE)
#include <emmintrin.h>
#endif

enum { BLOCK_BYTES = 64 };

struct block_masks {
	uint64_t cr, lf, nul, dot;
};

#if defined(__SSE2__) && !defined(POSTERN_PORTABLE)

static inline uint64_t mask_of(const __m128i parts[4], char byte)
{
	__m128i wanted = _mm_set1_epi8(byte);
	uint64_t mask = 0;
	for (int i = 0; i < 4; i++)
		mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(parts[i], wanted)) << (16 * i);
	return mask;
}

static inline struct block_masks masks_of(const uint8_t *block, bool dots)
{
	__m128i parts[4];
	for (int i = 0; i < 4; i++)
		parts[i] = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));
	return (struct block_masks){ mask_of(parts, '\r'), mask_of(parts, '\n'), mask_of(parts, 0),
				     dots ? mask_of(parts, '.') : 0 };
}

#else

static inline struct block_masks masks_of(const uint8_t *block, bool dots)
{
	struct block_masks masks = { 0 };
	for (unsigned i = 0; i < BLOCK_BYTES; i++) {
		masks.cr |= (uint64_t)(block[i] == '\r') << i;
		masks.lf |= (uint64_t)(block[i] == '\n') << i;
		masks.nul |= (uint64_t)(block[i] == 0) << i;
		masks.dot |= (uint64_t)(dots && block[i] == '.') << i;
	}
	return masks;
}

#endif

size_t smtp_body_scan(struct slice text, uint8_t previous, bool dots)
{
	uint64_t behind_cr = previous == '\r';
	uint64_t behind_lf = previous == '\n';
	struct slice rest = text;
	while (rest.size) {
		uint8_t last[BLOCK_BYTES] = { 0 }; /* a NUL stops the scan at the end of the text */
		const uint8_t *block = rest.data;
		if (rest.size < BLOCK_BYTES) {
			memcpy(last, rest.data, rest.size);
			block = last;
		}
		struct block_masks masks = masks_of(block, dots);
		behind_cr |= masks.cr << 1;
		behind_lf |= masks.lf << 1;
		uint64_t odd = masks.nul | (masks.lf ^ behind_cr) | (masks.dot & behind_lf);
		if (odd) {
			size_t clean = (size_t)__builtin_ctzll(odd);
			return text.size - rest.size + (clean < rest.size ? clean : rest.size);
		}
		behind_cr = masks.cr >> (BLOCK_BYTES - 1);
		behind_lf = masks.lf >> (BLOCK_BYTES - 1);
		rest = slice_skip(rest, BLOCK_BYTES);
	}
	return text.size;
}
