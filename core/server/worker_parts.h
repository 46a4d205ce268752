/* What the files of the worker share: worker.c (life, the turn, draining), worker_listen.c (accepting), worker_change.c (what comes
 * from the supervisor while it runs). */
#ifndef POSTERN_SERVER_WORKER_PARTS_H
#define POSTERN_SERVER_WORKER_PARTS_H

#include "core/server/worker.h"

/* --- worker_listen.c --- */

/* Accepts at these sockets, one for each listener of the present generation. False and `error`: no memory. */
MUST_USE bool worker_open_listeners(struct worker *worker, const int *fds, struct error *error);

/* From the present generation to that one: listeners at the same address go on, others close, and the parcel has the sockets of
 * those that are new. False and `error`: nothing has changed. */
MUST_USE bool worker_change_listeners(struct worker *worker, struct generation *generation, struct parcel *parcel,
				      struct error *error);

void worker_stop_accepting(struct worker *worker);
bool worker_is_accepting(const struct worker *worker);

/* None is accepting any more. */
void worker_free_listeners(struct worker *worker);

/* --- worker_change.c --- */

/* What that generation says of the worker as a whole holds from now on; it is the present one. */
void worker_begin_generation(struct worker *worker, struct generation *generation);

/* Listens to the supervisor. */
void worker_open_channel(struct worker *worker, int fd);
void worker_close_channel(struct worker *worker);

/* Of the process: from now on it gives out fewer descriptors than it may, so that there are some for a change when sessions have used up all
 * others. */
void worker_leave_descriptors(void);

/* Between two turns: takes what the supervisor has sent, and ends generations that nobody holds any more. */
void worker_take_changes(struct worker *worker);

/* All generations end; nobody holds one. */
void worker_end_generations(struct worker *worker);

#endif
