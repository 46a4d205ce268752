/* What a DNS server answered, read out of its message (RFC 1035 §4.1). Pure; the message may hold anything.
 *
 * Aliases are followed inside the message (RFC 2317 has reverse zones made of them), LIMIT_DNS_ALIASES of them; records of
 * other names are passed over. At most LIMIT_DNS_RECORDS of the answer are looked at. */
#ifndef POSTERN_DNS_ANSWER_H
#define POSTERN_DNS_ANSWER_H

#include "core/dns/name.h"

enum dns_type { DNS_TYPE_A = 1, DNS_TYPE_CNAME = 5, DNS_TYPE_SOA = 6, DNS_TYPE_PTR = 12, DNS_TYPE_AAAA = 28 };

enum dns_answer {
	DNS_ANSWER_HERE, /* records were there */
	DNS_ANSWER_NONE, /* there is no such name, or it has no such records */
	DNS_ANSWER_BAD,  /* no sense in it, an alias without end, or the server could not answer */
};

struct dns_pointers {
	struct dns_host hosts[LIMIT_DNS_POINTERS]; /* the first ones that are host names */
	uint8_t count;
	uint32_t
		ttl_s; /* the shortest one of all that was read, aliases too; for NONE as RFC 2308 §5 has it, 0 where it isn't said */
};

/* The names that an address's reverse name points to. HERE with a count of 0: what is there can't be a host. */
MUST_USE enum dns_answer dns_answer_pointers(struct slice message, struct slice question,
					     struct dns_pointers *pointers);

struct dns_match {
	bool found; /* the address is among those of the host */
	uint32_t ttl_s;
};

/* Whether the host has this address; the message answers the question for A or AAAA. */
MUST_USE enum dns_answer dns_answer_match(struct slice message, struct slice question,
					  const struct net_address *address, struct dns_match *match);

#endif
