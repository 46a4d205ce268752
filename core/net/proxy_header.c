/* Which version a PROXY header is of, and version 1, a line of text; see proxy_header.h. */
#include "core/net/proxy_header.h"

#include "core/base/limits.h"
#include "core/net/proxy_header_parts.h"

enum { PORT_MOST = 65535 };

enum proxy_header_status proxy_header_refuse(struct proxy_header *header, const char *fault)
{
	*header = (struct proxy_header){ .fault = fault };
	return PROXY_HEADER_REJECT;
}

bool proxy_header_begins(struct slice input, struct slice with)
{
	size_t size = input.size < with.size ? input.size : with.size;
	return slice_equal(slice_first(input, size), slice_first(with, size));
}

/* Takes the field up to the next space or the end; between two fields stands exactly one. */
static struct slice take_field(struct slice *rest)
{
	size_t space = slice_find(*rest, ' ');
	struct slice field = slice_first(*rest, space);
	*rest = slice_skip(*rest, space < rest->size ? space + 1 : space);
	return field;
}

/* No leading zeros in ports, and as net_address_parse() none in addresses. */
static bool take_port(struct slice *rest, uint16_t *port)
{
	struct slice field = take_field(rest);
	uint64_t number;
	if (!slice_parse_number(field, PORT_MOST, &number) || (field.size > 1 && field.data[0] == '0'))
		return false;
	*port = (uint16_t)number;
	return true;
}

static bool take_address(struct slice *rest, bool ipv6, struct net_address *address)
{
	struct slice field = take_field(rest);
	bool has_colon = slice_find(field, ':') < field.size;
	return has_colon == ipv6 && net_address_parse(field, address, NULL);
}

/* Two addresses, two ports and nothing else. */
static enum proxy_header_status parse_addresses(struct slice rest, bool ipv6, struct proxy_header *header)
{
	if (!take_address(&rest, ipv6, &header->source) || !take_address(&rest, ipv6, &header->destination))
		return proxy_header_refuse(header, "an address of the PROXY line is wrong");
	if (!take_port(&rest, &header->source.port) || slice_find(rest, ' ') < rest.size ||
	    !take_port(&rest, &header->destination.port))
		return proxy_header_refuse(header, "a port of the PROXY line is wrong");
	header->relayed = true;
	return PROXY_HEADER_OK;
}

static enum proxy_header_status parse_line(struct slice line, struct proxy_header *header)
{
	header->size = line.size;
	struct slice rest = slice_first(line, line.size - 2);
	take_field(&rest); /* PROXY */
	struct slice protocol = take_field(&rest);
	if (slice_equal(protocol, SLICE_LITERAL("TCP4")))
		return parse_addresses(rest, false, header);
	if (slice_equal(protocol, SLICE_LITERAL("TCP6")))
		return parse_addresses(rest, true, header);
	if (slice_equal(protocol, SLICE_LITERAL("UNKNOWN")))
		return PROXY_HEADER_OK; /* whatever stands behind it */
	return proxy_header_refuse(header, "the PROXY line is of another protocol than TCP4, TCP6 and UNKNOWN");
}

static enum proxy_header_status parse_version_1(struct slice input, struct proxy_header *header)
{
	size_t most = input.size < LIMIT_PROXY_LINE_BYTES ? input.size : LIMIT_PROXY_LINE_BYTES;
	struct slice line = slice_first(input, most);
	size_t end = slice_find(line, '\n');
	if (end < line.size) {
		if (line.data[end - 1] != '\r')
			return proxy_header_refuse(header, "the PROXY line does not end in CRLF");
		return parse_line(slice_first(line, end + 1), header);
	}
	if (line.size == LIMIT_PROXY_LINE_BYTES)
		return proxy_header_refuse(header, "the PROXY line is too long");
	return PROXY_HEADER_NEED_MORE;
}

enum proxy_header_status proxy_header_parse(struct slice input, struct proxy_header *header)
{
	*header = (struct proxy_header){ .size = 0 };
	if (proxy_header_begins(input, SLICE_LITERAL("PROXY ")))
		return input.size < 6 ? PROXY_HEADER_NEED_MORE : parse_version_1(input, header);
	return proxy_header_parse_version_2(input, header);
}
