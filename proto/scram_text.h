/* The grammar that both sides of SCRAM share. Private to proto/scram_*.c. */
#ifndef POSTERN_PROTO_SCRAM_TEXT_H
#define POSTERN_PROTO_SCRAM_TEXT_H

#include "proto/scram.h"

/* Takes "LETTER=VALUE" off the front, up to a comma or the end; the comma stays. False when there is another letter, or the
 * value is empty. */
MUST_USE bool scram_take(struct slice *rest, char letter, struct slice *value);

/* Takes one comma off the front. */
MUST_USE bool scram_take_comma(struct slice *rest);

/* A comma and an attribute, any number of times, to the end (extensions). */
MUST_USE bool scram_are_extensions(struct slice rest);

/* 1 to LIMIT_SCRAM_NONCE_BYTES printable characters. */
MUST_USE bool scram_nonce_is_valid(struct slice nonce);

/* Exactly this many bytes. */
MUST_USE bool scram_decode_exactly(struct slice text, uint8_t *bytes, size_t size);

/* Appends what the client says of the channel: the header's base64 with the binding's bytes behind it, after "c=". */
MUST_USE bool scram_append_binding(const struct scram_exchange *exchange, struct slice binding, struct buffer *out);

void scram_begin(struct scram_exchange *exchange);

#endif
