/* The supervisor: opens sockets and keys, gives up privileges, starts workers and hashers, and restarts what dies.
 *
 * It does no mail work itself. SIGTERM and SIGINT end the server: workers stop accepting, let transactions finish
 * (bounded by the configuration's `shutdown`) and commit. When the supervisor dies, its children end too.
 *
 * SIGHUP, an order by the control socket (supervisor_control.h) and a change of the file have the configuration reloaded: the
 * keeper (keeper.h) has it checked, and when all is right new sessions get it, in all workers, while others end on
 * what they began with. When something is wrong nothing changes. */
#ifndef POSTERN_SERVER_SUPERVISOR_H
#define POSTERN_SERVER_SUPERVISOR_H

#include "core/server/config.h"

/* Called once, when every worker serves. */
typedef void supervisor_ready(const struct config *config);

/* Runs until it is told to end. 0: ended as told. 2 and `error`: could not start. 1: ended, but something had to be
 * killed. The configuration has been checked; it is the supervisor's from now on, which may serve another later. */
int supervisor_run(struct config *config, supervisor_ready *ready, struct error *error);

#endif
