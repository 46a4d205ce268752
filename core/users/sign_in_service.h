/* What the service of sign_in.h consists of. Private to core/users.
 *
 * sign_in.c talks with those who ask and decides what needs no hasher; sign_in_job.c keeps the jobs: their queue, the
 * hashers' socket, deadlines and answers; sign_in_look_again.c takes out of the queue who may not sign in any more. */
#ifndef POSTERN_USERS_SIGN_IN_SERVICE_H
#define POSTERN_USERS_SIGN_IN_SERVICE_H

#include "core/base/map.h"
#include "core/base/pool.h"
#include "core/users/sign_in.h"
#include "core/users/sign_in_queue.h"
#include "crypto/sign_in_cache.h"

enum sign_in_job_state {
	SIGN_IN_JOB_WAITING,   /* in the queue */
	SIGN_IN_JOB_IN_FLIGHT, /* at the hashers */
	SIGN_IN_JOB_GIVEN_UP,  /* its callbacks come in the next turn */
};

/* A login that is being verified, for all who ask for it. */
struct sign_in_job {
	struct sign_in_waiting waiting;
	struct list link;      /* while in flight or given up */
	struct map_node login; /* by name and password */
	struct list requests;  /* none: all have gone while it was in flight */
	struct timer deadline;
	struct sign_in_service *service;
	uint64_t packet;  /* number of the packet it went out with */
	uint64_t version; /* of the record it is verified against; 0: nobody's */
	uint8_t packets;  /* how many it has needed */
	uint8_t state;    /* enum sign_in_job_state */
};

struct sign_in_service {
	struct sign_in_backend backend;
	struct loop *loop;
	struct users *users;
	struct sign_in_cache *cache;
	struct sign_in_bounds bounds;
	struct sign_in_counts own_counts;
	struct sign_in_counts *counts;
	bool closed; /* no hasher can be reached */

	struct pool jobs;
	struct map logins;
	uint8_t login_key[SECRET_SHORT_KEY_BYTES];
	struct sign_in_queue queue;
	struct list given_up;
	struct list in_flight;
	struct list refused; /* requests of no job, to be told so by the timer */
	struct timer refused_timer;
	unsigned in_flight_count, in_flight_most;

	int fd;
	struct loop_op send;
	struct loop_op receive;
	uint8_t *packet;      /* that is being sent; guarded, HASHER_JOB_BYTES */
	uint64_t last_packet; /* its number; begins anywhere, so that answers to a worker before us mean nothing */
};

/* Who signs in under this name: the version is 0 and the hash empty where nobody may. False when the database can't be
 * read. The caller wipes the record. */
MUST_USE bool sign_in_look_up(struct sign_in_service *service, struct slice name, struct user_record *record);

/* A verified login is remembered under its name in lower case. */
MUST_USE bool sign_in_remembers(struct sign_in_service *service, const struct sign_in_request *request,
				uint64_t version);
void sign_in_remember(struct sign_in_service *service, const struct sign_in_request *request, uint64_t version);

/* --- jobs --- */

/* Descriptor, queue and packets; false when memory has run out. */
MUST_USE bool sign_in_jobs_start(struct sign_in_service *service);
/* Ends all jobs, then the operations, and frees what start made. */
void sign_in_jobs_stop(struct sign_in_service *service);

/* The request joins a job for the same login or begins one. False when there is no room. */
MUST_USE bool sign_in_job_await(struct sign_in_service *service, struct sign_in_request *request, uint64_t version);
void sign_in_job_leave(struct sign_in_request *request);

/* It ends without a word; nobody waits for it. */
void sign_in_job_free(struct sign_in_job *job);

/* --- looking again --- */

void sign_in_look_again_start(struct sign_in_service *service);
/* All who were refused are told so, from here. */
void sign_in_look_again_stop(struct sign_in_service *service);

/* Takes those requests out of the job that may not go on. False: none is left. */
MUST_USE bool sign_in_job_may(struct sign_in_job *job);

static inline void sign_in_count(_Atomic(uint64_t) *count)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}

#endif
