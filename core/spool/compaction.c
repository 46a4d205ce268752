/* Compaction: empties segments in which little is needed, so that their files come free.
 *
 * The segment is read in order. A live message's record is appended again, with its state as it is now; of the changes
 * that are about messages in other segments the sum is appended again. Copies wait in the common queue, a few at a
 * time with pauses, so clients hardly notice. When a copy is durable the owner is told where the message is. At the end
 * nothing in the segment is needed.
 *
 * A segment that was begun is finished before another is: so at most one segment holds stale copies (set->stale), and
 * changes can name it (stale reference). A restart goes on with it. */
#include "core/spool/internal.h"

#include <fcntl.h>
#include <stdlib.h>

#include "core/base/log.h"

enum {
	WINDOW_BYTES = 1024 * 1024,
	SPARSE_PART = 4, /* less than a quarter is needed */
};

static struct spool *spool_of(struct compaction *compaction)
{
	return CONTAINER_OF(compaction, struct spool, compaction);
}

static void timer_due(struct timer *timer);

static void start_timer(struct spool *spool, uint64_t after_ms)
{
	if (!spool->closing)
		loop_timer_start(spool->loop, &spool->compaction.timer, after_ms);
}

void compaction_init(struct spool *spool)
{
	struct compaction *compaction = &spool->compaction;
	loop_op_init(&compaction->op);
	timer_init(&compaction->timer, timer_due);
	for (size_t i = 0; i < COMPACTION_COPIES; i++)
		compaction->copies[i].spool = spool;
}

void compaction_start(struct spool *spool)
{
	start_timer(spool, spool->compaction_ms);
}

void compaction_finish(struct spool *spool)
{
	scan_finish(&spool->compaction.scan);
}

/* --- the end of one --- */

static void stop(struct spool *spool, uint64_t next_ms)
{
	struct compaction *compaction = &spool->compaction;
	struct segment *segment = compaction->segment;
	compaction->segment = NULL;
	compaction->running = false;
	scan_finish(&compaction->scan);
	start_timer(spool, next_ms);
	segment_settle(spool, segment);
}

static void give_up(struct spool *spool)
{
	stop(spool, spool->compaction_ms);
}

static void emptied(struct spool *spool)
{
	struct compaction *compaction = &spool->compaction;
	struct segment *segment = compaction->segment;
	segment->evacuated = true;
	compaction->goes_on = true;
	if (compaction->scan.damaged_bytes)
		log_message(LOG_ERROR, "spool-damage", "%s: segment %u: %llu bytes are damaged", spool->directory,
			    segment->generation, (unsigned long long)compaction->scan.damaged_bytes);
	stop(spool, SPOOL_COMPACTION_PAUSE_MS);
}

/* --- copies --- */

static void step(struct spool *spool);

static void move(struct compaction_copy *copy)
{
	struct spool *spool = copy->spool;
	struct segment *from = spool->compaction.segment;
	struct live *live = live_find(&spool->index, copy->entry.id);
	spool->segments.stale = from;
	if (!live || live->segment != from->generation || live->offset != copy->old_offset)
		return;
	from->live_bytes -= live->size;
	live->segment = copy->entry.place.segment;
	live->offset = copy->entry.place.offset;
	live->size = copy->entry.place.size & 0xffffff;
	segment_find(&spool->segments, live->segment)->live_bytes += live->size;
	spool->moved(spool->context, live->id, copy->entry.place);
}

static void copy_done(struct spool_entry *entry, enum spool_status status)
{
	struct compaction_copy *copy = CONTAINER_OF(entry, struct compaction_copy, entry);
	struct spool *spool = copy->spool;
	struct compaction *compaction = &spool->compaction;
	free(copy->state);
	if (status != SPOOL_OK)
		compaction->failed = true;
	else if (copy->moves)
		move(copy);
	if (--compaction->in_flight > 0)
		return;
	compaction->running = false;
	if (compaction->failed)
		give_up(spool);
	else
		start_timer(spool, SPOOL_COMPACTION_PAUSE_MS);
}

/* --- what is worth copying --- */

enum verdict { SKIP, COPY, WAIT };

/* Its state now, in memory of the copy's own: the index may change while the copy is written. */
static bool save_state(struct compaction_copy *copy, const struct live *live)
{
	size_t size = live_state_size(live);
	copy->state = size ? malloc(size) : NULL;
	if (size && !copy->state)
		return false;
	if (size)
		live_state_write(live, copy->state);
	copy->parts[0] = (struct iovec){ copy->state, size };
	return true;
}

