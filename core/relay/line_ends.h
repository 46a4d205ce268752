/* From SMTP's line ends to a file's: CRLF becomes LF, every other byte stays as it is, chunk by chunk. */
#ifndef POSTERN_RELAY_LINE_ENDS_H
#define POSTERN_RELAY_LINE_ENDS_H

#include "core/base/slice.h"

/* Between chunks a CR may be held back until it is known what follows. Zero to start. */
struct line_ends {
	bool after_cr;
};

/* Writes the converted bytes to `out`, which needs room for in.size + 1, and answers how many there are. `out` may be the
 * byte in front of `in`, or any place before it: converting in place. */
size_t line_ends_convert(struct line_ends *state, struct slice in, uint8_t *out);

/* At the end of the text: a CR that was held back, 0 or 1 byte. */
size_t line_ends_finish(struct line_ends *state, uint8_t *out);

#endif
