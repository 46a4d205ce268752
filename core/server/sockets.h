/* Listening sockets: made by the supervisor, as root where ports are low, and inherited by workers. */
#ifndef POSTERN_SERVER_SOCKETS_H
#define POSTERN_SERVER_SOCKETS_H

#include "core/server/config.h"

/* Opens every listener of the configuration `copies` times (one for each worker, sharing the port where there is more than one)
 * and stores them worker by worker, each worker's in the configuration's order. The caller closes them. NULL and
 * `error` (FILE:LINE, what, what to do) when one can't be had; none stays open then. */
int *sockets_open(const struct config *config, unsigned copies, size_t *count_each, struct error *error);

#endif
