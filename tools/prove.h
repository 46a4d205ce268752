/* What a server block's policy lets happen, found by walking every class of client that its rules tell apart. */
#ifndef POSTERN_TOOLS_PROVE_H
#define POSTERN_TOOLS_PROVE_H

#include "core/policy/classes.h"
#include "core/server/config.h"

/* A way for somebody who has not signed in to have mail sent on. */
struct prove_hole {
	struct policy_verdict verdict; /* that lets him */
	struct policy_facts facts;     /* an example */
	char name[LIMIT_DNS_NAME_BYTES + 1];
	struct net_address first, last; /* of the first range of addresses; family 0: it is by the name */
	uint64_t ranges;                /* how many there are */
};

/* How clients can come; bits. */
enum prove_way {
	PROVE_PLAIN = 1,    /* where there is no TLS */
	PROVE_STARTTLS = 2, /* outside TLS, where it could be started */
	PROVE_TLS = 4,
};

/* Who may send without TLS, by one of the first two ways. */
struct prove_clear {
	uint64_t classes;
	struct policy_facts facts; /* an example, if there are any: not signed in where that can be */
	char name[LIMIT_DNS_NAME_BYTES + 1];
};

struct prove_unreached {
	const char *table; /* "connect", "relay" */
	struct policy_verdict verdict;
};

struct prove_report {
	struct prove_hole *holes; /* one a deciding rule */
	size_t hole_count;
	struct prove_unreached *unreached; /* rules that never decide */
	size_t unreached_count;
	uint64_t unreached_more;        /* beyond those */
	uint64_t public_ipv4;           /* addresses that may have mail sent on without signing in */
	uint64_t public_ipv6;           /* networks of /48 */
	bool any_name;                  /* a rule lets a whole top-level domain do so */
	bool open_relay;                /* more of the world than any site is */
	bool has_foreign;               /* there is a route to somewhere else at all */
	char foreign[LIMIT_PATH_BYTES]; /* a recipient there */
	uint64_t classes;               /* that were judged */
	struct prove_clear plain, starttls;
};

/* By the listeners that it has. */
unsigned prove_ways(const struct config_server *server);

/* `ways`: PROVE_… bits. False: no memory. prove_finish() in any case. */
MUST_USE bool prove_policy(const struct policy *policy, unsigned ways, const struct route_table *routes,
			   struct prove_report *report);
void prove_finish(struct prove_report *report);

/* A domain of that kind that a route takes; false: there is none. */
MUST_USE bool prove_find_domain(const struct route_table *routes, bool local, char domain[LIMIT_PATH_BYTES]);

/* How many of the range's addresses are in use in the Internet: IPv4 addresses, IPv6 networks of /48. */
uint64_t prove_count_public(const struct net_address *first, const struct net_address *last);

#endif
