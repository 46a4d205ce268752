/* The supply of segments: files that are ready before the writer needs them.
 *
 * A new file is made (supply_make.c) as soon as the current segment is begun: preallocated, so that a commit later changes no
 * metadata. A free segment is renamed to a new generation instead, or removed when enough are ready. One thing at a time;
 * free ones come first. One ready segment is kept for compaction (room.c). When no more can be had the spool is not
 * writable, and tries again each second. */
#include "core/spool/internal.h"

#include <errno.h>
#include <fcntl.h>

#include "core/base/log.h"

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
}

enum spool_status supply_status_of(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG ? SPOOL_FULL : SPOOL_ERROR;
}

bool spool_is_writable(const struct spool *spool)
{
	return spool->supply.status == SPOOL_OK || room_for_messages(spool);
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

/* Than what is kept for compaction. */
static bool has_more(const struct spool *spool)
{
	return spool->segments.ready_count > room_kept_segments(&spool->segments);
}

static void retry_due(struct timer *timer)
{
	struct supply *supply = CONTAINER_OF(timer, struct supply, retry);
	struct spool *spool = CONTAINER_OF(supply, struct spool, supply);
	supply->retiring_blocked = false;
	if (has_more(spool))
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

void supply_failed(struct spool *spool, int error)
{
	enum spool_status status = supply_status_of(error);
	if (spool->supply.status != status)
		log_message(LOG_ERROR, status == SPOOL_FULL ? "spool-full" : "spool-error",
			    "%s: can't make a segment: %s", spool->directory, strerror(error));
	if (spool->supply.status != status && status == SPOOL_FULL)
		compaction_hurry(spool);
	supply_pause(spool, status);
}

/* Closing: only what the last commits need is done. */
bool supply_is_over(const struct spool *spool)
{
	return spool->closing && !spool->supply.wanted;
}

void supply_finished(struct spool *spool)
{
	spool->supply.running = false;
	supply_run(spool);
}

/* An empty file has its new name, durably. While the disk fails it waits for the retry. */
void supply_add_ready(struct spool *spool, struct segment *segment)
{
	struct supply *supply = &spool->supply;
	segments_add_ready(&spool->segments, segment);
	supply->wanted = false;
	bool waits = supply->status == SPOOL_ERROR && timer_is_running(&supply->retry);
	if (!waits && (has_more(spool) || supply->status == SPOOL_ERROR))
		recovered(spool);
	else
		writer_kick(spool);
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
	supply_finished(spool);
}

/* The file is as good as new. */
static void recycle(struct spool *spool, struct segment *segment)
{
	struct segment *fresh = segment_create(segment->new_generation, segment->size, segment->fd);
	if (fresh) {
		segment->fd = -1;
		supply_add_ready(spool, fresh);
	}
	segment_destroy(spool, segment);
	supply_finished(spool);
}

static void recycled_opened(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct segment *segment = spool->supply.retiring;
	spool->supply.retiring = NULL;
	if (completion->result >= 0) {
		segment->fd = completion->result;
		recycle(spool, segment);
		return;
	}
	/* No descriptor is to be had: the file waits for the next recovery. */
	segment_destroy(spool, segment);
	supply_finished(spool);
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
	supply->retiring = NULL;
	if (segment->new_generation) {
		recycle(spool, segment);
		return;
	}
	spool->segments.file_bytes -= segment->size;
	segment_destroy(spool, segment);
	supply_finished(spool);
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

/* --- opening one past the page cache --- */

static void opened_direct(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool *spool = spool_of(op);
	struct segment *segment = spool->supply.opening;
	spool->supply.opening = NULL;
	if (completion->result >= 0 && segment->state == SEGMENT_SEALED)
		loop_close(spool->loop, completion->result);
	else if (completion->result >= 0)
		segment->direct_fd = completion->result;
	supply_finished(spool);
}

/* One that was recycled, or found ready by recovery; until then, and where it can't be, the page cache is in between. */
static struct segment *next_to_open(const struct segment_set *set)
{
	for (struct list *link = set->ready.next; link != &set->ready; link = link->next) {
		struct segment *segment = CONTAINER_OF(link, struct segment, link);
		if (!segment->direct_tried)
			return segment;
	}
	return NULL;
}

static void open_direct(struct spool *spool, struct segment *segment)
{
	struct supply *supply = &spool->supply;
	supply->running = true;
	supply->opening = segment;
	segment->direct_tried = true;
	segment_name_format(segment->generation, supply->name);
	loop_open(spool->loop, &supply->op, spool->segments_fd, supply->name, O_RDWR | O_DIRECT, 0, opened_direct);
}

/* --- what is next --- */

static bool needs_one(const struct spool *spool)
{
	const struct segment *current = spool->segments.current;
	return !has_more(spool) && (spool->supply.wanted || !current || current->begun);
}

void supply_run(struct spool *spool)
{
	struct supply *supply = &spool->supply;
	struct segment_set *set = &spool->segments;
	if (supply->running || supply_is_over(spool))
		return;
	bool waits = supply->status != SPOOL_OK && timer_is_running(&supply->retry);
	if (!supply->retiring_blocked && !list_is_empty(&set->retiring))
		retire(spool, CONTAINER_OF(set->retiring.next, struct segment, link));
	else if (next_to_open(set))
		open_direct(spool, next_to_open(set));
	else if (needs_one(spool) && !waits)
		supply_make(spool);
}
