/* Message text as it comes in: line endings, dot-stuffing, the end mark, and what the header says. Pure, in place.
 *
 * Only CRLF ends a line and only CRLF.CRLF the message; bare CR, bare LF and NUL make the message refused (RFC 5321
 * §2.3.8, §4.1.1.4; "SMTP smuggling"). Works byte-exactly however the input is split. */
#ifndef POSTERN_PROTO_SMTP_BODY_H
#define POSTERN_PROTO_SMTP_BODY_H

#include "core/base/error.h"
#include "core/base/slice.h"

/* Bits in `fields`: which header fields were seen. BODY_NO_HEADER: the text starts with something that is no header field,
 * so whoever puts fields in front ends them with an empty line. */
enum { BODY_HAS_DATE = 1, BODY_HAS_MESSAGE_ID = 2, BODY_HAS_FROM = 4, BODY_NO_HEADER = 8 };

enum smtp_body_fault {
	BODY_FINE,
	BODY_BARE_CR,
	BODY_BARE_LF,
	BODY_NUL,
	BODY_LINE_TOO_LONG,
	BODY_HEADER_TOO_LONG,
	BODY_LOOP, /* over LIMIT_HOPS Received fields */
	BODY_TOO_LARGE,
};

struct smtp_body {
	uint8_t state;     /* private: where in CR LF . CR LF we are */
	uint8_t fault;     /* enum smtp_body_fault: the first one found */
	uint8_t fields;    /* BODY_HAS_… */
	uint8_t header;    /* private: where in a header line we are, or past the header */
	uint8_t name_size; /* of the header field's name seen so far on this line, as far as it is kept */
	uint8_t hops;
	uint8_t name[14];
	uint32_t line_size;
	uint32_t header_size;
	uint64_t size; /* of the message text so far, after unstuffing */
};

struct smtp_body_rules {
	uint64_t most_bytes; /* 0: no bound */
	bool dots;           /* DATA: dot-stuffed, with an end mark; not so in BDAT */
	bool bare_lf_normalised;
};

/* A body starts as zeroes. Takes `size` raw bytes, writes the text they hold to `text` (see smtp_session_body() for where
 * that may be) and says how much that is and, in *consumed, how much was taken. True: CRLF.CRLF was found, and what is
 * behind it was not taken. After a fault, text[] means nothing and only the end is looked for. */
MUST_USE bool smtp_body_take(struct smtp_body *body, const struct smtp_body_rules *rules, uint8_t *bytes, size_t size,
			     uint8_t *text, size_t *kept, size_t *consumed);

/* Text without an end mark is over: a CR that still waits for its LF is a fault. */
void smtp_body_finish(struct smtp_body *body);

#endif
