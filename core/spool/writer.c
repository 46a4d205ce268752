/* Group commit: entries wait while a commit runs, then go together in one durable write.
 *
 * A lone entry is written at once. When commits carry more than one the next begins no earlier than
 * SPOOL_COMMIT_INTERVAL_MS after the one before began: a write costs the processor the same whether it carries one
 * message or a hundred. A failed write ends the segment where it was good last; what follows goes to another one.
 * Payloads are not copied: the write gathers them from their owners' memory. */
#include "core/spool/internal.h"

#include <errno.h>

#include "core/base/log.h"

enum {
	/* Of a segment's last room this part is not for messages, unless the next one is ready: on a full disk messages that
	 * are over must be able to say so, or no space would ever come free. Compaction may have half of it: with what it
	 * copies out of the sparsest segment that one comes free. */
	RESERVE_PART = 16,
	FAILURES_MOST = 2, /* in a row; then the disk is given time */
};

static const uint8_t padding[RECORD_ALIGNMENT];

static void refusals_due(struct timer *timer);
static void pace_over(struct timer *timer);

void writer_init(struct writer *writer)
{
	timer_init(&writer->refusing, refusals_due);
	timer_init(&writer->pace, pace_over);
	list_init(&writer->waiting);
	list_init(&writer->batch);
	list_init(&writer->refused);
	loop_op_init(&writer->op);
}

bool writer_is_idle(const struct writer *writer)
{
	return !writer->committing && list_is_empty(&writer->waiting) && list_is_empty(&writer->refused);
}

static struct spool_entry *entry_of(struct list *link)
{
	return CONTAINER_OF(link, struct spool_entry, link);
}

