/* UTF-8 (RFC 3629), strict: no overlong form, no surrogate, nothing over U+10FFFF. */
#ifndef POSTERN_PROTO_UTF8_H
#define POSTERN_PROTO_UTF8_H

#include "core/base/slice.h"

/* Bytes of the character that `text` starts with, which must not be empty; 0 where that is not UTF-8. The controls
 * U+0080 … U+009F count as wrong: no name or address has them. ASCII, controls and all, is right. */
size_t utf8_character_size(struct slice text);

bool utf8_is_valid(struct slice text);

/* At most `most` bytes of valid text, not cut inside a character. */
struct slice utf8_cut(struct slice text, size_t most);

#endif
