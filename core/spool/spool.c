/* Opening and closing a lane: its folders, its lock, recovery, the first segment. See spool.h. */
#include "core/spool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LEAST_SEGMENT_BYTES = 128 * 1024, /* for tests; twice a record with a state */
	PATH_BYTES = 4096,
	PID_TEXT_BYTES = 16,
};

int32_t spool_await(struct spool *spool)
{
	return loop_await(spool->loop, &spool->op);
}

/* --- life --- */

static struct spool *create(struct loop *loop, const struct spool_settings *settings)
{
	struct spool *spool = calloc(1, sizeof *spool);
	if (!spool)
		return NULL;
	spool->loop = loop;
	spool->lane = settings->lane;
	spool->segment_bytes = (uint32_t)(settings->segment_bytes ? settings->segment_bytes : LIMIT_SEGMENT_BYTES);
	spool->most_bytes = settings->most_bytes;
	spool->compaction_ms = settings->compaction_ms ? settings->compaction_ms : SPOOL_COMPACTION_MS;
	spool->folder_fd = spool->lock_fd = spool->segments_fd = spool->large_fd = -1;
	loop_op_init(&spool->op);
	supply_init(&spool->supply);
	compaction_init(spool);
	spool->directory = strdup(settings->directory);
	spool->ready_to_write = writer_init(&spool->writer);
	return spool;
}

static void close_fd(struct spool *spool, int fd)
{
	if (fd >= 0)
		loop_close(spool->loop, fd);
}

static void destroy(struct spool *spool)
{
	compaction_finish(spool);
	segments_finish(spool);
	live_index_finish(&spool->index);
	writer_finish(&spool->writer);
	close_fd(spool, spool->large_fd);
	close_fd(spool, spool->segments_fd);
	close_fd(spool, spool->folder_fd);
	close_fd(spool, spool->lock_fd); /* the last: it unlocks */
	free(spool->directory);
	free(spool);
}

/* Nothing of the spool's own runs in the loop. */
static bool is_idle(const struct spool *spool)
{
	return writer_is_idle(&spool->writer) && !spool->supply.running && !spool->compaction.running &&
	       spool->removals == 0;
}

static void drain(struct spool *spool)
{
	struct error error;
	spool->closing = true;
	loop_timer_stop(spool->loop, &spool->compaction.timer);
	loop_timer_stop(spool->loop, &spool->supply.retry);
	while (!is_idle(spool)) {
		writer_kick(spool);
		if (!loop_turn(spool->loop, true, &error))
			return;
	}
	loop_timer_stop(spool->loop, &spool->writer.pace);
}

void spool_close(struct spool *spool)
{
	if (!spool)
		return;
	drain(spool);
	destroy(spool);
}

/* --- folders --- */

/* Makes the folder if it is missing. Its name is durable only when the folder that it is in is synced, and one that is
 * there may have been made by a process that did not come so far. */
static bool make_folder(struct spool *spool, int in_fd, const char *path, struct error *error)
{
	loop_make_directory(spool->loop, &spool->op, in_fd, path, 0700, NULL);
	int32_t result = spool_await(spool);
	return result >= 0 || result == -EEXIST || error_set_errno(error, result, "can't make the folder %s", path);
}

static bool open_folder(struct spool *spool, int in_fd, const char *path, int *fd, struct error *error)
{
	loop_open(spool->loop, &spool->op, in_fd, path, O_RDONLY | O_DIRECTORY, 0, NULL);
	*fd = spool_await(spool);
	return *fd >= 0 || error_set_errno(error, *fd, "can't open the folder %s", path);
}

static bool sync_parent(struct spool *spool, struct error *error)
{
	char path[PATH_BYTES];
	int fd;
	if (snprintf(path, sizeof path, "%s/..", spool->directory) >= (int)sizeof path)
		return error_set(error, "the folder's name is too long: %s", spool->directory);
	if (!open_folder(spool, AT_FDCWD, path, &fd, error))
		return false;
	bool ok = harden_folder(spool, fd, path, error);
	loop_close(spool->loop, fd);
	return ok;
}

static bool open_lane(struct spool *spool, struct error *error)
{
	return make_folder(spool, AT_FDCWD, spool->directory, error) && sync_parent(spool, error) &&
	       open_folder(spool, AT_FDCWD, spool->directory, &spool->folder_fd, error);
}

