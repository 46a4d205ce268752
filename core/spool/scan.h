/* Walks the records of one segment, forward, checking each whole record.
 *
 * Pure: it asks for bytes (SCAN_MORE) and whoever drives it reads them, from the loop or by plain calls. The first record
 * is the segment's opening; where that is not valid nothing is (`opened` stays false). With `skip_damage` a record that
 * is not valid is not the end: the next valid one is looked for. That is safe because nothing but the server itself can
 * make a record that is valid under the segment's salt. */
#ifndef POSTERN_SPOOL_SCAN_H
#define POSTERN_SPOOL_SCAN_H

#include "core/spool/format.h"

struct record {
	uint32_t offset;
	uint32_t size; /* with header and padding */
	struct record_header header;
	struct slice payload; /* in the scan's window: until the next scan_room() */
};

struct scan {
	uint32_t generation;
	uint32_t end;      /* nothing at or behind it is looked at */
	uint32_t position; /* of the next record */
	uint32_t good_end; /* behind the last valid record */
	bool skip_damage;
	bool opened;
	uint64_t salt;          /* once opened */
	uint64_t damaged_bytes; /* that were skipped and had a valid record behind them */
	uint32_t damage_at;     /* where the last damage began */
	bool searching;
	uint8_t *buffer; /* the window */
	size_t capacity;
	uint32_t window_at; /* the file's offset of buffer[0] */
	size_t window_size;
	size_t wanted; /* bytes from `position` that the next step needs */
};

enum scan_result {
	SCAN_RECORD, /* `record` is filled and position is behind it */
	SCAN_MORE,   /* read into scan_room(), tell scan_filled(), call again */
	SCAN_END,
};

/* False when memory has run out. `window` bytes are read at a time; a record that is larger makes the window grow. */
MUST_USE bool scan_init(struct scan *scan, size_t window);
void scan_finish(struct scan *scan);

/* Begins another segment; the window's memory is kept. */
void scan_begin(struct scan *scan, uint32_t generation, uint32_t end, bool skip_damage);

/* Goes to a record that is known, in a segment whose salt is known; the window is kept while it is the same segment. */
void scan_seek(struct scan *scan, uint32_t generation, uint64_t salt, uint32_t end, uint32_t position);

enum scan_result scan_next(struct scan *scan, struct record *record);

/* Where to read what is missing, and the file's offset of it; an empty one when memory has run out. */
struct iovec scan_room(struct scan *scan, uint64_t *offset);
/* `bytes` were read there; 0: the file ends. */
void scan_filled(struct scan *scan, size_t bytes);

#endif
