/* The set of segments: which are used, which are ready, and when one is free.
 *
 * A segment is free when no live message's record is in it and no change in it is about a message whose record is in
 * another segment that still exists: without the change, replay would bring that message back. "Exists" ends with
 * segment_gone(): the name is gone, durably. This file only keeps the accounts; supply.c works on the files. */
#include "core/spool/internal.h"

#include <stdlib.h>

#include "crypto/secret.h"

enum { EXPECTED_SEGMENTS = 64 };

bool segments_init(struct segment_set *set)
{
	list_init(&set->used);
	list_init(&set->ready);
	list_init(&set->retiring);
	set->next_generation = 1;
	return map_init(&set->by_generation, EXPECTED_SEGMENTS);
}

static void finish_list(struct spool *spool, struct list *list)
{
	struct list *link;
	while ((link = list_take_first(list)))
		segment_destroy(spool, CONTAINER_OF(link, struct segment, link));
}

void segments_finish(struct spool *spool)
{
	struct segment_set *set = &spool->segments;
	if (!set->by_generation.chunks)
		return;
	finish_list(spool, &set->used);
	finish_list(spool, &set->ready);
	finish_list(spool, &set->retiring);
	map_finish(&set->by_generation);
}

struct segment *segment_create(uint32_t generation, uint32_t size, int fd)
{
	struct segment *segment = calloc(1, sizeof *segment);
	if (!segment)
		return NULL;
	segment->generation = generation;
	segment->size = size;
	segment->fd = fd;
	segment->direct_fd = -1;
	list_init(&segment->link);
	return segment;
}

static void segment_close_direct(struct spool *spool, struct segment *segment)
{
	if (segment->direct_fd >= 0)
		loop_close(spool->loop, segment->direct_fd);
	segment->direct_fd = -1;
}

void segment_destroy(struct spool *spool, struct segment *segment)
{
	if (!segment)
		return;
	if (segment->fd >= 0)
		loop_close(spool->loop, segment->fd);
	segment_close_direct(spool, segment);
	free(segment->references);
	free(segment);
}

struct segment *segment_find(const struct segment_set *set, uint32_t generation)
{
	struct map_node *node = map_find(&set->by_generation, map_hash_number(generation));
	return node ? CONTAINER_OF(node, struct segment, node) : NULL;
}

/* --- its life: ready, current, sealed, retiring --- */

void segments_add_ready(struct segment_set *set, struct segment *segment)
{
	segment->state = SEGMENT_READY;
	list_append(&set->ready, &segment->link);
	set->ready_count++;
}

void segments_add_used(struct segment_set *set, struct segment *segment)
{
	list_append(&set->used, &segment->link);
	map_insert(&set->by_generation, &segment->node, map_hash_number(segment->generation));
	if (segment->fd >= 0)
		set->open_count++;
}

void segments_rotate(struct spool *spool)
{
	struct segment_set *set = &spool->segments;
	ASSERT(!set->current && set->ready_count > 0);
	struct segment *segment = CONTAINER_OF(list_take_first(&set->ready), struct segment, link);
	set->ready_count--;
	segment->state = SEGMENT_CURRENT;
	secret_random(&segment->salt, sizeof segment->salt);
	segments_add_used(set, segment);
	set->current = segment;
	segments_close_surplus(spool);
}

void segments_seal_current(struct spool *spool, bool early)
{
	struct segment *segment = spool->segments.current;
	segment->state = SEGMENT_SEALED;
	segment->sealed_early = early;
	segment_close_direct(spool, segment);
	spool->segments.current = NULL;
	segment_settle(spool, segment);
}

static uint32_t collect_seals(const struct list *list, struct segment_seal seals[LIMIT_SEALS], uint32_t count)
{
	for (const struct list *link = list->previous; link != list && count < LIMIT_SEALS; link = link->previous) {
		const struct segment *segment = CONTAINER_OF(link, struct segment, link);
		if (segment->sealed_early)
			seals[count++] = (struct segment_seal){ segment->generation, segment->used };
	}
	return count;
}

uint32_t segments_seals(const struct segment_set *set, struct segment_seal seals[LIMIT_SEALS])
{
	return collect_seals(&set->retiring, seals, collect_seals(&set->used, seals, 0));
}

void segments_current_begun(struct spool *spool)
{
	struct segment_set *set = &spool->segments;
	struct segment *before = set->newest_begun;
	set->current->begun = true;
	set->newest_begun = set->current;
	if (before)
		segment_settle(spool, before);
}

