/* What the files of the supervisor share: supervisor.c (watching, ending), supervisor_start.c (what is made before the first
 * child), supervisor_children.c (starting processes, and again those that died), supervisor_reload.c (changing over to
 * another configuration), supervisor_change.c (what a change is made of, and handing it to workers). */
#ifndef POSTERN_SERVER_SUPERVISOR_PARTS_H
#define POSTERN_SERVER_SUPERVISOR_PARTS_H

#include <sys/types.h>

#include "core/server/data_folder.h"
#include "core/server/keeper.h"
#include "core/server/list_reload.h"
#include "core/server/served.h"
#include "core/server/server_states.h"
#include "core/server/supervisor.h"
#include "core/server/supervisor_control.h"

enum child_kind { CHILD_WORKER, CHILD_HASHER };

struct child {
	enum child_kind kind;
	unsigned number;
	pid_t pid; /* 0: not running */
	uint64_t started_ms;
	bool ready;
	int channel; /* to a worker (parcel.h), who answers with generations; -1: there is none, or it takes no more */
	uint64_t generation; /* that it serves */
};

enum reload_state {
	RELOAD_NONE,
	RELOAD_PACKING, /* the keeper has it checked */
	RELOAD_CHANGING /* workers change over */
};

struct reload {
	enum reload_state state;
	bool wanted;    /* another one, after it */
	bool asked_for; /* and by somebody, or by a change of the configuration's file */
	bool again;     /* this one only because of files that a refused configuration names */
	char *told; /* what was wrong with that, as the log has it; NULL: nothing was refused since the last change */
	uint64_t number;     /* which one it is, or the last was */
	uint64_t generation; /* that it leads to */
	uint64_t ends_ms;    /* RELOAD_CHANGING: until then workers have time */
	time_t since;        /* CLOCK_REALTIME: its files were read after that */
};

/* Listening sockets. */
struct listening {
	int *fds;    /* worker by worker */
	size_t each; /* of one worker */
};

struct supervisor {
	struct served served;
	struct run_as run_as;
	struct server_states *states;
	struct list_watches lists;
	struct keeper keeper;
	struct supervisor_control *control;
	struct reload reload;
	struct quotas *quotas; /* NULL: no server block has had any so far */
	uint8_t *salt_secret;  /* guarded; for sign_in_scram.h */
	struct guard guard;    /* also where it is off: a configuration to come may switch it on */
	struct listening listening;
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

/* The file of quotas, once there are any. As who the server runs as, whose file it is. */
MUST_USE bool supervisor_open_quotas(struct supervisor *supervisor, const struct config *config, struct error *error);

/* --- supervisor_children.c --- */

/* Starts what does not run, but none more often than once a second. Answers how long to wait for the next, or -1. */
int supervisor_start_children(struct supervisor *supervisor);

/* Starts to make rules anew where list files have changed. Answers how long to wait for the next look, or -1. */
int supervisor_look_at_lists(struct supervisor *supervisor);

/* Takes note of those that have ended. */
void supervisor_reap(struct supervisor *supervisor);

void supervisor_signal(struct supervisor *supervisor, enum child_kind kind, int number);
size_t supervisor_running(const struct supervisor *supervisor, enum child_kind kind);

/* --- supervisor_reload.c --- */

/* From the keeper. */
void supervisor_take_parcels(struct supervisor *supervisor);

/* Which generations workers serve. */
void supervisor_take_generations(struct supervisor *supervisor);

/* A supervisor_control_order: a reload begins now or, where one runs or the server is not ready, later. Answers its number. */
uint64_t supervisor_reload(void *supervisor);

/* Between two waits. Answers how long to wait at most, or -1. */
int supervisor_go_on_reloading(struct supervisor *supervisor);

/* The keeper has died. */
void supervisor_lost_keeper(struct supervisor *supervisor);

/* --- supervisor_change.c --- */

/* Changes over to a PARCEL_CONFIG, and hands it to the workers. False and `error`: all is as it was. */
MUST_USE bool supervisor_change_config(struct supervisor *supervisor, struct parcel *parcel, struct error *error);

/* To a PARCEL_TLS. */
void supervisor_change_tls(struct supervisor *supervisor, struct parcel *parcel);

/* To lists as that process has made them. False: it is none that makes any. */
bool supervisor_change_lists(struct supervisor *supervisor, pid_t pid, int status);

#endif
