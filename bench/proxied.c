/* PROXY headers for clients of a load; see proxied.h. */
#include "bench/proxied.h"

#include <string.h>

enum {
	HEAD_BYTES = 16,
	PROXY_2 = 0x21, /* version 2, command PROXY */
	TCP_4 = 0x11,
	TCP_6 = 0x21,
	FIRST_PORT = 1024,
	PORTS = 65536 - FIRST_PORT,
};

static void put_16(uint8_t *to, unsigned number)
{
	to[0] = (uint8_t)(number >> 8);
	to[1] = (uint8_t)number;
}

/* Adds to the last 32 bits, as far as the prefix leaves them free. */
static struct net_address address_of(const struct net_prefix *prefix, uint64_t number)
{
	struct net_address address = net_prefix_first(prefix);
	unsigned bits = net_prefix_length_most(prefix->family) - prefix->length;
	size_t last = net_prefix_length_most(prefix->family) / 8 - 1;
	uint32_t low = (uint32_t)(bits >= 32 ? number : number & ((UINT64_C(1) << bits) - 1));
	for (size_t i = 0; i < 4; i++)
		address.bytes[last - i] |= (uint8_t)(low >> 8 * i);
	return address;
}

size_t proxied_header(const struct net_prefix *prefix, uint64_t number, uint8_t header[PROXIED_HEADER_BYTES])
{
	static const uint8_t signature[] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };
	struct net_address address = address_of(prefix, number);
	size_t bytes = prefix->family == 4 ? 4 : 16;
	size_t size = HEAD_BYTES + 2 * bytes + 4;
	memset(header, 0, size);
	memcpy(header, signature, sizeof signature);
	header[12] = PROXY_2;
	header[13] = prefix->family == 4 ? TCP_4 : TCP_6;
	put_16(header + 14, (unsigned)(size - HEAD_BYTES));
	memcpy(header + HEAD_BYTES, address.bytes, bytes);
	put_16(header + HEAD_BYTES + 2 * bytes, (unsigned)(FIRST_PORT + number % PORTS));
	return size;
}
