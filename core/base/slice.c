/* Comparing, converting and copying slices; see slice.h. */
#include "core/base/slice.h"

#include "core/base/error.h"

bool slice_equal_folded(struct slice a, struct slice b)
{
	ASSERT(a.size == b.size);
	for (size_t i = 0; i < a.size; i++)
		if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
			return false;
	return true;
}

bool slice_parse_number(struct slice s, uint64_t most, uint64_t *number)
{
	if (s.size == 0)
		return false;
	uint64_t value = 0;
	for (size_t i = 0; i < s.size; i++) {
		uint8_t c = s.data[i];
		if (c < '0' || c > '9')
			return false;
		if (value > (most - (uint64_t)(c - '0')) / 10)
			return false;
		value = value * 10 + (uint64_t)(c - '0');
		if (value > most)
			return false;
	}
	*number = value;
	return true;
}

bool slice_to_text(struct slice s, char *text, size_t capacity)
{
	size_t size = s.size < capacity ? s.size : capacity - 1;
	if (size)
		memcpy(text, s.data, size);
	text[size] = 0;
	return size == s.size;
}
