/* At opening: what was found is made durable before anything is built on it.
 *
 * The process before may have ended between a write and its sync, or after a sync that failed: what it wrote can be read,
 * and still be lost when the power fails. On such a record a message would be taken for copied, and the segment with the
 * original be removed. A name that was found may be as fleeting, and with it all that is written under it later. So the
 * folders are synced, and the newest segment is written again as it was read: only syncing it would not do, as a system
 * that could not write a page once takes it for clean. Segments before the newest were treated so, or ended by a
 * commit that succeeded. */
#include "core/spool/internal.h"

#include <errno.h>
#include <stdlib.h>

enum { WINDOW_BYTES = 1024 * 1024 };

bool harden_folder(struct spool *spool, int fd, const char *path, struct error *error)
{
	loop_sync(spool->loop, &spool->op, fd, false, NULL);
	int32_t result = spool_await(spool);
	return result >= 0 || error_set_errno(error, result, "can't sync the folder %s", path);
}

/* Answers the bytes that were read, or a negative errno value. */
static int32_t read_window(struct spool *spool, const struct segment *segment, uint32_t at, uint8_t *window)
{
	uint32_t rest = segment->used - at;
	struct iovec part = { window, rest < WINDOW_BYTES ? rest : WINDOW_BYTES };
	loop_read(spool->loop, &spool->op, segment->fd, &part, 1, at, NULL);
	int32_t result = spool_await(spool);
	return result != 0 ? result : -EIO; /* the file was that long when it was replayed */
}

static int32_t write_window(struct spool *spool, const struct segment *segment, uint32_t at, uint8_t *window,
			    uint32_t size)
{
	int32_t result = 0;
	for (uint32_t written = 0; written < size; written += (uint32_t)result) {
		struct iovec part = { window + written, size - written };
		loop_write(spool->loop, &spool->op, segment->fd, &part, 1, at + written, LOOP_WRITE_DURABLE, NULL);
		result = spool_await(spool);
		if (result <= 0)
			return result ? result : -EIO;
	}
	return 0;
}

static int32_t write_again(struct spool *spool, const struct segment *segment, uint8_t *window)
{
	int32_t result = 0;
	for (uint32_t at = 0; at < segment->used && result >= 0; at += (uint32_t)result) {
		result = read_window(spool, segment, at, window);
		int32_t written = result > 0 ? write_window(spool, segment, at, window, (uint32_t)result) : 0;
		if (written < 0)
			result = written;
	}
	return result;
}

bool harden_newest(struct spool *spool, struct error *error)
{
	const struct segment *segment = spool->segments.newest_begun;
	if (!segment)
		return true;
	ASSERT(segment->fd >= 0); /* it was replayed last */
	uint8_t *window = malloc(WINDOW_BYTES);
	if (!window)
		return error_set(error, "out of memory");
	int32_t result = write_again(spool, segment, window);
	free(window);
	if (result == -ENOSPC || result == -EDQUOT) {
		/* Where writing in place needs space: the start must not depend on that. */
		loop_sync(spool->loop, &spool->op, segment->fd, true, NULL);
		result = spool_await(spool);
	}
	return result >= 0 || error_set_errno(error, result, "can't make segment %u in %s durable", segment->generation,
					      spool->directory);
}
