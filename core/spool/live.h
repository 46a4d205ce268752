/* The index of live messages: where each one's record is and what is known of its recipients.
 *
 * 48 bytes a message and its share of the map's buckets, and a block more for one that has any state. It serves compaction (what is worth copying,
 * and its state now), recovery (what is left in the end) and the accounting of segments. */
#ifndef POSTERN_SPOOL_LIVE_H
#define POSTERN_SPOOL_LIVE_H

#include "core/base/list.h"
#include "core/base/map.h"
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
	struct map_node node; /* its hash is the id */
	uint32_t segment;     /* place of its record */
	uint32_t offset;
	uint32_t size : 24;
	uint32_t held : 1;
	uint32_t large : 1;
	uint32_t ended : 1;  /* done, durably; only spool_forget() is missing */
	uint16_t recipients; /* 0: unknown, never finished by bits */
	uint16_t pending;    /* changes that wait to be durable */
	struct live_state *state;
};

struct live_index {
	struct map map;
	struct pool pool;
};

MUST_USE bool live_index_init(struct live_index *index);
void live_index_finish(struct live_index *index);

/* A message not in the index yet; NULL when memory has run out. */
struct live *live_create(struct live_index *index, uint64_t id);
void live_insert(struct live_index *index, struct live *live);
/* Takes it out, if it is in, and frees it. */
void live_destroy(struct live_index *index, struct live *live, bool inserted);
struct live *live_find(const struct live_index *index, uint64_t id);

/* Makes sure that a change can be applied without memory: before it is written. */
MUST_USE bool live_reserve(struct live *live, size_t detail_size);

/* Applies a change that was reserved for. */
void live_apply(struct live *live, const struct record_header *header, struct slice payload);

/* Takes the state that a copied record or a RECORD_STATE carries. False when memory has run out. */
MUST_USE bool live_restore(struct live *live, const struct record_header *header, const struct record_state *state);

static inline uint64_t live_id(const struct live *live)
{
	return live->node.hash;
}

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
