/* A worker's control socket: how `postern queue release|remove|hold` and `postern server` reach the running server.
 *
 * A Unix socket "control" in the lane's folder, for its owner (and root) alone. A request is one line of JSON:
 *     {"order":"release","id":"0K3M…"}       "release", "remove" or "hold"; an id or "all": of this worker's lane
 *     {"order":"pause","server":"NAME"}      or "resume": of that server block in all workers (server_states.h)
 *     {"order":"servers"}
 *     {"order":"sign-ins"}                   what has become of passwords, in all workers since the start
 *     {"order":"bans","from":0}              the guard's (core/users/guard.h), a page of them
 *     {"order":"ban","prefix":"192.0.2.0/24","login":"NAME","reason":"TEXT","for_s":3600}
 *     {"order":"unban","prefix":"192.0.2.0/24","login":"NAME"}    without a login: a ban from all
 * and so is its answer, once the changes are durable where they are to be:
 *     {"count":1}
 *     {"server":"NAME","state":"paused"}     or "open"
 *     {"servers":[{"server":"NAME","state":"open","sessions":3,"listeners":["0.0.0.0:587 starttls"]}],"fingerprint":"90c1…"}
 *                                            of the configuration's text, as 16 hexadecimal digits
 *     {"remembered":9000,"hashed":70,"refused":3,"left":1,"turned_away":0,"waiting":0}     as struct sign_in_counts has them
 *     {"bans":[{"network":"192.0.2.0/24","login":null,"by":"hand","reason":"…","since":"…","until":null,"refused":7}],"next":null}
 *                                            from where the next page begins, or null; for one ban its object alone
 *     {"error":"…"}
 * What is about server blocks or bans may be asked of any worker. Orders to the queue are done one after the other; connections are few
 * and are closed when they are silent. */
#ifndef POSTERN_SERVER_CONTROL_H
#define POSTERN_SERVER_CONTROL_H

#include "core/relay/queue.h"
#include "core/server/config.h"
#include "core/server/server_block.h"
#include "core/server/server_states.h"
#include "core/users/guard.h"

struct control;

/* Whom requests are about. */
struct control_servers {
	const struct config *config;
	const struct server_block *blocks; /* its, with their slots; NULL: each one's is its place */
	struct server_states *states;
	struct guard *guard; /* NULL: it is off */
	uint32_t worker;     /* who answers */
};

struct control_settings {
	struct queue *queue;                   /* outlives the control socket, as do the next */
	const struct control_servers *servers; /* NULL: requests about them are none */
	const char *directory;                 /* the lane's, which the caller has locked: a socket that is there is a
						* dead process's */
};

/* NULL and `error` when the socket can't be made. */
struct control *control_start(struct loop *loop, const struct control_settings *settings, struct error *error);

/* Closes everything and removes the socket. Turns the loop until its operations, and an order that runs, have ended: not from
 * inside a callback. NULL is allowed. */
void control_stop(struct control *control);

/* For both sides: the socket's address by way of an open descriptor of the lane's folder, so that it fits however long the path
 * is. The descriptor must stay open while the address is used. */
struct sockaddr_un;
void control_address(int directory_fd, struct sockaddr_un *address);

#endif
