/* Open Maildirs: which are open, who uses them, syncing them; see folder.h. */
#include <stdlib.h>
#include <string.h>

#include "core/relay/folder_state.h"

enum { FOLDERS_A_SLAB = 16 };

/* --- life --- */

static struct folder *lookup(const struct folder_cache *cache, const char *path)
{
	struct map_node *node = map_find(&cache->by_path, map_hash_text(path));
	for (; node; node = map_find_next(node)) {
		struct folder *folder = CONTAINER_OF(node, struct folder, node);
		if (strcmp(folder->path, path) == 0)
			return folder;
	}
	return NULL;
}

static void destroy(struct folder *folder)
{
	ASSERT(folder->users == 0 && !loop_op_is_running(&folder->op));
	folder_close(folder, &folder->directory_fd);
	folder_close(folder, &folder->new_fd);
	folder_close(folder, &folder->parent_fd);
	free(folder->path);
	pool_give(&folder->cache->pool, folder);
}

static void detach(struct folder *folder)
{
	map_remove(&folder->cache->by_path, &folder->node);
	list_remove(&folder->link);
	folder->forgotten = true;
}

void folder_forget(struct folder *folder)
{
	if (!folder->forgotten)
		detach(folder);
}

void folder_release(struct folder *folder)
{
	ASSERT(folder->users > 0);
	folder->users--;
	if (folder->users == 0 && folder->forgotten)
		destroy(folder);
}

/* Nobody gets it any more, and it is closed as soon as nobody uses it. */
static void retire(struct folder *folder)
{
	folder->users++;
	folder_forget(folder);
	folder_release(folder);
}

static bool is_stale(const struct folder *folder)
{
	uint64_t age_ns = loop_now(folder->cache->loop)->monotonic_ns - folder->opened_ns;
	return folder->step == FOLDER_OPEN && age_ns >= (uint64_t)LIMIT_OPEN_FOLDER_MS * CLOCK_NS_PER_MS;
}

static void sweep(struct timer *timer)
{
	struct folder_cache *cache = CONTAINER_OF(timer, struct folder_cache, sweep);
	for (struct list *at = cache->recent.next, *next; at != &cache->recent; at = next) {
		next = at->next;
		struct folder *folder = CONTAINER_OF(at, struct folder, link);
		if (is_stale(folder))
			retire(folder);
	}
	if (!list_is_empty(&cache->recent))
		loop_timer_start(cache->loop, timer, LIMIT_OPEN_FOLDER_MS);
}

/* Makes room by closing the folder whose last use is longest ago. */
static void evict(struct folder_cache *cache)
{
	for (struct list *at = cache->recent.previous; at != &cache->recent; at = at->previous) {
		struct folder *folder = CONTAINER_OF(at, struct folder, link);
		if (folder->users == 0 && folder->step == FOLDER_OPEN) {
			retire(folder);
			return;
		}
	}
}

bool folder_is_lasting(const struct folder_cache *cache, const char *path)
{
	uint64_t hash = map_hash_text(path);
	return cache->lasting[hash % LIMIT_LASTING_FOLDERS] == hash;
}

void folder_note_lasting(struct folder_cache *cache, const char *path)
{
	uint64_t hash = map_hash_text(path);
	cache->lasting[hash % LIMIT_LASTING_FOLDERS] = hash;
}

bool folder_cache_init(struct folder_cache *cache, struct loop *loop)
{
	cache->loop = loop;
	cache->lasting = calloc(LIMIT_LASTING_FOLDERS, sizeof *cache->lasting);
	if (!cache->lasting)
		return false;
	list_init(&cache->recent);
	timer_init(&cache->sweep, sweep);
	pool_init(&cache->pool, sizeof(struct folder), FOLDERS_A_SLAB, LIMIT_OPEN_FOLDERS);
	if (map_init(&cache->by_path, LIMIT_OPEN_FOLDERS))
		return true;
	free(cache->lasting);
	return false;
}

void folder_cache_finish(struct folder_cache *cache)
{
	loop_timer_stop(cache->loop, &cache->sweep);
	for (struct list *at; (at = list_first(&cache->recent));)
		retire(CONTAINER_OF(at, struct folder, link));
	ASSERT(cache->pool.used == 0);
	pool_finish(&cache->pool);
	map_finish(&cache->by_path);
	free(cache->lasting);
}

