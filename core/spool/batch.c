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

/* The memory was last touched two commits ago. Fetched now, it is there when the next record comes; else its checksum waits
 * for each line that was just written. */
static void fetch_room_for_next(const struct batch *batch)
{
	const uint8_t *next = batch->bytes + batch->head_size + batch->size;
	for (uint32_t at = 0; at < FETCH_BYTES; at += CACHE_LINE_BYTES)
		__builtin_prefetch(next + at, 1);
}

void batch_add(struct batch *batch, struct spool_entry *entry, uint32_t head_size, uint64_t salt)
{
	if (batch->count == 0) {
		batch->head_size = head_size;
		batch->salt = salt;
	}
	ASSERT(batch->head_size == head_size && batch->salt == salt);
	ASSERT(entry->place.size <= RECORDS_BYTES - batch->size);
	uint8_t *record = batch->bytes + head_size + batch->size;
	uint8_t *payload = record + RECORD_HEADER_BYTES, *to = payload;
	memcpy(record, entry->header, RECORD_HEADER_BYTES);
	for (uint32_t i = 0; i < entry->part_count; i++) {
		if (entry->parts[i].iov_len)
			memcpy(to, entry->parts[i].iov_base, entry->parts[i].iov_len);
		to += entry->parts[i].iov_len;
	}
	memset(to, 0, entry->place.size - RECORD_HEADER_BYTES - entry->payload_size);
	entry->parts = NULL;
	entry->payload = slice_of(payload, entry->payload_size);
	record_header_check_payload(record, record_hash(entry->payload, salt));
	entry->place.offset = batch->size;
	batch->size += entry->place.size;
	batch->count++;
	list_append(&batch->entries, &entry->link);
	fetch_room_for_next(batch);
}

uint8_t *batch_header(const struct spool_entry *entry)
{
	return (uint8_t *)(uintptr_t)entry->payload.data - RECORD_HEADER_BYTES;
}

/* The batch was filled for a segment that has failed since: it moves behind the head of another one. */
static void move(struct batch *batch, uint32_t head_size, uint64_t salt)
{
	uint8_t *records = batch->bytes + head_size;
	memmove(records, batch->bytes + batch->head_size, batch->size);
	batch->head_size = head_size;
	batch->salt = salt;
	for (struct list *link = batch->entries.next; link != &batch->entries; link = link->next) {
		struct spool_entry *entry = CONTAINER_OF(link, struct spool_entry, link);
		uint8_t *record = records + entry->place.offset;
		entry->payload.data = record + RECORD_HEADER_BYTES;
		record_header_check_payload(record, record_hash(entry->payload, salt));
	}
}

static void place_records(struct spool *spool, struct batch *batch, const struct segment *segment, uint32_t at)
{
	for (struct list *link = batch->entries.next; link != &batch->entries; link = link->next) {
		struct spool_entry *entry = CONTAINER_OF(link, struct spool_entry, link);
		entry->place.segment = segment->generation;
		entry->place.offset += at;
		append_refer(spool, entry);
		record_header_seal(batch_header(entry), segment->generation, segment->salt);
	}
}

uint32_t batch_place(struct spool *spool, struct batch *batch, const struct segment *segment, uint32_t at,
		     struct slice head)
{
	if (batch->head_size != head.size || batch->salt != segment->salt)
		move(batch, (uint32_t)head.size, segment->salt);
	memcpy(batch->bytes, head.data, head.size);
	place_records(spool, batch, segment, at);
	uint32_t size = batch->head_size + batch->size;
	uint32_t whole = (size + SPOOL_BLOCK_BYTES - 1) / SPOOL_BLOCK_BYTES * SPOOL_BLOCK_BYTES;
	memset(batch->bytes + size, 0, whole - size);
	return whole;
}

void batch_clear(struct batch *batch)
{
	ASSERT(list_is_empty(&batch->entries));
	batch->size = 0;
	batch->count = 0;
}
