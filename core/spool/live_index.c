/* The index of live messages as pages in the order of ids; see live.h. */
#include "core/spool/live.h"

#include <stdlib.h>

enum {
	PAGE_MESSAGES = 127,
	SPARSE = PAGE_MESSAGES /
		 4, /* a page with fewer joins its neighbour, if both have room in one and some to spare */
	JOINED_MOST = PAGE_MESSAGES * 3 / 4,
	SLAB_PAGES = 16,
	SLAB_NEW = 256,
};

struct live_page {
	uint32_t count;
	struct live messages[PAGE_MESSAGES];
};

/* --- life --- */

void live_index_init(struct live_index *index)
{
	*index = (struct live_index){ 0 };
	pool_init(&index->page_pool, sizeof(struct live_page), SLAB_PAGES, SIZE_MAX);
	pool_init(&index->new_pool, sizeof(struct live), SLAB_NEW, SIZE_MAX);
}

void live_index_finish(struct live_index *index)
{
	for (size_t i = 0; i < index->page_count; i++)
		for (uint32_t k = 0; k < index->pages[i]->count; k++)
			free(index->pages[i]->messages[k].state);
	free(index->pages);
	free(index->firsts);
	free(index->spares);
	pool_finish(&index->page_pool);
	pool_finish(&index->new_pool);
	*index = (struct live_index){ 0 };
}

/* --- searching --- */

/* The last page that begins at or below the id; 0 where none does. */
static size_t page_of(const struct live_index *index, uint64_t id)
{
	size_t from = 0, count = index->page_count;
	/* Who was taken in lately is asked for most. */
	if (count && index->firsts[count - 1] <= id)
		return count - 1;
	while (count > 1) {
		size_t half = count / 2;
		from = index->firsts[from + half] <= id ? from + half : from;
		count -= half;
	}
	return from;
}

/* How many of the page's messages have lower ids. */
static uint32_t place_in(const struct live_page *page, uint64_t id)
{
	uint32_t from = 0, count = page->count;
	if (count && page->messages[count - 1].id < id)
		return count;
	while (count > 0) {
		uint32_t half = count / 2;
		bool lower = page->messages[from + half].id < id;
		from = lower ? from + half + 1 : from;
		count = lower ? count - half - 1 : half;
	}
	return from;
}

struct live *live_find(const struct live_index *index, uint64_t id)
{
	if (index->page_count == 0)
		return NULL;
	struct live_page *page = index->pages[page_of(index, id)];
	uint32_t at = place_in(page, id);
	return at < page->count && page->messages[at].id == id ? &page->messages[at] : NULL;
}

struct live *live_next(const struct live_index *index, uint64_t id)
{
	if (index->page_count == 0 || id == UINT64_MAX)
		return NULL;
	size_t number = page_of(index, id + 1);
	struct live_page *page = index->pages[number];
	uint32_t at = place_in(page, id + 1);
	if (at < page->count)
		return &page->messages[at];
	return number + 1 < index->page_count ? &index->pages[number + 1]->messages[0] : NULL;
}

/* --- memory --- */

/* Room in the list for so many pages. */
static bool grow_list(struct live_index *index, size_t pages)
{
	if (pages <= index->page_capacity)
		return true;
	size_t capacity = 2 * pages;
	struct live_page **larger = realloc(index->pages, capacity * sizeof *larger);
	if (!larger)
		return false;
	index->pages = larger;
	uint64_t *firsts = realloc(index->firsts, capacity * sizeof *firsts);
	if (!firsts)
		return false;
	index->firsts = firsts;
	index->page_capacity = capacity;
	return true;
}

static bool grow_spares(struct live_index *index, size_t pages)
{
	if (pages <= index->spare_capacity)
		return true;
	struct live_page **larger = realloc(index->spares, 2 * pages * sizeof *larger);
	if (!larger)
		return false;
	index->spares = larger;
	index->spare_capacity = 2 * pages;
	return true;
}

/* Those that come behind all others fill pages one by one; any other may have to split one. */
static bool keep_spares(struct live_index *index)
{
	size_t wanted = index->late_count + (index->new_pool.used - index->late_count) / PAGE_MESSAGES + 2;
	if (!grow_list(index, index->page_count + wanted) || !grow_spares(index, wanted))
		return false;
	while (index->spare_count < wanted) {
		struct live_page *page = pool_take(&index->page_pool);
		if (!page)
			return false;
		index->spares[index->spare_count++] = page;
	}
	return true;
}