static bool open_parts(struct spool *spool, struct error *error)
{
	return make_folder(spool, spool->folder_fd, "segments", error) &&
	       make_folder(spool, spool->folder_fd, "large", error) &&
	       harden_folder(spool, spool->folder_fd, spool->directory, error) &&
	       open_folder(spool, spool->folder_fd, "segments", &spool->segments_fd, error) &&
	       harden_folder(spool, spool->segments_fd, "segments", error) &&
	       open_folder(spool, spool->folder_fd, "large", &spool->large_fd, error);
}

/* --- the lock --- */

static bool is_locked_by_other(struct spool *spool, struct error *error)
{
	char text[PID_TEXT_BYTES + 1] = "";
	struct iovec part = { text, PID_TEXT_BYTES };
	loop_read(spool->loop, &spool->op, spool->lock_fd, &part, 1, 0, NULL);
	spool_await(spool);
	text[strcspn(text, "\n")] = 0;
	error_set(error, "%s is in use by process %s: a lane has one server only; stop that one first",
		  spool->directory, text[0] ? text : "(unknown)");
	return false;
}

/* Held as long as the descriptor is open, whatever way the process ends. */
static bool lock_lane(struct spool *spool, struct error *error)
{
	loop_open(spool->loop, &spool->op, spool->folder_fd, "lock", O_RDWR | O_CREAT, 0600, NULL);
	spool->lock_fd = spool_await(spool);
	if (spool->lock_fd < 0)
		return error_set_errno(error, spool->lock_fd, "can't open %s/lock", spool->directory);
	int32_t locked = loop_lock(spool->loop, spool->lock_fd);
	if (locked == -EWOULDBLOCK)
		return is_locked_by_other(spool, error);
	if (locked < 0)
		return error_set_errno(error, locked, "can't lock %s/lock", spool->directory);
	/* For people only: a failure is none. */
	char text[PID_TEXT_BYTES + 1];
	snprintf(text, sizeof text, "%-*ld\n", PID_TEXT_BYTES - 1, (long)getpid());
	struct iovec part = { text, PID_TEXT_BYTES };
	loop_write(spool->loop, &spool->op, spool->lock_fd, &part, 1, 0, 0, NULL);
	spool_await(spool);
	return true;
}

/* --- opening --- */

/* Waits until a segment is ready, or it is known that none can be had for lack of space. */
static bool first_segment(struct spool *spool, struct error *error)
{
	struct supply *supply = &spool->supply;
	supply->first = true;
	supply_run(spool);
	while (spool->segments.ready_count == 0 && supply->status == SPOOL_OK)
		if (!loop_turn(spool->loop, true, error))
			return false;
	supply->first = false;
	if (supply->status == SPOOL_FULL && spool->segments.ready_count == 0)
		resume_newest(spool);
	return supply->status != SPOOL_ERROR ||
	       error_set(error, "%s: can't make a segment; the log says why", spool->directory);
}

static bool open_spool(struct spool *spool, spool_recovered *recovered, void *context, struct error *error)
{
	live_index_init(&spool->index);
	if (!spool->directory || !spool->ready_to_write || !segments_init(&spool->segments))
		return error_set(error, "out of memory");
	return open_lane(spool, error) && lock_lane(spool, error) && open_parts(spool, error) &&
	       recovery_run(spool, recovered, context, error) && first_segment(spool, error);
}

struct spool *spool_open(struct loop *loop, const struct spool_settings *settings, spool_recovered *recovered,
			 spool_moved *moved, void *context, struct error *error)
{
	ASSERT(settings->lane <= UINT8_MAX);
	ASSERT(settings->segment_bytes == 0 ||
	       (settings->segment_bytes >= LEAST_SEGMENT_BYTES && settings->segment_bytes <= INT32_MAX));
	struct spool *spool = create(loop, settings);
	if (!spool) {
		error_set(error, "out of memory");
		return NULL;
	}
	spool->moved = moved;
	spool->context = context;
	if (open_spool(spool, recovered, context, error)) {
		compaction_start(spool);
		return spool;
	}
	drain(spool);
	destroy(spool);
	return NULL;
}
