/* Appending to bounded buffers; see buffer.h. */
#include "core/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cursor.h"

bool buffer_append_number(struct buffer *buffer, uint64_t number)
{
	uint8_t digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (uint8_t)('0' + number % 10);
		number /= 10;
	} while (number);
	return buffer_append(buffer, slice_of(digits + at, sizeof digits - at));
}

bool buffer_append_le(struct buffer *buffer, uint64_t number, size_t bytes)
{
	uint8_t storage[sizeof number];
	ASSERT(bytes <= sizeof storage);
	store_le(storage, number, bytes);
	return buffer_append(buffer, slice_of(storage, bytes));
}

bool buffer_append_format(struct buffer *buffer, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	int size = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (size < 0 || (size_t)size >= sizeof text) {
		buffer->overflow = true;
		return false;
	}
	return buffer_append(buffer, slice_of(text, (size_t)size));
}

void buffer_consume(struct buffer *buffer, size_t count)
{
	ASSERT(count <= buffer->size);
	buffer->size -= count;
	if (buffer->size && count)
		memmove(buffer->data, buffer->data + count, buffer->size);
}
