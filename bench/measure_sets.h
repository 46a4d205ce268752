/* Sets of prefixes, addresses and names to measure with. Each is the same for the same seed. */
#ifndef POSTERN_BENCH_MEASURE_SETS_H
#define POSTERN_BENCH_MEASURE_SETS_H

#include "core/net/prefix.h"

/* xorshift64*: quick, and the same everywhere. */
struct measure_random {
	uint64_t state; /* not 0 */
};

uint64_t measure_random_next(struct measure_random *random);

/* From 0 to below - 1. */
uint32_t measure_random_below(struct measure_random *random, uint32_t below);

enum measure_set {
	MEASURE_MIXED,   /* half and half of the next two */
	MEASURE_IPV4,    /* lengths and density of blocklists and routes: mostly /24 and single addresses */
	MEASURE_IPV6,    /* /32, /48 and /64 below the blocks that registries give out, some single addresses */
	MEASURE_CHAINS,  /* every length nested in the one before, IPv4 and IPv6 */
	MEASURE_HOSTS,   /* single IPv6 addresses that share nothing */
	MEASURE_PAIRS,   /* single IPv6 addresses, two and two in a /48: what costs the tree most memory */
	MEASURE_ONE_NET, /* IPv6 prefixes of all lengths in one /32 */
	MEASURE_SETS
};

const char *measure_set_name(enum measure_set set);

/* The set's prefix of that number. */
struct net_prefix measure_set_prefix(enum measure_set set, uint32_t number, struct measure_random *random);

/* Some address in the prefix. */
struct net_address measure_address_in(const struct net_prefix *prefix, struct measure_random *random);

/* A name of two to four labels, without a dot at its end; answers its size. */
enum { MEASURE_NAME_BYTES = 80 };
size_t measure_name(struct measure_random *random, char name[MEASURE_NAME_BYTES]);

#endif
