/* SASL exchanges of a server, one engine for all mechanisms: PLAIN (RFC 4616) and LOGIN so far.
 *
 * Base64 lines in, base64 challenges out. At the end the exchange holds name and password for whoever verifies.
 * The memory is the shell's and is wiped by it when the exchange ends, whatever way it ends. */
#ifndef POSTERN_PROTO_SASL_H
#define POSTERN_PROTO_SASL_H

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

enum sasl_mechanism { SASL_PLAIN = 1, SASL_LOGIN = 2 }; /* bits */

struct sasl_exchange {
	uint8_t mechanism; /* enum sasl_mechanism */
	uint8_t step;
	uint16_t name_size;
	uint16_t password_size;
	uint8_t name[LIMIT_LOGIN_NAME_BYTES]; /* authentication identity, UTF-8 */
	uint8_t password[LIMIT_PASSWORD_BYTES];
};

enum sasl_status {
	SASL_CHALLENGE,    /* out holds the base64 of the challenge (may be empty): send "334 …" */
	SASL_COMPLETE,     /* name and password are there */
	SASL_BAD_ENCODING, /* not base64: 501 5.5.2 */
	SASL_MALFORMED,    /* base64, but not what the mechanism says: 501 5.5.2 */
	SASL_TOO_LONG,     /* 500 5.5.6 */
	SASL_CANCELLED,    /* "*": 501 5.0.0 */
	SASL_DENIED, /* asks to act for somebody else (an authorization identity): as a wrong password, 535 5.7.8 */
};

/* 0 for an unknown name; names compare without case. */
unsigned sasl_mechanism_find(struct slice name);

/* Appends " NAME" for each mechanism in `offered`: the EHLO reply's list. */
bool sasl_mechanisms_write(struct buffer *out, unsigned offered);

/* `initial` is AUTH's third word: NULL when there was none, "=" is an empty response (RFC 4954 §4). */
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
