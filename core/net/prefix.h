/* Prefixes, "192.0.2.0/24" and "2001:db8::/32": blocks of addresses that begin with the same bits (RFC 4632, RFC 4291
 * §2.3). A single address is a prefix of full length. */
#ifndef POSTERN_NET_PREFIX_H
#define POSTERN_NET_PREFIX_H

#include "core/net/address.h"

/* As in net_address, what lies in ::ffff:0:0/96 is IPv4. A shorter IPv6 prefix around it holds no IPv4 address. */
struct net_prefix {
	uint8_t bytes[16]; /* in network order; the bits behind the length are zero */
	uint8_t length;    /* bits: at most 32 for IPv4, 128 for IPv6 */
	uint8_t family;    /* 4, 6 */
};

enum { NET_PREFIX_TEXT_BYTES = NET_ADDRESS_TEXT_BYTES + 4 };

static inline unsigned net_prefix_length_most(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

/* An address, or an address, a slash and a length. Bits behind the length are refused, and the error names the
 * spellings that may have been meant; so are leading zeros, blanks, masks and ranges. */
MUST_USE bool net_prefix_parse(struct slice text, struct net_prefix *prefix, struct error *error);

/* As net_prefix_parse() reads it: canonical, and without a length where it is a single address. */
void net_prefix_format(const struct net_prefix *prefix, char text[NET_PREFIX_TEXT_BYTES]);

/* The block of that length that the address is in. Its family must be 4 or 6 and the length fit it. */
struct net_prefix net_prefix_around(const struct net_address *address, unsigned length);

bool net_prefix_contains(const struct net_prefix *prefix, const struct net_address *address);

/* The block's ends. */
struct net_address net_prefix_first(const struct net_prefix *prefix);
struct net_address net_prefix_last(const struct net_prefix *prefix);

#endif
