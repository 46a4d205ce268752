/* The client side of SMTP, pure: replies are read as their bytes come, commands are built into a buffer.
 *
 * For whoever speaks to a server: the load generator, the checks, delivery. It knows no descriptor, no clock and no TLS,
 * keeps no order of commands (that is its user's) and allocates nothing. A server's bytes are trusted as little as a
 * client's: a reply has a bound in bytes and lines, and what is kept of its text is cut.
 *
 * A builder appends one whole command with its CRLF, or answers false and appends nothing: because it does not fit in
 * `out`, or because an argument holds a byte that would end or split the command (a control, a blank, an angle bracket). */
#ifndef POSTERN_PROTO_SMTP_CLIENT_H
#define POSTERN_PROTO_SMTP_CLIENT_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

/* --- replies --- */

/* Bits in `extensions`: what an EHLO reply offers. */
enum {
	SMTP_EXTENSION_STARTTLS = 1,
	SMTP_EXTENSION_AUTH = 2,
	SMTP_EXTENSION_PIPELINING = 4,
	SMTP_EXTENSION_SIZE = 8,
	SMTP_EXTENSION_8BITMIME = 16,
	SMTP_EXTENSION_SMTPUTF8 = 32,
	SMTP_EXTENSION_CHUNKING = 64,
	SMTP_EXTENSION_ENHANCEDSTATUSCODES = 128,
	SMTP_EXTENSION_LIMITS = 256,
};

struct smtp_client_reply {
	uint16_t code; /* 200 … 599; 0 before the first line has ended */
	/* The enhanced status (RFC 2034), "5.7.8"; all 0: the reply has none. */
	uint16_t enhanced_class, enhanced_subject, enhanced_detail;
	uint16_t lines;              /* ended so far */
	uint16_t extensions;         /* SMTP_EXTENSION_… in the lines after the first of a 250 */
	uint16_t mechanisms;         /* SASL_… bits of its AUTH line */
	uint32_t recipients;         /* LIMITS RCPTMAX=; 0: not told */
	uint64_t message_size_bytes; /* SIZE; 0: not told */
	uint32_t size_bytes;         /* private: of the reply so far */
	uint16_t text_size;
	uint16_t line_size; /* private */
	bool complete;      /* private: the next byte starts a new reply */
	uint8_t text
		[LIMIT_CLIENT_TEXT_BYTES]; /* the first line's, without code and enhanced status, cut; controls are "?" */
	uint16_t last_line_size;           /* private: of the line that was read last and still stands in `line` */
	uint8_t line[LIMIT_CLIENT_LINE_BYTES]; /* private: the line that is coming in; what is longer is dropped */
};

enum smtp_client_status {
	SMTP_CLIENT_NEED_MORE,
	SMTP_CLIENT_REPLY,     /* a whole reply is there; the rest of the input is the next one's */
	SMTP_CLIENT_MALFORMED, /* not SMTP, or over a bound: close the connection */
};

/* A reply starts as zeroes, once. Reads up to the end of one reply and says in *consumed how many bytes that took; the
 * call after a whole reply starts the next one by itself. Takes LF for CRLF: this is the liberal end. */
MUST_USE enum smtp_client_status smtp_client_read(struct smtp_client_reply *reply, struct slice input,
						  size_t *consumed);

/* Appends what a 334 challenges with, decoded. False: the reply is none, or not base64, or too long. */
MUST_USE bool smtp_client_challenge(const struct smtp_client_reply *reply, struct buffer *challenge);

static inline struct slice smtp_client_reply_text(const struct smtp_client_reply *reply)
{
	return slice_of(reply->text, reply->text_size);
}

/* --- commands --- */

/* A command that is one word: "STARTTLS", "DATA", "RSET", "NOOP", "QUIT". */
bool smtp_client_command(struct buffer *out, const char *verb);
bool smtp_client_ehlo(struct buffer *out, struct slice name);

/* AUTH; `initial` is not encoded, NULL: none. */
bool smtp_client_auth(struct buffer *out, const char *mechanism, const struct slice *initial);
/* A line of base64: the answer to a 334. */
bool smtp_client_response(struct buffer *out, struct slice response);

struct smtp_client_mail {
	struct slice reverse_path; /* without brackets; empty: null */
	uint64_t size_bytes;       /* SIZE=; 0: none */
	bool body_8bitmime;        /* BODY=8BITMIME */
	bool smtputf8;
};
bool smtp_client_mail(struct buffer *out, const struct smtp_client_mail *mail);
bool smtp_client_rcpt(struct buffer *out, struct slice forward_path);
/* The chunk's bytes follow it, as they are. */
bool smtp_client_bdat(struct buffer *out, uint64_t size_bytes, bool last);

/* --- message text, after DATA's 354 --- */

/* Dot-stuffs text that has CRLF line ends, in pieces split anywhere. Zeroed at the start of a message. */
struct smtp_client_text {
	uint8_t in_line; /* how far from a line's start: private */
};

/* Takes as much of `text` as fits and says how much that was; false: some was left, go on with a fresh buffer. */
bool smtp_client_text(struct smtp_client_text *state, struct buffer *out, struct slice text, size_t *consumed);
/* CRLF.CRLF, or .CRLF behind a text that ends with CRLF, or is empty. Five bytes at most. */
bool smtp_client_text_end(struct smtp_client_text *state, struct buffer *out);

/* Both at once, all or nothing: the whole message with its end mark; and how many bytes that will be. */
bool smtp_client_whole_text(struct buffer *out, struct slice text);
size_t smtp_client_whole_text_size(struct slice text);

#endif
