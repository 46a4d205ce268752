/* A configuration as a worker serves it: its server blocks, who verifies their sign-ins, and who finds out names of their clients.
 *
 * New sessions get the newest one. A session holds the one that it began with, to its end, and so does a listener that is closing. With
 * more than LIMIT_GENERATIONS in use the sessions of the oldest are told to come again, between two messages. */
#ifndef POSTERN_SERVER_GENERATION_H
#define POSTERN_SERVER_GENERATION_H

#include "core/server/client_names.h"
#include "core/server/served.h"
#include "core/server/sign_in_table.h"

struct generation {
	struct list link; /* the worker's; its newest is the last */
	struct served served;
	bool shared;          /* what it serves is somebody else's: the first, that the worker was started with */
	bool retired;         /* its sessions end as soon as they can */
	struct list sessions; /* of it, but those that have been told so, */
	struct list leaving;  /* which are here */
	size_t holders;
	struct sign_in_table *sign_ins;
	struct client_names_kind *names[]; /* by the block's place; NULL: they are not asked for */
};

/* Takes over what `served` holds, also where it fails, unless it is `shared`. Back ends and names outlive it; nobody
 * holds it yet. NULL and `error` otherwise. */
struct generation *generation_create(struct served *served, bool shared, struct sign_in_backends *backends,
				     struct client_names *names, struct error *error);

/* Nobody holds it. Turns the loop: not from inside a callback. NULL is allowed. */
void generation_destroy(struct generation *generation);

static inline void generation_hold(struct generation *generation)
{
	generation->holders++;
}

static inline void generation_leave(struct generation *generation)
{
	generation->holders--;
}

static inline const struct config *generation_config(const struct generation *generation)
{
	return generation->served.config;
}

#endif
