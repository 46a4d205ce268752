/* libFuzzer: From fields. What is found does not depend on the pieces that the header comes in, and each address lies inside. */
#include "core/base/limits.h"
#include "proto/header_from.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t storage[2][LIMIT_FROM_BYTES];

static void take(struct header_from *from, struct slice text, size_t piece, struct buffer *value)
{
	*from = (struct header_from){ 0 };
	while (text.size > 0) {
		size_t taken = text.size < piece ? text.size : piece;
		header_from_take(from, slice_first(text, taken), value);
		text = slice_skip(text, taken);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header_from whole, pieces;
	struct buffer value, again;
	struct slice address;
	if (size == 0)
		return 0;
	struct slice text = slice_skip(slice_of(data, size), 1);
	buffer_init(&value, storage[0], sizeof storage[0]);
	buffer_init(&again, storage[1], sizeof storage[1]);
	take(&whole, text, text.size, &value);
	take(&pieces, text, 1 + data[0] % 64, &again);
	ASSERT(whole.fields == pieces.fields && whole.state == pieces.state && value.overflow == again.overflow);
	ASSERT(slice_equal(buffer_slice(&value), buffer_slice(&again)));
	struct slice rest = buffer_slice(&value);
	for (size_t left = rest.size; header_from_next(&rest, &address) == HEADER_FROM_ADDRESS; left = rest.size) {
		ASSERT(rest.size < left && address.size > 2 && address.size <= LIMIT_PATH_BYTES);
		ASSERT(address.data >= value.data && address.data + address.size <= value.data + value.size);
	}
	return 0;
}
