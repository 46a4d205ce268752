/* Group commit: what is appended while a commit runs gathers in a batch, and goes together in one durable write.
 *
 * A lone entry is written at once. When commits carry more than one the next begins no earlier than
 * SPOOL_COMMIT_INTERVAL_MS after the one before began: a write costs the processor the same whether it carries one
 * message or a hundred. A failed write ends the segment where it was good last; what follows goes to another one. */
#include "core/spool/internal.h"

#include <errno.h>

#include "core/base/log.h"

enum { FAILURES_MOST = 2 }; /* in a row; then the disk is given time */

static void refusals_due(struct timer *timer);
static void pace_over(struct timer *timer);

bool writer_init(struct writer *writer)
{
	timer_init(&writer->refusing, refusals_due);
	timer_init(&writer->pace, pace_over);
	list_init(&writer->waiting);
	list_init(&writer->refused);
	loop_op_init(&writer->op);
	writer->filling = &writer->batches[0];
	bool first = batch_init(&writer->batches[0]);
	return batch_init(&writer->batches[1]) && first;
}

void writer_finish(struct writer *writer)
{
	batch_finish(&writer->batches[0]);
	batch_finish(&writer->batches[1]);
}

bool writer_is_idle(const struct writer *writer)
{
	return !writer->running && writer->filling->count == 0 && list_is_empty(&writer->waiting) &&
	       list_is_empty(&writer->refused);
}

static struct spool_entry *entry_of(struct list *link)
{
	return CONTAINER_OF(link, struct spool_entry, link);
}

/* --- entries that can't be written --- */

static void refusals_due(struct timer *timer)
{
	struct writer *writer = CONTAINER_OF(timer, struct writer, refusing);
	struct spool *spool = CONTAINER_OF(writer, struct spool, writer);
	struct list refused, *link;
	list_init(&refused);
	list_splice(&refused, &writer->refused);
	while ((link = list_take_first(&refused))) {
		struct spool_entry *entry = entry_of(link);
		append_undo(spool, entry);
		entry->done(entry, entry->status);
	}
}

void writer_refuse(struct spool *spool, struct spool_entry *entry, enum spool_status status)
{
	struct writer *writer = &spool->writer;
	entry->status = (uint8_t)status;
	list_append(&writer->refused, &entry->link);
	loop_timer_start(spool->loop, &writer->refusing, 0);
}

static struct spool_entry *take_waiting(struct writer *writer)
{
	struct spool_entry *entry = entry_of(list_take_first(&writer->waiting));
	writer->waiting_bytes -= entry->place.size;
	return entry;
}

/* Those that come next. */
static void refuse_some(struct spool *spool, enum spool_status status)
{
	struct writer *writer = &spool->writer;
	if (writer->filling->count == 0) {
		writer_refuse(spool, take_waiting(writer), status);
		return;
	}
	for (struct list *link; (link = list_take_first(&writer->filling->entries));)
		writer_refuse(spool, entry_of(link), status);
	batch_clear(writer->filling);
}

/* --- room --- */

static void open_segment(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	struct segment_set *set = &spool->segments;
	segments_rotate(spool);
	const struct segment *segment = set->current;
	writer->opening.salt = segment->salt;
	writer->opening.last_id = spool->last_id;
	writer->opening.seal_count = segments_seals(set, writer->opening.seals);
	writer->head_size = segment_opening_write(writer->head, segment->generation, &writer->opening);
}

/* Where in the current segment the batch that is filling will begin. */
static uint32_t filling_at(const struct spool *spool)
{
	const struct segment *current = spool->segments.current;
	if (spool->writer.running)
		return spool->writer.end;
	return current->begun ? current->used : spool->writer.head_size;
}

static struct batch_target filling_target(const struct spool *spool)
{
	const struct segment *current = spool->segments.current;
	return (struct batch_target){ .generation = current->generation,
				      .at = filling_at(spool),
				      .head_size = spool->writer.head_size,
				      .salt = current->salt };
}

/* Puts what waits into the batch, as far as there is room for it here and in the segment. */
static void gather(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	struct batch *batch = writer->filling;
	const struct segment *current = spool->segments.current;
	/* One of a segment that failed goes as it is. */
	if (!current || (batch->count && batch->target.generation != current->generation))
		return;
	struct batch_target target = filling_target(spool);
	while (!list_is_empty(&writer->waiting)) {
		struct spool_entry *next = entry_of(writer->waiting.next);
		if (!batch_has_room(batch, next, spool->segment_bytes) ||
		    !room_has(spool, next, target.at + batch->size))
			return;
		batch_add(batch, take_waiting(writer), &target);
	}
}

/* Makes the current segment one that the batch goes to. False when nothing waits any more, or all must wait for the
 * supply, which kicks the writer. A batch that was filled for a segment that failed has room in any empty one. */
static bool make_room(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	struct segment_set *set = &spool->segments;
	for (;;) {
		gather(spool);
		if (writer->filling->count && set->current)
			return true;
		if (writer->filling->count == 0 && list_is_empty(&writer->waiting))
			return false;
		const struct spool_entry *next = writer->filling->count ? NULL : entry_of(writer->waiting.next);
		bool goes_on = room_in_next(spool, next) && spool->supply.status != SPOOL_ERROR;
		if (!goes_on && spool->supply.status != SPOOL_OK) {
			refuse_some(spool, spool->supply.status);
			continue;
		}
		if (!goes_on) {
			spool->supply.wanted = true;
			supply_run(spool);
			return false;
		}
		if (set->current)
			segments_seal_current(spool, false);
		open_segment(spool);
	}
}

/* --- one commit --- */

