/* List files that change while the server runs: the supervisor's part.
 *
 * The supervisor looks at the files once a second. When one has changed, a child process of its own reads all of the server
 * block's and makes the rules anew, a second or so for millions, while workers and supervisor go on; the child puts them into
 * a file in memory. When everything was right the supervisor changes over to them and hands them to each worker
 * (parcel.h). When something is wrong the child tells where, and the rules before stay in force. */
#ifndef POSTERN_SERVER_LIST_RELOAD_H
#define POSTERN_SERVER_LIST_RELOAD_H

#include <sys/types.h>

#include "core/server/file_watch.h"
#include "core/server/server_block.h"

enum { LIST_LOOK_MS = 1000 };

/* Of one server block. */
struct list_watch {
	struct file_watch *files; /* NULL: it has none */
	size_t count;
	pid_t maker; /* the child that makes new rules; 0: none */
	int made_fd; /* what it makes; -1: none */
};

struct list_watches {
	struct list_watch *servers; /* in the configuration's order */
	size_t count;
	bool any; /* there are files to look at */
	uint64_t looked_ms;
};

/* Before the files are read for the first time, so that no change is missed. The configuration outlives the watches. False and `error`: no
 * memory. */
MUST_USE bool list_watches_begin(struct list_watches *watches, const struct config *config, struct error *error);

/* The files were read already, some time since then (CLOCK_REALTIME): those that changed later are read again. */
void list_watches_doubt(struct list_watches *watches, time_t since);

/* Makers are stopped; what they have made counts no more. */
void list_watches_finish(struct list_watches *watches);

/* In a child of the supervisor: only descriptors, what is being made is not to live as long as the child. */
void list_watches_leave(struct list_watches *watches);

/* Looks where it is time for that, and starts what is to be done. Answers how long to wait for the next look, or -1. */
int list_watches_look(struct list_watches *watches, const struct server_block *blocks, uint64_t now_ms);

/* Was that child one of these? Then with *fd, which is the caller's, and *server its place, if it has ended well, else -1. */
bool list_watches_reap(struct list_watches *watches, pid_t pid, int status, size_t *server, int *fd);

#endif
