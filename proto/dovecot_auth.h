/* Dovecot's authentication protocol, the client's side (version 1, any minor): what is sent to its auth service, and what
 * comes back.
 *
 * Lines end with LF, fields with tabs; in a field's value NUL, tab, CR, LF and the escape byte 1 are escaped. The server
 * begins with a handshake that ends with DONE and says which mechanisms it has. Then requests go out under ids of the
 * client's choosing, many at a time, and are answered in any order. Pure: bytes in, values out. */
#ifndef POSTERN_PROTO_DOVECOT_AUTH_H
#define POSTERN_PROTO_DOVECOT_AUTH_H

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

/* --- what is sent --- */

struct dovecot_auth_request {
	uint32_t id; /* never used before on this connection, not 0 */
	const char *mechanism;
	struct slice client;  /* its address as text; empty: not known */
	uint16_t client_port; /* 0: not known, as below */
	struct slice server;  /* the address that it has connected to, as text; empty: not known */
	uint16_t server_port;
	uint64_t session; /* what the session is called in our log, so that it is in theirs too; 0: nothing */
	struct slice certificate_name; /* whom the verified client certificate stands for; empty: none was shown */
	bool inside_tls;
	bool has_response;
	struct slice response; /* the initial one, not encoded */
};

/* Each appends one line (the greeting: its lines), or answers false and appends nothing: it does not fit into `out`, or is
 * longer than the server reads (LIMIT_DOVECOT_LINE_BYTES). What was begun and taken back has been wiped. */
MUST_USE bool dovecot_auth_write_greeting(struct buffer *out, uint32_t process);
MUST_USE bool dovecot_auth_write_request(struct buffer *out, const struct dovecot_auth_request *request);
MUST_USE bool dovecot_auth_write_response(struct buffer *out, uint32_t id, struct slice response);
/* No answer comes to it. */
MUST_USE bool dovecot_auth_write_cancel(struct buffer *out, uint32_t id);

/* --- what comes back --- */

enum dovecot_auth_event {
	DOVECOT_AUTH_NEED_MORE, /* all input is used up */
	DOVECOT_AUTH_READY,     /* the handshake is over: requests may be sent; `mechanisms` is known */
	DOVECOT_AUTH_CHALLENGE, /* `challenge` */
	DOVECOT_AUTH_OK,        /* `user` */
	DOVECOT_AUTH_FAIL,      /* `failure`, and perhaps `user` */
	DOVECOT_AUTH_BROKEN,    /* not this protocol: close the connection; `problem` says why. Stays so */
};

enum dovecot_auth_failure {
	DOVECOT_AUTH_REFUSED,   /* name, password, token: it is not right */
	DOVECOT_AUTH_TEMPORARY, /* it could not be found out now */
	DOVECOT_AUTH_MAY_NOT,   /* may not act as whom it asks for */
	DOVECOT_AUTH_DISABLED,
	DOVECOT_AUTH_EXPIRED,
	DOVECOT_AUTH_NO_LOGIN,   /* right, but its entry says that it may not sign in (from an OK with `nologin`) */
	DOVECOT_AUTH_UNSUITABLE, /* this mechanism can't be used so: it wants TLS, or is not there */
	DOVECOT_AUTH_UNREADABLE, /* its challenge is not base64 or over LIMIT_CHALLENGE_BYTES: the request is still open there */
};

struct dovecot_auth_reply {
	uint32_t id;
	enum dovecot_auth_failure failure;
	/* Valid until the next call; they may hold secrets. */
	struct slice user;      /* unescaped; empty: not named */
	struct slice challenge; /* decoded */
};

struct dovecot_auth_reader {
	struct buffer line;  /* the owner's memory, LIMIT_DOVECOT_LINE_BYTES: where what came is kept */
	unsigned mechanisms; /* SASL_… bits of those that the server has; others are passed over */
	const char *problem; /* static */
	bool greeted;        /* VERSION has come */
	bool ready;
	uint8_t challenge[LIMIT_CHALLENGE_BYTES];
	bool line_read; /* `line` is what the last event was made of: wiped by the next call */
};

/* For a new connection. `storage` has LIMIT_DOVECOT_LINE_BYTES. */
void dovecot_auth_reader_init(struct dovecot_auth_reader *reader, void *storage);

/* Takes bytes off `input` until something has happened. */
MUST_USE enum dovecot_auth_event dovecot_auth_read(struct dovecot_auth_reader *reader, struct slice *input,
						   struct dovecot_auth_reply *reply);

/* Wipes what is kept of a line. */
void dovecot_auth_reader_wipe(struct dovecot_auth_reader *reader);

#endif
