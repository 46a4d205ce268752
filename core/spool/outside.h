/* Reading a lane from outside: no lock, no loop, nothing is changed. What its files share.
 *
 *   notes.c   what became of messages, as far as newer records tell
 *   list.c    the walk over a lane, and spool_list()
 *   copy.c    spool_copy_message() */
#ifndef POSTERN_SPOOL_OUTSIDE_H
#define POSTERN_SPOOL_OUTSIDE_H

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/spool/scan.h"
#include "core/spool/spool.h"

/* --- notes.c --- */

/* What is known of a message from records that came behind its own. Between notes of different segments the newer wins; within
 * a segment the later. */
struct note {
	struct map_node node; /* its hash is the message's id */
	struct list link;     /* in `until` of the oldest segment that it is about */
	uint32_t until;       /* index of that segment */
	uint32_t copied_to;   /* records in segments before this one are stale */
	uint32_t held_from;   /* the segment that said held or not; 0: none did */
	uint32_t detail_from;
	bool over;
	bool held;
	uint8_t *bits;
	size_t bits_size;
	uint8_t *detail;
	size_t detail_size;
};

struct notes {
	struct map by_id;
	struct list *until; /* a list for each segment */
	uint32_t segment_count;
};

/* Segments have indexes, the newest 0. False when memory has run out; notes_finish() is due all the same. */
MUST_USE bool notes_init(struct notes *notes, uint32_t segment_count);
void notes_finish(struct notes *notes);

struct note *notes_find(const struct notes *notes, uint64_t id);

/* The note of a message, made when there is none, kept at least until segment `until` was told. NULL: no memory. */
struct note *notes_get(struct notes *notes, uint64_t id, uint32_t until);

/* The segment was told: drops the notes that are about it and newer ones. */
void notes_drop(struct notes *notes, uint32_t index);

/* Takes in what a record of segment `from` says. False: no memory. */
MUST_USE bool note_change(struct note *note, const struct record *record, uint32_t from);

/* Takes in a state, as the record of a message or RECORD_STATE has it. False: no memory. */
MUST_USE bool note_state(struct note *note, const struct record_header *header, struct slice state, uint32_t from);

/* Room for that many recipients' bits, if there are any bits. False: no memory. */
MUST_USE bool note_widen(struct note *note, uint32_t recipients);
bool note_is_done(const struct note *note, uint32_t recipients);

/* Frees what a note holds, not itself. */
void note_clear(struct note *note);

/* --- list.c --- */

/* Answers false to stop. The message and its text are valid inside the call only. */
typedef bool lane_visitor(void *context, const struct spool_message *message, struct slice text);

/* Visits each live message of a lane, as spool_list() says. */
MUST_USE bool lane_walk(const char *directory, lane_visitor *visit, void *context, struct error *error);

#endif
