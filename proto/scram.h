/* The messages of SCRAM (RFC 5802 §5–7, with RFC 7677's hash), both sides. Pure: what is computed with keys is the shell's
 * (crypto/scram_keys.h), which is asked between two messages.
 *
 * A server: scram_server_first() reads who it is; the shell finds salt and iterations; scram_server_challenge() writes
 * them; scram_server_final() reads what is proven; the shell compares, and scram_verdict_write() says the server's own
 * proof. A client likewise, with scram_client_….
 *
 * What both sign (AuthMessage, §3) is gathered here as it is said. A message must be whole and in RFC 5802's grammar to
 * the letter: what is read twice in two ways can be signed for one thing and used for another. Extensions that are
 * optional are passed over and signed; the mandatory one (m=) is refused. */
#ifndef POSTERN_PROTO_SCRAM_H
#define POSTERN_PROTO_SCRAM_H

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

/* Of a nonce of ours there should be that many characters: 160 bits, of 5 a character. */
enum { SCRAM_NONCE_BYTES = 32, SCRAM_PROOF_BYTES = 32 };

enum scram_status {
	SCRAM_OK,
	SCRAM_MALFORMED, /* not in the grammar, or beyond a bound */
	SCRAM_DENIED,    /* asks to act for somebody else than who signs in */
	SCRAM_BINDING,   /* the channel that the client means is not this one */
	SCRAM_NONCE,     /* the nonce is not the one of this exchange */
};

/* What the client says of channel bindings (gs2-cbind-flag). */
enum scram_flag {
	SCRAM_FLAG_NONE,        /* n: it has none */
	SCRAM_FLAG_NOT_OFFERED, /* y: it has, and thinks that the server has none */
	SCRAM_FLAG_BOUND,       /* p=NAME: the exchange is bound with the one of this name */
};

/* Zeroed by scram_…_first(). Its memory is the shell's, and is to be wiped at the end. */
struct scram_exchange {
	enum scram_flag flag;
	uint16_t header_bytes; /* the client's first message begins with them; AuthMessage is what follows */
	struct slice binding;  /* in `said`: the binding's name */
	struct slice nonce;    /* in `said`: the client's; the whole one from the server's message on */
	uint16_t name_size;
	uint8_t name[LIMIT_LOGIN_NAME_BYTES];
	struct buffer said; /* header and AuthMessage */
	uint8_t storage[LIMIT_SCRAM_EXCHANGE_BYTES];
};

static inline struct slice scram_name(const struct scram_exchange *exchange)
{
	return slice_of(exchange->name, exchange->name_size);
}

/* What both sign; whole after …_final(). */
static inline struct slice scram_auth_message(const struct scram_exchange *exchange)
{
	return slice_skip(buffer_slice(&exchange->said), exchange->header_bytes);
}

/* --- server --- */

/* SCRAM_OK, SCRAM_MALFORMED or SCRAM_DENIED. */
MUST_USE enum scram_status scram_server_first(struct scram_exchange *exchange, struct slice message);

/* Appends the challenge. `nonce`: random printable characters, no comma. False when `out` is too small. */
MUST_USE bool scram_server_challenge(struct scram_exchange *exchange, struct slice nonce, struct slice salt,
				     uint32_t iterations, struct buffer *out);

/* `binding`: the bytes of this channel, of the kind that the client has named; empty where it has named none. */
MUST_USE enum scram_status scram_server_final(struct scram_exchange *exchange, struct slice message,
					      struct slice binding, uint8_t proof[SCRAM_PROOF_BYTES]);

/* "v=…" */
MUST_USE bool scram_verdict_write(const uint8_t signature[SCRAM_PROOF_BYTES], struct buffer *out);

/* --- client --- */

/* A name as it is written in messages: without "," and "=" (RFC 5802 §5.1, saslname). */
void scram_append_name(struct buffer *out, struct slice name);

struct scram_challenge {
	uint32_t iterations;
	uint8_t salt_size;
	uint8_t salt[LIMIT_SCRAM_SALT_BYTES];
};

/* `binding`: the name of the binding; used with SCRAM_FLAG_BOUND only. `nonce` as above. */
MUST_USE bool scram_client_first(struct scram_exchange *exchange, enum scram_flag flag, const char *binding,
				 struct slice name, struct slice nonce, struct buffer *out);

MUST_USE enum scram_status scram_client_challenge(struct scram_exchange *exchange, struct slice message,
						  struct scram_challenge *challenge);

/* Appends the final message without its proof; then the shell computes that, and scram_client_proof() appends it. */
MUST_USE bool scram_client_final(struct scram_exchange *exchange, struct slice binding, struct buffer *out);
MUST_USE bool scram_client_proof(const uint8_t proof[SCRAM_PROOF_BYTES], struct buffer *out);

/* What the server proves. False for anything else, "e=…" among it. */
MUST_USE bool scram_verdict_read(struct slice message, uint8_t signature[SCRAM_PROOF_BYTES]);

#endif
