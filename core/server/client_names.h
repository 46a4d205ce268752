/* Who finds out the names of clients for each server block: one that asks and remembers (core/dns/reverse.h) for every kind of
 * dns { … } in the configuration, so that blocks with equal ones share what is known. A worker has its own. */
#ifndef POSTERN_SERVER_CLIENT_NAMES_H
#define POSTERN_SERVER_CLIENT_NAMES_H

#include "core/dns/reverse.h"
#include "core/server/config.h"

/* Opens no socket and takes little memory until somebody is asked for. NULL and `error`, which names the block, otherwise. */
struct client_names *client_names_create(struct loop *loop, const struct config *config, struct error *error);

/* Nobody may wait any more. Turns the loop: not from inside a callback. NULL is allowed. */
void client_names_destroy(struct client_names *names);

/* For the block of that place in the configuration; NULL: its names are not asked for (reverse = off). */
struct reverse *client_names_of(const struct client_names *names, size_t place);

#endif
