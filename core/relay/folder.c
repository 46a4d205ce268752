/* Open Maildirs; see folder.h. */
#include "core/relay/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { FOLDER_MODE = 0700, FOLDERS_A_SLAB = 16 };

/* From a path to an open folder. The steps between LOOK_UP and OPEN_NEW are taken only where something is missing. */
enum folder_step {
	FOLDER_LOOK_UP,
	FOLDER_MAKE_PARENT, /* each component behind the base in turn, the Maildir itself last */
	FOLDER_OPEN_PARENT, /* the folder that the new one was made in, */
	FOLDER_SYNC_PARENT, /* so that the new name lasts */
	FOLDER_MAKE_TMP,
	FOLDER_MAKE_NEW,
	FOLDER_MAKE_CUR,
	FOLDER_SYNC_NAMES,
	FOLDER_OPEN_NEW,
	FOLDER_OPEN,
};

struct folder {
	struct map_node node;
	struct list link; /* cache->recent */
	struct folder_cache *cache;
	struct loop_op op;   /* opening, then syncing new/ */
	struct list waiting; /* requests: for the opening, then for the next sync */
	struct list syncing; /* those that the running sync is for */
	uint64_t opened_ns;
	uint32_t users;
	int directory_fd;
	int new_fd;
	int parent_fd;
	uint8_t step;
	bool repair;    /* make the folders in the Maildir */
	bool made;      /* parents were made already: what is missing now stays missing */
	bool forgotten; /* in no list and map; ends with its last use */
	size_t base_bytes;
	size_t prefix_bytes; /* of the path, up to the component that is being made */
	char *path;
	char *prefix; /* a copy that is cut to what an operation is about */
};

/* --- life --- */

static uint64_t hash_path(const char *path)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a; equal hashes are compared as texts */
	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * 0x100000001b3u;
	return map_hash_number(hash);
}

static struct folder *lookup(const struct folder_cache *cache, const char *path)
{
	struct map_node *node = map_find(&cache->by_path, hash_path(path));
	for (; node; node = map_find_next(node)) {
		struct folder *folder = CONTAINER_OF(node, struct folder, node);
		if (strcmp(folder->path, path) == 0)
			return folder;
	}
	return NULL;
}

static void close_descriptor(struct folder *folder, int *fd)
{
	if (*fd >= 0)
		loop_close(folder->cache->loop, *fd);
	*fd = -1;
}

