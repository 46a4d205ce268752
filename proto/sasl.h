/* SASL exchanges of a server, as far as they are the same for all who verify.
 *
 * Base64 lines in, base64 challenges out. PLAIN (RFC 4616) and LOGIN are gathered here: at the end the exchange holds name and
 * password. Of all other mechanisms the responses are decoded, and what they say is for the shell to find out.
 * The memory is the shell's and is wiped by it when the exchange ends, whatever way it ends. */
#ifndef POSTERN_PROTO_SASL_H
#define POSTERN_PROTO_SASL_H

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

enum sasl_mechanism { /* bits */
		      SASL_PLAIN = 1 << 0,
		      SASL_LOGIN = 1 << 1,
		      SASL_SCRAM_SHA_256 = 1 << 2,
		      SASL_SCRAM_SHA_256_PLUS = 1 << 3,
		      SASL_NTLM = 1 << 4,
		      SASL_EXTERNAL = 1 << 5,
		      SASL_OAUTHBEARER = 1 << 6,
		      SASL_XOAUTH2 = 1 << 7,
		      SASL_GSSAPI = 1 << 8,
		      SASL_GSS_SPNEGO = 1 << 9,
		      SASL_CRAM_MD5 = 1 << 10,
		      SASL_DIGEST_MD5 = 1 << 11,
		      SASL_SCRAM_SHA_1 = 1 << 12,
		      SASL_SCRAM_SHA_1_PLUS = 1 << 13,

		      SASL_MECHANISMS = 14, /* so many */
		      /* What they say is said by TLS, or bound to it. */
		      SASL_INSIDE_TLS = SASL_SCRAM_SHA_256_PLUS | SASL_SCRAM_SHA_1_PLUS | SASL_EXTERNAL,
		      /* Those that end with a name and a password. */
		      SASL_WITH_PASSWORD = SASL_PLAIN | SASL_LOGIN,
		      /* Those that say by a challenge that it has failed; the client's answer to it says nothing (RFC 7628 §3.2.3). */
		      SASL_FAILS_BY_CHALLENGE = SASL_OAUTHBEARER | SASL_XOAUTH2,
};

struct sasl_exchange {
	unsigned mechanism; /* enum sasl_mechanism */
	struct buffer
		response; /* the shell's memory, LIMIT_SASL_RESPONSE_BYTES: it may be shared by all exchanges, since
	                           it is read before anything else is done, and is to be wiped then */
	bool has_response;
	uint8_t step;
	uint16_t name_size;
	uint16_t password_size;
	uint8_t name[LIMIT_LOGIN_NAME_BYTES]; /* authentication identity, UTF-8 */
	uint8_t password[LIMIT_PASSWORD_BYTES];
};

enum sasl_status {
	SASL_CHALLENGE,    /* out holds the base64 of the challenge (may be empty): send "334 …" */
	SASL_COMPLETE,     /* name and password are there */
	SASL_RESPONSE,     /* `response` is for the shell; without has_response the mechanism has the server begin */
	SASL_BAD_ENCODING, /* not base64: 501 5.5.2 */
	SASL_MALFORMED,    /* base64, but not what the mechanism says: 501 5.5.2 */
	SASL_TOO_LONG,     /* 500 5.5.6 */
	SASL_CANCELLED,    /* "*": 501 5.0.0 */
	SASL_DENIED, /* asks to act for somebody else (an authorization identity): as a wrong password, 535 5.7.8 */
};

/* Wipes what it holds of the client. The response is the shell's. */
void sasl_wipe(struct sasl_exchange *exchange);

/* 0 for an unknown name; names compare without case. */
unsigned sasl_mechanism_find(struct slice name);

/* The name of one bit, as the registry writes it. */
const char *sasl_mechanism_name(unsigned mechanism);

/* Appends " NAME" for each mechanism in `offered`: the EHLO reply's list. */
bool sasl_mechanisms_write(struct buffer *out, unsigned offered);

/* `initial` is AUTH's third word: NULL when there was none, "=" is an empty response; where the server begins there may be none
 * (RFC 4954 §4). */
enum sasl_status sasl_start(struct sasl_exchange *exchange, unsigned mechanism, const struct slice *initial,
			    struct buffer *challenge);

/* A line of the client's without its CRLF. */
enum sasl_status sasl_step(struct sasl_exchange *exchange, struct slice line, struct buffer *challenge);

static inline struct slice sasl_name(const struct sasl_exchange *exchange)
{
	return slice_of(exchange->name, exchange->name_size);
}

static inline struct slice sasl_password(const struct sasl_exchange *exchange)
{
	return slice_of(exchange->password, exchange->password_size);
}

#endif
