/* Lines of a file that may hold passwords: read through one buffer, which is wiped at the end. */
#ifndef POSTERN_TOOLS_LINE_READER_H
#define POSTERN_TOOLS_LINE_READER_H

#include "core/base/buffer.h"

enum { LINE_READER_BYTES = 64 * 1024 };

enum line_status {
	LINE_READ,
	LINE_TOO_LONG, /* over LINE_READER_BYTES; it has been passed over */
	LINE_END,
	LINE_UNREADABLE, /* errno says why */
};

struct line_reader {
	int fd;
	uint64_t line;       /* number of the last one, from 1 */
	uint64_t bytes_read; /* taken from the file so far */
	bool ended;
	size_t used; /* bytes of the buffer that were handed out */
	struct buffer buffer;
	uint8_t storage[LINE_READER_BYTES];
};

/* `fd` stays the caller's. */
void line_reader_init(struct line_reader *reader, int fd);
void line_reader_finish(struct line_reader *reader);

/* A line without its LF or CRLF, valid until the next call. The last one may lack an end. */
MUST_USE enum line_status line_reader_next(struct line_reader *reader, struct slice *line);

#endif