static void destroy(struct folder *folder)
{
	ASSERT(folder->users == 0 && !loop_op_is_running(&folder->op));
	close_descriptor(folder, &folder->directory_fd);
	close_descriptor(folder, &folder->new_fd);
	close_descriptor(folder, &folder->parent_fd);
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

bool folder_cache_init(struct folder_cache *cache, struct loop *loop)
{
	cache->loop = loop;
	list_init(&cache->recent);
	timer_init(&cache->sweep, sweep);
	pool_init(&cache->pool, sizeof(struct folder), FOLDERS_A_SLAB, LIMIT_OPEN_FOLDERS);
	return map_init(&cache->by_path, LIMIT_OPEN_FOLDERS);
}

void folder_cache_finish(struct folder_cache *cache)
{
	loop_timer_stop(cache->loop, &cache->sweep);
	for (struct list *at; (at = list_first(&cache->recent));)
		retire(CONTAINER_OF(at, struct folder, link));
	ASSERT(cache->pool.used == 0);
	pool_finish(&cache->pool);
	map_finish(&cache->by_path);
}

/* --- opening --- */

static void start_step(struct folder *folder, enum folder_step step);

/* Everybody who waits learns how it ended; each of them uses the folder from now on, if there is one. */
static void end_opening(struct folder *folder, int32_t result)
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

static void cut_prefix(struct folder *folder, size_t bytes)
{
	memcpy(folder->prefix, folder->path, bytes);
	folder->prefix[bytes] = 0;
}

/* On to the next component that may have to be made; with none left the Maildir must be there. */
static void make_next_parent(struct folder *folder)
{
	size_t size = strlen(folder->path), at = folder->prefix_bytes;
	while (at < size && folder->path[at] == '/')
		at++;
	if (at == size) {
		folder->made = true;
		start_step(folder, FOLDER_LOOK_UP);
		return;
	}
	struct slice rest = slice_of(folder->path + at, size - at);
	folder->prefix_bytes = at + slice_find(rest, '/');
	start_step(folder, FOLDER_MAKE_PARENT);
}

/* The prefix without its last component: where that was made. */
static void cut_to_parent(struct folder *folder)
{
	size_t size = folder->prefix_bytes;
	while (size > 0 && folder->path[size - 1] != '/')
		size--;
	if (size > 0)
		cut_prefix(folder, size);
	else
		memcpy(folder->prefix, ".", 2);
}

static void looked_up(struct folder *folder, int32_t result)
{
	if (result >= 0) {
		folder->directory_fd = result;
		start_step(folder, folder->repair || folder->made ? FOLDER_MAKE_TMP : FOLDER_OPEN_NEW);
	} else if (result == -ENOENT && !folder->made) {
		folder->prefix_bytes = folder->base_bytes;
		make_next_parent(folder);
	} else {
		end_opening(folder, result);
	}
}

static void made_parent(struct folder *folder, int32_t result)
{
	if (result == 0)
		start_step(folder, FOLDER_OPEN_PARENT);
	else if (result == -EEXIST)
		make_next_parent(folder);
	else
		end_opening(folder, result);
}

static void opened_parent(struct folder *folder, int32_t result)
{
	if (result < 0) {
		end_opening(folder, result);
		return;
	}
	folder->parent_fd = result;
	start_step(folder, FOLDER_SYNC_PARENT);
}

static void synced_parent(struct folder *folder, int32_t result)
{
	close_descriptor(folder, &folder->parent_fd);
	if (result < 0)
		end_opening(folder, result);
	else
		make_next_parent(folder);
}

static void made_name(struct folder *folder, int32_t result)
{
	if (result < 0 && result != -EEXIST)
		end_opening(folder, result);
	else
		start_step(folder, (enum folder_step)(folder->step + 1));
}

static void opened_new(struct folder *folder, int32_t result)
{
	if (result >= 0) {
		folder->new_fd = result;
		end_opening(folder, 0);
	} else if (result == -ENOENT && !folder->repair && !folder->made) {
		folder->repair = true;
		start_step(folder, FOLDER_MAKE_TMP);
	} else {
		end_opening(folder, result);
	}
}

static void step_ended(struct loop_op *op, const struct loop_completion *completion)
{
	static void (*const ended[])(struct folder *, int32_t) = {
		[FOLDER_LOOK_UP] = looked_up,         [FOLDER_MAKE_PARENT] = made_parent,
		[FOLDER_OPEN_PARENT] = opened_parent, [FOLDER_SYNC_PARENT] = synced_parent,
		[FOLDER_MAKE_TMP] = made_name,        [FOLDER_MAKE_NEW] = made_name,
		[FOLDER_MAKE_CUR] = made_name,        [FOLDER_SYNC_NAMES] = made_name,
		[FOLDER_OPEN_NEW] = opened_new,
	};
	struct folder *folder = CONTAINER_OF(op, struct folder, op);
	ended[folder->step](folder, completion->result);
}

static void start_step(struct folder *folder, enum folder_step step)
{
	static const char *const names[] = {
		[FOLDER_MAKE_TMP] = "tmp",
		[FOLDER_MAKE_NEW] = "new",
		[FOLDER_MAKE_CUR] = "cur",
		[FOLDER_OPEN_NEW] = "new",
	};
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	struct loop *loop = folder->cache->loop;
	folder->step = (uint8_t)step;
	switch (step) {
	case FOLDER_LOOK_UP:
		loop_open(loop, &folder->op, AT_FDCWD, folder->path, flags, 0, step_ended);
		break;
	case FOLDER_MAKE_PARENT:
		cut_prefix(folder, folder->prefix_bytes);
		loop_make_directory(loop, &folder->op, AT_FDCWD, folder->prefix, FOLDER_MODE, step_ended);
		break;
	case FOLDER_OPEN_PARENT:
		cut_to_parent(folder);
		loop_open(loop, &folder->op, AT_FDCWD, folder->prefix, flags, 0, step_ended);
		break;
	case FOLDER_SYNC_PARENT:
		loop_sync(loop, &folder->op, folder->parent_fd, false, step_ended);
		break;
	case FOLDER_MAKE_TMP:
	case FOLDER_MAKE_NEW:
	case FOLDER_MAKE_CUR:
		loop_make_directory(loop, &folder->op, folder->directory_fd, names[step], FOLDER_MODE, step_ended);
		break;
	case FOLDER_SYNC_NAMES:
		loop_sync(loop, &folder->op, folder->directory_fd, false, step_ended);
		break;
	case FOLDER_OPEN_NEW:
		loop_open(loop, &folder->op, folder->directory_fd, names[step], flags, 0, step_ended);
		break;
	case FOLDER_OPEN:
		break;
	}
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
	map_insert(&cache->by_path, &folder->node, hash_path(path));
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
		start_step(folder, FOLDER_LOOK_UP);
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
