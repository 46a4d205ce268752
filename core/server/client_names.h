/* Who finds out the names of clients in a worker: one that asks and remembers (core/dns/reverse.h) for every kind of dns { … }, so
 * that server blocks with equal ones share what is known, and what is known outlives a change of the configuration. */
#ifndef POSTERN_SERVER_CLIENT_NAMES_H
#define POSTERN_SERVER_CLIENT_NAMES_H

#include "core/base/list.h"
#include "core/dns/reverse.h"
#include "core/server/config.h"

struct client_names {
	struct loop *loop;
	struct list kinds;
};

/* Lives as long as somebody holds it. */
struct client_names_kind {
	struct list link;
	struct config_dns settings;
	struct reverse *reverse;
	unsigned holders;
};

void client_names_init(struct client_names *names, struct loop *loop);

/* For that block's dns { … }, which does not say reverse = off. Opens no socket and takes little memory until somebody is asked for. NULL
 * and `error`, which names the block, otherwise. */
struct client_names_kind *client_names_hold(struct client_names *names, const struct config_server *server,
					    struct error *error);

/* The last one to leave it ends it; nobody waits there for a name. Turns the loop then: not from inside a callback. NULL is allowed. */
void client_names_leave(struct client_names_kind *kind);

#endif
