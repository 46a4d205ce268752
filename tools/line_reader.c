/* Reading lines without leaving them in memory; see line_reader.h. */
#include "tools/line_reader.h"

#include <errno.h>
#include <unistd.h>

#include "crypto/secret.h"

void line_reader_init(struct line_reader *reader, int fd)
{
	reader->fd = fd;
	reader->line = reader->bytes_read = 0;
	reader->ended = false;
	reader->used = 0;
	buffer_init(&reader->buffer, reader->storage, sizeof reader->storage);
}

void line_reader_finish(struct line_reader *reader)
{
	secret_wipe(reader->storage, sizeof reader->storage);
}

/* Adds what comes next from the file. False on an error. */
static bool fill(struct line_reader *reader)
{
	buffer_consume(&reader->buffer, reader->used);
	reader->used = 0;
	ssize_t got;
	do
		got = read(reader->fd, reader->storage + reader->buffer.size, buffer_room(&reader->buffer));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return false;
	reader->ended = got == 0;
	reader->buffer.size += (size_t)got;
	reader->bytes_read += (uint64_t)got;
	return true;
}

static struct slice unread(const struct line_reader *reader)
{
	return slice_skip(buffer_slice(&reader->buffer), reader->used);
}

/* Drops the rest of a line that is too long: all that is there, again and again, until its end has come. */
static enum line_status pass_over(struct line_reader *reader)
{
	while (!reader->ended) {
		reader->used = reader->buffer.size;
		if (!fill(reader))
			return LINE_UNREADABLE;
		size_t end = slice_find(unread(reader), '\n');
		if (end < unread(reader).size) {
			reader->used += end + 1;
			break;
		}
	}
	return LINE_TOO_LONG;
}

enum line_status line_reader_next(struct line_reader *reader, struct slice *line)
{
	size_t end;
	while ((end = slice_find(unread(reader), '\n')) == unread(reader).size && !reader->ended) {
		if (end == sizeof reader->storage) {
			reader->line++;
			return pass_over(reader);
		}
		if (!fill(reader))
			return LINE_UNREADABLE;
	}
	if (unread(reader).size == 0)
		return LINE_END;
	*line = slice_first(unread(reader), end);
	reader->used += end < unread(reader).size ? end + 1 : end;
	reader->line++;
	if (line->size > 0 && line->data[line->size - 1] == '\r')
		line->size--;
	return LINE_READ;
}
