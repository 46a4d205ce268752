/* What is known of addresses' names, for as long as it is right: a table of fixed size. Time is passed in.
 *
 * Addresses lie in groups of eight, each with room for their names (LIMIT_REVERSE_NAMES_BYTES), so that nothing is ever
 * allocated after the start, memory is exactly what was asked for, and a lookup reads three lines of memory. Where a group
 * is full, what is outdated goes first, then what was used longest ago.
 *
 * Fairness: which groups an address may lie in depends, by a secret, on its network: a /24 has LIMIT_REVERSE_SPREAD groups
 * (512 places, for 256 addresses), and so has a /64, and all networks of a /48 together have a thirty-second of the table.
 * Who has a /64 full of addresses mostly pushes out his own, and of others the few that share his groups. */
#ifndef POSTERN_DNS_CACHE_H
#define POSTERN_DNS_CACHE_H

#include "core/net/address.h"

enum reverse_status {
	REVERSE_CONFIRMED, /* the name has the address, too */
	REVERSE_UNKNOWN,   /* the address has no name */
	REVERSE_LIES,      /* it has, but none that has the address */
	REVERSE_FAILED,    /* the DNS did not answer, or not in time */
};

struct reverse_name {
	enum reverse_status status;
	struct slice name; /* of a confirmed one: a host's, in lower case, without a dot at the end */
};

enum { REVERSE_CACHE_KEY_BYTES = 16 };

/* With places for `entries` addresses, 1 to LIMIT_REVERSE_CACHE, 96 bytes each, which the system gives as they are used; the
 * last ones are filled late, since groups don't fill evenly. `key`: random. NULL: no memory. */
struct reverse_cache *reverse_cache_create(uint32_t entries, const uint8_t key[REVERSE_CACHE_KEY_BYTES]);

/* NULL is allowed. */
void reverse_cache_destroy(struct reverse_cache *cache);

/* The name is valid until the next reverse_cache_put(). False: it is not known, or not any more at now_s. Times are seconds
 * of any clock that does not go back. */
MUST_USE bool reverse_cache_find(struct reverse_cache *cache, const struct net_address *address, uint32_t now_s,
				 struct reverse_name *name);

/* Copies; replaces what was known of the address. It is known before now_s + ttl_s. */
void reverse_cache_put(struct reverse_cache *cache, const struct net_address *address, uint32_t now_s, uint32_t ttl_s,
		       const struct reverse_name *name);

/* All in all, used or not. */
size_t reverse_cache_memory_bytes(const struct reverse_cache *cache);

#endif
