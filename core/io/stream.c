/* Streams; see stream.h.
 *
 * Everything happens in one of three callbacks of the loop: something was received, a send has ended, or `soon`. Each
 * notes what came, lets advance() give the owner its events, and ends with settle(), which brings the stream to rest:
 * what was queued is sent, what was not read is kept, and the next receive is started or the stream is closed. */
#include "core/io/stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/io/stream_parts.h"

#define MAY(state) (1u << (state))
static const unsigned next_states[] = {
	[STATE_NEW] = MAY(STATE_HANDSHAKE) | MAY(STATE_RUNNING) | MAY(STATE_CLOSING),
	[STATE_HANDSHAKE] = MAY(STATE_RUNNING) | MAY(STATE_FINISHING) | MAY(STATE_FAILING) | MAY(STATE_CLOSING),
	[STATE_RUNNING] = MAY(STATE_HANDSHAKE) | MAY(STATE_FINISHING) | MAY(STATE_FAILING) | MAY(STATE_CLOSING),
	[STATE_FINISHING] = MAY(STATE_CLOSING),
	[STATE_FAILING] = MAY(STATE_FAILED) | MAY(STATE_CLOSING),
	[STATE_FAILED] = MAY(STATE_CLOSING),
	[STATE_CLOSING] = MAY(STATE_CLOSED),
	[STATE_CLOSED] = 0,
};

void stream_enter_state(struct stream *stream, enum stream_state state)
{
	ASSERT(next_states[stream->state] & MAY(state));
	stream->state = (uint8_t)state;
}

static void on_received(struct loop_op *op, const struct loop_completion *completion);
static void on_sent(struct loop_op *op, const struct loop_completion *completion);
static void on_hung_up(struct loop_op *op, const struct loop_completion *completion);

/* --- coming to rest --- */

static void schedule(struct stream *stream)
{
	struct stream_buffers *buffers = stream->buffers;
	if (!list_is_empty(&stream->soon))
		return;
	list_append(&buffers->soon, &stream->soon);
	buffers->loop = stream->loop;
	if (!timer_is_running(&buffers->soon_timer))
		loop_timer_start(stream->loop, &buffers->soon_timer, 0);
}

void stream_drop_input(struct stream *stream)
{
	if (stream->kept.data)
		explicit_bzero(stream->kept.data, stream->kept.size);
	stream_buffers_give(stream->buffers, &stream->kept);
	stream->input = slice_of(NULL, 0);
}

static void start_sending(struct stream *stream)
{
	if (stream->output.size == 0)
		stream_buffers_give(stream->buffers, &stream->output);
	if (stream->sending.data || !stream->output.data)
		return;
	stream->sending = stream->output;
	stream->output = (struct buffer){ 0 };
	loop_send(stream->loop, &stream->send, stream->fd, buffer_slice(&stream->sending), on_sent);
}

static bool is_drained(const struct stream *stream)
{
	return !stream->sending.data && stream->output.size == 0;
}

void stream_fail_socket(struct stream *stream, const char *why)
{
	if (stream->state != STATE_HANDSHAKE && stream->state != STATE_RUNNING)
		return;
	stream_enter_state(stream, STATE_FAILING);
	stream->failure = why;
	stream_drop_input(stream);
	stream_buffers_give(stream->buffers, &stream->output);
	loop_cancel(stream->loop, &stream->send);
}

/* Something is there that may give plaintext. */
static bool has_more(const struct stream *stream)
{
	return !stream->exhausted && (stream->input.size || (stream->tls && tls_has_pending(stream->tls)));
}

/* The loop's buffer goes back when its callback ends: what was not read moves to one of ours. */
static void keep_input(struct stream *stream)
{
	if (stream->input.size == 0) {
		stream_drop_input(stream);
		return;
	}
	if (stream->kept.data)
		return;
	stream->kept = stream_buffers_take(stream->buffers, stream->input.size);
	if (!stream->kept.data) {
		stream_fail_socket(stream, "no buffer for input");
		return;
	}
	buffer_append(&stream->kept, stream->input);
	stream->input = buffer_slice(&stream->kept);
}

static void listen_again(struct stream *stream)
{
	bool reading = stream->state == STATE_HANDSHAKE || (stream->state == STATE_RUNNING && !stream->paused);
	bool watching = stream->state == STATE_RUNNING && stream->watching;
	if ((!reading && !watching) || stream->blocked || loop_op_is_running(&stream->receive))
		return;
	if (watching)
		loop_poll(stream->loop, &stream->receive, stream->fd, POLLRDHUP, on_hung_up);
	else if (has_more(stream))
		schedule(stream);
	else if (!stream->ended)
		loop_receive(stream->loop, &stream->receive, stream->fd, on_received);
}

