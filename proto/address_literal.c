/* Address literals; see address_literal.h. */
#include "proto/address_literal.h"

enum { IPV6_GROUPS = 8 };

static bool is_hex_digit(uint8_t c)
{
	return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

/* Snum: one to three digits, 255 at most. A leading zero is refused: what it means depends on who reads it. */
static bool is_ipv4_part(struct slice part)
{
	uint64_t number;
	if (part.size > 1 && part.data[0] == '0')
		return false;
	return part.size <= 3 && slice_parse_number(part, 255, &number);
}

static bool is_ipv4(struct slice text)
{
	for (int i = 0; i < 3; i++) {
		size_t dot = slice_find(text, '.');
		if (dot == text.size || !is_ipv4_part(slice_first(text, dot)))
			return false;
		text = slice_skip(text, dot + 1);
	}
	return is_ipv4_part(text);
}

static bool is_group(struct slice group)
{
	for (size_t i = 0; i < group.size; i++)
		if (!is_hex_digit(group.data[i]))
			return false;
	return group.size >= 1 && group.size <= 4;
}

/* Groups with colons between them, an IPv4 address as the last where `last`: how many groups' room that takes. Nothing
 * takes 0; -1: wrong. */
static int count_groups(struct slice text, bool last)
{
	int groups = 0;
	while (text.size) {
		size_t colon = slice_find(text, ':');
		if (colon == text.size && last && is_ipv4(text))
			return groups + 2;
		if (!is_group(slice_first(text, colon)))
			return -1;
		groups++;
		if (colon == text.size)
			break;
		text = slice_skip(text, colon + 1);
		if (text.size == 0)
			return -1;
	}
	return groups;
}

/* Where "::" stands, or text.size. */
static size_t find_gap(struct slice text)
{
	for (size_t i = 0; i + 1 < text.size; i++)
		if (text.data[i] == ':' && text.data[i + 1] == ':')
			return i;
	return text.size;
}

static bool is_ipv6(struct slice text)
{
	size_t gap = find_gap(text);
	if (gap == text.size)
		return count_groups(text, true) == IPV6_GROUPS;
	int before = count_groups(slice_first(text, gap), false);
	int behind = count_groups(slice_skip(text, gap + 2), true);
	/* The gap stands for two groups at least. */
	return before >= 0 && behind >= 0 && before + behind <= IPV6_GROUPS - 2;
}

bool address_literal_is_valid(struct slice text)
{
	static const struct slice tag = { (const uint8_t *)"IPv6:", 5 };
	if (text.size > tag.size && slice_equal_nocase(slice_first(text, tag.size), tag))
		return is_ipv6(slice_skip(text, tag.size));
	return is_ipv4(text);
}
