/* What goes into the log: messages and changes of their state, and what each means once it is durable.
 *
 * All memory that a durable record needs is got when it is appended, so that nothing can fail after the write. */
#include "core/spool/internal.h"

#include "core/base/cursor.h"
#include "core/spool/envelope.h"

static const uint8_t record_types[] = {
	[SPOOL_RECIPIENT_DONE] = RECORD_RECIPIENT_DONE,
	[SPOOL_MESSAGE_DONE] = RECORD_MESSAGE_DONE,
	[SPOOL_HOLD] = RECORD_HOLD,
	[SPOOL_RELEASE] = RECORD_RELEASE,
	[SPOOL_ATTEMPT] = RECORD_ATTEMPT,
};

/* --- filling entries --- */

static void fill(struct spool_entry *entry, const struct record_header *header, const struct iovec *parts,
		 uint32_t part_count, spool_done *done)
{
	list_init(&entry->link);
	entry->done = done;
	entry->parts = parts;
	entry->part_count = part_count;
	entry->payload = slice_of(NULL, 0);
	entry->payload_size = header->payload_size;
	entry->id = header->id;
	entry->place = (struct spool_place){ .size = record_size(header->payload_size) };
	entry->live = NULL;
	record_header_write(entry->header, header);
}

void append_record(struct spool *spool, struct spool_entry *entry, const struct record_header *header,
		   const struct iovec *parts, uint32_t part_count, spool_done *done)
{
	fill(entry, header, parts, part_count, done);
	writer_append(spool, entry);
}

/* UINT32_MAX when a record can't hold them. A copy of it must have room for the message's state. */
static uint32_t total_size(const struct spool *spool, const struct iovec *parts, uint32_t count)
{
	uint64_t most = spool->segment_bytes / 2 - RECORD_STATE_MOST_BYTES;
	if (most > LIMIT_SPOOL_RECORD_BYTES)
		most = LIMIT_SPOOL_RECORD_BYTES;
	uint64_t size = 0;
	for (uint32_t i = 0; i < count; i++)
		size += parts[i].iov_len;
	return size <= most ? (uint32_t)size : UINT32_MAX;
}

void spool_append_message(struct spool *spool, struct spool_entry *entry, uint64_t id, const struct iovec *parts,
			  uint32_t part_count, uint32_t envelope_size, uint64_t text_size, bool held, bool large,
			  spool_done *done)
{
	struct record_header header = {
		.type = RECORD_MESSAGE,
		.flags = (uint8_t)((held ? RECORD_HELD : 0) | (large ? RECORD_LARGE : 0)),
		.payload_size = total_size(spool, parts, part_count),
		.id = id,
		.text_size = text_size,
		.envelope_size = envelope_size,
	};
	bool too_large = header.payload_size == UINT32_MAX;
	if (too_large)
		header.payload_size = 0;
	ASSERT(too_large || envelope_size <= header.payload_size);
	fill(entry, &header, parts, part_count, done);
	entry->live = too_large ? NULL : live_create(&spool->index, id);
	if (!entry->live) {
		writer_refuse(spool, entry, SPOOL_ERROR);
		return;
	}
	entry->live->held = held;
	entry->live->large = large;
	if (part_count)
		entry->live->recipients = envelope_recipients(slice_of(parts[0].iov_base, parts[0].iov_len));
	if (spool_is_writable(spool))
		writer_append(spool, entry);
	else
		writer_refuse(spool, entry, spool->supply.status);
}

void spool_append_change(struct spool *spool, struct spool_entry *entry, uint64_t id, enum spool_change change,
			 uint32_t recipient, struct slice detail, spool_done *done)
{
	if (detail.size > LIMIT_CHANGE_DETAIL_BYTES)
		detail.size = LIMIT_CHANGE_DETAIL_BYTES;
	struct record_header header = {
		.type = record_types[change],
		.payload_size = (uint32_t)detail.size,
		.id = id,
		.recipient = recipient,
	};
	entry->detail = (struct iovec){ (void *)(uintptr_t)detail.data, detail.size };
	fill(entry, &header, &entry->detail, detail.size ? 1 : 0, done);
	struct live *live = live_find(&spool->index, id);
	if (live && !live_reserve(live, detail.size)) {
		writer_refuse(spool, entry, SPOOL_ERROR);
		return;
	}
	if (live)
		live->pending++;
	entry->live = live;
	writer_append(spool, entry);
}

/* --- in the commit --- */

bool entry_is_change(const struct spool_entry *entry)
{
	return record_is_change(record_header_type(entry->header));
}

/* A try that failed is known to the queue anyway, and the next record says it too. */
bool entry_is_dispensable(const struct spool_entry *entry)
{
	uint8_t type = record_header_type(entry->header);
	return !record_is_change(type) || type == RECORD_ATTEMPT;
}

/* A change says where the message is at this moment, for replay and for the accounts. One of a message that is
 * over is compaction's, and says it already. */
void append_refer(const struct spool *spool, struct spool_entry *entry)
{
	const struct live *live = live_find(&spool->index, entry->id);
	if (live)
		record_header_refer(batch_header(entry), live->segment,
				    spool->segments.stale ? spool->segments.stale->generation : 0);
}

/* --- durable, or not --- */

static void insert_message(struct spool *spool, struct spool_entry *entry)
{
	struct live *live = entry->live;
	live->segment = entry->place.segment;
	live->offset = entry->place.offset;
	live->size = entry->place.size & 0xffffff;
	spool->segments.current->live_bytes += live->size;
	(void)live_insert(&spool->index, live);
	entry->live = NULL;
}

static void apply_change(struct spool *spool, struct spool_entry *entry)
{
	struct segment_set *set = &spool->segments;
	struct record_header header;
	record_header_read(&header, batch_header(entry));
	segment_refer(set, set->current, header.reference, entry->place.size);
	segment_refer(set, set->current, header.stale_reference, entry->place.size);
	struct live *live = entry->live ? live_find(&spool->index, entry->id) : NULL;
	if (!live)
		return;
	live->pending--;
	live_apply(live, &header, entry->payload);
	live->ended = live_is_done(live);
}

void append_apply(struct spool *spool, struct spool_entry *entry)
{
	if (entry_is_change(entry))
		apply_change(spool, entry);
	else if (entry->live)
		insert_message(spool, entry);
}

void append_undo(struct spool *spool, struct spool_entry *entry)
{
	if (!entry->live)
		return;
	if (!entry_is_change(entry)) {
		live_discard(&spool->index, entry->live);
		return;
	}
	struct live *live = live_find(&spool->index, entry->id);
	if (live)
		live->pending--;
}

void spool_forget(struct spool *spool, uint64_t id, struct spool_place place, bool large)
{
	(void)place; /* the index knows it */
	struct live *live = live_find(&spool->index, id);
	if (!live)
		return;
	struct segment *segment = segment_find(&spool->segments, live->segment);
	segment->live_bytes -= live->size;
	live_remove(&spool->index, live);
	if (large)
		large_remove(spool, id);
	segment_settle(spool, segment);
}

/* --- for sources --- */

bool spool_is_busy(const struct spool *spool)
{
	return spool->writer.waiting_bytes > LIMIT_COMMIT_BACKLOG_BYTES;
}
