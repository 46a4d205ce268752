/* The bytes of a commit, put together before it begins; see internal.h.
 *
 * A record is copied once, while it is warm, into memory that goes to the disk as it is: aligned, in whole blocks. So the
 * page cache has no part in it, and who appended the record has its memory back at once. The first block begins with what
 * the last commit has left in it (the head): room for that is kept in front of the records. */
#include "core/spool/internal.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
	/* The largest record, alone. */
	RECORDS_BYTES = RECORD_HEADER_BYTES + LIMIT_SPOOL_RECORD_BYTES + RECORD_STATE_MOST_BYTES + RECORD_ALIGNMENT,
	HUGE_PAGE_BYTES = 2 * 1024 * 1024,
	BATCH_BYTES = (HEAD_MOST_BYTES + RECORDS_BYTES + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES,
	CACHE_LINE_BYTES = 64,
	FETCH_BYTES = 2048, /* most records are smaller */
	SMALL_PART = 4,     /* of a segment: what any empty one has room for */
};

/* Address space; what is never used takes no memory. */
bool batch_init(struct batch *batch)
{
	list_init(&batch->entries);
	batch->bytes = aligned_alloc(HUGE_PAGE_BYTES, BATCH_BYTES);
	/* The kernel looks up each page of a direct write; a huge one once. */
	if (batch->bytes)
		(void)madvise(batch->bytes, BATCH_BYTES, MADV_HUGEPAGE);
	return batch->bytes != NULL;
}

void batch_finish(struct batch *batch)
{
	free(batch->bytes);
	batch->bytes = NULL;
}

bool batch_has_room(const struct batch *batch, const struct spool_entry *entry, uint32_t segment_bytes)
{
	uint32_t most =
		segment_bytes / SMALL_PART < LIMIT_COMMIT_BYTES ? segment_bytes / SMALL_PART : LIMIT_COMMIT_BYTES;
	return batch->count == 0 || batch->size + entry->place.size <= most;
}

/* To write, not to read: the disk has read it last. The compiler knows that instruction only of some processors; the others pass
 * over it. */
static inline void fetch_line(uint8_t *line)
{
#if defined(__x86_64__) && !defined(POSTERN_PORTABLE)
	__asm__ volatile("prefetchw %0" : : "m"(*line));
#else
	__builtin_prefetch(line, 1);
#endif
}

/* The memory was last touched two commits ago. Fetched now, it is there when the next record comes; else all that is written
 * behind the record would wait for each of its lines. */
static void fetch_room_for_next(const struct batch *batch)
{
	uint8_t *next = batch->bytes + batch->target.head_size + batch->size;
	for (uint32_t at = 0; at < FETCH_BYTES; at += CACHE_LINE_BYTES)
		fetch_line(next + at);
}

/* The payload where it is now, if its parts lie one behind the other; data NULL: they don't. */
static struct slice payload_in_one(const struct spool_entry *entry)
{
	const uint8_t *end = entry->part_count ? entry->parts[0].iov_base : NULL;
	for (uint32_t i = 0; i < entry->part_count; i++) {
		if (entry->parts[i].iov_base != end)
			return slice_of(NULL, 0);
		end += entry->parts[i].iov_len;
	}
	return slice_of(entry->part_count ? entry->parts[0].iov_base : NULL, entry->payload_size);
}

static void copy_parts(uint8_t *to, const struct spool_entry *entry)
{
	for (uint32_t i = 0; i < entry->part_count; i++) {
		if (entry->parts[i].iov_len)
			memcpy(to, entry->parts[i].iov_base, entry->parts[i].iov_len);
		to += entry->parts[i].iov_len;
	}
}

/* Checksums are taken of what is warm, where the payload is in one piece, and before the copy: what is read again of lines just
 * written would wait until memory has them. */
static void write_record(uint8_t *record, struct spool_entry *entry, const struct batch_target *target)
{
	uint8_t *payload = record + RECORD_HEADER_BYTES;
	struct slice source = payload_in_one(entry);
	if (!source.data) {
		copy_parts(payload, entry);
		source = slice_of(payload, entry->payload_size);
	}
	record_header_check_payload(entry->header, record_hash(source, target->salt));
	record_header_seal(entry->header, target->generation, target->salt);
	memcpy(record, entry->header, RECORD_HEADER_BYTES);
	if (source.data != payload)
		memcpy(payload, source.data, source.size);
	memset(payload + source.size, 0, entry->place.size - RECORD_HEADER_BYTES - source.size);
	entry->payload = slice_of(payload, source.size);
}

void batch_add(struct batch *batch, struct spool_entry *entry, const struct batch_target *target)
{
	if (batch->count == 0)
		batch->target = *target;
	ASSERT(batch->target.generation == target->generation && batch->target.at == target->at);
	ASSERT(batch->target.head_size == target->head_size);
	ASSERT(entry->place.size <= RECORDS_BYTES - batch->size);
	write_record(batch->bytes + target->head_size + batch->size, entry, target);
	entry->parts = NULL;
	entry->place.segment = target->generation;
	entry->place.offset = target->at + batch->size;
	batch->size += entry->place.size;
	batch->count++;
	batch->changes += entry_is_change(entry);
	list_append(&batch->entries, &entry->link);
	fetch_room_for_next(batch);
}

uint8_t *batch_header(const struct spool_entry *entry)
{
	return (uint8_t *)(uintptr_t)entry->payload.data - RECORD_HEADER_BYTES;
}

/* The batch was filled for a segment that has failed since. */
static void move(struct batch *batch, const struct batch_target *target)
{
	uint8_t *records = batch->bytes + target->head_size;
	memmove(records, batch->bytes + batch->target.head_size, batch->size);
	for (struct list *link = batch->entries.next; link != &batch->entries; link = link->next) {
		struct spool_entry *entry = CONTAINER_OF(link, struct spool_entry, link);
		uint32_t in_batch = entry->place.offset - batch->target.at;
		uint8_t *record = records + in_batch;
		entry->payload.data = record + RECORD_HEADER_BYTES;
		entry->place.segment = target->generation;
		entry->place.offset = target->at + in_batch;
		record_header_check_payload(record, record_hash(entry->payload, target->salt));
		record_header_seal(record, target->generation, target->salt);
	}
	batch->target = *target;
}

static void finish_changes(struct spool *spool, struct batch *batch)
{
	for (struct list *link = batch->entries.next; link != &batch->entries; link = link->next) {
		struct spool_entry *entry = CONTAINER_OF(link, struct spool_entry, link);
		if (!entry_is_change(entry))
			continue;
		append_refer(spool, entry);
		record_header_seal(batch_header(entry), batch->target.generation, batch->target.salt);
	}
}

uint32_t batch_finish_records(struct spool *spool, struct batch *batch, const struct batch_target *target,
			      struct slice head)
{
	if (batch->target.generation != target->generation)
		move(batch, target);
	ASSERT(batch->target.at == target->at && batch->target.head_size == head.size);
	if (batch->changes)
		finish_changes(spool, batch);
	memcpy(batch->bytes, head.data, head.size);
	uint32_t size = target->head_size + batch->size;
	uint32_t whole = (size + SPOOL_BLOCK_BYTES - 1) / SPOOL_BLOCK_BYTES * SPOOL_BLOCK_BYTES;
	memset(batch->bytes + size, 0, whole - size);
	return whole;
}

void batch_clear(struct batch *batch)
{
	ASSERT(list_is_empty(&batch->entries));
	batch->size = 0;
	batch->count = 0;
	batch->changes = 0;
}
