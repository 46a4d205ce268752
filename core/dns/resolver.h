/* Questions to DNS servers, by c-ares on the loop: UDP, TCP where an answer is too long, the next server where one is silent.
 *
 * c-ares makes and repeats the questions, and compares what comes with what was asked (id, question, server). Sockets are
 * non-blocking, watched by the loop, and few: three for each server. Nothing here blocks but the start, which reads
 * /etc/resolv.conf where no servers are given. */
#ifndef POSTERN_DNS_RESOLVER_H
#define POSTERN_DNS_RESOLVER_H

#include "core/dns/answer.h"
#include "core/io/loop.h"

struct resolver_query;

/* `message` is what a server answered, valid inside the call; empty: none did in time, or none could. Called from the loop, once
 * for each query, never from inside resolver_ask(). It may ask, but not destroy the resolver. */
typedef void resolver_answered(struct resolver_query *query, struct slice message);

/* Embedded in its owner; from resolver_ask() until it is called back it stays where it is. */
struct resolver_query {
	resolver_answered *answered;
	struct resolver *resolver;
	struct list link; /* of those that are not sent yet, or that ended at once */
	const char *name; /* NULL: forgotten */
	enum dns_type type;
	struct resolver_channel *channel; /* that it was sent on; NULL: not yet */
};

struct resolver_settings {
	const struct net_address *servers; /* with ports; copied. None: those of /etc/resolv.conf */
	size_t server_count;               /* LIMIT_NAME_SERVERS at most */
	uint32_t timeout_ms;               /* in which every server was asked LIMIT_DNS_TRIES times */
};

/* NULL and `error` where it can't be had. */
struct resolver *resolver_create(struct loop *loop, const struct resolver_settings *settings, struct error *error);

/* Calls back for all that is asked, and turns the loop until its sockets are closed: not from inside a callback. NULL is
 * allowed. */
void resolver_destroy(struct resolver *resolver);

/* Asks for the records of this type (and class IN) that the name has, soon: LIMIT_DNS_BURST go in a millisecond, so that sockets
 * can take them and the answers. The name's text stays until the query is called back, or resolver_forget() is called. */
void resolver_ask(struct resolver *resolver, struct resolver_query *query, const char *name, enum dns_type type,
		  resolver_answered *answered);

/* The owner doesn't want to know any more and will not keep the name: what has not been sent never will be, and true is
 * answered: it is not called back. False: it is, as always. */
MUST_USE bool resolver_forget(struct resolver_query *query);

/* Sockets that are open now. */
size_t resolver_sockets(const struct resolver *resolver);

#endif
