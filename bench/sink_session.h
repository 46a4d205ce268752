/* What a sink knows of a session: whether a line, message text or the bytes of a BDAT come next. Pure.
 *
 * It looks at the verb alone, and takes every verb to be right. */
#ifndef POSTERN_BENCH_SINK_SESSION_H
#define POSTERN_BENCH_SINK_SESSION_H

#include "core/base/buffer.h"
#include "core/base/slice.h"

enum sink_state {
	SINK_COMMAND,
	SINK_AUTH_NAME,     /* LOGIN: the name's line comes */
	SINK_AUTH_PASSWORD, /* the password's line, or PLAIN's response */
	SINK_TEXT,          /* up to CRLF.CRLF */
	SINK_CHUNK,
};

enum sink_action {
	SINK_CONTINUE,  /* all input was taken */
	SINK_START_TLS, /* the reply is written; what is left of the input came too early */
	SINK_CLOSE,     /* the reply to QUIT is written */
	SINK_FULL,      /* no room for further replies: send what there is, then come again with the rest */
};

enum {
	SINK_LINE_BYTES = 32,  /* of a line, kept: a verb and BDAT's size */
	SINK_REPLY_BYTES = 160 /* the longest reply: EHLO's */
};

struct sink_session {
	uint8_t state; /* enum sink_state */
	bool starttls; /* offered */
	bool greeted;
	uint8_t line_size;
	uint8_t mark;        /* text: how much of CRLF.CRLF has just been seen */
	uint64_t chunk_left; /* of a BDAT */
	uint8_t line[SINK_LINE_BYTES];
};

/* The greeting. */
void sink_session_start(struct sink_session *session, bool starttls, struct buffer *out);

/* Takes input up to its end, or up to where the action says; `input` is advanced. Replies go to `out`. */
enum sink_action sink_session_feed(struct sink_session *session, struct slice *input, struct buffer *out);

#endif
