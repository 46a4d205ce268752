/* The lane's control socket: how `postern queue release|remove|hold` reaches the worker that owns the lane.
 *
 * A Unix socket "control" in the lane's folder, for its owner (and root) alone. A request is one line of JSON:
 *     {"order":"release","id":"0K3M…"}      "release", "remove" or "hold"; an id or "all"
 * and so is its answer, once the changes are durable:
 *     {"count":1}                            or {"error":"…"}
 * Requests of all connections are done one after the other; connections are few and are closed when they are silent. */
#ifndef POSTERN_RELAY_CONTROL_H
#define POSTERN_RELAY_CONTROL_H

#include "core/relay/queue.h"

struct queue_control;

/* `directory` is the lane's, which the caller has locked: a socket that is there is a dead process's. The queue outlives
 * this. NULL and `error` when the socket can't be made. */
struct queue_control *queue_control_start(struct loop *loop, struct queue *queue, const char *directory,
					  struct error *error);

/* Closes everything and removes the socket. Turns the loop until its operations, and an order that runs, have ended: not from
 * inside a callback. NULL is allowed. */
void queue_control_stop(struct queue_control *control);

/* The orders' names, for both sides: "release", "remove", "hold". */
MUST_USE bool queue_order_parse(struct slice name, enum queue_order *order);
const char *queue_order_name(enum queue_order order);

/* For both sides: the socket's address by way of an open descriptor of the lane's folder, so that it fits however long the path
 * is. The descriptor must stay open while the address is used. */
struct sockaddr_un;
void queue_control_address(int directory_fd, struct sockaddr_un *address);

#endif
