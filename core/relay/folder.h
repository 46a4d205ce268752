/* Open Maildirs: made where they are missing, kept open for a moment, synced together.
 *
 * Deliveries that come close together share the descriptors of a Maildir and the sync of its new/. An open folder is used for
 * LIMIT_OPEN_FOLDER_MS at most, then it is looked up by its path again; nothing stays open when there is nothing to do.
 *
 * A Maildir that is there may have been made by a process that ended before it synced what that is in: a copy in it would be
 * lost with it. So the first time in a process' life the folders on its path are synced. */
#ifndef POSTERN_RELAY_FOLDER_H
#define POSTERN_RELAY_FOLDER_H

#include "core/base/limits.h"
#include "core/base/map.h"
#include "core/base/pool.h"
#include "core/io/loop.h"

struct folder_cache {
	struct loop *loop;
	struct map by_path;
	struct list recent; /* all in by_path, used last first */
	struct pool pool;
	struct timer sweep;
	uint64_t *lasting; /* LIMIT_LASTING_FOLDERS hashes of paths that are durable, each in its place */
};

struct folder_request;
/* `result` is 0 or a negative errno value. */
typedef void folder_done(struct folder_request *request, int32_t result);

/* Embedded in its owner; untouched by it from start to callback. */
struct folder_request {
	struct list link;
	folder_done *done;
	struct folder *folder; /* after opening, and until folder_release() */
};

MUST_USE bool folder_cache_init(struct folder_cache *cache, struct loop *loop);
/* All folders must have been released, all requests have ended. */
void folder_cache_finish(struct folder_cache *cache);

/* An open folder, taken into use, or NULL: folder_open() then. */
MUST_USE struct folder *folder_find(struct folder_cache *cache, const char *path);

/* Opens the Maildir at `path` and takes it into use; calls back once, from the loop. What is missing is made, with mode
 * 0700, but for the first `base_bytes` of the path. `repair`: looks for a missing tmp/ or cur/ too. False when memory has
 * run out: nothing was started. */
MUST_USE bool folder_open(struct folder_cache *cache, struct folder_request *request, const char *path,
			  size_t base_bytes, bool repair, folder_done *done);

/* The Maildir's descriptor, for paths like "tmp/NAME". */
int folder_descriptor(const struct folder *folder);

/* Makes the names in new/ durable. Requests that come while a sync runs share the next one. */
void folder_sync(struct folder_request *request, folder_done *done);

/* What is on disk is not what is open: nobody is given this folder again. */
void folder_forget(struct folder *folder);

/* Ends the use that folder_find() or folder_open() began. */
void folder_release(struct folder *folder);

#endif
