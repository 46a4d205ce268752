/* Making a segment's file: it is written with zeros once, past the page cache where the file system can, in small durable
 * steps, and has its name only when all of it is on the disk. See supply.c. */
#include "core/spool/internal.h"

#include <errno.h>
#include <fcntl.h>

enum {
	STEP_BYTES = 1024 * 1024,
	ZERO_BYTES = STEP_BYTES / SUPPLY_PARTS,
};

static const char new_file[] = "new";
static _Alignas(SPOOL_BLOCK_BYTES) uint8_t zeros[ZERO_BYTES];

static struct spool *spool_of(struct loop_op *op)
{
	return CONTAINER_OF(CONTAINER_OF(op, struct supply, op), struct spool, supply);
}

static void new_file_removed(struct loop_op *op, const struct loop_completion *completion)
{
	(void)completion; /* the next one truncates it */
	supply_finished(spool_of(op));
}

static void making_failed(struct spool *spool, int error)
{
	struct supply *supply = &spool->supply;
	if (!supply_is_over(spool))
		supply_failed(spool, error);
	if (supply->fd >= 0)
		loop_close(spool->loop, supply->fd);
	if (supply->direct_fd >= 0)
		loop_close(spool->loop, supply->direct_fd);
	supply->fd = supply->direct_fd = -1;
	loop_unlink(spool->loop, &supply->op, spool->segments_fd, new_file, new_file_removed);
}

static void made(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct supply *supply = &spool->supply;
	struct segment *segment = NULL;
	if (completion->result >= 0)
		segment = segment_create(spool->segments.next_generation, supply->size, supply->fd);
	if (!segment) {
		making_failed(spool, completion->result < 0 ? -completion->result : ENOMEM);
		return;
	}
	segment->direct_fd = supply->direct_fd;
	segment->direct_tried = true;
	supply->fd = supply->direct_fd = -1;
	spool->segments.next_generation++;
	spool->segments.file_bytes += supply->size;
	supply_add_ready(spool, segment);
	supply_finished(spool);
}

static void new_file_renamed(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	if (completion->result < 0)
		making_failed(spool, -completion->result);
	else
		loop_sync(spool->loop, op, spool->segments_fd, false, made);
}

static void new_file_synced(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct supply *supply = &spool->supply;
	if (completion->result < 0) {
		making_failed(spool, -completion->result);
		return;
	}
	segment_name_format(spool->segments.next_generation, supply->new_name);
	loop_rename(spool->loop, op, spool->segments_fd, new_file, supply->new_name, new_file_renamed);
}

static int writing_fd(const struct supply *supply)
{
	return supply->direct_fd >= 0 ? supply->direct_fd : supply->fd;
}

static void zeros_written(struct loop_op *op, const struct loop_completion *completion);

static void write_zeros(struct spool *spool)
{
	struct supply *supply = &spool->supply;
	uint32_t rest = supply->size - supply->written;
	uint32_t count = 0;
	for (; count < SUPPLY_PARTS && (count + 1) * ZERO_BYTES <= rest; count++)
		supply->zeros[count] = (struct iovec){ zeros, sizeof zeros };
	loop_write(spool->loop, &supply->op, writing_fd(supply), supply->zeros, count, supply->written,
		   supply->direct_fd < 0 ? LOOP_WRITE_DURABLE : 0, zeros_written);
}

static void zeros_written(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct supply *supply = &spool->supply;
	if (completion->result <= 0 || supply_is_over(spool)) {
		making_failed(spool, completion->result < 0 ? -completion->result : EIO);
		return;
	}
	/* A short write is gone over again: steps are whole blocks. */
	supply->written += (uint32_t)completion->result / ZERO_BYTES * ZERO_BYTES;
	if (supply->written < supply->size)
		write_zeros(spool);
	else
		loop_sync(spool->loop, op, writing_fd(supply), false, new_file_synced);
}

static void space_allocated(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	/* Not every file system can; then the zeros find out whether there is space. */
	if (completion->result < 0 && completion->result != -EOPNOTSUPP && completion->result != -EINVAL)
		making_failed(spool, -completion->result);
	else
		write_zeros(spool);
}

/* A file system that can't is written through the page cache. */
static void new_file_opened_direct(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct supply *supply = &spool->supply;
	if (completion->result < 0 && completion->result != -EINVAL) {
		making_failed(spool, -completion->result);
		return;
	}
	supply->direct_fd = completion->result < 0 ? -1 : completion->result;
	supply->written = 0;
	loop_allocate(spool->loop, op, supply->fd, supply->size, space_allocated);
}

static void new_file_opened(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct supply *supply = &spool->supply;
	if (completion->result < 0) {
		making_failed(spool, -completion->result);
		return;
	}
	supply->fd = completion->result;
	loop_open(spool->loop, op, spool->segments_fd, new_file, O_RDWR | O_DIRECT, 0, new_file_opened_direct);
}

void supply_make(struct spool *spool)
{
	struct supply *supply = &spool->supply;
	supply->size = spool->segment_bytes;
	if (supply->first && supply->size > LIMIT_FIRST_SEGMENT_BYTES)
		supply->size = LIMIT_FIRST_SEGMENT_BYTES;
	if (spool->most_bytes && spool->segments.file_bytes + supply->size > spool->most_bytes) {
		supply_failed(spool, EDQUOT);
		return;
	}
	supply->running = true;
	loop_open(spool->loop, &supply->op, spool->segments_fd, new_file, O_RDWR | O_CREAT | O_TRUNC, 0600,
		  new_file_opened);
}
