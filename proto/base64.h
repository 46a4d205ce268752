/* Base64 (RFC 4648 §4), strict: whole groups, canonical padding, no white space, nothing outside the alphabet.
 *
 * Neither function has branches or look-ups that depend on the value of a byte, so that a password does not show in
 * the time it takes. */
#ifndef POSTERN_PROTO_BASE64_H
#define POSTERN_PROTO_BASE64_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/slice.h"

/* Characters that `bytes` bytes become. */
#define BASE64_ENCODED_BYTES(bytes) (((bytes) + 2) / 3 * 4)

enum base64_status {
	BASE64_OK,
	BASE64_MALFORMED,
	BASE64_TOO_LONG, /* right so far, but more than `out` has room for */
};

/* Appends the characters; false and nothing appended where they do not fit. */
bool base64_encode(struct buffer *out, struct slice bytes);

/* Appends the bytes. On anything but BASE64_OK what was appended so far has been wiped and taken back. */
MUST_USE enum base64_status base64_decode(struct buffer *out, struct slice text);

#endif
