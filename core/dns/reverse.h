/* What is a client called? The name of an address, if it is true.
 *
 * The address's PTR records name hosts; a name counts when that host has the address, too (A or AAAA), since anybody may
 * write any name into the reverse zone of his addresses. The first of LIMIT_DNS_POINTERS names that holds is the answer.
 *
 * Answers are remembered (cache.h) for as long as their TTLs say, within the limits of LIMIT_REVERSE_…. The same question
 * twice in flight is one. A question ends within the time-out whatever the servers do; LIMIT_REVERSE_QUESTIONS may be in
 * flight, LIMIT_REVERSE_NETWORK of one /24 or /48, and what is asked beyond that has failed at once: so who makes his own
 * zone hang fills up his share only. */
#ifndef POSTERN_DNS_REVERSE_H
#define POSTERN_DNS_REVERSE_H

#include "core/dns/cache.h"
#include "core/dns/resolver.h"

struct reverse_settings {
	struct resolver_settings resolver; /* its timeout_ms is that of a whole question; 1 to LIMIT_DNS_TIMEOUT_MS */
	uint32_t cache_entries;            /* 1 to LIMIT_REVERSE_CACHE */
};

/* NULL and `error` where it can't be had. */
struct reverse *reverse_create(struct loop *loop, const struct reverse_settings *settings, struct error *error);

/* Those that wait are told that it failed. Turns the loop: not from inside a callback. NULL is allowed. */
void reverse_destroy(struct reverse *reverse);

struct reverse_waiter;

/* The name's text is valid inside the call. It may ask and cancel anything, but not destroy. */
typedef void reverse_found(struct reverse_waiter *waiter, const struct reverse_name *name);

/* Embedded in its owner. */
struct reverse_waiter {
	struct list link;
	reverse_found *found;
};

static inline void reverse_waiter_init(struct reverse_waiter *waiter)
{
	list_init(&waiter->link);
}

/* True: `name` is the answer, its text valid until the next turn of the loop or call of this. False: it is asked for, and
 * `found` is called from the loop, once, unless it is cancelled before. */
MUST_USE bool reverse_find(struct reverse *reverse, const struct net_address *address, struct reverse_waiter *waiter,
			   reverse_found *found, struct reverse_name *name);

/* Nothing happens to a waiter that is initialised and doesn't wait. The question goes on, for the next who asks. */
static inline void reverse_cancel(struct reverse_waiter *waiter)
{
	list_remove(&waiter->link);
}

static inline bool reverse_is_waiting(const struct reverse_waiter *waiter)
{
	return !list_is_empty(&waiter->link);
}

/* "confirmed", "unknown", "lies", "failed": for the log. */
const char *reverse_status_name(enum reverse_status status);

struct reverse_counters {
	uint64_t hits;      /* answered from the cache */
	uint64_t questions; /* that went to the servers */
	uint64_t joined;    /* waited for a question that was in flight */
	uint64_t failed;    /* questions that the servers did not answer in time, or not at all */
	uint64_t refused;   /* not asked, since too many were in flight */
	size_t in_flight;
	size_t sockets;
};
struct reverse_counters reverse_counters(const struct reverse *reverse);

#endif
