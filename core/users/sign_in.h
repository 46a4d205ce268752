/* The back end of our own users: name and password are verified for a worker, without ever blocking it.
 *
 * A verified login is remembered (crypto/sign_in_cache.h) and costs microseconds. Everything else is a job for the
 * hasher processes: queued (bounded by LIMIT_HASH_QUEUE, fair between client networks), sent over one SOCK_SEQPACKET
 * descriptor shared by all hashers, a few in flight, each with a deadline. The same login asked for twice at a time is
 * one job. Unknown and disabled users are verified against a hash that never matches, so they take the same way as a
 * wrong password. They take the same time too: hashes that were imported may cost more or less than our own, and would
 * tell who has one. So whatever password is not right is verified once at each cost that is in the database, with the
 * user's own hash or with nobody's; a right one costs what its hash does.
 *
 * Who waited may have been banned meanwhile, by what others of the network did, or in another worker. So request->may() is asked when its
 * turn comes, and where the answer is no, of the whole network's.
 *
 * An answer counts for the record that it was made from only: when the user has been changed or removed meanwhile, it is
 * asked again. */
#ifndef POSTERN_USERS_SIGN_IN_H
#define POSTERN_USERS_SIGN_IN_H

#include <stdatomic.h>

#include "core/io/loop.h"
#include "core/users/sign_in_backend.h"
#include "core/users/users.h"

struct sign_in_service;

/* What has become of passwords, since the start: written by one worker, read by whoever likes. */
struct sign_in_counts {
	_Atomic(uint64_t) remembered;  /* right, and known from before */
	_Atomic(uint64_t) hashed;      /* what hashers were given to do */
	_Atomic(uint64_t) refused;     /* taken out of the queue: request->may() said no */
	_Atomic(uint64_t) left;        /* taken out of the queue: nobody waited any more */
	_Atomic(uint64_t) turned_away; /* 454: too many waited, or too long */
	_Atomic(uint64_t) waiting;     /* jobs in the queue now */
};

/* `hasher_fd`: this worker's end, taken over, also when NULL is answered. `hashers`: how many serve it (jobs in flight
 * are kept at twice that). */
struct sign_in_service *sign_in_create(struct loop *loop, struct users *users, int hasher_fd, unsigned hashers,
				       struct error *error);

/* The same with other bounds than those of limits.h: for tests. */
struct sign_in_bounds {
	uint32_t queue;     /* LIMIT_HASH_QUEUE */
	uint64_t wait_ms;   /* LIMIT_HASH_WAIT_MS */
	uint64_t answer_ms; /* LIMIT_HASH_TIME_MS */
};
struct sign_in_service *sign_in_create_bounded(struct loop *loop, struct users *users, int hasher_fd, unsigned hashers,
					       const struct sign_in_bounds *bounds, struct error *error);

/* Waiting requests get SIGN_IN_UNAVAILABLE, from here. Turns the loop until its operations have ended; so not from a
 * callback. NULL is allowed. */
void sign_in_destroy(struct sign_in_service *service);

/* From now on counted there, in memory that outlives the service; before, it was counted in its own. */
void sign_in_count_in(struct sign_in_service *service, struct sign_in_counts *counts);

/* Somebody of this network may not sign in any more: asks each of its requests that waits whether it still may. Those who may not get
 * SIGN_IN_REFUSED from the loop, a few in each turn. NULL is allowed. */
void sign_in_look_again(struct sign_in_service *service, uint64_t network);

/* For PLAIN and LOGIN; valid as long as the service. Of a request it uses name, password and network. An answer is SIGN_IN_OK,
 * SIGN_IN_WRONG, SIGN_IN_REFUSED, or SIGN_IN_UNAVAILABLE: too many wait, no hasher answered in time, or it had no memory. */
struct sign_in_backend *sign_in_passwords(struct sign_in_service *service);

/* A hasher process: serves jobs from all workers' descriptors, one at a time, until all are closed or SIGTERM, and
 * answers the exit status. Blocks. Ends with its parent; takes over the process' handling of SIGTERM, SIGINT and
 * SIGHUP. Packets: see hasher.h. Never returns with a secret in memory. `level`: what is logged from each job on, an enum log_level in
 * memory that the parent writes; NULL: what it is. */
int hasher_run(const int *worker_fds, size_t count, const atomic_int *level);

#endif