/* True when nothing runs any more. */
static bool stop(struct stream *stream)
{
	stream_drop_input(stream);
	stream_buffers_give(stream->buffers, &stream->output);
	loop_cancel(stream->loop, &stream->receive);
	loop_cancel(stream->loop, &stream->send);
	return !loop_op_is_running(&stream->receive) && !loop_op_is_running(&stream->send);
}

/* Goes on from callback to callback until nothing runs. The owner may free the stream in its last event. */
static void close_down(struct stream *stream)
{
	if (!stop(stream))
		return;
	stream_buffers_give(stream->buffers, &stream->sending);
	list_remove(&stream->soon);
	tls_session_destroy(stream->tls);
	stream->tls = NULL;
	stream->failure = NULL;
	loop_close(stream->loop, stream->fd);
	stream->fd = -1;
	stream_enter_state(stream, STATE_CLOSED);
	stream->owner(stream, STREAM_CLOSED);
}

/* The stream may be gone after this. */
static void settle(struct stream *stream)
{
	if (stream->state != STATE_CLOSING) {
		keep_input(stream);
		start_sending(stream);
	}
	if (stream->blocked && !stream->sending.data)
		stream_fail_socket(stream, "no buffer for output");
	if (stream->state == STATE_FAILING && is_drained(stream)) {
		stream_enter_state(stream, STATE_FAILED);
		stream->owner(stream, STREAM_FAILED);
	}
	if (stream->state == STATE_FINISHING && is_drained(stream))
		stream_enter_state(stream, STATE_CLOSING);
	stream->in_event = false;
	if (stream->state == STATE_CLOSING)
		close_down(stream);
	else
		listen_again(stream);
}

/* --- events --- */

static void advance(struct stream *stream)
{
	stream_shake_hands(stream);
	if (stream->state == STATE_RUNNING && !stream->paused && has_more(stream))
		stream->owner(stream, STREAM_READABLE);
	/* STARTTLS: a client speaks first. */
	stream_shake_hands(stream);
	if (stream->state == STATE_RUNNING && stream->ended && !stream->told_ended && !has_more(stream)) {
		stream->told_ended = true;
		stream->owner(stream, STREAM_ENDED);
	}
}

static void on_received(struct loop_op *op, const struct loop_completion *completion)
{
	struct stream *stream = CONTAINER_OF(op, struct stream, receive);
	stream->in_event = true;
	if (completion->result < 0) {
		stream_fail_socket(stream, strerrordesc_np(-completion->result));
	} else if (stream->state == STATE_HANDSHAKE || stream->state == STATE_RUNNING) {
		ASSERT(stream->input.size == 0);
		stream->ended = completion->result == 0;
		stream->exhausted = false;
		stream->input = completion->bytes;
		advance(stream);
	}
	settle(stream);
}

/* The end of a poll, or of one that a resumed stream has cancelled. */
static void on_hung_up(struct loop_op *op, const struct loop_completion *completion)
{
	struct stream *stream = CONTAINER_OF(op, struct stream, receive);
	bool gone = completion->result > 0 && stream->watching && stream->state == STATE_RUNNING;
	stream->in_event = true;
	/* One that was cancelled is started again where the stream was paused again meanwhile. */
	if (completion->result != -ECANCELED)
		stream->watching = false;
	if (gone)
		stream->owner(stream, STREAM_HUNG_UP);
	settle(stream);
}

static void on_sent(struct loop_op *op, const struct loop_completion *completion)
{
	struct stream *stream = CONTAINER_OF(op, struct stream, send);
	stream->in_event = true;
	stream_buffers_give(stream->buffers, &stream->sending);
	if (completion->result < 0) {
		stream_fail_socket(stream, strerrordesc_np(-completion->result));
		/* What was to go out can't any more. */
		stream_buffers_give(stream->buffers, &stream->output);
	}
	if (stream->blocked) {
		stream->blocked = false;
		stream->exhausted = false;
	}
	if (stream->state == STATE_RUNNING && is_drained(stream))
		stream->owner(stream, STREAM_DRAINED);
	advance(stream);
	settle(stream);
}

void stream_run_soon(struct timer *timer)
{
	struct stream_buffers *buffers = CONTAINER_OF(timer, struct stream_buffers, soon_timer);
	struct list now;
	list_init(&now);
	list_splice(&now, &buffers->soon);
	for (struct list *node; (node = list_take_first(&now));) {
		struct stream *stream = CONTAINER_OF(node, struct stream, soon);
		stream->in_event = true;
		advance(stream);
		settle(stream);
	}
}

/* --- what the owner calls --- */

