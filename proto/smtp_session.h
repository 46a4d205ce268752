/* The server side of an SMTP submission session, as a pure engine: lines and body bytes in, replies and actions out.
 *
 * RFC 5321, 6409, 4954 (AUTH), 3207 (STARTTLS), 2920 (PIPELINING), 3030 (CHUNKING), 1870 (SIZE), 6152 (8BITMIME),
 * 6531 (SMTPUTF8), 2034 (enhanced codes), 9422 (LIMITS). It knows no descriptor, no clock, no TLS and allocates
 * nothing. The shell (core/server) feeds it and does what the answered action asks, then goes on. Replies are
 * appended to the buffer that is passed; it must have LIMIT_REPLY_BYTES of room.
 *
 * The engine parses, orders and counts; whether an address may be used is the shell's to answer. */
#ifndef POSTERN_PROTO_SMTP_SESSION_H
#define POSTERN_PROTO_SMTP_SESSION_H

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "core/base/slice.h"
#include "proto/base64.h"
#include "proto/sasl.h"
#include "proto/smtp_body.h"
#include "proto/smtp_reply.h"

/* What a server block offers; shared by its sessions and outlives them. */
struct smtp_profile {
	struct slice hostname;
	unsigned mechanisms; /* SASL_… bits; 0: AUTH is not offered. Those of SASL_INSIDE_TLS are offered there alone */
	bool starttls;       /* offered while the session is plain */
	bool plaintext_sign_in;  /* AUTH is offered outside TLS too */
	bool sign_in_required;   /* MAIL without sign-in is 530 5.7.0 */
	bool bare_lf_normalised; /* bare LF in message text becomes CRLF; never an end of message */
	uint64_t message_size_bytes;
	uint32_t recipients; /* a message */
	uint32_t errors;     /* 5xx replies a session, then 421 4.7.0 and a close; 0: no bound. 4xx don't count: they
	                        are our trouble, or ordinary (452 for a recipient too many, RFC 5321 §4.5.3.1.10) */
};

enum smtp_state {
	SMTP_START,    /* greeted by us, no EHLO or HELO yet */
	SMTP_READY,    /* EHLO or HELO done, no transaction */
	SMTP_SIGN_IN,  /* inside an AUTH exchange */
	SMTP_MAIL,     /* MAIL accepted */
	SMTP_RCPT,     /* at least one RCPT accepted */
	SMTP_DATA,     /* receiving text up to CRLF.CRLF */
	SMTP_CHUNK,    /* receiving the bytes of a BDAT */
	SMTP_CHUNKING, /* between BDATs of one message */
	SMTP_CLOSED,
};

enum smtp_action {
	SMTP_CONTINUE,         /* reply (if any) is written: feed what comes next, which smtp_session_in_body() tells: a
	                          BDAT that is refused has its bytes dropped first, whatever the state was before */
	SMTP_START_TLS,        /* 220 is written: send it, start TLS, then smtp_session_tls_started() */
	SMTP_BEGIN_SIGN_IN,    /* AUTH is in order: bring an exchange to smtp_session_sign_in_begin() at once */
	SMTP_VERIFY_SIGN_IN,   /* the exchange holds name and password, or a response: verify, then
	                          smtp_session_sign_in_end(), or smtp_session_challenge() and the next response comes */
	SMTP_CHECK_SENDER,     /* session->path is MAIL's: decide, then smtp_session_path_checked() */
	SMTP_CHECK_RECIPIENT,  /* session->path is RCPT's: decide, then smtp_session_path_checked() */
	SMTP_RECEIVE,          /* message bytes follow (354 is written for DATA): feed smtp_session_body() */
	SMTP_MESSAGE_COMPLETE, /* (also from a line: "BDAT 0 LAST") the message is whole, the engine is ready for the
	                          next one: commit what was gathered and write its reply with smtp_reply_write() in its place in the order */
	SMTP_MESSAGE_REFUSED,  /* the reply is written: drop what was gathered, envelope and all */
	SMTP_RESET,            /* RSET, EHLO, …; the reply is written: drop what was gathered */
	SMTP_CLOSE,            /* the reply is written: send it, drop what was gathered, close */
};

