/* What the files of streams share; private to stream*.c. */
#ifndef POSTERN_IO_STREAM_PARTS_H
#define POSTERN_IO_STREAM_PARTS_H

#include "core/io/stream.h"

enum stream_state {
	STATE_NEW,       /* not started */
	STATE_HANDSHAKE, /* TLS begins */
	STATE_RUNNING,   /* plain, or TLS after its handshake */
	STATE_FINISHING, /* the owner is done: what is queued goes out */
	STATE_FAILING,   /* broken: an alert may have to go out before the owner is told */
	STATE_FAILED,    /* the owner was told and has to close */
	STATE_CLOSING,   /* operations are still running */
	STATE_CLOSED,
};

/* The one way to change it; asserts that the change is a possible one. */
void stream_enter_state(struct stream *stream, enum stream_state state);

/* Nothing more can be sent; the owner hears of it before the stream comes to rest. */
void stream_fail_socket(struct stream *stream, const char *why);

/* The alert that TLS may have written goes out first. */
void stream_fail_tls(struct stream *stream);

/* Wiped, since it may be a password that came without TLS. */
void stream_drop_input(struct stream *stream);

/* --- TLS (stream_tls.c) --- */

/* Goes on with the handshake, where one is going on and there is something new for it. */
void stream_shake_hands(struct stream *stream);

size_t stream_decrypt(struct stream *stream, uint8_t *to, size_t capacity);

/* There must be room for all of it: stream_encrypted_size(). */
void stream_encrypt(struct stream *stream, struct slice bytes);
size_t stream_encrypted_size(size_t size);

/* How much fits into `room` when encrypted. */
size_t stream_plain_size(size_t room);

/* Queues a close_notify, where there is a buffer for it. */
void stream_say_goodbye(struct stream *stream);

/* --- buffers (stream_buffers.c) --- */

/* An empty buffer that holds `size` bytes (at most LIMIT_LARGE_BUFFER_BYTES); data NULL when there is none. */
struct buffer stream_buffers_take(struct stream_buffers *buffers, size_t size);

/* Gives it back and clears `buffer`; nothing to do where data is NULL. */
void stream_buffers_give(struct stream_buffers *buffers, struct buffer *buffer);

/* Makes room for `room` bytes more behind what the buffer holds: takes a small one, or moves to a large one. False, and
 * nothing has changed, where even that is too small or there is none. */
MUST_USE bool stream_buffers_grow(struct stream_buffers *buffers, struct buffer *buffer, size_t room);

/* --- streams (stream.c) --- */

/* The timer's callback: gives the streams in `soon` their event (stream.c). */
void stream_run_soon(struct timer *timer);

#endif
