/* Network addresses and their text; see address.h. */
#include "core/net/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/base/buffer.h"

enum { PORT_MOST = 65535 };

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct net_address net_address_from_ipv6(const uint8_t ipv6[16], uint16_t port)
{
	struct net_address address = { .port = port, .family = 6 };
	struct slice bytes = slice_of(ipv6, 16);
	if (slice_starts_with(bytes, slice_of(mapped_prefix, sizeof mapped_prefix))) {
		address.family = 4;
		bytes = slice_skip(bytes, sizeof mapped_prefix);
	}
	memcpy(address.bytes, bytes.data, bytes.size);
	return address;
}

struct net_address net_address_from_socket(const struct sockaddr_storage *socket_address)
{
	if (socket_address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)socket_address;
		return net_address_from_ipv6(ipv6->sin6_addr.s6_addr, ntohs(ipv6->sin6_port));
	}
	if (socket_address->ss_family != AF_INET)
		return (struct net_address){ .family = 0 };
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)socket_address;
	struct net_address address = { .port = ntohs(ipv4->sin_port), .family = 4 };
	memcpy(address.bytes, &ipv4->sin_addr, sizeof ipv4->sin_addr);
	return address;
}

/* The C library's goes through printf. */
static void format_ipv4(const uint8_t bytes[4], char text[NET_ADDRESS_TEXT_BYTES])
{
	struct buffer out;
	buffer_init(&out, text, NET_ADDRESS_TEXT_BYTES);
	for (int i = 0; i < 4; i++) {
		buffer_append_number(&out, bytes[i]);
		buffer_append_byte(&out, i < 3 ? '.' : 0);
	}
}

/* inet_ntop() writes IPv6 as RFC 5952 recommends. */
void net_address_format(const struct net_address *address, char text[NET_ADDRESS_TEXT_BYTES])
{
	if (address->family == 4)
		format_ipv4(address->bytes, text);
	else if (address->family != 6 || !inet_ntop(AF_INET6, address->bytes, text, NET_ADDRESS_TEXT_BYTES))
		strcpy(text, "unknown");
}

/* What is before and behind the last colon; the brackets of IPv6 are taken off. */
static bool split(const char *text, struct slice *host, struct slice *port, struct error *error)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	if (!colon || (bracketed && strchr(colon, ']')))
		return error_set(error, "\"%s\" has no port; write %s:PORT", text, text);
	if (!bracketed && strchr(text, ':') != colon)
		return error_set(
			error, "\"%s\": an IPv6 address is written in brackets, with a port: [2001:db8::1]:PORT", text);
	*host = slice_of(text, (size_t)(colon - text));
	*port = slice_from_text(colon + 1);
	if (!bracketed)
		return true;
	if (host->size < 2 || host->data[host->size - 1] != ']')
		return error_set(error, "\"%s\": between the ] and the port stands a colon and nothing else", text);
	*host = slice_first(slice_skip(*host, 1), host->size - 2);
	return true;
}

bool net_address_parse_with_port(const char *text, struct sockaddr_storage *address, socklen_t *size,
				 struct error *error)
{
	struct slice host, port;
	uint64_t number;
	char host_text[INET6_ADDRSTRLEN];
	if (!split(text, &host, &port, error))
		return false;
	if (!slice_parse_number(port, PORT_MOST, &number) || number == 0)
		return error_set(error, "\"%s\": the port is a number from 1 to %d", text, PORT_MOST);
	memset(address, 0, sizeof *address);
	if (slice_to_text(host, host_text, sizeof host_text)) {
		struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
		struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
		if (text[0] != '[' && inet_pton(AF_INET, host_text, &ipv4->sin_addr) == 1) {
			ipv4->sin_family = AF_INET;
			ipv4->sin_port = htons((uint16_t)number);
			*size = sizeof *ipv4;
			return true;
		}
		if (text[0] == '[' && inet_pton(AF_INET6, host_text, &ipv6->sin6_addr) == 1) {
			ipv6->sin6_family = AF_INET6;
			ipv6->sin6_port = htons((uint16_t)number);
			*size = sizeof *ipv6;
			return true;
		}
	}
	return error_set(error,
			 "\"%s\": \"%.*s\" is not an address; it is written in numbers, 192.0.2.1 or [2001:db8::1]",
			 text, SLICE_ARGS(host));
}

bool net_address_equal(const struct net_address *a, const struct net_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

uint64_t net_address_network(const struct net_address *address)
{
	size_t bytes = address->family == 4 ? 3 : address->family == 6 ? 8 : 0;
	uint64_t network = 0;
	for (size_t i = 0; i < bytes; i++)
		network = network << 8 | address->bytes[i];
	/* ff00::/8 is multicast and never a client: IPv4 has that place. */
	return address->family == 4 ? UINT64_MAX << 24 | network : network;
}