static struct live_page *take_spare(struct live_index *index)
{
	ASSERT(index->spare_count > 0);
	struct live_page *page = index->spares[--index->spare_count];
	page->count = 0;
	return page;
}

struct live *live_create(struct live_index *index, uint64_t id)
{
	struct live *made = pool_take(&index->new_pool);
	bool late = id <= index->newest_id;
	if (!made)
		return NULL;
	*made = (struct live){ .id = id, .late = late };
	index->late_count += late;
	if (!keep_spares(index)) {
		live_discard(index, made);
		return NULL;
	}
	if (!late)
		index->newest_id = id;
	return made;
}

void live_discard(struct live_index *index, struct live *made)
{
	if (!made)
		return;
	index->late_count -= made->late;
	free(made->state);
	pool_give(&index->new_pool, made);
}

/* --- pages --- */

static void add_page(struct live_index *index, size_t at, struct live_page *page)
{
	ASSERT(index->page_count < index->page_capacity);
	size_t behind = index->page_count++ - at;
	memmove(&index->pages[at + 1], &index->pages[at], behind * sizeof *index->pages);
	memmove(&index->firsts[at + 1], &index->firsts[at], behind * sizeof *index->firsts);
	index->pages[at] = page;
}

static void drop_page(struct live_index *index, size_t at)
{
	pool_give(&index->page_pool, index->pages[at]);
	size_t behind = --index->page_count - at;
	memmove(&index->pages[at], &index->pages[at + 1], behind * sizeof *index->pages);
	memmove(&index->firsts[at], &index->firsts[at + 1], behind * sizeof *index->firsts);
}

static void note_first(struct live_index *index, size_t at)
{
	index->firsts[at] = index->pages[at]->messages[0].id;
}

static void append_messages(struct live_page *page, const struct live *from, uint32_t count)
{
	memcpy(&page->messages[page->count], from, count * sizeof *from);
	page->count += count;
}

/* The upper half goes to a page of its own. */
static void split(struct live_index *index, size_t at)
{
	struct live_page *low = index->pages[at], *high = take_spare(index);
	uint32_t kept = low->count / 2;
	append_messages(high, &low->messages[kept], low->count - kept);
	low->count = kept;
	add_page(index, at + 1, high);
	note_first(index, at + 1);
}

/* Where a message of this id may be put in, with room for it. */
static size_t page_with_room(struct live_index *index, uint64_t id)
{
	size_t at = index->page_count ? page_of(index, id) : 0;
	bool full = index->page_count && index->pages[at]->count == PAGE_MESSAGES;
	bool behind_all = full && at + 1 == index->page_count && index->pages[at]->messages[PAGE_MESSAGES - 1].id < id;
	if (index->page_count == 0 || behind_all) {
		add_page(index, index->page_count, take_spare(index));
		return index->page_count - 1;
	}
	if (!full)
		return at;
	split(index, at);
	return index->firsts[at + 1] <= id ? at + 1 : at;
}

struct live *live_insert(struct live_index *index, struct live *made)
{
	size_t number = page_with_room(index, made->id);
	struct live_page *page = index->pages[number];
	uint32_t at = place_in(page, made->id);
	struct live *place = &page->messages[at];
	ASSERT(at == page->count || place->id != made->id);
	memmove(place + 1, place, (page->count - at) * sizeof *place);
	*place = *made;
	place->late = false;
	page->count++;
	index->size++;
	note_first(index, number);
	made->state = NULL;
	live_discard(index, made);
	return place;
}

/* Takes the page behind into this one. */
static void join(struct live_index *index, size_t at)
{
	const struct live_page *next = index->pages[at + 1];
	append_messages(index->pages[at], next->messages, next->count);
	drop_page(index, at + 1);
}

static void join_if_sparse(struct live_index *index, size_t at)
{
	uint32_t count = index->pages[at]->count;
	if (count >= SPARSE)
		return;
	if (at + 1 < index->page_count && count + index->pages[at + 1]->count <= JOINED_MOST)
		join(index, at);
	else if (at > 0 && count + index->pages[at - 1]->count <= JOINED_MOST)
		join(index, at - 1);
}

void live_remove(struct live_index *index, struct live *live)
{
	size_t number = page_of(index, live->id);
	struct live_page *page = index->pages[number];
	size_t at = (size_t)(live - page->messages);
	ASSERT(at < page->count);
	free(live->state);
	memmove(live, live + 1, (page->count - at - 1) * sizeof *live);
	page->count--;
	index->size--;
	if (page->count == 0) {
		drop_page(index, number);
		return;
	}
	note_first(index, number);
	join_if_sparse(index, number);
}
