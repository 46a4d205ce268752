/* The buffers of streams: small ones first, large ones when need be; see stream_parts.h. */
#include "core/io/stream_parts.h"

#include "core/base/limits.h"

/* Objects that the pools make at once: 64 KiB and 160 KiB. */
enum { SMALL_SLAB = 16, LARGE_SLAB = 4 };

/* Small buffers that a stream and its owner can have: output, what is being sent, kept input, what the owner holds. */
enum { STREAM_SMALL_BUFFERS = 5 };

void stream_buffers_init(struct stream_buffers *buffers, size_t most_streams)
{
	pool_init(&buffers->small, LIMIT_SMALL_BUFFER_BYTES, SMALL_SLAB, most_streams * STREAM_SMALL_BUFFERS);
	pool_init(&buffers->large, LIMIT_LARGE_BUFFER_BYTES, LARGE_SLAB, LIMIT_LARGE_BUFFERS);
	/* Input is kept there, which may be a password. */
	pool_hide(&buffers->small);
	pool_hide(&buffers->large);
	list_init(&buffers->soon);
	timer_init(&buffers->soon_timer, stream_run_soon);
	buffers->loop = NULL;
}

void stream_buffers_allow(struct stream_buffers *buffers, size_t most_streams)
{
	pool_allow(&buffers->small, most_streams * STREAM_SMALL_BUFFERS);
}

void stream_buffers_finish(struct stream_buffers *buffers)
{
	ASSERT(list_is_empty(&buffers->soon));
	if (buffers->loop)
		loop_timer_stop(buffers->loop, &buffers->soon_timer);
	pool_finish(&buffers->small);
	pool_finish(&buffers->large);
}

struct buffer stream_buffers_take(struct stream_buffers *buffers, size_t size)
{
	ASSERT(size <= LIMIT_LARGE_BUFFER_BYTES);
	struct buffer buffer = { 0 };
	bool large = size > LIMIT_SMALL_BUFFER_BYTES;
	void *storage = pool_take(large ? &buffers->large : &buffers->small);
	if (storage)
		buffer_init(&buffer, storage, large ? LIMIT_LARGE_BUFFER_BYTES : LIMIT_SMALL_BUFFER_BYTES);
	return buffer;
}

void stream_buffers_give(struct stream_buffers *buffers, struct buffer *buffer)
{
	if (buffer->data)
		pool_give(buffer->capacity == LIMIT_LARGE_BUFFER_BYTES ? &buffers->large : &buffers->small,
			  buffer->data);
	*buffer = (struct buffer){ 0 };
}

bool stream_buffers_grow(struct stream_buffers *buffers, struct buffer *buffer, size_t room)
{
	if (buffer->data && buffer_room(buffer) >= room)
		return true;
	if (room > LIMIT_LARGE_BUFFER_BYTES - buffer->size)
		return false;
	struct buffer larger = stream_buffers_take(buffers, buffer->size + room);
	if (!larger.data)
		return false;
	buffer_append(&larger, buffer_slice(buffer));
	stream_buffers_give(buffers, buffer);
	*buffer = larger;
	return true;
}
