/* Message text as it comes in: line endings, dot-stuffing, the end mark, and what the header says. Pure, in place.
 *
 * Only CRLF ends a line and only CRLF.CRLF the message; bare CR, bare LF and NUL make the message refused (RFC 5321
 * §2.3.8, §4.1.1.4; "SMTP smuggling"). Works byte-exactly however the input is split. */
#ifndef POSTERN_PROTO_SMTP_BODY_H
#define POSTERN_PROTO_SMTP_BODY_H

#include "core/base/slice.h"

/* Bits in `fields`: which header fields were seen. */
enum { BODY_HAS_DATE = 1, BODY_HAS_MESSAGE_ID = 2, BODY_HAS_FROM = 4 };

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
	uint8_t state;  /* private: where in CR LF . CR LF we are */
	uint8_t fault;  /* enum smtp_body_fault: the first one found */
	uint8_t fields; /* BODY_HAS_… */
	uint8_t in_header;
	uint8_t name_size; /* of the header field's name seen so far on this line */
	uint8_t hops;
	uint8_t name[14];
	uint32_t line_size;
	uint32_t header_size;
	uint64_t size; /* of the message text so far, after unstuffing */
};

#endif
