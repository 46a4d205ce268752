/* What is the same for a server block in all workers and changes while they run: whether it is paused, and how many sessions
 * each worker has of it; what has become of passwords in each worker; and what hashers log.
 *
 * In memory that all processes share, made by the supervisor before it starts the first worker. So an order that reaches one
 * worker has reached all, a worker that was away finds it when it is back, and nobody asks the kernel: a new session costs
 * one read of a cache line that hardly ever changes. With the supervisor it goes: a server that is started anew is open. */
#ifndef POSTERN_SERVER_SERVER_STATES_H
#define POSTERN_SERVER_SERVER_STATES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/users/sign_in.h"

/* Server blocks and workers are numbered as in the configuration. */
struct server_states {
	_Alignas(64) atomic_bool paused[LIMIT_SERVERS];
	atomic_int log_level; /* enum log_level: of processes that are told of no other change */
	struct {
		_Alignas(64) atomic_uint sessions[LIMIT_SERVERS]; /* written by that worker alone, like the next */
		struct sign_in_counts sign_ins;                   /* go on from one of its processes to the next */
	} workers[LIMIT_WORKERS];
};

/* All are open, without sessions. NULL and `error`: no memory. */
struct server_states *server_states_create(struct error *error);
/* In each process that has it; NULL is allowed. */
void server_states_destroy(struct server_states *states);

static inline bool server_states_is_paused(const struct server_states *states, size_t server)
{
	return atomic_load_explicit(&states->paused[server], memory_order_relaxed);
}

/* Answers whether that changes anything. */
static inline bool server_states_pause(struct server_states *states, size_t server, bool paused)
{
	return atomic_exchange(&states->paused[server], paused) != paused;
}

static inline unsigned server_states_sessions(const struct server_states *states, unsigned worker, size_t server)
{
	return atomic_load_explicit(&states->workers[worker].sessions[server], memory_order_relaxed);
}

/* By the worker itself: a session more, or with -1 one less. */
static inline void server_states_count(struct server_states *states, unsigned worker, size_t server, int change)
{
	unsigned sessions = server_states_sessions(states, worker, server) + (unsigned)change;
	atomic_store_explicit(&states->workers[worker].sessions[server], sessions, memory_order_relaxed);
}

/* Of all workers. */
uint64_t server_states_all_sessions(const struct server_states *states, size_t server);

/* Likewise, as plain numbers. */
struct server_states_sign_ins {
	uint64_t remembered, hashed, refused, left, turned_away, waiting;
};
struct server_states_sign_ins server_states_all_sign_ins(const struct server_states *states);

/* That worker is dead: it has no sessions, and nobody waits. */
void server_states_forget_worker(struct server_states *states, unsigned worker);

#endif
