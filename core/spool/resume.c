/* Going on in the newest segment after a restart, where there is no space for another one.
 *
 * What the last process left behind the end of its records must never count, so that segment is sealed otherwise. Here all
 * of that is overwritten with zeros first. The records themselves have been made durable (harden.c), so what comes next
 * follows the last one as if nothing had been. */
#include "core/spool/internal.h"

#include <fcntl.h>

#include "core/base/log.h"

enum {
	STEP_BYTES = 256 * 1024,
	LEAST_PART = 64, /* of a segment must be left */
};

static bool open_file(struct spool *spool, struct segment *segment)
{
	char name[SEGMENT_NAME_BYTES];
	if (segment->fd >= 0)
		return true;
	segment_name_format(segment->generation, name);
	loop_open(spool->loop, &spool->op, spool->segments_fd, name, O_RDWR, 0, NULL);
	int32_t fd = spool_await(spool);
	if (fd < 0)
		return false;
	segment->fd = fd;
	spool->segments.open_count++;
	return true;
}

static bool clear_rest(struct spool *spool, const struct segment *segment)
{
	static uint8_t zeros[STEP_BYTES];
	for (uint32_t at = segment->used; at < segment->size;) {
		uint32_t rest = segment->size - at;
		struct iovec part = { zeros, rest < STEP_BYTES ? rest : STEP_BYTES };
		loop_write(spool->loop, &spool->op, segment->fd, &part, 1, at, LOOP_WRITE_DURABLE, NULL);
		int32_t written = spool_await(spool);
		if (written <= 0)
			return false;
		at += (uint32_t)written;
	}
	return true;
}

/* Commits are whole blocks: the next one begins with what is in its first block already. */
static bool read_head(struct spool *spool, const struct segment *segment)
{
	struct writer *writer = &spool->writer;
	uint32_t size = segment->used % SPOOL_BLOCK_BYTES, from = segment->used - size;
	for (uint32_t filled = 0; filled < size;) {
		struct iovec part = { writer->head + filled, size - filled };
		loop_read(spool->loop, &spool->op, segment->fd, &part, 1, from + filled, NULL);
		int32_t bytes = spool_await(spool);
		if (bytes <= 0)
			return false;
		filled += (uint32_t)bytes;
	}
	writer->head_size = size;
	return true;
}

void resume_newest(struct spool *spool)
{
	struct segment_set *set = &spool->segments;
	struct segment *segment = set->newest_begun;
	if (!segment || segment->state != SEGMENT_SEALED || segment->size - segment->used < segment->size / LEAST_PART)
		return;
	if (!open_file(spool, segment) || !clear_rest(spool, segment) || !read_head(spool, segment)) {
		log_message(LOG_ERROR, "spool-error", "%s: can't go on in segment %u", spool->directory,
			    segment->generation);
		return;
	}
	segment->state = SEGMENT_CURRENT;
	segment->sealed_early = false;
	set->current = segment;
}
