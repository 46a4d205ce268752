/* The supply of segments: files that are ready before the writer needs them.
 *
 * A new file is written with zeros once, so that a commit later changes no metadata. It is made in small durable steps
 * when the current segment is half full, and has its name only when all of it is on the disk. A free segment is renamed
 * to a new generation instead, or removed when enough are ready. One thing at a time; free ones come first. When no
 * segment can be had the spool is not writable, and tries again each second. */
#include "core/spool/internal.h"

#include <errno.h>
#include <fcntl.h>

#include "core/base/log.h"

enum {
	STEP_BYTES = 1024 * 1024,
	ZERO_BYTES = STEP_BYTES / SUPPLY_PARTS,
	WRITABLE_PART = 8, /* of a segment: twice what is kept for changes */
};

static const char new_file[] = "new";
static _Alignas(SPOOL_BLOCK_BYTES) uint8_t zeros[ZERO_BYTES];

static struct spool *spool_of(struct loop_op *op)
{
	return CONTAINER_OF(CONTAINER_OF(op, struct supply, op), struct spool, supply);
}

static void retry_due(struct timer *timer);

void supply_init(struct supply *supply)
{
	timer_init(&supply->retry, retry_due);
	loop_op_init(&supply->op);
	supply->fd = supply->direct_fd = -1;
	for (size_t i = 0; i < SUPPLY_PARTS; i++)
		supply->zeros[i] = (struct iovec){ zeros, sizeof zeros };
}

enum spool_status supply_status_of(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG ? SPOOL_FULL : SPOOL_ERROR;
}

bool spool_is_writable(const struct spool *spool)
{
	const struct segment *current = spool->segments.current;
	return spool->supply.status == SPOOL_OK ||
	       (current && current->size - current->used > current->size / WRITABLE_PART);
}

/* --- trouble, and its end --- */

static void recovered(struct spool *spool)
{
	struct supply *supply = &spool->supply;
	if (supply->status != SPOOL_OK)
		log_message(LOG_INFO, "spool-writable", "%s: messages can be stored again", spool->directory);
	supply->status = SPOOL_OK;
	writer_kick(spool);
}

static void retry_due(struct timer *timer)
{
	struct supply *supply = CONTAINER_OF(timer, struct supply, retry);
	struct spool *spool = CONTAINER_OF(supply, struct spool, supply);
	supply->retiring_blocked = false;
	if (spool->segments.ready_count > 0)
		recovered(spool);
	else if (supply->status != SPOOL_OK)
		supply->wanted = true;
	supply_run(spool);
}

static void start_retry(struct spool *spool)
{
	if (!spool->closing)
		loop_timer_start(spool->loop, &spool->supply.retry, SPOOL_RETRY_MS);
}

void supply_pause(struct spool *spool, enum spool_status status)
{
	spool->supply.status = status;
	start_retry(spool);
	writer_kick(spool);
}

static void failed(struct spool *spool, int error)
{
	enum spool_status status = supply_status_of(error);
	if (spool->supply.status != status)
		log_message(LOG_ERROR, status == SPOOL_FULL ? "spool-full" : "spool-error",
			    "%s: can't make a segment: %s", spool->directory, strerror(error));
	supply_pause(spool, status);
}

/* Closing: only what the last commits need is done. */
static bool is_over(const struct spool *spool)
{
	return spool->closing && !spool->supply.wanted;
}

static void finished(struct spool *spool)
{
	spool->supply.running = false;
	supply_run(spool);
}

/* An empty file has its new name, durably. While the disk fails it waits for the retry. */
static void add_ready(struct spool *spool, struct segment *segment)
{
	struct supply *supply = &spool->supply;
	segments_add_ready(&spool->segments, segment);
	supply->wanted = false;
	if (supply->status != SPOOL_ERROR || !timer_is_running(&supply->retry))
		recovered(spool);
}

/* --- making one --- */

static void new_file_removed(struct loop_op *op, const struct loop_completion *completion)
{
	(void)completion; /* the next one truncates it */
	finished(spool_of(op));
}

static void making_failed(struct spool *spool, int error)
{
	struct supply *supply = &spool->supply;
	if (!is_over(spool))
		failed(spool, error);
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
	supply->fd = supply->direct_fd = -1;
	spool->segments.next_generation++;
	spool->segments.file_bytes += supply->size;
	add_ready(spool, segment);
	finished(spool);
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
	uint32_t count = rest / ZERO_BYTES;
	if (count > SUPPLY_PARTS)
		count = SUPPLY_PARTS;
	loop_write(spool->loop, &supply->op, writing_fd(supply), supply->zeros, count, supply->written,
		   LOOP_WRITE_DURABLE, zeros_written);
}

