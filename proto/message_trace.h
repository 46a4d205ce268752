/* What the server puts in front of a message: Received (RFC 5321 §4.4), and Date and Message-ID where the client left
 * them out (RFC 6409 §8.2, §8.3). */
#ifndef POSTERN_PROTO_MESSAGE_TRACE_H
#define POSTERN_PROTO_MESSAGE_TRACE_H

#include "core/base/buffer.h"
#include "core/base/slice.h"

enum { MESSAGE_TRACE_BYTES = 1500, MESSAGE_DATE_BYTES = 48 };

struct message_trace {
	struct slice client_name;    /* EHLO's argument; what is no domain or literal is written as "unknown" */
	struct slice client_address; /* "192.0.2.1", "IPv6:2001:db8::1"; empty: hidden, and the name with it
	                                (received { client = hide }) */
	struct slice hostname;       /* ours */
	struct slice start;      /* what message_trace_write_start() has written before; empty: it is written anew */
	struct slice id;         /* the message id that the client is told too */
	struct slice recipient;  /* for the "for" clause, a path that was parsed (address.h); empty: none (more than
	                                one recipient, or hidden) */
	const char *tls_version; /* NULL outside TLS */
	const char *tls_cipher;
	unsigned tls_bits;
	bool esmtp, tls, signed_in,
		smtputf8; /* the "with" protocol: RFC 3848, 6531: SMTP, ESMTP[S][A], UTF8SMTP[S][A] */
	bool add_date;
	bool add_message_id;
	bool add_empty_line; /* BODY_NO_HEADER: or the text's first line would read as part of the header */
	struct slice date;   /* of message_date_write() */
};

/* Folded lines with CRLF, none over 998 bytes whatever the client said. False when it does not fit in `out`;
 * MESSAGE_TRACE_BYTES are enough always. */
MUST_USE bool message_trace_write(struct buffer *out, const struct message_trace *trace);

/* Its beginning, up to the id: all messages of a session have it in common, while who signed in, the client's name and `smtputf8`
 * stay. False when it does not fit. */
MUST_USE bool message_trace_write_start(struct buffer *out, const struct message_trace *trace);

/* "Tue, 24 Nov 2026 10:11:12 +0000", at most MESSAGE_DATE_BYTES. */
bool message_date_write(struct buffer *out, int64_t unix_us);

#endif
