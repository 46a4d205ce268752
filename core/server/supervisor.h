/* The supervisor: opens sockets and keys, gives up privileges, starts workers and hashers, and restarts what dies.
 *
 * It does no mail work itself. SIGTERM and SIGINT end the server: workers stop accepting, let transactions finish
 * (bounded by the configuration's `shutdown`) and commit. When the supervisor dies, its children end too. */
#ifndef POSTERN_SERVER_SUPERVISOR_H
#define POSTERN_SERVER_SUPERVISOR_H

#include "core/server/config.h"

/* Called once, when every worker serves. */
typedef void supervisor_ready(void *context);

/* Runs until it is told to end. 0: ended as told. 2 and `error`: could not start. 1: ended, but something had to be
 * killed. The configuration has been checked. */
int supervisor_run(const struct config *config, supervisor_ready *ready, void *context, struct error *error);

#endif