/* --- opening --- */

/* Everybody who waits learns how it ended; each of them uses the folder from now on, if there is one. */
void folder_end_opening(struct folder *folder, int32_t result)
{
	folder->users++;
	folder->opened_ns = loop_now(folder->cache->loop)->monotonic_ns;
	if (result < 0)
		folder_forget(folder);
	else
		folder->step = FOLDER_OPEN;
	struct list requests;
	list_init(&requests);
	list_splice(&requests, &folder->waiting);
	for (struct list *at; (at = list_take_first(&requests));) {
		struct folder_request *request = CONTAINER_OF(at, struct folder_request, link);
		if (result == 0) {
			folder->users++;
			request->folder = folder;
		}
		request->done(request, result);
	}
	folder_release(folder);
}

static struct folder *create(struct folder_cache *cache, const char *path, size_t base_bytes, bool repair)
{
	struct folder *folder = pool_take(&cache->pool);
	if (!folder)
		return NULL;
	size_t bytes = strlen(path) + 1;
	*folder = (struct folder){
		.cache = cache,
		.directory_fd = -1,
		.new_fd = -1,
		.parent_fd = -1,
		.repair = repair,
		.base_bytes = base_bytes,
		.path = malloc(2 * bytes + 2), /* the prefix may be "." */
	};
	if (!folder->path) {
		pool_give(&cache->pool, folder);
		return NULL;
	}
	memcpy(folder->path, path, bytes);
	folder->prefix = folder->path + bytes;
	loop_op_init(&folder->op);
	list_init(&folder->waiting);
	list_init(&folder->syncing);
	map_insert(&cache->by_path, &folder->node, map_hash_text(path));
	list_insert_after(&cache->recent, &folder->link);
	return folder;
}

/* --- use --- */

struct folder *folder_find(struct folder_cache *cache, const char *path)
{
	struct folder *folder = lookup(cache, path);
	if (!folder || folder->step != FOLDER_OPEN)
		return NULL;
	if (is_stale(folder)) {
		retire(folder);
		return NULL;
	}
	folder->users++;
	list_remove(&folder->link);
	list_insert_after(&cache->recent, &folder->link);
	return folder;
}

bool folder_open(struct folder_cache *cache, struct folder_request *request, const char *path, size_t base_bytes,
		 bool repair, folder_done *done)
{
	ASSERT(base_bytes <= strlen(path));
	request->done = done;
	request->folder = NULL;
	struct folder *folder = lookup(cache, path);
	if (folder && folder->step == FOLDER_OPEN) {
		retire(folder);
		folder = NULL;
	}
	if (!folder) {
		if (cache->pool.used == LIMIT_OPEN_FOLDERS)
			evict(cache);
		folder = create(cache, path, base_bytes, repair);
		if (!folder)
			return false;
		folder_start_opening(folder);
	}
	list_append(&folder->waiting, &request->link);
	if (!timer_is_running(&cache->sweep))
		loop_timer_start(cache->loop, &cache->sweep, LIMIT_OPEN_FOLDER_MS);
	return true;
}

int folder_descriptor(const struct folder *folder)
{
	return folder->directory_fd;
}

static void start_sync(struct folder *folder);

static void synced(struct loop_op *op, const struct loop_completion *completion)
{
	struct folder *folder = CONTAINER_OF(op, struct folder, op);
	int32_t result = completion->result;
	struct list requests;
	list_init(&requests);
	list_splice(&requests, &folder->syncing);
	start_sync(folder);
	for (struct list *at; (at = list_take_first(&requests));) {
		struct folder_request *request = CONTAINER_OF(at, struct folder_request, link);
		request->done(request, result);
	}
}

static void start_sync(struct folder *folder)
{
	if (list_is_empty(&folder->waiting) || loop_op_is_running(&folder->op))
		return;
	list_splice(&folder->syncing, &folder->waiting);
	loop_sync(folder->cache->loop, &folder->op, folder->new_fd, false, synced);
}

void folder_sync(struct folder_request *request, folder_done *done)
{
	struct folder *folder = request->folder;
	ASSERT(folder->step == FOLDER_OPEN && folder->users > 0);
	request->done = done;
	list_append(&folder->waiting, &request->link);
	start_sync(folder);
}
