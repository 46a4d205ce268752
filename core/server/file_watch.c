/* Looking whether a file has changed; see file_watch.h. */
#include "core/server/file_watch.h"

#include <sys/stat.h>

struct file_state file_state_of(const char *path)
{
	struct stat status;
	if (stat(path, &status) != 0)
		return (struct file_state){ .inode = 0 };
	return (struct file_state){
		.device = status.st_dev,
		.inode = status.st_ino,
		.size = status.st_size,
		.written = status.st_mtim,
		.changed = status.st_ctim,
	};
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_state_equal(const struct file_state *a, const struct file_state *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       same_time(a->written, b->written) && same_time(a->changed, b->changed);
}

void file_watch_begin(struct file_watch *watch, const char *path)
{
	struct file_state state = file_state_of(path);
	*watch = (struct file_watch){ path, state, state };
}

bool file_watch_look(struct file_watch *watch)
{
	struct file_state now = file_state_of(watch->path);
	bool settled = file_state_equal(&now, &watch->seen);
	watch->seen = now;
	return settled && !file_state_equal(&now, &watch->taken);
}

void file_watch_take(struct file_watch *watch)
{
	watch->taken = watch->seen;
}