static enum verdict consider_message(struct spool *spool, const struct record *record, struct compaction_copy *copy,
				     struct record_header *header)
{
	const struct segment *from = spool->compaction.segment;
	const struct live *live = live_find(&spool->index, record->header.id);
	struct record_parts parts;
	if (!live || live->ended || live->segment != from->generation || live->offset != record->offset)
		return SKIP;
	if (!record_split(&record->header, record->payload, &parts))
		return SKIP;
	if (live->pending || !save_state(copy, live))
		return WAIT;
	struct slice rest = slice_skip(record->payload, parts.state.size);
	copy->moves = true;
	copy->old_offset = record->offset;
	copy->parts[1] = (struct iovec){ (void *)(uintptr_t)rest.data, rest.size };
	*header = record->header;
	header->flags = (uint8_t)(RECORD_COPY | (live->held ? RECORD_HELD : 0) | (live->large ? RECORD_LARGE : 0));
	header->state_size = (uint16_t)copy->parts[0].iov_len;
	header->payload_size = (uint32_t)(copy->parts[0].iov_len + rest.size);
	header->reference = from->generation;
	header->stale_reference = 0;
	return COPY;
}

static uint32_t still_needed(const struct spool *spool, uint32_t reference)
{
	bool needed = reference && reference != spool->compaction.segment->generation &&
		      segment_find(&spool->segments, reference);
	return needed ? reference : 0;
}

/* All that is known of a live message goes into one record, once. */
static enum verdict consider_state(struct spool *spool, struct live *live, struct compaction_copy *copy,
				   struct record_header *header)
{
	if (live->state && live->state->pass == spool->compaction.pass)
		return SKIP;
	if (live->pending || !save_state(copy, live))
		return WAIT;
	if (live->state)
		live->state->pass = spool->compaction.pass;
	copy->parts[1] = (struct iovec){ NULL, 0 };
	*header = (struct record_header){
		.type = RECORD_STATE,
		.flags = live->held ? RECORD_HELD : 0,
		.state_size = (uint16_t)copy->parts[0].iov_len,
		.payload_size = (uint32_t)copy->parts[0].iov_len,
		.id = live->id,
	};
	return COPY;
}

static enum verdict consider_change(struct spool *spool, const struct record *record, struct compaction_copy *copy,
				    struct record_header *header)
{
	uint32_t reference = still_needed(spool, record->header.reference);
	uint32_t stale_reference = still_needed(spool, record->header.stale_reference);
	if (!reference && !stale_reference)
		return SKIP;
	struct live *live = live_find(&spool->index, record->header.id);
	copy->moves = false;
	if (live && !live->ended)
		return consider_state(spool, live, copy, header);
	uint8_t type = record->header.type;
	if (type == RECORD_HOLD || type == RECORD_RELEASE || type == RECORD_ATTEMPT)
		return SKIP;
	/* It is over, be it that its last recipient was: that must not be forgotten. */
	copy->state = NULL;
	*header = (struct record_header){
		.type = RECORD_MESSAGE_DONE,
		.id = record->header.id,
		.reference = reference,
		.stale_reference = stale_reference,
	};
	copy->parts[0] = copy->parts[1] = (struct iovec){ NULL, 0 };
	return COPY;
}

static enum verdict consider(struct spool *spool, const struct record *record, struct record_header *header)
{
	struct compaction *compaction = &spool->compaction;
	struct compaction_copy *copy = &compaction->copies[compaction->copy_count];
	if (record->header.type == RECORD_SEGMENT)
		return SKIP;
	if (record->header.type == RECORD_MESSAGE)
		return consider_message(spool, record, copy, header);
	return consider_change(spool, record, copy, header);
}

/* --- one step --- */

static void window_read(struct loop_op *op, const struct loop_completion *completion)
{
	struct compaction *compaction = CONTAINER_OF(op, struct compaction, op);
	struct spool *spool = spool_of(compaction);
	compaction->running = false;
	if (completion->result < 0) {
		log_message(LOG_ERROR, "spool-error", "%s: can't read segment %u: %s", spool->directory,
			    compaction->segment->generation, strerror(-completion->result));
		give_up(spool);
		return;
	}
	scan_filled(&compaction->scan, (size_t)completion->result);
	if (!spool->closing)
		step(spool);
}

static void read_window(struct spool *spool)
{
	struct compaction *compaction = &spool->compaction;
	uint64_t offset;
	compaction->room = scan_room(&compaction->scan, &offset);
	if (!compaction->room.iov_base) {
		give_up(spool);
		return;
	}
	compaction->running = true;
	loop_read(spool->loop, &compaction->op, compaction->segment->fd, &compaction->room, 1, offset, window_read);
}

