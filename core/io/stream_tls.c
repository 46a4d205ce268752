/* The TLS side of streams: handshake, reading, writing, the last word; see stream.h.
 *
 * TLS writes straight into the stream's output, which is given room until there is none: then the stream is `blocked`, and
 * goes on when what is queued was sent. */
#include "core/io/stream_parts.h"

/* The alert that TLS may have written goes out first. */
void stream_fail_tls(struct stream *stream)
{
	stream_enter_state(stream, STATE_FAILING);
	stream->failure = tls_session_error(stream->tls);
	stream_drop_input(stream);
}

/* For an alert: TLS does not come again for one. Where there is no buffer for it, it is left out. */
static void give_alert_room(struct stream *stream)
{
	(void)!stream_buffers_grow(stream->buffers, &stream->output, TLS_WRITE_OVERHEAD_BYTES);
}

static bool give_room(struct stream *stream)
{
	size_t more = stream->output.data ? buffer_room(&stream->output) + 1 : 1;
	stream->blocked = !stream_buffers_grow(stream->buffers, &stream->output, more);
	return !stream->blocked;
}

static enum tls_status handshake_step(struct stream *stream)
{
	struct tls_window window = { stream->input, &stream->output };
	enum tls_status status;
	give_alert_room(stream);
	do
		status = tls_handshake(stream->tls, &window);
	while (status == TLS_WANT_OUTPUT && give_room(stream));
	stream->input = window.input;
	return status;
}

void stream_shake_hands(struct stream *stream)
{
	if (stream->state != STATE_HANDSHAKE || stream->exhausted)
		return;
	switch (handshake_step(stream)) {
	case TLS_OK:
		stream_enter_state(stream, STATE_RUNNING);
		stream->exhausted = false;
		stream->owner(stream, STREAM_OPEN);
		break;
	case TLS_WANT_INPUT:
		stream->exhausted = true;
		if (stream->ended)
			stream_fail_socket(stream, "the peer closed the connection during the TLS handshake");
		break;
	case TLS_WANT_OUTPUT:
		break;
	case TLS_CLOSED:
	case TLS_FAILED:
		stream_fail_tls(stream);
	}
}

size_t stream_decrypt(struct stream *stream, uint8_t *to, size_t capacity)
{
	struct tls_window window = { stream->input, &stream->output };
	size_t got = 0;
	enum tls_status status;
	give_alert_room(stream);
	do
		status = tls_read(stream->tls, &window, to, capacity, &got);
	while (status == TLS_WANT_OUTPUT && give_room(stream));
	stream->input = window.input;
	switch (status) {
	case TLS_OK:
		/* Where nothing is left, who reads on is told so without asking TLS once more. */
		stream->exhausted = stream->input.size == 0 && !tls_has_pending(stream->tls);
		return got;
	case TLS_CLOSED:
		stream->ended = true;
		stream_drop_input(stream);
		break;
	case TLS_FAILED:
		stream_fail_tls(stream);
		break;
	case TLS_WANT_INPUT:
	case TLS_WANT_OUTPUT:
		break;
	}
	stream->exhausted = true;
	return 0;
}

size_t stream_encrypted_size(size_t size)
{
	return size + (size + TLS_WRITE_MOST_BYTES - 1) / TLS_WRITE_MOST_BYTES * TLS_WRITE_OVERHEAD_BYTES;
}

size_t stream_plain_size(size_t room)
{
	enum { RECORD = TLS_WRITE_MOST_BYTES + TLS_WRITE_OVERHEAD_BYTES };
	size_t overhead = (room + RECORD - 1) / RECORD * TLS_WRITE_OVERHEAD_BYTES;
	return room > overhead ? room - overhead : 0;
}

void stream_encrypt(struct stream *stream, struct slice bytes)
{
	struct tls_window window = { { NULL, 0 }, &stream->output };
	while (bytes.size) {
		size_t size = bytes.size < TLS_WRITE_MOST_BYTES ? bytes.size : TLS_WRITE_MOST_BYTES;
		if (tls_write(stream->tls, &window, slice_first(bytes, size)) != TLS_OK) {
			stream_fail_tls(stream);
			return;
		}
		bytes = slice_skip(bytes, size);
	}
}

void stream_say_goodbye(struct stream *stream)
{
	struct tls_window window = { { NULL, 0 }, &stream->output };
	if (stream_buffers_grow(stream->buffers, &stream->output, TLS_WRITE_OVERHEAD_BYTES))
		tls_close(stream->tls, &window);
}
