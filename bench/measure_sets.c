/* Sets to measure with; see measure_sets.h. */
#include "bench/measure_sets.h"

#include <stdio.h>

uint64_t measure_random_next(struct measure_random *random)
{
	uint64_t x = random->state;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	random->state = x;
	return x * 0x2545f4914f6cdd1du;
}

uint32_t measure_random_below(struct measure_random *random, uint32_t below)
{
	return (uint32_t)((measure_random_next(random) >> 32) * below >> 32);
}

const char *measure_set_name(enum measure_set set)
{
	static const char *const names[MEASURE_SETS] = { "mixed", "IPv4",  "IPv6",   "nested chains",
							 "hosts", "pairs", "one /32" };
	return names[set];
}

struct share {
	unsigned length;
	unsigned percent;
};

static unsigned length_from(const struct share *shares, struct measure_random *random)
{
	unsigned at = measure_random_below(random, 100);
	while (at >= shares->percent)
		at -= shares++->percent;
	return shares->length;
}

static struct net_address random_address(uint8_t family, struct measure_random *random)
{
	struct net_address address = { .family = family };
	for (unsigned i = 0; i < net_prefix_length_most(family) / 8; i++)
		address.bytes[i] = (uint8_t)(measure_random_next(random) >> 56);
	return address;
}

static struct net_prefix ipv4_prefix(struct measure_random *random)
{
	static const struct share shares[] = { { 24, 38 }, { 32, 35 }, { 22, 8 }, { 23, 5 }, { 20, 4 }, { 21, 3 },
					       { 19, 2 },  { 16, 2 },  { 28, 1 }, { 29, 1 }, { 18, 1 } };
	struct net_address address = random_address(4, random);
	address.bytes[0] = (uint8_t)(1 + measure_random_below(random, 223));
	return net_prefix_around(&address, length_from(shares, random));
}

static struct net_prefix ipv6_prefix(struct measure_random *random)
{
	static const struct share shares[] = { { 48, 45 }, { 32, 12 }, { 64, 15 }, { 44, 5 }, { 40, 5 },
					       { 36, 4 },  { 29, 4 },  { 56, 5 },  { 128, 5 } };
	static const uint16_t registries[] = { 0x2001, 0x2400, 0x2401, 0x2402, 0x2403, 0x2404, 0x2405,
					       0x2406, 0x2600, 0x2602, 0x2604, 0x2605, 0x2606, 0x2607,
					       0x2800, 0x2803, 0x2804, 0x2a00, 0x2a01, 0x2a02, 0x2a03,
					       0x2a04, 0x2a05, 0x2a06, 0x2a07, 0x2a09, 0x2a0a, 0x2c0f };
	struct net_address address = random_address(6, random);
	uint16_t registry = registries[measure_random_below(random, sizeof registries / sizeof *registries)];
	address.bytes[0] = (uint8_t)(registry >> 8);
	address.bytes[1] = (uint8_t)registry;
	address.bytes[2] &= 0x0f; /* some 100,000 networks of /32 are in use */
	if (measure_random_below(random, 2))
		address.bytes[4] = 0; /* and they are filled from below */
	return net_prefix_around(&address, length_from(shares, random));
}

/* The number tells length and chain; a chain's addresses come from the chain alone. */
static struct net_prefix chain_prefix(uint32_t number)
{
	uint8_t family = number % 2 ? 6 : 4;
	uint32_t lengths = family == 4 ? 25 : 121; /* from /8 on: chains must differ */
	struct measure_random of_chain = { 1 + number / 2 / lengths };
	for (int i = 0; i < 4; i++)
		measure_random_next(&of_chain);
	struct net_address address = random_address(family, &of_chain);
	return net_prefix_around(&address, 8 + number / 2 % lengths);
}

/* Everything behind the first pieces of 16 bits is given by the number that is passed. */
static struct net_prefix host_prefix(uint64_t upper, struct measure_random *random)
{
	struct net_address address = random_address(6, random);
	struct measure_random of_upper = { upper + 1 };
	for (int i = 0; i < 4; i++)
		measure_random_next(&of_upper);
	uint64_t bits = measure_random_next(&of_upper);
	for (int i = 0; i < 6; i++)
		address.bytes[i] = (uint8_t)(bits >> 8 * i);
	return net_prefix_around(&address, 128);
}

struct net_prefix measure_set_prefix(enum measure_set set, uint32_t number, struct measure_random *random)
{
	struct net_prefix prefix;
	switch (set) {
	case MEASURE_MIXED:
		return number % 2 ? ipv6_prefix(random) : ipv4_prefix(random);
	case MEASURE_IPV4:
		return ipv4_prefix(random);
	case MEASURE_IPV6:
		return ipv6_prefix(random);
	case MEASURE_CHAINS:
		return chain_prefix(number);
	case MEASURE_HOSTS:
		return host_prefix(number, random);
	case MEASURE_PAIRS:
		return host_prefix(number / 2, random);
	default:
		prefix = ipv6_prefix(random);
		prefix.bytes[0] = 0x20;
		prefix.bytes[1] = 0x01;
		prefix.bytes[2] = 0x0d;
		prefix.bytes[3] = 0xb8;
		return prefix.length < 32 ? host_prefix(number, random) : prefix;
	}
}

struct net_address measure_address_in(const struct net_prefix *prefix, struct measure_random *random)
{
	struct net_address first = net_prefix_first(prefix), last = net_prefix_last(prefix);
	struct net_address any = random_address(prefix->family, random);
	for (int i = 0; i < 16; i++)
		first.bytes[i] |= (uint8_t)(any.bytes[i] & (first.bytes[i] ^ last.bytes[i]));
	return first;
}

size_t measure_name(struct measure_random *random, char name[MEASURE_NAME_BYTES])
{
	static const char *const tops[] = { "com", "net", "org", "de", "info", "example", "co.uk", "com.br" };
	size_t size = 0;
	uint32_t labels = 1 + measure_random_below(random, 3);
	for (uint32_t i = 0; i < labels; i++) {
		for (uint32_t letters = 4 + measure_random_below(random, 9); letters > 0; letters--)
			name[size++] = (char)('a' + measure_random_below(random, 26));
		name[size++] = '.';
	}
	const char *top = tops[measure_random_below(random, 8)];
	return size + (size_t)snprintf(name + size, MEASURE_NAME_BYTES - size, "%s", top);
}