void stream_init(struct stream *stream, struct loop *loop, struct stream_buffers *buffers, int fd, stream_owner *owner)
{
	*stream = (struct stream){ .loop = loop, .buffers = buffers, .owner = owner, .fd = fd };
	loop_op_init(&stream->receive);
	loop_op_init(&stream->send);
	list_init(&stream->soon);
}

void stream_start(struct stream *stream)
{
	if (stream->state != STATE_NEW)
		return;
	stream_enter_state(stream, stream->tls ? STATE_HANDSHAKE : STATE_RUNNING);
	/* A client's hello. Without input there is no event in this, only a failure that is told later. */
	stream_shake_hands(stream);
	start_sending(stream);
	if (stream->state == STATE_FAILING || stream->blocked)
		schedule(stream);
	listen_again(stream);
}

bool stream_start_tls(struct stream *stream, struct tls_session *tls)
{
	if (stream->input.size) {
		tls_session_destroy(tls);
		return false;
	}
	stream_start_tls_behind(stream, tls);
	return true;
}

void stream_start_tls_behind(struct stream *stream, struct tls_session *tls)
{
	ASSERT(!stream->tls && (stream->state == STATE_NEW || stream->state == STATE_RUNNING));
	stream->tls = tls;
	stream->exhausted = false;
	if (stream->state == STATE_NEW)
		return;
	stream_enter_state(stream, STATE_HANDSHAKE);
	if (!stream->in_event)
		schedule(stream);
}

struct slice stream_peek(const struct stream *stream)
{
	ASSERT(!stream->tls);
	return stream->state == STATE_RUNNING ? stream->input : slice_of(NULL, 0);
}

void stream_skip(struct stream *stream, size_t size)
{
	ASSERT(size <= stream_peek(stream).size);
	stream->input = slice_skip(stream->input, size);
}

size_t stream_read(struct stream *stream, uint8_t *to, size_t capacity)
{
	if (stream->state != STATE_RUNNING || capacity == 0 || stream->exhausted)
		return 0;
	if (stream->tls)
		return stream_decrypt(stream, to, capacity);
	size_t size = stream->input.size < capacity ? stream->input.size : capacity;
	if (size)
		memcpy(to, stream->input.data, size);
	stream->input = slice_skip(stream->input, size);
	return size;
}

bool stream_has_input(const struct stream *stream)
{
	return stream->input.size || (stream->tls && tls_has_pending(stream->tls));
}

bool stream_write(struct stream *stream, struct slice bytes)
{
	if (stream->state == STATE_FAILING || stream->state == STATE_FAILED)
		return true;
	if (stream->state != STATE_RUNNING)
		return false;
	size_t needed = stream->tls ? stream_encrypted_size(bytes.size) : bytes.size;
	if (!stream_buffers_grow(stream->buffers, &stream->output, needed)) {
		if (!is_drained(stream))
			return false;
		ASSERT(needed <= LIMIT_LARGE_BUFFER_BYTES);
		stream_fail_socket(stream, "no buffer for output");
	} else if (stream->tls) {
		stream_encrypt(stream, bytes);
	} else {
		buffer_append(&stream->output, bytes);
	}
	if (stream->in_event)
		return true;
	start_sending(stream);
	if (stream->state == STATE_FAILING)
		schedule(stream);
	return true;
}

size_t stream_room(const struct stream *stream)
{
	size_t room = LIMIT_LARGE_BUFFER_BYTES - stream->output.size;
	return stream->tls ? stream_plain_size(room) : room;
}

void stream_watch(struct stream *stream)
{
	stream->paused = stream->watching = true;
	if (!stream->in_event)
		listen_again(stream);
}

void stream_resume(struct stream *stream)
{
	stream->paused = stream->watching = false;
	if (stream->receive.done == on_hung_up)
		loop_cancel(stream->loop, &stream->receive);
	if (!stream->in_event)
		listen_again(stream);
}

void stream_finish(struct stream *stream)
{
	if (stream->state != STATE_HANDSHAKE && stream->state != STATE_RUNNING) {
		if (stream->state != STATE_FINISHING)
			stream_close(stream);
		return;
	}
	if (stream->tls)
		stream_say_goodbye(stream);
	stream_enter_state(stream, STATE_FINISHING);
	stream_drop_input(stream);
	if (stream->in_event)
		return;
	start_sending(stream);
	if (is_drained(stream))
		schedule(stream);
}

void stream_close(struct stream *stream)
{
	if (stream->state == STATE_CLOSING || stream->state == STATE_CLOSED)
		return;
	stream_enter_state(stream, STATE_CLOSING);
	if (!stream->in_event && stop(stream))
		schedule(stream);
}
