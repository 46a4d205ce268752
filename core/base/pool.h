/* Fixed-size objects with a free list and a hard maximum.
 *
 * Taking and giving back cost a few instructions and touch the memory used last, so it is warm. Memory comes in
 * slabs and is kept for reuse until pool_finish(). Objects are not zeroed. Built with ASan, free objects are
 * poisoned, so use after giving back is reported. */
#ifndef POSTERN_BASE_POOL_H
#define POSTERN_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool {
	void *free;         /* singly linked through the objects' first word */
	struct slab *slabs; /* linked */
	char *fresh;        /* the newest slab's objects that were never given out */
	size_t fresh_count;
	size_t object_size;  /* bytes, rounded up to 16 */
	size_t slab_objects; /* objects a slab */
	size_t used;         /* objects given out now */
	size_t made;         /* objects that exist, used and free */
	bool hidden;         /* no object is in a core dump */
	size_t most;         /* pool_take() answers NULL past this many */
};

void pool_init(struct pool *pool, size_t object_size, size_t slab_objects, size_t most);

/* Now so many may be out; never fewer than before. */
void pool_allow(struct pool *pool, size_t most);

/* Right after pool_init(): the objects are in no core dump (hidden.h). For slabs of many pages. */
void pool_hide(struct pool *pool);

/* All objects must have been given back, or must never be touched again. */
void pool_finish(struct pool *pool);

/* NULL when `most` objects are out or memory has run out; the caller refuses or waits. */
void *pool_take(struct pool *pool);

/* NULL is allowed. */
void pool_give(struct pool *pool, void *object);

#endif
