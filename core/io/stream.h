/* A stream: one TCP connection, with or without TLS, with its send queue and its flow control.
 *
 * The owner embeds it and gets events; it reads plaintext with stream_read() into memory of its own choice and
 * writes with stream_write(). What one event writes leaves in one send. An idle stream holds no buffer: received bytes
 * live in the loop's buffer during the event, output comes from `struct stream_buffers` and goes back when sent.
 *
 * Flow control is one rule: the next receive is started only when the owner took everything and did not call
 * stream_pause(). What was received and not read when a pause begins is kept (at most one receive's worth). So a pause does not
 * notice that the peer goes, unless stream_watch() asks for that.
 *
 * The order of events: STREAM_OPEN first (TLS only, and again after STARTTLS), then any number of READABLE and DRAINED,
 * at most one ENDED or FAILED, and CLOSED last. None comes between stream_finish() or stream_close() and CLOSED. */
#ifndef POSTERN_IO_STREAM_H
#define POSTERN_IO_STREAM_H

#include "core/base/buffer.h"
#include "core/base/pool.h"
#include "core/io/loop.h"
#include "crypto/tls.h"

struct stream;

enum stream_event {
	STREAM_OPEN,     /* TLS handshake done (never for plain streams) */
	STREAM_READABLE, /* there may be plaintext: call stream_read() until it answers 0, or stream_pause(). What is
			    left without a pause is offered again in the next turn */
	STREAM_DRAINED,  /* a send has ended and nothing more is queued: all that was written is with the kernel. Comes
			    after each such send, whether stream_write() failed before or not; not during a handshake */
	STREAM_ENDED,    /* the peer has closed its side; no more input comes. Truncation under TLS too. Writing is
			    still possible. Comes when all input was read, paused or not */
	STREAM_HUNG_UP, /* only after stream_watch(): the peer has closed its side or the connection is broken, whatever lies
			    there unread. ENDED or FAILED come when the owner reads on */
	STREAM_FAILED, /* reset, TLS error, end in the handshake, …: stream_error() says what. An alert that TLS wrote
			    has been sent. The owner calls stream_close() */
	STREAM_CLOSED, /* the last event: nothing runs any more, the descriptor is closed, the memory may go */
};

/* Called by the loop's callbacks only, never from inside a stream_… call of the owner. */
typedef void stream_owner(struct stream *stream, enum stream_event event);

/* A worker's buffers; shared by its streams, and with owners that have to hold a little input of their own. */
struct stream_buffers {
	struct pool small; /* LIMIT_SMALL_BUFFER_BYTES */
	struct pool large; /* LIMIT_LARGE_BUFFER_BYTES; at most LIMIT_LARGE_BUFFERS */
	struct list soon;  /* streams that have an event to come without a completion */
	struct timer soon_timer;
	struct loop *loop; /* where the timer runs */
};

void stream_buffers_init(struct stream_buffers *buffers, size_t most_streams);

/* Now there may be so many streams; never fewer than before. */
void stream_buffers_allow(struct stream_buffers *buffers, size_t most_streams);

/* All streams must have had STREAM_CLOSED; before loop_destroy(). */
void stream_buffers_finish(struct stream_buffers *buffers);

struct stream {
	struct loop *loop;
	struct stream_buffers *buffers;
	stream_owner *owner;
	struct tls_session *tls; /* NULL: plain */
	struct loop_op receive;
	struct loop_op send;
	struct list soon;
	struct slice input;    /* received, not yet read; in the loop's buffer, or in `kept` */
	struct buffer kept;    /* holds input over a pause; data NULL mostly */
	struct buffer output;  /* being filled; data NULL when empty */
	struct buffer sending; /* handed to the loop; data NULL when nothing is being sent */
	const char *failure;   /* why STREAM_FAILED comes; static, or the TLS session's */
	int fd;
	uint8_t state; /* enum stream_state, stream.c */
	bool paused;
	bool watching;  /* paused, and the owner wants to know when the peer goes: `receive` is a poll meanwhile */
	bool in_event;  /* a callback of the loop is at work: it sends and receives again at its end */
	bool exhausted; /* what is in `input` or in the TLS session gives no plaintext before more comes */
	bool blocked;   /* TLS wants to write and `output` is full: goes on after the send */
	bool ended;     /* the peer closed its side */
	bool told_ended;
};

/* `fd` is a connected socket and now the stream's. Nothing is received until stream_start(). */
void stream_init(struct stream *stream, struct loop *loop, struct stream_buffers *buffers, int fd, stream_owner *owner);

/* Starts receiving; with a TLS session set before by stream_start_tls() the handshake begins. */
void stream_start(struct stream *stream);

/* Puts TLS on the stream; the session is the stream's from now on. Output written before (STARTTLS's 220) is still sent in
 * plain, what is written after is encrypted. Answers false when input is already there that came in plain: the
 * caller must close (RFC 3207 §4.2 injection); the session is destroyed then. The handshake goes on even while the
 * stream is paused. */
MUST_USE bool stream_start_tls(struct stream *stream, struct tls_session *tls);

/* The same, and what came already and was not read is the handshake's: where TLS begins behind something in plain text that
 * its reader knows the end of. */
void stream_start_tls_behind(struct stream *stream, struct tls_session *tls);

/* What was received and not read, as it lies there; of a stream without TLS alone. Valid in this event, until the next
 * call that reads or skips. */
struct slice stream_peek(const struct stream *stream);

/* Takes that many of the bytes that stream_peek() showed. */
void stream_skip(struct stream *stream, size_t size);

/* Copies or decrypts plaintext straight into `to`. Answers the bytes, 0 when there are no more now. A TLS error shows as
 * 0 and a STREAM_FAILED event after the owner returns. */
size_t stream_read(struct stream *stream, uint8_t *to, size_t capacity);

/* True when plaintext or undecrypted input waits: used to check that STARTTLS and 354 have nothing behind them. */
bool stream_has_input(const struct stream *stream);

/* Queues bytes (copied or encrypted into the output buffer); sent at the end of the event, or at once outside events.
 * False when the output buffer can't hold them, and before the handshake is done or after stream_finish(): nothing was
 * queued; wait for STREAM_DRAINED. Of a stream that has failed, and whose owner will hear of it, it takes everything. */
MUST_USE bool stream_write(struct stream *stream, struct slice bytes);

/* How many bytes stream_write() takes now at least; never less than LIMIT_TURN_REPLY_BYTES when nothing is queued. */
size_t stream_room(const struct stream *stream);

/* No STREAM_READABLE until stream_resume(). Resuming with input at hand gives the event from the loop, soon. */
static inline void stream_pause(struct stream *stream)
{
	stream->paused = true;
}
/* A pause that STREAM_HUNG_UP may come in, once. Costs an operation of the loop and its end: for pauses that may be long. */
void stream_watch(struct stream *stream);
void stream_resume(struct stream *stream);

/* Closes after what was queued is sent (with TLS a close_notify behind it). STREAM_CLOSED follows in any case, within
 * the loop's next turns; a peer that does not read is cut by the owner with stream_close(). */
void stream_finish(struct stream *stream);

/* Closes now, dropping what is queued. STREAM_CLOSED follows from the loop. Calling it again is harmless. */
void stream_close(struct stream *stream);

/* Why STREAM_FAILED came; a static or stream-owned text, valid until the stream ends. */
static inline const char *stream_error(const struct stream *stream)
{
	return stream->failure ? stream->failure : "no error";
}

#endif
