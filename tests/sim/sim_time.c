/* The simulator's timeline: what will happen, in order of time; see sim_parts.h. */
#include <stdlib.h>

#include "tests/sim/sim_parts.h"

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

static void swap(struct sim_event **heap, size_t a, size_t b)
{
	struct sim_event *event = heap[a];
	heap[a] = heap[b];
	heap[b] = event;
}

void sim_plan(struct sim *sim, struct sim_event *event, uint64_t at_ns,
	      void (*happen)(struct sim *, struct sim_event *))
{
	struct sim_timeline *timeline = &sim->timeline;
	if (timeline->count == timeline->capacity) {
		timeline->capacity = timeline->capacity ? timeline->capacity * 2 : 64;
		timeline->heap = realloc(timeline->heap, timeline->capacity * sizeof(struct sim_event *));
		ASSERT(timeline->heap);
	}
	*event = (struct sim_event){ at_ns, timeline->next_number++, happen };
	size_t at = timeline->count++;
	timeline->heap[at] = event;
	for (; at && is_before(event, timeline->heap[(at - 1) / 2]); at = (at - 1) / 2)
		swap(timeline->heap, at, (at - 1) / 2);
}

struct sim_event *sim_next_event(const struct sim *sim)
{
	return sim->timeline.count ? sim->timeline.heap[0] : NULL;
}

struct sim_event *sim_take_event(struct sim *sim)
{
	struct sim_timeline *timeline = &sim->timeline;
	struct sim_event *first = timeline->heap[0];
	timeline->heap[0] = timeline->heap[--timeline->count];
	for (size_t at = 0;;) {
		size_t least = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < timeline->count; child++)
			if (is_before(timeline->heap[child], timeline->heap[least]))
				least = child;
		if (least == at)
			return first;
		swap(timeline->heap, at, least);
		at = least;
	}
}
