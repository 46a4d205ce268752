/* The inner loop over message text; see smtp_body_scan.h.
 *
 * A block of 64 bytes becomes four masks with a bit a byte: where CR, LF, NUL and dots are. Shifting a mask by one bit
 * asks what stands before each byte, so that one expression judges the whole block, line ends and all. */
#include "proto/smtp_body_scan.h"

#if defined(__x86_64__) && !defined(POSTERN_PORTABLE)
#define POSTERN_SCAN_X86 1
#include <immintrin.h>
#endif

enum { BLOCK_BYTES = 64 };

struct block_masks {
	uint64_t cr, lf, nul, dot;
};

typedef struct block_masks masks_function(const uint8_t *block, bool dots);

/* Inlined into one function for each kind of machine, with its masks_function inlined too. */
static inline __attribute__((always_inline)) size_t scan(struct slice text, uint8_t previous, bool dots,
							 masks_function *masks_of)
{
	uint64_t behind_cr = previous == '\r';
	uint64_t behind_lf = previous == '\n';
	struct slice rest = text;
	while (rest.size) {
		uint8_t last[BLOCK_BYTES];
		const uint8_t *block = rest.data;
		if (rest.size < BLOCK_BYTES) {
			memset(last, 0, sizeof last); /* a NUL stops the scan at the end of the text */
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

#ifdef POSTERN_SCAN_X86

static inline uint64_t mask_of_16(const __m128i parts[4], char byte)
{
	__m128i wanted = _mm_set1_epi8(byte);
	uint64_t mask = 0;
	for (int i = 0; i < 4; i++)
		mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(parts[i], wanted)) << (16 * i);
	return mask;
}

static inline struct block_masks masks_by_16(const uint8_t *block, bool dots)
{
	__m128i parts[4];
	for (int i = 0; i < 4; i++)
		parts[i] = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));
	return (struct block_masks){ mask_of_16(parts, '\r'), mask_of_16(parts, '\n'), mask_of_16(parts, 0),
				     dots ? mask_of_16(parts, '.') : 0 };
}

static size_t scan_by_16(struct slice text, uint8_t previous, bool dots)
{
	return scan(text, previous, dots, masks_by_16);
}

__attribute__((target("avx2"))) static inline uint64_t mask_of_32(__m256i low, __m256i high, char byte)
{
	__m256i wanted = _mm256_set1_epi8(byte);
	uint32_t low_mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted));
	uint32_t high_mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted));
	return (uint64_t)high_mask << 32 | low_mask;
}

__attribute__((target("avx2"))) static inline struct block_masks masks_by_32(const uint8_t *block, bool dots)
{
	__m256i low = _mm256_loadu_si256((const __m256i *)(const void *)block);
	__m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(block + 32));
	return (struct block_masks){ mask_of_32(low, high, '\r'), mask_of_32(low, high, '\n'), mask_of_32(low, high, 0),
				     dots ? mask_of_32(low, high, '.') : 0 };
}

__attribute__((target("avx2"))) static size_t scan_by_32(struct slice text, uint8_t previous, bool dots)
{
	return scan(text, previous, dots, masks_by_32);
}

size_t smtp_body_scan(struct slice text, uint8_t previous, bool dots)
{
	return __builtin_cpu_supports("avx2") ? scan_by_32(text, previous, dots) : scan_by_16(text, previous, dots);
}

#else

static inline struct block_masks masks_by_1(const uint8_t *block, bool dots)
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

size_t smtp_body_scan(struct slice text, uint8_t previous, bool dots)
{
	return scan(text, previous, dots, masks_by_1);
}

#endif
