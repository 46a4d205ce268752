/* What the files of the resolver share; private to resolver*.c. */
#ifndef POSTERN_DNS_RESOLVER_PARTS_H
#define POSTERN_DNS_RESOLVER_PARTS_H

#include <ares.h>

#include "core/base/pool.h"
#include "core/dns/resolver.h"

/* Two, since c-ares gives up all questions of a server when one connection to it ends: those by UDP must not suffer from TCP's. */
enum resolver_transport { RESOLVER_UDP, RESOLVER_TCP, RESOLVER_TRANSPORTS };

struct resolver_channel {
	struct resolver *resolver;
	ares_channel ares;
};

struct resolver {
	struct loop *loop;
	struct resolver_channel channels[RESOLVER_TRANSPORTS];
	struct timer tick; /* runs while something is asked */
	size_t asked;      /* queries that c-ares has */
	bool asking;       /* c-ares has been called: what it calls back now waits */
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