static void zeros_written(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct supply *supply = &spool->supply;
	if (completion->result <= 0 || is_over(spool)) {
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

static void make(struct spool *spool)
{
	struct supply *supply = &spool->supply;
	supply->size = spool->segment_bytes;
	if (supply->first && supply->size > LIMIT_FIRST_SEGMENT_BYTES)
		supply->size = LIMIT_FIRST_SEGMENT_BYTES;
	if (spool->most_bytes && spool->segments.file_bytes + supply->size > spool->most_bytes) {
		failed(spool, EDQUOT);
		return;
	}
	supply->running = true;
	loop_open(spool->loop, &supply->op, spool->segments_fd, new_file, O_RDWR | O_CREAT | O_TRUNC, 0600,
		  new_file_opened);
}

/* --- retiring one --- */

static void retiring_failed(struct spool *spool, int error)
{
	struct supply *supply = &spool->supply;
	log_message(LOG_ERROR, "spool-error", "%s: can't free segment %u: %s", spool->directory,
		    supply->retiring->generation, strerror(error));
	supply->retiring = NULL;
	supply->retiring_blocked = true;
	start_retry(spool);
	finished(spool);
}

/* The file is as good as new. */
static void recycle(struct spool *spool, struct segment *segment)
{
	struct segment *fresh = segment_create(segment->new_generation, segment->size, segment->fd);
	if (fresh) {
		fresh->direct_fd = segment->direct_fd;
		segment->fd = segment->direct_fd = -1;
		add_ready(spool, fresh);
	}
	segment_destroy(spool, segment);
	finished(spool);
}

static void recycled_opened_direct(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct segment *segment = spool->supply.retiring;
	spool->supply.retiring = NULL;
	segment->direct_fd = completion->result < 0 ? -1 : completion->result;
	recycle(spool, segment);
}

static void open_direct(struct spool *spool)
{
	struct supply *supply = &spool->supply;
	segment_name_format(supply->retiring->new_generation, supply->new_name);
	loop_open(spool->loop, &supply->op, spool->segments_fd, supply->new_name, O_RDWR | O_DIRECT, 0,
		  recycled_opened_direct);
}

static void recycled_opened(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct segment *segment = spool->supply.retiring;
	if (completion->result >= 0) {
		segment->fd = completion->result;
		open_direct(spool);
		return;
	}
	spool->supply.retiring = NULL;
	/* No descriptor is to be had: the file waits for the next recovery. */
	segment_destroy(spool, segment);
	finished(spool);
}

static void name_gone(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct supply *supply = &spool->supply;
	struct segment *segment = supply->retiring;
	if (completion->result < 0) {
		retiring_failed(spool, -completion->result);
		return;
	}
	segment_gone(spool, segment);
	if (segment->new_generation && segment->fd < 0) {
		segment_name_format(segment->new_generation, supply->new_name);
		loop_open(spool->loop, op, spool->segments_fd, supply->new_name, O_RDWR, 0, recycled_opened);
		return;
	}
	if (segment->new_generation) {
		open_direct(spool);
		return;
	}
	supply->retiring = NULL;
	spool->segments.file_bytes -= segment->size;
	segment_destroy(spool, segment);
	finished(spool);
}

static void name_taken(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	if (completion->result < 0 && completion->result != -ENOENT) {
		retiring_failed(spool, -completion->result);
		return;
	}
	struct segment *segment = spool->supply.retiring;
	if (completion->result == -ENOENT)
		segment->new_generation = 0; /* somebody has removed it */
	segment->renamed = true;
	loop_sync(spool->loop, op, spool->segments_fd, false, name_gone);
}

/* Replay goes by generation: what is written next must have the highest. */
static void rename_to_next(struct spool *spool, struct segment *segment, uint32_t from)
{
	struct supply *supply = &spool->supply;
	segment->new_generation = spool->segments.next_generation++;
	segment_name_format(from, supply->name);
	segment_name_format(segment->new_generation, supply->new_name);
	loop_rename(spool->loop, &supply->op, spool->segments_fd, supply->name, supply->new_name, name_taken);
}

/* The folder's sync has failed: once more. Other segments may have got later generations meanwhile. */
static void retire_renamed(struct spool *spool, struct segment *segment)
{
	uint32_t generation = segment->new_generation;
	if (generation && generation + 1 != spool->segments.next_generation)
		rename_to_next(spool, segment, generation);
	else
		loop_sync(spool->loop, &spool->supply.op, spool->segments_fd, false, name_gone);
}

static void retire(struct spool *spool, struct segment *segment)
{
	struct supply *supply = &spool->supply;
	struct segment_set *set = &spool->segments;
	supply->running = true;
	supply->retiring = segment;
	if (segment->renamed) {
		retire_renamed(spool, segment);
	} else if (segment->size != spool->segment_bytes || set->ready_count >= LIMIT_READY_SEGMENTS) {
		segment->new_generation = 0;
		segment_name_format(segment->generation, supply->name);
		loop_unlink(spool->loop, &supply->op, spool->segments_fd, supply->name, name_taken);
	} else {
		rename_to_next(spool, segment, segment->generation);
	}
}

/* --- what is next --- */

static bool needs_one(const struct spool *spool)
{
	const struct segment *current = spool->segments.current;
	if (spool->segments.ready_count > 0)
		return false;
	if (spool->supply.wanted || !current || current->used >= current->size / 2)
		return true;
	/* The small one of the start is soon full. */
	return current->begun && current->size < spool->segment_bytes;
}

void supply_run(struct spool *spool)
{
	struct supply *supply = &spool->supply;
	struct segment_set *set = &spool->segments;
	if (supply->running || is_over(spool))
		return;
	bool waits = supply->status != SPOOL_OK && timer_is_running(&supply->retry);
	if (!supply->retiring_blocked && !list_is_empty(&set->retiring))
		retire(spool, CONTAINER_OF(set->retiring.next, struct segment, link));
	else if (needs_one(spool) && !waits)
		make(spool);
}
