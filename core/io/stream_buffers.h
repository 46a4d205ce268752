/* Taking and giving back the buffers of streams; private to stream*.c. */
#ifndef POSTERN_IO_STREAM_BUFFERS_H
#define POSTERN_IO_STREAM_BUFFERS_H

#include "core/io/stream.h"

/* An empty buffer that holds `size` bytes (at most LIMIT_LARGE_BUFFER_BYTES); data NULL when there is none. */
struct buffer stream_buffers_take(struct stream_buffers *buffers, size_t size);

/* Gives it back and clears `buffer`; nothing to do where data is NULL. */
void stream_buffers_give(struct stream_buffers *buffers, struct buffer *buffer);

/* Makes room for `room` bytes more behind what the buffer holds: takes a small one, or moves to a large one. False, and
 * nothing has changed, where even that is too small or there is none. */
MUST_USE bool stream_buffers_grow(struct stream_buffers *buffers, struct buffer *buffer, size_t room);

/* The timer's callback: gives the streams in `soon` their event (stream.c). */
void stream_run_soon(struct timer *timer);

#endif
