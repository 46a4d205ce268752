/* UTF-16, little-endian (RFC 2781), as Windows' protocols have their names, to and from UTF-8. Strict both ways: no lone surrogate,
 * no half of a unit, and of UTF-8 what proto/utf8.h takes. */
#ifndef POSTERN_PROTO_UTF16_H
#define POSTERN_PROTO_UTF16_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/slice.h"

/* No character becomes more bytes than this many times those that it had, either way. */
enum { UTF16_BYTES_A_BYTE = 2 };

enum utf16_case {
	UTF16_AS_IS,
	UTF16_UPPER, /* each letter that has one capital of its own unit becomes it; as NTLM has names upper-cased */
};

/* Appends; false for what is not UTF-8, or does not fit: what was appended so far stays there. */
MUST_USE bool utf16_append(struct buffer *out, struct slice utf8, enum utf16_case letters);

/* Appends the UTF-8 of UTF-16 in little-endian; false likewise. */
MUST_USE bool utf16_append_utf8(struct buffer *out, struct slice utf16);

#endif