/* Collects copies from the window, as many as a step has. Answers what stopped it: SCAN_RECORD when there is more. */
static enum scan_result collect(struct spool *spool, struct record_header headers[COMPACTION_COPIES])
{
	struct compaction *compaction = &spool->compaction;
	struct record record;
	uint32_t bytes = 0;
	compaction->copy_count = 0;
	while (compaction->copy_count < COMPACTION_COPIES && bytes < LIMIT_COMPACTION_BYTES) {
		enum scan_result result = scan_next(&compaction->scan, &record);
		if (result != SCAN_RECORD)
			return result;
		switch (consider(spool, &record, &headers[compaction->copy_count])) {
		case COPY:
			compaction->copy_count++;
			bytes += record.size;
			break;
		case WAIT:
			compaction->scan.position = record.offset;
			return SCAN_RECORD;
		case SKIP:
			break;
		}
	}
	return SCAN_RECORD;
}

static void step(struct spool *spool)
{
	struct compaction *compaction = &spool->compaction;
	struct record_header headers[COMPACTION_COPIES];
	if (spool_is_busy(spool)) {
		start_timer(spool, SPOOL_COMPACTION_PAUSE_MS);
		return;
	}
	enum scan_result result = collect(spool, headers);
	if (compaction->copy_count > 0) {
		/* The window stays as it is until the copies are written. */
		compaction->running = true;
		compaction->failed = false;
		compaction->in_flight = compaction->copy_count;
		for (uint32_t i = 0; i < compaction->copy_count; i++) {
			struct compaction_copy *copy = &compaction->copies[i];
			append_record(spool, &copy->entry, &headers[i], copy->parts, 2, copy_done);
		}
	} else if (result == SCAN_MORE) {
		read_window(spool);
	} else if (result == SCAN_END) {
		emptied(spool);
	} else {
		start_timer(spool, SPOOL_COMPACTION_PAUSE_MS);
	}
}

/* --- choosing a segment --- */

static bool is_sparse(const struct segment_set *set, const struct segment *segment)
{
	return segment_may_be_emptied(set, segment) && segment_needed_bytes(segment) < segment->size / SPARSE_PART;
}

/* Of those that were sparse at the last look and still are the oldest; while there is no space the one that fits into what
 * is left. With `look` this is a look. */
static struct segment *choose(struct spool *spool, bool look)
{
	struct segment_set *set = &spool->segments;
	if (spool->supply.status == SPOOL_FULL && !set->stale)
		return room_to_empty(spool);
	if (set->stale)
		return set->stale->evacuated || set->stale->state != SEGMENT_SEALED ? NULL : set->stale;
	struct segment *chosen = NULL;
	for (struct list *link = set->used.next; link != &set->used; link = link->next) {
		struct segment *segment = CONTAINER_OF(link, struct segment, link);
		bool sparse = is_sparse(set, segment);
		if (sparse && segment->was_sparse && !chosen)
			chosen = segment;
		if (look)
			segment->was_sparse = sparse;
	}
	return chosen;
}

static void segment_opened(struct loop_op *op, const struct loop_completion *completion)
{
	struct compaction *compaction = CONTAINER_OF(op, struct compaction, op);
	struct spool *spool = spool_of(compaction);
	compaction->running = false;
	if (completion->result < 0) {
		give_up(spool);
		return;
	}
	compaction->segment->fd = completion->result;
	spool->segments.open_count++;
	if (!spool->closing)
		step(spool);
}

static void begin(struct spool *spool, struct segment *segment)
{
	struct compaction *compaction = &spool->compaction;
	compaction->segment = segment;
	compaction->pass++;
	if (!scan_init(&compaction->scan, WINDOW_BYTES)) {
		give_up(spool);
		return;
	}
	scan_begin(&compaction->scan, segment->generation, segment->used, true);
	if (segment->fd >= 0) {
		step(spool);
		return;
	}
	compaction->running = true;
	segment_name_format(segment->generation, compaction->name);
	loop_open(spool->loop, &compaction->op, spool->segments_fd, compaction->name, O_RDWR, 0, segment_opened);
}

static void timer_due(struct timer *timer)
{
	struct spool *spool = spool_of(CONTAINER_OF(timer, struct compaction, timer));
	if (spool->compaction.segment) {
		step(spool);
		return;
	}
	struct segment *segment = choose(spool, !spool->compaction.goes_on);
	spool->compaction.goes_on = false;
	bool full = spool->supply.status == SPOOL_FULL;
	if (segment)
		begin(spool, segment);
	else
		start_timer(spool,
			    full && spool->compaction_ms > SPOOL_RETRY_MS ? SPOOL_RETRY_MS : spool->compaction_ms);
}

void compaction_hurry(struct spool *spool)
{
	if (!spool->compaction.segment)
		start_timer(spool, 0);
}
