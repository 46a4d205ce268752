/* What the files of the supervisor share: supervisor.c (watching, ending), supervisor_start.c (what is made before the first
 * child), supervisor_children.c (starting processes, and again those that died). */
#ifndef POSTERN_SERVER_SUPERVISOR_PARTS_H
#define POSTERN_SERVER_SUPERVISOR_PARTS_H

#include <sys/types.h>

#include "core/server/data_folder.h"
#include "core/server/list_reload.h"
#include "core/server/server_block.h"
#include "core/server/server_states.h"
#include "core/server/supervisor.h"
#include "core/server/tls_files.h"

enum child_kind { CHILD_WORKER, CHILD_HASHER };

struct child {
	enum child_kind kind;
	unsigned number;
	pid_t pid; /* 0: not running */
	uint64_t started_ms;
	bool ready;
};

struct supervisor {
	const struct config *config;
	struct run_as run_as;
	struct server_block *servers;
	struct server_states *states;
	struct list_watches lists;
	struct tls_files tls_files;
	struct quotas *quotas; /* NULL: no server block has any */
	uint8_t *salt_secret;  /* guarded; for sign_in_scram.h */
	struct guard guard;    /* memory NULL: it is off */
	int *listen_fds;       /* worker by worker */
	size_t listen_each;
	unsigned lanes;
	int (*hasher_fds)[2]; /* a lane each: the worker's end, the hashers' end */
	struct child *children;
	size_t child_count;
	int signals;
	int ready_pipe[2];
	bool ending;
	bool said_ready;
	bool failed_start;
	uint64_t kill_at_ms;
};

/* Monotonic. */
uint64_t supervisor_now_ms(void);

/* Workers stop accepting and finish what is going on; supervisor.c sees them through. */
void supervisor_end(struct supervisor *supervisor);

/* --- supervisor_start.c --- */

/* Sockets, keys, folders, the unprivileged user, signals; then the list of children. False and `error` otherwise. */
MUST_USE bool supervisor_prepare(struct supervisor *supervisor, struct error *error);
/* Of what supervisor_prepare() began too. */
void supervisor_finish(struct supervisor *supervisor);

/* --- supervisor_children.c --- */

/* Starts what does not run, but none more often than once a second. Answers how long to wait for the next, or -1. */
int supervisor_start_children(struct supervisor *supervisor);

/* Starts to make rules anew where list files have changed. Answers how long to wait for the next look, or -1. */
int supervisor_look_at_lists(struct supervisor *supervisor);

/* Takes note of those that have ended. */
void supervisor_reap(struct supervisor *supervisor);

void supervisor_signal(struct supervisor *supervisor, enum child_kind kind, int number);
size_t supervisor_running(const struct supervisor *supervisor, enum child_kind kind);

#endif
