/* Listening sockets: made by the supervisor, as root where ports are low, and inherited by workers. */
#ifndef POSTERN_SERVER_SOCKETS_H
#define POSTERN_SERVER_SOCKETS_H

#include "core/server/config.h"

/* Opens every listener of the configuration `copies` times (one for each worker, sharing the port)
 * and stores them worker by worker, each worker's in the configuration's order. The caller closes them. NULL and
 * `error` (FILE:LINE, what, what to do) when one can't be had; none stays open then. */
int *sockets_open(const struct config *config, unsigned copies, size_t *count_each, struct error *error);

struct sockets_wanted {
	unsigned copies;
	size_t apart; /* how far from each other their descriptors are stored */
	bool beside; /* this server has sockets at the port already, which it closes soon: of all addresses, or of one of them */
};

/* The same for one listener. False and `error`: those that are open already are stored all the same. */
MUST_USE bool sockets_open_listener(const struct config_server *server, const struct config_listener *listener,
				    const struct sockets_wanted *wanted, int *fds, struct error *error);

#endif
