/* The supervisor's control socket: how `postern reload` reaches the running server.
 *
 * A Unix socket "control" in the data folder, for its owner (and root) alone. A connection says one line of JSON and gets one:
 *     {"order":"reload"}     {"generation":7,"workers":2}, with "late":[1] where a worker has not changed over in time;
 *                            or {"error":"…","problems":["FILE:LINE: what is wrong",…]}
 * What can't be understood gets {"error":"…"}. The answer comes when the reload has ended, and then the connection does.
 *
 * Never waits: the supervisor polls its descriptors and calls supervisor_control_serve(). */
#ifndef POSTERN_SERVER_SUPERVISOR_CONTROL_H
#define POSTERN_SERVER_SUPERVISOR_CONTROL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/limits.h"

struct supervisor_control;

enum { SUPERVISOR_CONTROL_DESCRIPTORS = LIMIT_CONTROL_CONNECTIONS + 1 };

/* NULL and `error`: no socket there, or another server has one that answers. */
struct supervisor_control *supervisor_control_open(const char *data, struct error *error);

/* The socket's name goes too. NULL is allowed. */
void supervisor_control_close(struct supervisor_control *control);

/* In a child of the supervisor: only descriptors. */
void supervisor_control_leave(struct supervisor_control *control);

/* What is to be polled; answers how many. */
size_t supervisor_control_polls(const struct supervisor_control *control,
				struct pollfd fds[SUPERVISOR_CONTROL_DESCRIPTORS]);

/* Until when, at most: -1: for ever. */
int supervisor_control_wait_ms(const struct supervisor_control *control, uint64_t now_ms);

/* Somebody orders a reload. Answers the number by which it is answered. */
typedef uint64_t supervisor_control_order(void *context);

void supervisor_control_serve(struct supervisor_control *control, supervisor_control_order *reload, void *context);

/* To all who wait for that number: the line without its end; NULL: there was no memory for it. */
void supervisor_control_answer(struct supervisor_control *control, uint64_t number, const char *line);

#endif
