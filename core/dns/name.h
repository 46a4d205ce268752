/* Names of the DNS: as messages have them, and as hosts are called. Pure.
 *
 * A message's name is a row of labels that may hold any byte and may point back into the message (RFC 1035 §3.1, §4.1.4).
 * It is kept without pointers and in lower case, so that equal names are equal bytes. Only what host names are made of
 * leaves here as text. */
#ifndef POSTERN_DNS_NAME_H
#define POSTERN_DNS_NAME_H

#include "core/base/limits.h"
#include "core/net/address.h"

enum {
	DNS_NAME_WIRE_BYTES = LIMIT_DNS_NAME_BYTES + 2, /* a length before the first label, and the root's */
	DNS_REVERSE_NAME_BYTES = 73,                    /* 32 digits and dots, "ip6.arpa" and a NUL */
};

struct dns_name {
	uint8_t size; /* with the root's zero; 0: no name */
	uint8_t bytes[DNS_NAME_WIRE_BYTES];
};

/* A host's name: lower case, labels of letters, digits, hyphens and underscores, international ones as A-labels, no dot at the
 * end, no number as its last label, since that would pass for an address. */
struct dns_host {
	uint8_t size;
	char text[LIMIT_DNS_NAME_BYTES + 1]; /* ended with NUL, too */
};

static inline struct slice dns_host_slice(const struct dns_host *host)
{
	return slice_of(host->text, host->size);
}

/* Reads the name at *at and moves *at behind it. False: it doesn't end inside the message, is too long, or its pointers
 * don't go back. */
MUST_USE bool dns_name_read(struct slice message, size_t *at, struct dns_name *name);

/* From text with dots between labels; one dot more at the end is allowed. False: an empty label, or too long. */
MUST_USE bool dns_name_from_text(struct slice text, struct dns_name *name);

static inline bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	return slice_equal(slice_of(a->bytes, a->size), slice_of(b->bytes, b->size));
}

/* False: no host is called so. */
MUST_USE bool dns_name_to_host(const struct dns_name *name, struct dns_host *host);

/* Where the names of an address stand: "1.2.0.192.in-addr.arpa", or 32 digits under ip6.arpa (RFC 3596 §2.5). */
void dns_reverse_name(const struct net_address *address, char text[DNS_REVERSE_NAME_BYTES]);

#endif
