/* Walking a segment's records; see scan.h. */
#include "core/spool/scan.h"

#include <stdlib.h>

bool scan_init(struct scan *scan, size_t window)
{
	*scan = (struct scan){ .buffer = malloc(window), .capacity = window };
	return scan->buffer != NULL;
}

void scan_finish(struct scan *scan)
{
	free(scan->buffer);
	*scan = (struct scan){ 0 };
}

void scan_begin(struct scan *scan, uint32_t generation, uint32_t end, bool skip_damage)
{
	*scan = (struct scan){
		.generation = generation,
		.end = end,
		.skip_damage = skip_damage,
		.salt = generation, /* of the opening; it brings the real one */
		.buffer = scan->buffer,
		.capacity = scan->capacity,
	};
}

void scan_seek(struct scan *scan, uint32_t generation, uint64_t salt, uint32_t end, uint32_t position)
{
	if (scan->generation != generation)
		scan_begin(scan, generation, end, false);
	scan->skip_damage = false;
	scan->opened = true;
	scan->salt = salt;
	scan->end = end;
	scan->position = position;
}

/* --- the window --- */

/* The `size` bytes at `position`; data is NULL when they are not all in the window: `wanted` says so. */
static struct slice window(struct scan *scan, uint32_t position, size_t size)
{
	size_t skip = position - scan->window_at;
	if (position < scan->window_at || skip > scan->window_size || scan->window_size - skip < size) {
		scan->wanted = size;
		return (struct slice){ NULL, 0 };
	}
	return slice_first(slice_skip(slice_of(scan->buffer, scan->window_size), skip), size);
}

struct iovec scan_room(struct scan *scan, uint64_t *offset)
{
	if (scan->window_at != scan->position || scan->window_size >= scan->wanted) {
		scan->window_at = scan->position;
		scan->window_size = 0;
	}
	if (scan->capacity < scan->wanted) {
		uint8_t *larger = realloc(scan->buffer, scan->wanted);
		if (!larger)
			return (struct iovec){ NULL, 0 };
		scan->buffer = larger;
		scan->capacity = scan->wanted;
	}
	size_t room = scan->capacity - scan->window_size;
	size_t rest = scan->end - scan->window_at - scan->window_size;
	*offset = scan->window_at + scan->window_size;
	return (struct iovec){ scan->buffer + scan->window_size, room < rest ? room : rest };
}

void scan_filled(struct scan *scan, size_t bytes)
{
	scan->window_size += bytes;
	if (bytes == 0)
		scan->end = scan->window_at + (uint32_t)scan->window_size;
}

/* --- records --- */

enum verdict { VALID, INVALID, MISSING };

static enum verdict examine(struct scan *scan, struct record *record)
{
	struct slice bytes = window(scan, scan->position, RECORD_HEADER_BYTES);
	if (!bytes.data)
		return MISSING;
	if (!record_header_check(&record->header, bytes.data, scan->generation, scan->salt))
		return INVALID;
	if ((record->header.type == RECORD_SEGMENT) == scan->opened)
		return INVALID;
	record->offset = scan->position;
	record->size = record_size(record->header.payload_size);
	if (record->size > scan->end - scan->position)
		return INVALID;
	bytes = window(scan, scan->position, record->size);
	if (!bytes.data)
		return MISSING;
	record->payload = slice_first(slice_skip(bytes, RECORD_HEADER_BYTES), record->header.payload_size);
	return record_hash(record->payload, scan->salt) == record->header.payload_checksum ? VALID : INVALID;
}

static void accept(struct scan *scan, const struct record *record)
{
	if (record->header.type == RECORD_SEGMENT) {
		struct segment_opening opening;
		scan->opened = true;
		/* One of a format we don't know has no records for us; who drives the scan reports it. */
		if (segment_opening_read(&opening, record->payload, NULL))
			scan->salt = opening.salt;
	}
	if (scan->searching)
		scan->damaged_bytes += scan->position - scan->damage_at;
	scan->searching = false;
	scan->position += record->size;
	scan->good_end = scan->position;
}

enum scan_result scan_next(struct scan *scan, struct record *record)
{
	while (scan->end >= RECORD_HEADER_BYTES && scan->position <= scan->end - RECORD_HEADER_BYTES) {
		switch (examine(scan, record)) {
		case MISSING:
			return SCAN_MORE;
		case VALID:
			accept(scan, record);
			return SCAN_RECORD;
		case INVALID:
			break;
		}
		if (!scan->opened || !scan->skip_damage)
			return SCAN_END;
		if (!scan->searching)
			scan->damage_at = scan->position;
		scan->searching = true;
		scan->position += RECORD_ALIGNMENT;
	}
	return SCAN_END;
}