static void commit_written(struct loop_op *op, const struct loop_completion *completion);

static void write_rest(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	const struct segment *segment = spool->segments.current;
	int fd = segment->direct_fd >= 0 ? segment->direct_fd : segment->fd;
	writer->part = (struct iovec){ writer->running->bytes + writer->written, writer->write_size - writer->written };
	loop_write(spool->loop, &writer->op, fd, &writer->part, 1, writer->write_at + writer->written,
		   LOOP_WRITE_DURABLE, commit_written);
}

/* Their owners have waited a while in memory that has gone cold: the next one is fetched while this one is at work. */
static void tell_running(struct spool *spool, enum spool_status status)
{
	struct writer *writer = &spool->writer;
	struct list *link;
	while ((link = list_take_first(&writer->running->entries))) {
		struct spool_entry *entry = entry_of(link);
		__builtin_prefetch(writer->running->entries.next, 1);
		if (status == SPOOL_OK)
			append_apply(spool, entry);
		else
			append_undo(spool, entry);
		entry->done(entry, status);
	}
}

static void commit_succeeded(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	struct segment *segment = spool->segments.current;
	segment->used = writer->end;
	writer->failures = 0;
	if (!segment->begun)
		segments_current_begun(spool);
	tell_running(spool, SPOOL_OK);
}

/* What the failed write has left in the file is unknown: the segment ends before it, and says so in the next one. */
static void commit_failed(struct spool *spool, int error)
{
	struct writer *writer = &spool->writer;
	enum spool_status status = supply_status_of(error);
	log_message(LOG_ERROR, "spool-commit", "%s: can't write to segment %u at %u: %s", spool->directory,
		    spool->segments.current->generation, spool->segments.current->used, strerror(error));
	segments_seal_current(spool, true);
	if (++writer->failures >= FAILURES_MOST)
		supply_pause(spool, status);
	tell_running(spool, status);
}

static void commit_written(struct loop_op *op, const struct loop_completion *completion)
{
	struct writer *writer = CONTAINER_OF(op, struct writer, op);
	struct spool *spool = CONTAINER_OF(writer, struct spool, writer);
	if (completion->result > 0) {
		/* What is left of a short write begins with a whole block. */
		writer->written =
			(writer->written + (uint32_t)completion->result) / SPOOL_BLOCK_BYTES * SPOOL_BLOCK_BYTES;
		if (writer->written < writer->write_size) {
			write_rest(spool);
			return;
		}
	}
	if (completion->result > 0)
		commit_succeeded(spool);
	else
		commit_failed(spool, completion->result ? -completion->result : EIO);
	batch_clear(writer->running);
	writer->running = NULL;
	supply_run(spool);
	writer_kick(spool);
}

/* --- when --- */

/* Milliseconds to wait before the next commit begins. */
static uint64_t pace_ms(const struct spool *spool)
{
	const struct writer *writer = &spool->writer;
	bool lone = writer->last_count <= 1 && writer->filling->count <= 1;
	bool full = !list_is_empty(&writer->waiting);
	if (lone || full || spool->closing)
		return 0;
	uint64_t interval_ns = (uint64_t)SPOOL_COMMIT_INTERVAL_MS * CLOCK_NS_PER_MS;
	uint64_t passed_ns = loop_now(spool->loop)->monotonic_ns - writer->started_ns;
	if (passed_ns >= interval_ns)
		return 0;
	/* The loop rounds up to its tick, so this rounds down: together they are less than a tick late. */
	uint64_t rest_ms = (interval_ns - passed_ns) / CLOCK_NS_PER_MS;
	return rest_ms ? rest_ms : 1;
}

/* What the batch leaves in its last block is what the next one begins with. */
static void keep_head(struct writer *writer, const struct batch *batch)
{
	uint32_t size = batch->target.head_size + batch->size;
	writer->head_size = size % SPOOL_BLOCK_BYTES;
	memcpy(writer->head, batch->bytes + size - writer->head_size, writer->head_size);
}

static void start_commit(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	loop_timer_stop(spool->loop, &writer->pace);
	if (!make_room(spool))
		return;
	struct batch *batch = writer->filling;
	struct batch_target target = filling_target(spool);
	writer->write_at = target.at - target.head_size;
	writer->write_size = batch_finish_records(spool, batch, &target, slice_of(writer->head, target.head_size));
	writer->written = 0;
	writer->end = target.at + batch->size;
	writer->running = batch;
	writer->filling = batch == &writer->batches[0] ? &writer->batches[1] : &writer->batches[0];
	writer->last_count = batch->count;
	writer->started_ns = loop_now(spool->loop)->monotonic_ns;
	keep_head(writer, batch);
	write_rest(spool);
	gather(spool);
}

static void pace_over(struct timer *timer)
{
	struct writer *writer = CONTAINER_OF(timer, struct writer, pace);
	if (!writer->running)
		start_commit(CONTAINER_OF(writer, struct spool, writer));
}

void writer_kick(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	if (writer->running || (writer->filling->count == 0 && list_is_empty(&writer->waiting)))
		return;
	uint64_t wait_ms = pace_ms(spool);
	if (wait_ms == 0) {
		start_commit(spool);
	} else if (!timer_is_running(&writer->pace)) {
		loop_timer_start(spool->loop, &writer->pace, wait_ms);
	}
}

void writer_append(struct spool *spool, struct spool_entry *entry)
{
	struct writer *writer = &spool->writer;
	ASSERT(entry->place.size <= spool->segment_bytes / 2);
	list_append(&writer->waiting, &entry->link);
	writer->waiting_bytes += entry->place.size;
	gather(spool);
	writer_kick(spool);
}
