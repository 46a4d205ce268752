/* Prefixes and their text; see prefix.h. */
#include "core/net/prefix.h"

#include <stdio.h>
#include <string.h>

#include "core/net/quote.h"

enum { MAPPED_BITS = 96 }; /* of ::ffff:0:0/96, where IPv4 lies in IPv6 */

/* The bits of byte `at` that belong to a prefix of that length. */
static uint8_t mask_of_byte(unsigned length, unsigned at)
{
	unsigned before = at * 8;
	if (length >= before + 8)
		return 0xff;
	return length <= before ? 0 : (uint8_t)(0xff << (8 - (length - before)));
}

struct net_prefix net_prefix_around(const struct net_address *address, unsigned length)
{
	ASSERT((address->family == 4 || address->family == 6) && length <= net_prefix_length_most(address->family));
	struct net_prefix prefix = { .length = (uint8_t)length, .family = address->family };
	for (unsigned i = 0; i < sizeof prefix.bytes; i++)
		prefix.bytes[i] = address->bytes[i] & mask_of_byte(length, i);
	return prefix;
}

bool net_prefix_contains(const struct net_prefix *prefix, const struct net_address *address)
{
	if (prefix->family != address->family)
		return false;
	for (unsigned i = 0; i * 8 < prefix->length; i++)
		if ((address->bytes[i] & mask_of_byte(prefix->length, i)) != prefix->bytes[i])
			return false;
	return true;
}

struct net_address net_prefix_first(const struct net_prefix *prefix)
{
	struct net_address address = { .family = prefix->family };
	memcpy(address.bytes, prefix->bytes, sizeof address.bytes);
	return address;
}

struct net_address net_prefix_last(const struct net_prefix *prefix)
{
	struct net_address address = net_prefix_first(prefix);
	for (unsigned i = 0; i < net_prefix_length_most(prefix->family) / 8; i++)
		address.bytes[i] |= (uint8_t)~mask_of_byte(prefix->length, i);
	return address;
}

void net_prefix_format(const struct net_prefix *prefix, char text[NET_PREFIX_TEXT_BYTES])
{
	struct net_address address = net_prefix_first(prefix);
	net_address_format(&address, text);
	size_t size = strlen(text);
	if (prefix->length < net_prefix_length_most(prefix->family))
		snprintf(text + size, NET_PREFIX_TEXT_BYTES - size, "/%u", prefix->length);
}

/* A length is a number without leading zeros. What it may be at most is said by the caller. */
static bool parse_length(struct slice text, unsigned most, unsigned *length)
{
	uint64_t number;
	if (!slice_parse_number(text, most, &number) || (text.size > 1 && text.data[0] == '0'))
		return false;
	*length = (unsigned)number;
	return true;
}

/* A mask, 255.255.255.0, is what people write most often instead of a length. */
static bool explain_length(struct slice text, struct slice length, uint8_t family, struct error *error)
{
	char shown[NET_QUOTE_BYTES];
	struct net_address mask;
	net_quote(text, shown);
	if (net_address_parse(length, &mask, NULL) && mask.family == 4 && family == 4) {
		unsigned bits = 0;
		while (bits < 32 && mask.bytes[bits / 8] & 0x80 >> bits % 8)
			bits++;
		struct net_prefix same =
			net_prefix_around(&(struct net_address){ .bytes = { 255, 255, 255, 255 }, .family = 4 }, bits);
		if (memcmp(same.bytes, mask.bytes, sizeof same.bytes) == 0)
			return error_set(error, "\"%s\": a prefix has a length, not a mask; write /%u", shown, bits);
	}
	return error_set(error, "\"%s\": behind the / stands the length, a number from 0 to %u without leading zeros",
			 shown, net_prefix_length_most(family));
}

static bool explain_host_bits(struct slice text, const struct net_address *address, unsigned length,
			      struct error *error)
{
	char shown[NET_QUOTE_BYTES], network[NET_PREFIX_TEXT_BYTES], alone[NET_ADDRESS_TEXT_BYTES];
	struct net_prefix prefix = net_prefix_around(address, length);
	net_prefix_format(&prefix, network);
	net_address_format(address, alone);
	return error_set(error, "\"%s\" has bits set behind its length; write %s for the network or %s for the address",
			 net_quote(text, shown), network, alone);
}

bool net_prefix_parse(struct slice text, struct net_prefix *prefix, struct error *error)
{
	struct net_address address;
	char shown[NET_QUOTE_BYTES];
	size_t slash = slice_find(text, '/');
	if (!net_address_parse(slice_first(text, slash), &address, error))
		return false;
	unsigned length = net_prefix_length_most(address.family);
	/* An IPv4-mapped one is written with the length of IPv6. */
	bool mapped = address.family == 4 && slice_find(slice_first(text, slash), ':') < slash;
	unsigned shift = mapped ? MAPPED_BITS : 0;
	if (slash < text.size) {
		struct slice rest = slice_skip(text, slash + 1);
		if (!parse_length(rest, length + shift, &length))
			return explain_length(text, rest, mapped ? 6 : address.family, error);
		if (length < shift)
			return error_set(error,
					 "\"%s\": an IPv4-mapped prefix has a length of 96 or more; write it as IPv4, "
					 "like 192.0.2.0/24",
					 net_quote(text, shown));
		length -= shift;
	}
	*prefix = net_prefix_around(&address, length);
	if (memcmp(prefix->bytes, address.bytes, sizeof prefix->bytes) != 0)
		return explain_host_bits(text, &address, length, error);
	return true;
}
