/* A bounded buffer: bytes are appended at the end and never past the capacity.
 *
 * The storage is somebody else's (a pool block, an array on the stack, a worker's scratch). Appending answers
 * false and sets `overflow` when the bytes do not fit; nothing is then appended, so a whole reply is there or not. */
#ifndef POSTERN_BASE_BUFFER_H
#define POSTERN_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/slice.h"

struct buffer {
	uint8_t *data;
	size_t size;
	size_t capacity;
	bool overflow;
};

static inline void buffer_init(struct buffer *buffer, void *storage, size_t capacity)
{
	*buffer = (struct buffer){ storage, 0, capacity, false };
}

static inline size_t buffer_room(const struct buffer *buffer)
{
	return buffer->capacity - buffer->size;
}

static inline struct slice buffer_slice(const struct buffer *buffer)
{
	return (struct slice){ buffer->data, buffer->size };
}

static inline void buffer_clear(struct buffer *buffer)
{
	buffer->size = 0;
	buffer->overflow = false;
}

/* Each answers false, appends nothing and sets `overflow` where the bytes do not fit. The flag stays until
 * buffer_clear(), so a run of appends may be checked once at its end. Inline, so that text known to the compiler becomes a
 * few stores: replies and trace fields are made of such pieces. */
static inline bool buffer_append(struct buffer *buffer, struct slice bytes)
{
	if (bytes.size > buffer_room(buffer)) {
		buffer->overflow = true;
		return false;
	}
	if (bytes.size)
		memcpy(buffer->data + buffer->size, bytes.data, bytes.size);
	buffer->size += bytes.size;
	return true;
}

static inline bool buffer_append_text(struct buffer *buffer, const char *text)
{
	return buffer_append(buffer, slice_from_text(text));
}

static inline bool buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
	if (buffer_room(buffer) == 0) {
		buffer->overflow = true;
		return false;
	}
	buffer->data[buffer->size++] = byte;
	return true;
}

bool buffer_append_number(struct buffer *buffer, uint64_t number);
/* The low bytes, at most 8, little-endian, as cursor.h reads them. */
bool buffer_append_le(struct buffer *buffer, uint64_t number, size_t bytes);
bool buffer_append_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Drops the first `count` bytes and moves the rest to the front. */
void buffer_consume(struct buffer *buffer, size_t count);

#endif
