/* Reading an address from text; see address.h. */
#include "core/net/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/net/quote.h"

static bool has_blank_or_control(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] <= ' ' || text.data[i] == 0x7f)
			return true;
	return false;
}

static bool is_digits(struct slice text)
{
	uint64_t number;
	return slice_parse_number(text, UINT64_MAX, &number);
}

/* The parts between dots are looked at one by one, for the first that is wrong. */
static bool explain_ipv4(struct slice text, const char *shown, struct error *error)
{
	char part_text[NET_QUOTE_BYTES];
	size_t parts = 0;
	for (bool more = true; more; parts++) {
		size_t dot = slice_find(text, '.');
		struct slice part = slice_first(text, dot);
		uint64_t number;
		more = dot < text.size;
		text = slice_skip(text, more ? dot + 1 : dot);
		net_quote(part, part_text);
		if (!is_digits(part))
			return error_set(error,
					 "\"%s\" is not an address; write it in numbers, like 192.0.2.1 or 2001:db8::1",
					 shown);
		if (part.size > 1 && part.data[0] == '0')
			return error_set(error, "\"%s\": some read \"%s\" as octal; write it without leading zeros",
					 shown, part_text);
		if (!slice_parse_number(part, 255, &number))
			return error_set(error, "\"%s\": %s is too large; each of the four numbers is at most 255",
					 shown, part_text);
	}
	return error_set(error, "\"%s\" has %s than four numbers; an IPv4 address is written like 192.0.2.1", shown,
			 parts < 4 ? "fewer" : "more");
}

static bool explain(struct slice text, struct error *error)
{
	char shown[NET_QUOTE_BYTES];
	net_quote(text, shown);
	if (text.size == 0)
		return error_set(error, "the address is empty; write one like 192.0.2.1 or 2001:db8::1");
	if (has_blank_or_control(text))
		return error_set(error, "\"%s\": an address has no blanks or controls in it; take them out", shown);
	if (slice_find(text, '[') < text.size || slice_find(text, ']') < text.size)
		return error_set(error, "\"%s\": brackets belong to an address with a port; take them off", shown);
	if (slice_find(text, '%') < text.size)
		return error_set(error, "\"%s\": a rule is not bound to an interface; take off the %% and what follows",
				 shown);
	if (slice_find(text, '*') < text.size)
		return error_set(error, "\"%s\": a * is not used; write a prefix, like 192.0.2.0/24", shown);
	if (slice_find(text, '-') < text.size)
		return error_set(error, "\"%s\": a range is written as one or several prefixes, like 192.0.2.0/24",
				 shown);
	if (slice_find(text, ':') == text.size)
		return explain_ipv4(text, shown, error);
	return error_set(
		error,
		"\"%s\" is not an IPv6 address: eight groups of up to four hexadecimal digits, with one :: for "
		"a run of zeros, like 2001:db8::1",
		shown);
}

/* inet_pton() takes exactly what RFC 4291 §2.2 and four decimal numbers without leading zeros are. */
bool net_address_parse(struct slice text, struct net_address *address, struct error *error)
{
	char copy[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	*address = (struct net_address){ .family = 0 };
	if (slice_find(text, 0) < text.size || !slice_to_text(text, copy, sizeof copy))
		return explain(text, error);
	if (slice_find(text, ':') == text.size) {
		address->family = 4;
		return inet_pton(AF_INET, copy, address->bytes) == 1 || explain(text, error);
	}
	if (inet_pton(AF_INET6, copy, bytes) != 1)
		return explain(text, error);
	*address = net_address_from_ipv6(bytes, 0);
	return true;
}
