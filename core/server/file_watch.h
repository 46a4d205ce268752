/* Has a file changed? By asking for its state every now and then: that works on every file system, for files that are written
 * over, renamed into place or reached by links, where being told of changes (inotify) does not.
 *
 * A change counts when the file has been the same at two looks after it, so that one that is just being written is left
 * alone. Blocks: for the supervisor, not for workers. */
#ifndef POSTERN_SERVER_FILE_WATCH_H
#define POSTERN_SERVER_FILE_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* All that tells one state of a file from another; all 0 where it can't be reached. */
struct file_state {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec written;
	struct timespec changed;
};

struct file_watch {
	const char *path;
	struct file_state taken; /* that is in use */
	struct file_state seen;  /* at the last look */
};

struct file_state file_state_of(const char *path);
bool file_state_equal(const struct file_state *a, const struct file_state *b);

/* The file's present state is in use. The path outlives the watch. */
void file_watch_begin(struct file_watch *watch, const char *path);

/* True: it has changed and stayed so since the last look. That stays true until the change is taken. */
bool file_watch_look(struct file_watch *watch);

/* What the last look saw is in use, or was tried: only a further change counts. */
void file_watch_take(struct file_watch *watch);

#endif