enum smtp_body_type { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };

/* What one MAIL began. Zeroed in one place. When a message is complete or refused it stays readable until the next call. */
struct smtp_transaction {
	bool smtputf8;          /* MAIL parameter */
	uint8_t body_type;      /* enum smtp_body_type, MAIL parameter */
	uint8_t refusal;        /* enum smtp_status: the reply that the coming message will get; SMTP_OK: none yet */
	bool failed;            /* private: a BDAT was refused; LAST or RSET ends it */
	bool ended;             /* private: to be forgotten at the next call */
	uint32_t recipients;    /* accepted */
	uint64_t declared_size; /* MAIL SIZE=, 0: none */
	struct smtp_body body;
};

/* The BDAT that is running; also one that is out of order, whose bytes come all the same. */
struct smtp_chunk {
	uint64_t size;
	uint64_t left;   /* bytes still to come */
	uint8_t refusal; /* enum smtp_status: why its bytes are dropped */
	uint8_t resume;  /* enum smtp_state before it */
	bool last;
};

struct smtp_session {
	const struct smtp_profile *profile;
	uint8_t state;  /* enum smtp_state; changed by smtp_session_enter() alone */
	uint8_t awaits; /* private: the enum smtp_action that the shell owes an answer to; SMTP_CONTINUE: none */
	bool tls;
	bool esmtp; /* EHLO, not HELO */
	bool signed_in;
	bool ends_group; /* the last line's reply must not wait for those of what comes behind it (RFC 2920 §3.2) */
	uint8_t sign_in_tries; /* that were wrong */
	unsigned withheld; /* SASL_… bits of the profile's that can't work in this session: smtp_session_withhold() */
	uint8_t client_name_size;
	uint32_t errors; /* 5xx replies */
	struct smtp_transaction transaction;
	struct smtp_chunk chunk;
	struct sasl_exchange *exchange; /* the shell's; NULL outside SMTP_SIGN_IN */
	struct slice path;       /* without brackets, source route dropped; empty: null reverse path. Valid until the
	                           next call, while the line that was passed is */
	uint8_t path_local_size; /* of its local part; all of it: <postmaster>, without a domain */
	uint8_t client_name[LIMIT_CLIENT_NAME_BYTES]; /* EHLO's argument, cut */
};

/* Starts a session; `tls`: implicit TLS. Writes the 220 greeting. */
void smtp_session_start(struct smtp_session *session, const struct smtp_profile *profile, bool tls, struct buffer *out);

/* The other way to start one: with a refusal in place of the greeting (554, 421), and its end. */
void smtp_session_turn_away(struct smtp_session *session, const struct smtp_profile *profile, bool tls,
			    enum smtp_status status, struct slice detail, struct buffer *out);

/* One line, up to and with its CRLF, as it came (an engine that sees the ending can refuse bare CR, LF, NUL). A line of
 * LIMIT_COMMAND_LINE_BYTES (in an AUTH exchange or for an AUTH command LIMIT_AUTH_LINE_BYTES) without its end is passed to
 * smtp_session_line_too_long() once, which answers 500 5.5.2, or 5.5.6 where it was to answer a challenge and so ends the
 * exchange (RFC 4954 §6); the shell then drops input up to the next LF. */
MUST_USE enum smtp_action smtp_session_line(struct smtp_session *session, struct slice line, struct buffer *out);
MUST_USE enum smtp_action smtp_session_line_too_long(struct smtp_session *session, struct buffer *out);

/* The longest line that may come next. */
size_t smtp_session_line_limit(const struct smtp_session *session);

