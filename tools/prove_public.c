/* How much of the Internet is in a range of addresses; see prove.h. */
#include "tools/prove.h"

/* What is never seen outside a site (RFC 6890): private, loopback, link-local, shared, multicast and reserved. */
static const struct {
	uint32_t first, last;
} not_public[] = {
	{ 0x00000000, 0x00ffffff }, { 0x0a000000, 0x0affffff }, { 0x64400000, 0x647fffff }, { 0x7f000000, 0x7fffffff },
	{ 0xa9fe0000, 0xa9feffff }, { 0xac100000, 0xac1fffff }, { 0xc0a80000, 0xc0a8ffff }, { 0xe0000000, 0xffffffff },
};

/* Of IPv6, 2000::/3 is in use, in the first 48 bits. */
#define PUBLIC_IPV6_FIRST UINT64_C(0x200000000000)
#define PUBLIC_IPV6_LAST  UINT64_C(0x3fffffffffff)

static uint64_t number_of(const struct net_address *address, unsigned bytes)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < bytes; i++)
		number = number << 8 | address->bytes[i];
	return number;
}

static uint64_t overlap(uint64_t first, uint64_t last, uint64_t other_first, uint64_t other_last)
{
	uint64_t from = first > other_first ? first : other_first, to = last < other_last ? last : other_last;
	return from <= to ? to - from + 1 : 0;
}

uint64_t prove_count_public(const struct net_address *first, const struct net_address *last)
{
	if (first->family == 6) {
		/* A range within a /48 counts for one, so that many single hosts count, too. */
		return overlap(number_of(first, 6), number_of(last, 6), PUBLIC_IPV6_FIRST, PUBLIC_IPV6_LAST);
	}
	uint64_t from = number_of(first, 4), to = number_of(last, 4), count = to - from + 1;
	for (size_t i = 0; i < sizeof not_public / sizeof *not_public; i++)
		count -= overlap(from, to, not_public[i].first, not_public[i].last);
	return count;
}