static uint32_t part_count_of(const struct spool_entry *entry)
{
	return 1 + entry->part_count + 1; /* header, payload, padding */
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

/* --- room --- */

static void open_segment(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	struct segment_set *set = &spool->segments;
	segments_rotate(spool);
	writer->opening.salt = set->current->salt;
	writer->opening.last_id = spool->last_id;
	writer->opening.seal_count = segments_seals(set, writer->opening.seals);
	writer->opening_size =
		segment_opening_write(writer->opening_record, set->current->generation, &writer->opening);
}

static uint32_t batch_begin(const struct spool *spool)
{
	const struct segment *current = spool->segments.current;
	return current->used + (current->begun ? 0 : spool->writer.opening_size);
}

/* `at`: where in the current segment the entry would come. */
static bool fits(const struct spool *spool, const struct spool_entry *entry, uint32_t at)
{
	const struct segment *current = spool->segments.current;
	uint32_t reserve = 0;
	if (!entry_is_change(entry) && spool->segments.ready_count == 0)
		reserve = current->size / RESERVE_PART /
			  (entry->live ? 1 : 2); /* copies have no new place in the index */
	return (uint64_t)at + entry->place.size + reserve <= current->size;
}

static struct spool_entry *take_waiting(struct writer *writer)
{
	struct spool_entry *entry = entry_of(list_take_first(&writer->waiting));
	writer->waiting_bytes -= entry->place.size;
	writer->waiting_parts -= part_count_of(entry);
	writer->waiting_count--;
	return entry;
}

/* Makes the current segment one that the first entry fits into. False when none waits any more, or all must wait for the
 * supply, which kicks the writer. */
static bool make_room(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	struct segment_set *set = &spool->segments;
	while (!list_is_empty(&writer->waiting)) {
		if (set->current && fits(spool, entry_of(writer->waiting.next), batch_begin(spool)))
			return true;
		if (spool->supply.status != SPOOL_OK) {
			writer_refuse(spool, take_waiting(writer), spool->supply.status);
			continue;
		}
		if (set->ready_count == 0) {
			spool->supply.wanted = true;
			supply_run(spool);
			return false;
		}
		if (set->current)
			segments_seal_current(spool, false);
		open_segment(spool);
	}
	return false;
}

/* --- one commit --- */

static void add_part(struct writer *writer, const void *data, size_t size)
{
	if (size)
		writer->parts[writer->part_count++] = (struct iovec){ (void *)(uintptr_t)data, size };
}

/* Gives the entry its place, finishes its header and gathers its bytes. */
static void add_entry(struct spool *spool, struct spool_entry *entry, uint32_t at)
{
	struct writer *writer = &spool->writer;
	const struct segment *segment = spool->segments.current;
	entry->place.segment = segment->generation;
	entry->place.offset = at;
	append_refer(spool, entry);
	record_header_seal(entry->header, segment->generation,
			   record_hash_parts(writer->hasher, entry->parts, entry->part_count, segment->salt),
			   segment->salt);
	add_part(writer, entry->header, sizeof entry->header);
	for (uint32_t i = 0; i < entry->part_count; i++)
		add_part(writer, entry->parts[i].iov_base, entry->parts[i].iov_len);
	add_part(writer, padding, entry->place.size - RECORD_HEADER_BYTES - entry->payload_size);
	list_append(&writer->batch, &entry->link);
	writer->batch_count++;
}

static void gather_batch(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	struct segment *segment = spool->segments.current;
	uint32_t at = batch_begin(spool);
	writer->part_count = writer->part_at = 0;
	writer->batch_count = 0;
	if (!segment->begun)
		add_part(writer, writer->opening_record, writer->opening_size);
	while (!list_is_empty(&writer->waiting)) {
		struct spool_entry *next = entry_of(writer->waiting.next);
		bool full = writer->part_count + part_count_of(next) > LIMIT_IO_PARTS ||
			    at - segment->used + next->place.size > LIMIT_COMMIT_BYTES;
		if ((full && writer->batch_count) || !fits(spool, next, at))
			break;
		add_entry(spool, take_waiting(writer), at);
		at += next->place.size;
	}
	writer->batch_bytes = at - segment->used;
	writer->written = 0;
}

static void commit_written(struct loop_op *op, const struct loop_completion *completion);

static void write_rest(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	const struct segment *segment = spool->segments.current;
	loop_write(spool->loop, &writer->op, segment->fd, writer->parts + writer->part_at,
		   writer->part_count - writer->part_at, (uint64_t)segment->used + writer->written, LOOP_WRITE_DURABLE,
		   commit_written);
}

/* Takes what a short write has written out of the parts. */
static void advance(struct writer *writer, uint32_t bytes)
{
	writer->written += bytes;
	while (bytes) {
		struct iovec *part = &writer->parts[writer->part_at];
		size_t taken = bytes < part->iov_len ? bytes : part->iov_len;
		part->iov_base = (uint8_t *)part->iov_base + taken;
		part->iov_len -= taken;
		bytes -= (uint32_t)taken;
		if (part->iov_len == 0)
			writer->part_at++;
	}
}

static void tell_batch(struct spool *spool, enum spool_status status)
{
	struct writer *writer = &spool->writer;
	struct list *link;
	while ((link = list_take_first(&writer->batch))) {
		struct spool_entry *entry = entry_of(link);
		if (status != SPOOL_OK)
			append_undo(spool, entry);
		entry->done(entry, status);
	}
}

static void commit_succeeded(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	struct segment *segment = spool->segments.current;
	segment->used += writer->batch_bytes;
	writer->failures = 0;
	if (!segment->begun)
		segments_current_begun(spool);
	for (struct list *link = writer->batch.next; link != &writer->batch; link = link->next)
		append_apply(spool, entry_of(link));
	tell_batch(spool, SPOOL_OK);
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
	tell_batch(spool, status);
}

static void commit_written(struct loop_op *op, const struct loop_completion *completion)
{
	struct writer *writer = CONTAINER_OF(op, struct writer, op);
	struct spool *spool = CONTAINER_OF(writer, struct spool, writer);
	if (completion->result > 0) {
		advance(writer, (uint32_t)completion->result);
		if (writer->written < writer->batch_bytes) {
			write_rest(spool);
			return;
		}
	}
	if (completion->result > 0)
		commit_succeeded(spool);
	else
		commit_failed(spool, completion->result ? -completion->result : EIO);
	writer->committing = false;
	supply_run(spool);
	writer_kick(spool);
}

/* --- when --- */

/* Milliseconds to wait before the next commit begins. */
static uint64_t pace_ms(const struct spool *spool)
{
	const struct writer *writer = &spool->writer;
	bool lone = writer->batch_count <= 1 && writer->waiting_count <= 1;
	bool full = writer->waiting_bytes >= LIMIT_COMMIT_BYTES || writer->waiting_parts >= LIMIT_IO_PARTS;
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

static void start_commit(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	loop_timer_stop(spool->loop, &writer->pace);
	if (!make_room(spool))
		return;
	gather_batch(spool);
	writer->committing = true;
	writer->started_ns = loop_now(spool->loop)->monotonic_ns;
	write_rest(spool);
}

static void pace_over(struct timer *timer)
{
	struct writer *writer = CONTAINER_OF(timer, struct writer, pace);
	if (!writer->committing)
		start_commit(CONTAINER_OF(writer, struct spool, writer));
}

void writer_kick(struct spool *spool)
{
	struct writer *writer = &spool->writer;
	if (writer->committing || list_is_empty(&writer->waiting))
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
	ASSERT(part_count_of(entry) < LIMIT_IO_PARTS);
	ASSERT(entry->place.size <= spool->segment_bytes / 2);
	list_append(&writer->waiting, &entry->link);
	writer->waiting_bytes += entry->place.size;
	writer->waiting_parts += part_count_of(entry);
	writer->waiting_count++;
	writer_kick(spool);
}
