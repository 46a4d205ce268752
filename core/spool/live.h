/* The index of live messages: where each one's record is and what is known of its recipients.
 *
 * 33 bytes a message, and a block more for one that has any state. It serves compaction (what is worth copying, and its state
 * now), recovery (what is left in the end) and the accounting of segments.
 *
 * Ids grow, so that a new message almost always belongs behind all others: the index is pages of messages in the order of
 * their ids, and a list of the pages. Taking one in touches nothing but the end of the last page; finding one is a search in the
 * list and then in a page. Pointers to a message are valid until the next one is taken in or out. */
#ifndef POSTERN_SPOOL_LIVE_H
#define POSTERN_SPOOL_LIVE_H

#include "core/base/list.h"
#include "core/base/pool.h"
#include "core/spool/format.h"

/* What changes have made of a message; exists from the first change on. */
struct live_state {
	uint32_t pass; /* the compaction that has saved it last */
	uint16_t done_count;
	uint16_t bits_size;
	uint16_t detail_size;
	uint16_t detail_capacity;
	uint8_t bytes[]; /* the recipients' bits, then the last change's detail */
};

struct live {
	uint64_t id;
	uint32_t segment; /* place of its record */
	uint32_t offset;
	uint32_t size : 24;
	uint32_t held : 1;
	uint32_t large : 1;
	uint32_t ended : 1;  /* done, durably; only spool_forget() is missing */
	uint32_t late : 1;   /* not in the index yet, and when it was made it was not the newest */
	uint16_t recipients; /* 0: unknown, never finished by bits */
	uint16_t pending;    /* changes that wait to be durable */
	struct live_state *state;
};

_Static_assert(sizeof(struct live) <= 32, "two messages share a line of the cache");

struct live_page;

struct live_index {
	struct live_page **pages; /* by id; none is empty */
	uint64_t *firsts;         /* the first id in each, for the search */
	size_t page_count;
	size_t page_capacity;
	size_t size; /* messages in it */
	struct pool page_pool;
	struct pool new_pool;      /* messages that are not in it yet */
	struct live_page **spares; /* so that taking them in needs no memory */
	size_t spare_count;
	size_t spare_capacity;
	size_t late_count;  /* of the new ones: those that may need a page each */
	uint64_t newest_id; /* that was ever made */
};

void live_index_init(struct live_index *index);
void live_index_finish(struct live_index *index);

/* A message that is not in the index yet; NULL when memory has run out. What it takes to insert it is kept ready. */
struct live *live_create(struct live_index *index, uint64_t id);
/* Answers where it is then; the one that was made is gone. No message of that id is in. */
struct live *live_insert(struct live_index *index, struct live *made);
/* One that was made and never inserted. NULL is allowed. */
void live_discard(struct live_index *index, struct live *made);
/* Takes out what live_find() or live_insert() answered. */
void live_remove(struct live_index *index, struct live *live);
struct live *live_find(const struct live_index *index, uint64_t id);
/* The one with the lowest id above this; NULL: there is none. */
struct live *live_next(const struct live_index *index, uint64_t id);

/* Makes sure that a change can be applied without memory: before it is written. */
MUST_USE bool live_reserve(struct live *live, size_t detail_size);

/* Applies a change that was reserved for. */
void live_apply(struct live *live, const struct record_header *header, struct slice payload);

/* Takes the state that a copied record or a RECORD_STATE carries. False when memory has run out. */
MUST_USE bool live_restore(struct live *live, const struct record_header *header, const struct record_state *state);

/* True when nothing is left to do for it. */
static inline bool live_is_done(const struct live *live)
{
	return live->ended || (live->state && live->recipients && live->state->done_count == live->recipients);
}

/* NULL when no recipient is done. */
const uint8_t *live_done_bits(const struct live *live);
struct slice live_detail(const struct live *live);

/* Its state as it goes into a record; 0 when there is none to speak of. */
size_t live_state_size(const struct live *live);
void live_state_write(const struct live *live, uint8_t *to);

#endif
