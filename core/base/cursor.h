/* The one checked reader for binary input: record headers, wire messages, database values.
 *
 * Every read checks what is left; the first read that does not fit marks the cursor failed, and it and all later
 * reads answer zero or an empty slice. Parse a whole structure, then check cursor_ok() once. Integers are
 * little-endian on disk (`_le`) and big-endian in network protocols (`_be`). */
#ifndef POSTERN_BASE_CURSOR_H
#define POSTERN_BASE_CURSOR_H

#include <endian.h>

#include "core/base/slice.h"

struct cursor {
	struct slice rest;
	bool failed;
};

static inline struct cursor cursor_over(struct slice bytes)
{
	return (struct cursor){ bytes, false };
}

static inline bool cursor_ok(const struct cursor *cursor)
{
	return !cursor->failed;
}

static inline struct slice cursor_take(struct cursor *cursor, size_t count)
{
	if (cursor->failed || count > cursor->rest.size) {
		cursor->failed = true;
		return (struct slice){ NULL, 0 };
	}
	struct slice taken = slice_first(cursor->rest, count);
	cursor->rest = slice_skip(cursor->rest, count);
	return taken;
}

static inline uint64_t cursor_take_le(struct cursor *cursor, size_t bytes)
{
	struct slice taken = cursor_take(cursor, bytes);
	uint64_t value = 0;
	if (taken.size)
		memcpy(&value, taken.data, bytes);
	return le64toh(value);
}

static inline uint64_t cursor_take_be(struct cursor *cursor, size_t bytes)
{
	struct slice taken = cursor_take(cursor, bytes);
	uint64_t value = 0;
	for (size_t i = 0; i < taken.size; i++)
		value = value << 8 | taken.data[i];
	return value;
}

static inline uint8_t cursor_take_u8(struct cursor *cursor)
{
	return (uint8_t)cursor_take_le(cursor, 1);
}

static inline uint16_t cursor_take_u16le(struct cursor *cursor)
{
	return (uint16_t)cursor_take_le(cursor, 2);
}

static inline uint32_t cursor_take_u32le(struct cursor *cursor)
{
	return (uint32_t)cursor_take_le(cursor, 4);
}

static inline uint64_t cursor_take_u64le(struct cursor *cursor)
{
	return cursor_take_le(cursor, 8);
}

/* The writing side: stores `bytes` low bytes of the value, at most 8, little-endian. */
static inline void store_le(uint8_t *at, uint64_t value, size_t bytes)
{
	value = htole64(value);
	memcpy(at, &value, bytes);
}

#endif