void segments_close_surplus(struct spool *spool)
{
	struct segment_set *set = &spool->segments;
	for (struct list *link = set->used.next; link != &set->used && set->open_count > LIMIT_OPEN_SEGMENTS;
	     link = link->next) {
		struct segment *segment = CONTAINER_OF(link, struct segment, link);
		if (segment->fd < 0 || segment->readers || segment == set->current ||
		    segment == spool->compaction.segment)
			continue;
		loop_close(spool->loop, segment->fd);
		segment->fd = -1;
		set->open_count--;
	}
}

/* --- references --- */

/* Where the generation is in the table, or would be. */
static uint32_t reference_place(const struct segment *segment, uint32_t generation)
{
	uint32_t low = 0, high = segment->reference_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (segment->references[middle].generation < generation)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has_reference_at(const struct segment *segment, uint32_t at, uint32_t generation)
{
	return at < segment->reference_count && segment->references[at].generation == generation;
}

static bool insert_reference(struct segment *segment, uint32_t at, uint32_t generation)
{
	if (segment->reference_count == segment->reference_capacity) {
		uint32_t capacity = segment->reference_capacity ? segment->reference_capacity * 2 : 4;
		struct reference *larger = realloc(segment->references, capacity * sizeof *larger);
		if (!larger)
			return false;
		segment->references = larger;
		segment->reference_capacity = capacity;
	}
	memmove(&segment->references[at + 1], &segment->references[at],
		(segment->reference_count - at) * sizeof *segment->references);
	segment->references[at] = (struct reference){ generation, 0 };
	segment->reference_count++;
	return true;
}

void segment_refer(const struct segment_set *set, struct segment *segment, uint32_t generation, uint32_t bytes)
{
	if (generation == 0 || generation == segment->generation || !segment_find(set, generation))
		return;
	uint32_t at = reference_place(segment, generation);
	if (!has_reference_at(segment, at, generation) && !insert_reference(segment, at, generation)) {
		segment->kept = true;
		return;
	}
	segment->references[at].bytes += bytes;
	segment->referring_bytes += bytes;
}

static void drop_reference(struct segment *segment, uint32_t generation)
{
	uint32_t at = reference_place(segment, generation);
	if (!has_reference_at(segment, at, generation))
		return;
	segment->referring_bytes -= segment->references[at].bytes;
	segment->reference_count--;
	memmove(&segment->references[at], &segment->references[at + 1],
		(segment->reference_count - at) * sizeof *segment->references);
}

/* --- free or not --- */

uint64_t segment_needed_bytes(const struct segment *segment)
{
	return segment->live_bytes + (segment->evacuated ? 0 : segment->referring_bytes);
}

bool segment_may_be_emptied(const struct segment_set *set, const struct segment *segment)
{
	return segment->state == SEGMENT_SEALED && segment != set->newest_begun && !segment->evacuated &&
	       !segment->kept;
}

void segment_settle(struct spool *spool, struct segment *segment)
{
	struct segment_set *set = &spool->segments;
	if (segment->state != SEGMENT_SEALED || segment == set->newest_begun || segment == spool->compaction.segment ||
	    segment->readers || segment->kept || segment_needed_bytes(segment) > 0)
		return;
	if (segment->fd >= 0)
		set->open_count--;
	segment->state = SEGMENT_RETIRING;
	list_remove(&segment->link);
	list_append(&set->retiring, &segment->link);
	supply_run(spool);
}

void segments_settle_all(struct spool *spool)
{
	struct segment_set *set = &spool->segments;
	for (struct list *link = set->used.next, *next; link != &set->used; link = next) {
		next = link->next;
		segment_settle(spool, CONTAINER_OF(link, struct segment, link));
	}
}

void segment_gone(struct spool *spool, struct segment *segment)
{
	struct segment_set *set = &spool->segments;
	map_remove(&set->by_generation, &segment->node);
	list_remove(&segment->link);
	if (set->stale == segment)
		set->stale = NULL;
	for (struct list *link = set->used.next; link != &set->used; link = link->next)
		drop_reference(CONTAINER_OF(link, struct segment, link), segment->generation);
	for (struct list *link = set->retiring.next; link != &set->retiring; link = link->next)
		drop_reference(CONTAINER_OF(link, struct segment, link), segment->generation);
	segments_settle_all(spool);
}