/* While smtp_session_in_body(): raw bytes in, message text (dot-stuffing undone) to text[0 .. *kept). *consumed says how
 * many raw bytes were taken: fewer than size only when the message or chunk has ended (the rest is the next command).
 * SMTP_RECEIVE: more is to come; SMTP_CONTINUE: a chunk ended and its reply is written. Nothing is kept of a message that
 * will be refused: smtp_session_is_refusing() tells that early.
 *
 * `text` may be `bytes` itself: text never grows, nothing is copied where nothing has to move. Only with
 * profile->bare_lf_normalised it grows, to 2 × size at most: then `text` is memory of its own, or text + size <= bytes in
 * the same block (receive into the upper half of the room, and the text takes its place in front). */
MUST_USE enum smtp_action smtp_session_body(struct smtp_session *session, uint8_t *bytes, size_t size, uint8_t *text,
					    size_t *kept, size_t *consumed, struct buffer *out);

/* The shell can't take the message now (disk full, no memory): the rest is dropped and answered with this reply: DATA at
 * its end (at once, if it has not come yet), BDAT at the end of the running or next chunk. */
void smtp_session_refuse_message(struct smtp_session *session, enum smtp_status status);

/* `exchange` is the shell's memory, zeroed but for its `response`, and is used until the state leaves SMTP_SIGN_IN; NULL: none to be had (454 4.7.0).
 * `line` is the AUTH line again. */
MUST_USE enum smtp_action smtp_session_sign_in_begin(struct smtp_session *session, struct sasl_exchange *exchange,
						     struct slice line, struct buffer *out);

/* SASL_… bits of what EHLO offers now: 0 where nobody may sign in (yet). */
unsigned smtp_session_offers(const struct smtp_session *session);

/* The mechanisms that can't work in this session as it is now (a certificate that was not shown, a directory that does not
 * know them) are not offered; until TLS starts, where all is forgotten, or the next call. */
void smtp_session_withhold(struct smtp_session *session, unsigned mechanisms);

/* The mechanism's next challenge, not encoded. False: there is no room for it in `out`, and nothing is written: end the sign-in with
 * SMTP_SIGN_IN_UNAVAILABLE. Needs SMTP_CHALLENGE_ROOM of room. */
#define SMTP_CHALLENGE_ROOM(bytes) (BASE64_ENCODED_BYTES(bytes) + sizeof "334 \r\n" - 1)
MUST_USE bool smtp_session_challenge(struct smtp_session *session, struct slice challenge, struct buffer *out);

/* SMTP_SIGN_IN_OK, SMTP_SIGN_IN_WRONG, SMTP_SIGN_IN_UNAVAILABLE, … write the reply and leave SMTP_SIGN_IN. */
MUST_USE enum smtp_action smtp_session_sign_in_end(struct smtp_session *session, enum smtp_status status,
						   struct buffer *out);
/* The same for who may not try, whatever was found out: 421 with a detail, and the session is over. */
enum smtp_action smtp_session_sign_in_refuse(struct smtp_session *session, enum smtp_status status, struct slice detail,
					     struct buffer *out);

/* SMTP_SENDER_OK / SMTP_RECIPIENT_OK accept; any other refuses with its reply, of which `detail` is a part where it has one.
 * An answer that takes time may point session->path, which the question is about, to a copy of it. */
MUST_USE enum smtp_action smtp_session_path_checked(struct smtp_session *session, enum smtp_status status,
						    struct slice detail, struct buffer *out);

/* TLS runs: everything known is forgotten (RFC 3207 §4.2); the client starts with EHLO again. */
void smtp_session_tls_started(struct smtp_session *session);

/* 421 for a reason of the shell's (time-out, shutdown, …) and SMTP_CLOSED. */
void smtp_session_abort(struct smtp_session *session, enum smtp_status status, struct buffer *out);

static inline bool smtp_session_in_body(const struct smtp_session *session)
{
	return session->state == SMTP_DATA || session->state == SMTP_CHUNK;
}

static inline bool smtp_session_is_refusing(const struct smtp_session *session)
{
	return session->transaction.refusal != SMTP_OK || session->chunk.refusal != SMTP_OK;
}

static inline struct slice smtp_session_client_name(const struct smtp_session *session)
{
	return slice_of(session->client_name, session->client_name_size);
}

#endif
