/* How many connections has a client, has his network, and how fast do new ones come? For `per_address`, `per_network` and
 * `rate`: one table a server block, in memory that all workers share, so that a limit of 50 is 50 however the kernel spreads
 * connections over workers.
 *
 * What is counted: `per_address` one address, `per_network` the IPv4 /24 or IPv6 /64 that it lies in. `rate` counts what one
 * customer has: an IPv4 address, an IPv6 /64, since one host may use any address of that and would never be too fast.
 * A rate of 30 a minute lets 30 come at once and then one every two seconds. A connection that is refused is not counted, by
 * no limit: who comes too often is let in as often as the limit says, not locked out.
 *
 * Memory: as much as clients_bytes() says, from the start, whatever clients do. Entries lie in sets of seven, found by a
 * keyed hash; an entry is free again when it has no connection and its rate is forgotten (no connection for as long as makes
 * up for those before), and nothing has to go round for that. Where a set is full, that one makes room that has no connection
 * and whose rate would be forgotten first. An entry with open connections never makes room: where a set holds nothing else, a
 * further client of that set goes uncounted (one of 12,000 with a seventh of the table open, one of 450 with a quarter: size
 * it for that). To be forgotten early, a client would have to fill the set of its own entry with others that are remembered
 * longer. As the hash is keyed it can't tell which those are, and must come from about as many addresses as the table has
 * entries, from each as fast as from its own; to go uncounted it must keep connections of all of them open. Who can do
 * either is not held by limits of one address.
 *
 * Between processes: a connection is counted in a cell of its worker's own in the entry; an entry's connections are the sum.
 * When a worker dies, clients_forget_worker() clears its cells. A set has a lock that is held for some 20 ns, never over a
 * system call; should its holder be killed or stopped there, others wait for it some 50 µs, go uncounted then, and
 * clients_forget_worker() frees it. Pure: no clock, no I/O, no allocation. To open and close a connection costs
 * 40 ns with all limits set, 120 where a million others came since (tests/unit/net/measure_net). */
#ifndef POSTERN_NET_CLIENTS_H
#define POSTERN_NET_CLIENTS_H

#include "core/net/address.h"

struct clients_settings {
	uint32_t entries; /* at least so many; an address takes one and its network another */
	uint32_t workers;
	uint64_t secret[2]; /* of the hash: random, told to nobody */
};

/* So many in a period, at once or apart; count 0: no limit. */
struct client_rate {
	uint32_t count;
	uint64_t period_ns; /* at least count */
};

struct client_limits {
	uint32_t per_address; /* connections at a time; 0: no limit; likewise the next */
	uint32_t per_network;
	struct client_rate rate;
};

enum client_verdict {
	CLIENT_ADMITTED,
	CLIENT_ADDRESS_FULL, /* per_address connections are open */
	CLIENT_NETWORK_FULL,
	CLIENT_TOO_FAST,
};

/* Where a connection is counted; a connection keeps it until it closes. */
struct client_ticket {
	uint32_t address; /* 0: nowhere; likewise network */
	uint32_t network;
};

/* What a table of that size takes, in bytes: 27 an entry with two workers. */
size_t clients_bytes(const struct clients_settings *settings);

/* Makes the table in memory of clients_bytes() that is zero, begins at a multiple of 64 and is shared by all processes that
 * use it. The table is the memory; it needs no end. */
struct clients *clients_init(void *memory, const struct clients_settings *settings);

/* A connection of that client has come to that worker: counts it unless a limit is reached. `now_ns` is monotonic. The
 * ticket is filled whatever the answer, and counts nothing when it is not CLIENT_ADMITTED. An unknown address is admitted. */
MUST_USE enum client_verdict clients_open(struct clients *clients, uint32_t worker, const struct net_address *address,
					  const struct client_limits *limits, uint64_t now_ns,
					  struct client_ticket *ticket);

/* It has gone. The ticket counts nothing then. */
void clients_close(struct clients *clients, uint32_t worker, struct client_ticket *ticket);

/* What that worker counted goes, and a lock that it held is free. The worker is dead, and its successor not yet begun. */
void clients_forget_worker(struct clients *clients, uint32_t worker);

/* How many connections of that address (or its network) are counted by all workers: for people and tests. */
uint32_t clients_count_address(struct clients *clients, const struct net_address *address);
uint32_t clients_count_network(struct clients *clients, const struct net_address *address);

#endif
