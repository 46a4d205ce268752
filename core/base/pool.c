/* Fixed-size object pools; see pool.h. */
#include "core/base/pool.h"

#include <stdlib.h>

#include "core/base/error.h"
#include "core/base/hidden.h"

#if defined(__SANITIZE_ADDRESS__)
#define POSTERN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POSTERN_ASAN 1
#endif
#endif

#ifdef POSTERN_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(at, size)   ASAN_POISON_MEMORY_REGION(at, size)
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define POISON(at, size)   ((void)(at), (void)(size))
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

enum { ALIGNMENT = 16 };

struct slab {
	struct slab *next;
	size_t count;
	_Alignas(ALIGNMENT) char objects[];
};

void pool_init(struct pool *pool, size_t object_size, size_t slab_objects, size_t most)
{
	ASSERT(object_size >= sizeof(void *) && slab_objects > 0);
	*pool = (struct pool){
		.object_size = (object_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT,
		.slab_objects = slab_objects,
		.most = most,
	};
}

void pool_allow(struct pool *pool, size_t most)
{
	if (most > pool->most)
		pool->most = most;
}

void pool_hide(struct pool *pool)
{
	ASSERT(!pool->slabs);
	pool->hidden = true;
}

static size_t slab_size(const struct pool *pool, size_t objects)
{
	return sizeof(struct slab) + pool->object_size * objects;
}

void pool_finish(struct pool *pool)
{
	for (struct slab *slab = pool->slabs, *next; slab; slab = next) {
		next = slab->next;
		UNPOISON(slab->objects, pool->object_size * slab->count);
		if (pool->hidden)
			hidden_free(slab, slab_size(pool, slab->count));
		else
			free(slab);
	}
	pool->slabs = NULL;
	pool->free = NULL;
	pool->fresh = NULL;
	pool->fresh_count = 0;
	pool->made = pool->used = 0;
}

static void push_free(struct pool *pool, void *object)
{
	*(void **)object = pool->free;
	pool->free = object;
	POISON(object, pool->object_size);
}

static bool grow(struct pool *pool)
{
	if (pool->made >= pool->most)
		return false;
	size_t objects = pool->slab_objects;
	size_t size = slab_size(pool, objects);
	struct slab *slab = pool->hidden ? hidden_allocate(size) : malloc(size);
	if (!slab)
		return false;
	slab->next = pool->slabs;
	slab->count = objects;
	pool->slabs = slab;
	pool->fresh = slab->objects;
	pool->fresh_count = objects;
	POISON(pool->fresh, pool->object_size * objects);
	pool->made += objects;
	return true;
}

/* Memory is touched when it is needed, not when it is made. */
static void *take_fresh(struct pool *pool)
{
	if (pool->fresh_count == 0 && !grow(pool))
		return NULL;
	void *object = pool->fresh;
	pool->fresh += pool->object_size;
	pool->fresh_count--;
	return object;
}

void *pool_take(struct pool *pool)
{
	if (pool->used >= pool->most)
		return NULL;
	void *object = pool->free ? pool->free : take_fresh(pool);
	if (!object)
		return NULL;
	UNPOISON(object, pool->object_size);
	if (pool->free) {
		pool->free = *(void **)object;
		/* Of many objects the next one was last used long ago. */
		__builtin_prefetch(pool->free, 1);
	}
	pool->used++;
	return object;
}

void pool_give(struct pool *pool, void *object)
{
	if (!object)
		return;
	ASSERT(pool->used > 0);
	pool->used--;
	push_free(pool, object);
}
