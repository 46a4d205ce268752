/* A view of bytes that somebody else owns: pointer and length, never a terminator.
 *
 * A slice is passed by value. It promises nothing about how long its bytes live: the function that hands one
 * out says so. All text on the wire is handled as slices; C strings appear only towards libc and libraries. */
#ifndef POSTERN_BASE_SLICE_H
#define POSTERN_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *data;
	size_t size;
};

/* For printf's "%.*s". */
#define SLICE_ARGS(s)       ((int)(s).size), ((const char *)(s).data)
#define SLICE_LITERAL(text) ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })

static inline struct slice slice_of(const void *data, size_t size)
{
	return (struct slice){ data, size };
}

static inline struct slice slice_from_text(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ASCII letters compare without case, everything else exactly: the comparison of SMTP keywords and domains. Fast where they
 * are equal as they stand, as keywords mostly are. */
bool slice_equal_folded(struct slice a, struct slice b);
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
	return a.size == b.size && (slice_equal(a, b) || slice_equal_folded(a, b));
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
	return s.size >= prefix.size && memcmp(s.data, prefix.data, prefix.size) == 0;
}

/* What is left after the first `count` bytes; count must not be over s.size. */
static inline struct slice slice_skip(struct slice s, size_t count)
{
	return (struct slice){ s.data + count, s.size - count };
}

static inline struct slice slice_first(struct slice s, size_t count)
{
	return (struct slice){ s.data, count };
}

/* Index of the first `byte`, or s.size where there is none. */
static inline size_t slice_find(struct slice s, uint8_t byte)
{
	const uint8_t *at = s.size ? memchr(s.data, byte, s.size) : NULL;
	return at ? (size_t)(at - s.data) : s.size;
}

/* Decimal digits only, no sign, no space, at least one; false on anything else or over `most`. */
bool slice_parse_number(struct slice s, uint64_t most, uint64_t *number);

/* Copies at most capacity-1 bytes and ends them with NUL; answers false when it had to cut. */
bool slice_to_text(struct slice s, char *text, size_t capacity);

static inline uint8_t ascii_lower(uint8_t c)
{
	return (uint8_t)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

#endif
