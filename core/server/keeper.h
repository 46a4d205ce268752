/* The keeper: a process that still has the rights that the server was started with, so it can read a key that only root can, and
 * open a low port. It does no mail work, and speaks with the supervisor alone.
 *
 * It looks at the configuration's file and at the files of TLS a few times a second. When files of TLS have changed and all of
 * them, as they are then, would do for a start, it hands their contents to the supervisor; when something is wrong it
 * tells what and where, and what was served before is served on. When the configuration has changed it says so, and when it is
 * told to it has the whole of it checked, by a child, which packs what is needed to serve it (served.h), or what is wrong. When
 * a file changes or appears that a refused configuration names, it says so too. */
#ifndef POSTERN_SERVER_KEEPER_H
#define POSTERN_SERVER_KEEPER_H

#include <sys/types.h>

#include "core/server/parcel.h"
#include "core/server/server_block.h"

enum { KEEPER_LOOK_MS = 250 };

struct keeper {
	pid_t pid;  /* 0: it does not run */
	int socket; /* to it; -1: there is none */
	struct parcel_reader reader;
};

/* Before privileges are given up, before files of TLS are read and before anything is opened that the server closes again while it
 * runs. False and `error` otherwise. */
MUST_USE bool keeper_start(struct keeper *keeper, const struct config *config, struct error *error);

/* In the supervisor the keeper ends too; in its children nothing but a descriptor. */
void keeper_leave(struct keeper *keeper);

enum keeper_order {
	KEEPER_LOOK,   /* read the files of TLS anew, changed or not */
	KEEPER_RELOAD, /* have the configuration checked and packed; an answer comes: PARCEL_CONFIG or PARCEL_REFUSED */
	KEEPER_COMMIT, /* the one that was packed is served from now on */
	KEEPER_DROP,   /* it is not: its files are looked at */
};

/* `generation`: for KEEPER_RELOAD, which one it will be. False: there is no keeper. */
bool keeper_tell(struct keeper *keeper, enum keeper_order order, uint64_t generation);

/* As parcel_receive(). Beside those, PARCEL_CHANGED and PARCEL_AGAIN come by themselves. */
enum parcel_state keeper_receive(struct keeper *keeper, struct parcel *parcel, struct error *error);

/* Was that child the keeper? Then nothing is watched any more. */
bool keeper_reap(struct keeper *keeper, pid_t pid);

#endif
