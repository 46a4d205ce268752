/* Who may have the last room of a lane, while no more segments can be had.
 *
 * A full lane gets room again by compaction alone: it copies what is needed of a segment somewhere else, and the segment
 * comes free. And compaction finds something only when messages that are over can say so. So one ready segment is kept for
 * compaction, and a part of the current one for changes: new messages, and what can be done without (tries that failed), may
 * have neither. A segment is emptied when a good part of it comes free by that, or a small one when changes have little room
 * left. When theirs is used up they are refused until compaction has made some, moments later (their owners try again);
 * only where it can't they may have the kept segment.
 *
 * After a restart the kept segment may be what is left to write into. Then both share it: compaction needs room for what it
 * copies, which changes may not take once it would fit. */
#include "core/spool/internal.h"

enum {
	CHANGES_PART = 16, /* of a segment is kept for changes */
	WORTH_PART = 8,    /* of a segment must come free */
	SCARCE_PART = 32,  /* of the current one is left: now less must do */
	SCARCE_WORTH_PART = 128,
};

/* The one that needs least; the one that compaction has begun with, where there is one: no other may be begun. */
static struct segment *cheapest(const struct segment_set *set)
{
	struct segment *best = NULL;
	if (set->stale)
		return segment_may_be_emptied(set, set->stale) ? set->stale : NULL;
	for (struct list *link = set->used.next; link != &set->used; link = link->next) {
		struct segment *segment = CONTAINER_OF(link, struct segment, link);
		if (segment_may_be_emptied(set, segment) &&
		    (!best || segment_needed_bytes(segment) < segment_needed_bytes(best)))
			best = segment;
	}
	return best;
}

uint32_t room_kept_segments(const struct segment_set *set)
{
	for (const struct list *link = set->used.next; link != &set->used; link = link->next) {
		const struct segment *segment = CONTAINER_OF(link, struct segment, link);
		if (segment->state == SEGMENT_SEALED && segment_needed_bytes(segment) > 0)
			return 1;
	}
	return 0;
}

static uint64_t room_left(const struct segment *current, uint64_t at)
{
	return current && at < current->size ? current->size - at : 0;
}

static const struct segment *next_ready(const struct segment_set *set)
{
	struct list *first = list_first(&set->ready);
	return first ? CONTAINER_OF(first, struct segment, link) : NULL;
}

/* A segment that is worth emptying and fits into what is left behind `at`, or NULL. */
static struct segment *to_empty(const struct spool *spool, uint64_t at)
{
	const struct segment_set *set = &spool->segments;
	struct segment *segment = cheapest(set);
	if (!segment || segment == set->stale)
		return segment;
	uint64_t left = room_left(set->current, at), needed = segment_needed_bytes(segment);
	const struct segment *next = next_ready(set);
	uint64_t for_changes = next ? left : left - (needed < left ? needed : left);
	bool scarce = for_changes < segment->size / SCARCE_PART;
	bool worth = segment->size - needed >= segment->size / (scarce ? SCARCE_WORTH_PART : WORTH_PART);
	return worth && needed <= (next ? next->size : left) ? segment : NULL;
}

struct segment *room_to_empty(const struct spool *spool)
{
	const struct segment *current = spool->segments.current;
	return to_empty(spool, current ? current->used : 0);
}

/* --- in the current segment --- */

/* With no segment kept, all that is needed of the cheapest one must fit in. */
static uint64_t kept_from_messages(const struct spool *spool)
{
	const struct segment_set *set = &spool->segments;
	uint64_t kept = set->current->size / CHANGES_PART;
	if (set->ready_count > 0 || spool->supply.status != SPOOL_FULL)
		return kept;
	const struct segment *segment = cheapest(set);
	return kept + (segment ? segment_needed_bytes(segment) : 0);
}

static uint64_t kept_from_changes(const struct spool *spool, uint64_t at)
{
	if (spool->segments.ready_count > 0 || spool->supply.status != SPOOL_FULL)
		return 0;
	const struct segment *segment = to_empty(spool, at);
	return segment ? segment_needed_bytes(segment) : 0;
}

bool room_has(const struct spool *spool, const struct spool_entry *entry, uint32_t at)
{
	const struct segment_set *set = &spool->segments;
	uint64_t kept = 0;
	if (!entry->live) /* a copy: it has no new place in the index */
		kept = set->ready_count > 0 ? 0 : set->current->size / CHANGES_PART / 2;
	else if (!entry_is_dispensable(entry))
		kept = kept_from_changes(spool, at);
	else if (set->ready_count <= room_kept_segments(set))
		kept = kept_from_messages(spool);
	return (uint64_t)at + entry->place.size + kept <= set->current->size;
}

bool room_for_messages(const struct spool *spool)
{
	const struct segment *current = spool->segments.current;
	return current && room_left(current, current->used) > kept_from_messages(spool) + current->size / CHANGES_PART;
}

/* --- in the next one --- */

bool room_in_next(const struct spool *spool, const struct spool_entry *entry)
{
	const struct segment_set *set = &spool->segments;
	bool full = spool->supply.status == SPOOL_FULL;
	if (set->ready_count > room_kept_segments(set) || set->ready_count == 0 || !entry || !entry->live)
		return set->ready_count > 0;
	/* The last one. Where more can be had a start need not wait for it. */
	if (entry_is_dispensable(entry))
		return !set->current && !full;
	return !set->current || (full && !room_to_empty(spool));
}
