/* What the files of the resolver share; private to resolver*.c. */
#ifndef POSTERN_DNS_RESOLVER_PARTS_H
#define POSTERN_DNS_RESOLVER_PARTS_H

#include <ares.h>

#include "core/base/pool.h"
#include "core/dns/resolver.h"

/* c-ares gives up all questions of a server when one connection to it ends, so those by UDP have channels of their own. They are
 * two that take turns: c-ares closes a channel's sockets when nothing is asked on it, and a new socket has another port, which
 * somebody who forges answers must guess. */
enum { RESOLVER_TCP, RESOLVER_UDP, RESOLVER_CHANNELS = RESOLVER_UDP + 2 };

struct resolver_channel {
	struct resolver *resolver;
	ares_channel ares;
	size_t asked;  /* queries that c-ares has */
	size_t in_row; /* asked since nothing was */
};

struct resolver {
	struct loop *loop;
	struct resolver_channel channels[RESOLVER_CHANNELS];
	struct timer tick;            /* runs while something is asked */
	struct resolver_channel *udp; /* whose turn it is */
	bool asking;                  /* c-ares has been called: what it calls back now waits */
	struct list ended;
	struct timer end;
	struct list waiting; /* to be sent in a later millisecond */
	struct timer more;
	uint64_t burst_ms;
	unsigned burst;
	struct list sockets; /* all, those being closed too */
	struct pool socket_pool;
};

/* Lets c-ares open, watch and close its sockets through the loop. */
void resolver_sockets_init(struct resolver *resolver);
void resolver_sockets_serve(struct resolver_channel *channel);
void resolver_sockets_finish(struct resolver *resolver);
void resolver_sockets_watch_all(struct resolver *resolver);

/* For c-ares, as its options ask for it: what it waits for on a socket; `context` is the channel. */
void resolver_socket_wants(void *context, ares_socket_t fd, int readable, int writable);

#endif
