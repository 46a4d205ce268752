/* Network addresses as values, and their text. */
#ifndef POSTERN_NET_ADDRESS_H
#define POSTERN_NET_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/base/error.h"
#include "core/base/slice.h"

/* IPv4 is kept as its 4 bytes, not mapped; an IPv4-mapped IPv6 address becomes IPv4. */
struct net_address {
	uint8_t bytes[16]; /* in network order; behind an IPv4 address zeros */
	uint16_t port;
	uint8_t family; /* 4, 6; 0: unknown */
};

enum { NET_ADDRESS_TEXT_BYTES = 46 }; /* INET6_ADDRSTRLEN */

struct net_address net_address_from_socket(const struct sockaddr_storage *address);

/* From the 16 bytes of an IPv6 address in network order. */
struct net_address net_address_from_ipv6(const uint8_t ipv6[16], uint16_t port);

/* "192.0.2.1" or "2001:db8::1" (RFC 5952), no port. */
void net_address_format(const struct net_address *address, char text[NET_ADDRESS_TEXT_BYTES]);

/* "192.0.2.1", "2001:db8::1": numbers only, no port, brackets, scope or blanks, and no leading zero in IPv4, which some
 * read as octal. The error says what is wrong and how it is written. The port is 0. */
MUST_USE bool net_address_parse(struct slice text, struct net_address *address, struct error *error);

/* "192.0.2.1:587", "[2001:db8::1]:587": for configuration and the command line. A port is needed. */
MUST_USE bool net_address_parse_with_port(const char *text, struct sockaddr_storage *address, socklen_t *size,
					  struct error *error);

/* Ports are not compared. */
bool net_address_equal(const struct net_address *a, const struct net_address *b);

/* The /24 or /64 that the address is in, as a number for grouping clients. */
uint64_t net_address_network(const struct net_address *address);

/* Likewise the /24 or /48: as much as one customer may have. */
static inline uint64_t net_address_site(const struct net_address *address)
{
	return net_address_network(address) >> (address->family == 6 ? 16 : 0);
}

#endif
