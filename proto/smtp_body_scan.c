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
typedef struct block_masks part_function(const uint8_t *part, size_t size, bool dots);

/* Inlined into one function for each kind of machine, with its other functions inlined too: masks_of() for a whole block,
 * masks_of_part() for less. */
static inline __attribute__((always_inline)) size_t scan(struct slice text, uint8_t previous, bool dots,
							 masks_function *masks_of, part_function *masks_of_part)
{
	uint64_t behind_cr = previous == '\r';
	uint64_t behind_lf = previous == '\n';
	struct slice rest = text;
	while (rest.size) {
		bool whole = rest.size >= BLOCK_BYTES;
		struct block_masks masks =
			whole ? masks_of(rest.data, dots) : masks_of_part(rest.data, rest.size, dots);
		behind_cr |= masks.cr << 1;
		behind_lf |= masks.lf << 1;
		uint64_t odd = masks.nul | (masks.lf ^ behind_cr) | (masks.dot & behind_lf);
		if (!whole)
			odd |= ~(uint64_t)0 << rest.size; /* it stops at the end of the text */
		if (odd)
			return text.size - rest.size + (size_t)__builtin_ctzll(odd);
		behind_cr = masks.cr >> (BLOCK_BYTES - 1);
		behind_lf = masks.lf >> (BLOCK_BYTES - 1);
		rest = slice_skip(rest, BLOCK_BYTES);
	}
	return text.size;
}

static inline struct block_masks masks_by_1(const uint8_t *part, size_t size, bool dots)
{
	struct block_masks masks = { 0 };
	for (size_t i = 0; i < size; i++) {
		masks.cr |= (uint64_t)(part[i] == '\r') << i;
		masks.lf |= (uint64_t)(part[i] == '\n') << i;
		masks.nul |= (uint64_t)(part[i] == 0) << i;
		masks.dot |= (uint64_t)(dots && part[i] == '.') << i;
	}
	return masks;
}

#ifdef POSTERN_SCAN_X86

enum { VECTOR_BYTES = 16 };

static inline uint64_t mask_of_16(__m128i bytes, char byte)
{
	return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte)));
}

static inline void add_masks_of_16(struct block_masks *masks, const uint8_t *block, size_t at, bool dots)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + at));
	masks->cr |= mask_of_16(bytes, '\r') << at;
	masks->lf |= mask_of_16(bytes, '\n') << at;
	masks->nul |= mask_of_16(bytes, 0) << at;
	masks->dot |= dots ? mask_of_16(bytes, '.') << at : 0;
}

static inline struct block_masks masks_by_16(const uint8_t *block, bool dots)
{
	struct block_masks masks = { 0 };
	for (size_t at = 0; at < BLOCK_BYTES; at += VECTOR_BYTES)
		add_masks_of_16(&masks, block, at, dots);
	return masks;
}

/* The last load overlaps the one before: a copy to where there is a whole block would be read before it is written, and wait. */
static inline struct block_masks part_by_16(const uint8_t *part, size_t size, bool dots)
{
	struct block_masks masks = { 0 };
	if (size < VECTOR_BYTES)
		return masks_by_1(part, size, dots);
	for (size_t at = 0; at + VECTOR_BYTES <= size; at += VECTOR_BYTES)
		add_masks_of_16(&masks, part, at, dots);
	add_masks_of_16(&masks, part, size - VECTOR_BYTES, dots);
	return masks;
}

static size_t scan_by_16(struct slice text, uint8_t previous, bool dots)
{
	return scan(text, previous, dots, masks_by_16, part_by_16);
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
	return scan(text, previous, dots, masks_by_32, part_by_16);
}

__attribute__((target("avx512bw"))) static inline struct block_masks masks_in_64(__m512i bytes, bool dots)
{
	return (struct block_masks){ _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\r')),
				     _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n')),
				     _mm512_testn_epi8_mask(bytes, bytes),
				     dots ? _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('.')) : 0 };
}

__attribute__((target("avx512bw"))) static inline struct block_masks masks_by_64(const uint8_t *block, bool dots)
{
	return masks_in_64(_mm512_loadu_si512(block), dots);
}

__attribute__((target("avx512bw"))) static inline struct block_masks part_by_64(const uint8_t *part, size_t size,
										bool dots)
{
	return masks_in_64(_mm512_maskz_loadu_epi8(~(~(__mmask64)0 << size), part), dots);
}

__attribute__((target("avx512bw"))) static size_t scan_by_64(struct slice text, uint8_t previous, bool dots)
{
	return scan(text, previous, dots, masks_by_64, part_by_64);
}

size_t smtp_body_scan(struct slice text, uint8_t previous, bool dots)
{
	if (__builtin_cpu_supports("avx512bw"))
		return scan_by_64(text, previous, dots);
	return __builtin_cpu_supports("avx2") ? scan_by_32(text, previous, dots) : scan_by_16(text, previous, dots);
}

#else

static inline struct block_masks whole_by_1(const uint8_t *block, bool dots)
{
	return masks_by_1(block, BLOCK_BYTES, dots);
}

size_t smtp_body_scan(struct slice text, uint8_t previous, bool dots)
{
	return scan(text, previous, dots, whole_by_1, masks_by_1);
}

#endif
