/* Version 2 of the PROXY header, binary; see proxy_header.h. */
#include "core/base/cursor.h"
#include "core/base/limits.h"
#include "core/net/proxy_header_parts.h"

enum {
	SIGNATURE_BYTES = 12,
	COMMAND_AT = SIGNATURE_BYTES, /* version and command, a half byte each */
	FAMILY_AT = 13,               /* address family and kind of socket, alike */
	LENGTH_AT = 14,
	HEAD_BYTES = 16,

	COMMAND_LOCAL = 0x20,
	COMMAND_PROXY = 0x21,

	FAMILY_UNKNOWN = 0x00,
	FAMILY_TCP4 = 0x11,
	FAMILY_TCP6 = 0x21,
	FAMILY_UNIX = 0x31,

	UNIX_PATH_BYTES = 108,

	TLV_CHECKSUM = 0x03,
	CHECKSUM_BYTES = 4,
};

/* CRC-32c (RFC 3720 §12.1), half a byte at a time: a header is short, and few have a checksum. */
static uint32_t checksum_add(uint32_t sum, struct slice bytes)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	for (size_t i = 0; i < bytes.size; i++) {
		sum ^= bytes.data[i];
		sum = sum >> 4 ^ table[sum & 15];
		sum = sum >> 4 ^ table[sum & 15];
	}
	return sum;
}

/* Over the whole header, with zeros where the checksum stands. */
static uint32_t checksum_of(struct slice header, size_t at)
{
	static const uint8_t zeros[CHECKSUM_BYTES];
	uint32_t sum = checksum_add(UINT32_MAX, slice_first(header, at));
	sum = checksum_add(sum, slice_of(zeros, sizeof zeros));
	return ~checksum_add(sum, slice_skip(header, at + CHECKSUM_BYTES));
}

static enum proxy_header_status check_tlvs(struct slice whole, struct cursor cursor, struct proxy_header *header)
{
	bool has_checksum = false;
	while (cursor.rest.size > 0) {
		uint8_t type = cursor_take_u8(&cursor);
		struct slice value = cursor_take(&cursor, cursor_take_be(&cursor, 2));
		if (!cursor_ok(&cursor))
			return proxy_header_refuse(header, "a TLV of the PROXY header runs past its end");
		if (type != TLV_CHECKSUM)
			continue;
		if (has_checksum || value.size != CHECKSUM_BYTES)
			return proxy_header_refuse(header,
						   "the PROXY header has two checksums, or one of a wrong size");
		has_checksum = true;
		struct cursor sum = cursor_over(value);
		if (cursor_take_be(&sum, CHECKSUM_BYTES) !=
		    checksum_of(whole, whole.size - cursor.rest.size - CHECKSUM_BYTES))
			return proxy_header_refuse(header, "the PROXY header's checksum is wrong");
	}
	return PROXY_HEADER_OK;
}

static void take_address(struct cursor *cursor, uint8_t family, struct net_address *address)
{
	struct slice bytes = cursor_take(cursor, family == FAMILY_TCP4 ? 4 : 16);
	if (!cursor_ok(cursor))
		return;
	*address = (struct net_address){ .family = 4 };
	if (family == FAMILY_TCP4)
		memcpy(address->bytes, bytes.data, bytes.size);
	else
		*address = net_address_from_ipv6(bytes.data, 0);
}

/* The addresses, and behind them the TLVs. */
static enum proxy_header_status parse_body(struct slice whole, uint8_t family, struct proxy_header *header)
{
	struct cursor cursor = cursor_over(slice_skip(whole, HEAD_BYTES));
	if (family == FAMILY_UNIX) {
		cursor_take(&cursor, 2 * (size_t)UNIX_PATH_BYTES);
	} else {
		take_address(&cursor, family, &header->source);
		take_address(&cursor, family, &header->destination);
		header->source.port = (uint16_t)cursor_take_be(&cursor, 2);
		header->destination.port = (uint16_t)cursor_take_be(&cursor, 2);
		header->relayed = true;
	}
	if (!cursor_ok(&cursor))
		return proxy_header_refuse(header, "the PROXY header is too short for its addresses");
	return check_tlvs(whole, cursor, header);
}

/* What can be told of the first bytes before all are there; NULL: nothing is wrong. */
static const char *fault_of_head(struct slice input)
{
	static const struct slice signature = { (const uint8_t *)"\r\n\r\n\0\r\nQUIT\n", SIGNATURE_BYTES };
	if (!proxy_header_begins(input, signature))
		return "there is no PROXY header";
	if (input.size <= COMMAND_AT)
		return NULL;
	uint8_t command = input.data[COMMAND_AT];
	if (command != COMMAND_LOCAL && command != COMMAND_PROXY)
		return "the PROXY header is of another version than 1 and 2, or has another command than LOCAL and "
		       "PROXY";
	if (input.size <= FAMILY_AT || command == COMMAND_LOCAL)
		return NULL;
	uint8_t family = input.data[FAMILY_AT];
	if (family != FAMILY_UNKNOWN && family != FAMILY_TCP4 && family != FAMILY_TCP6 && family != FAMILY_UNIX)
		return "the PROXY header is not for a stream over IPv4, IPv6 or a UNIX socket";
	return NULL;
}

enum proxy_header_status proxy_header_parse_version_2(struct slice input, struct proxy_header *header)
{
	const char *fault = fault_of_head(input);
	if (fault)
		return proxy_header_refuse(header, fault);
	if (input.size < HEAD_BYTES)
		return PROXY_HEADER_NEED_MORE;
	struct cursor length = cursor_over(slice_skip(input, LENGTH_AT));
	size_t size = HEAD_BYTES + (size_t)cursor_take_be(&length, 2);
	if (size > LIMIT_PROXY_HEADER_BYTES)
		return proxy_header_refuse(header, "the PROXY header is too long");
	if (input.size < size)
		return PROXY_HEADER_NEED_MORE;
	header->size = size;
	uint8_t family = input.data[FAMILY_AT];
	/* Of a connection of its own, or an unknown one, what the proxy adds means nothing. */
	if (input.data[COMMAND_AT] == COMMAND_LOCAL || family == FAMILY_UNKNOWN)
		return PROXY_HEADER_OK;
	return parse_body(slice_first(input, size), family, header);
}
