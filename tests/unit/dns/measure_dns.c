/* Measures core/dns; asserts nothing. Prints for a cache that is full what it holds, its bytes, and the time to find a name.
 *
 *   measure_dns [addresses, 1000000]
 *
 * Each figure is the median of several runs. A lookup waits for the one before it, so its time is what a caller waits. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/dns/cache.h"

enum { RUNS = 5, LOOKUPS = 1 << 20 };

static uint64_t seed = 7;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1du;
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare_times(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static struct net_address random_address(bool six)
{
	struct net_address address = { .family = six ? 6 : 4 };
	uint64_t words[2] = { next_random(), next_random() };
	memcpy(address.bytes, words, six ? 16 : 4);
	return address;
}

static void fill(struct reverse_cache *cache, struct net_address *addresses, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		char text[64];
		addresses[i] = random_address(i % 4 == 0);
		int size = snprintf(text, sizeof text, "dsl-%u-%u.access.provider.example", addresses[i].bytes[0], i);
		struct reverse_name name = { REVERSE_CONFIRMED, slice_of(text, (size_t)size) };
		reverse_cache_put(cache, &addresses[i], 1, 3600, &name);
	}
}

/* The name's first byte is read, and what is asked next depends on it. */
static double find_all(struct reverse_cache *cache, const struct net_address *asked, uint32_t *found)
{
	uint32_t hits = 0;
	uint8_t byte = 0;
	double began = seconds();
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct net_address address = asked[i];
		struct reverse_name name = { .status = REVERSE_UNKNOWN };
		address.port = byte;
		if (reverse_cache_find(cache, &address, 2, &name)) {
			hits++;
			byte = name.name.data[0];
		}
		address.family ^= byte & 0x80;
	}
	*found = hits;
	return (seconds() - began) / LOOKUPS;
}

static void measure(const char *what, struct reverse_cache *cache, const struct net_address *asked)
{
	double times[RUNS];
	uint32_t found = 0;
	for (int i = 0; i < RUNS; i++)
		times[i] = find_all(cache, asked, &found);
	qsort(times, RUNS, sizeof *times, compare_times);
	printf("%-22s %6.0f ns/lookup, %3u%% found\n", what, times[RUNS / 2] * 1e9,
	       (unsigned)((uint64_t)found * 100 / LOOKUPS));
}

int main(int count, char **words)
{
	static const uint8_t key[REVERSE_CACHE_KEY_BYTES] = "as good as any.";
	uint32_t entries = count > 1 ? (uint32_t)strtoul(words[1], NULL, 10) : 1000000;
	struct net_address *addresses = malloc(entries * sizeof *addresses);
	struct net_address *asked = malloc(LOOKUPS * sizeof *asked);
	struct reverse_cache *cache = reverse_cache_create(entries, key);
	if (!addresses || !asked || !cache)
		return 1;
	double began = seconds();
	fill(cache, addresses, entries);
	printf("%u addresses: %.0f ns to put one, %.1f bytes/address\n", entries, (seconds() - began) / entries * 1e9,
	       (double)reverse_cache_memory_bytes(cache) / entries);
	for (uint32_t i = 0; i < LOOKUPS; i++)
		asked[i] = addresses[next_random() % entries];
	measure("any of them", cache, asked);
	for (uint32_t i = 0; i < LOOKUPS; i++)
		asked[i] = addresses[entries - 1 - next_random() % 1000];
	measure("the last thousand", cache, asked);
	for (uint32_t i = 0; i < LOOKUPS; i++)
		asked[i] = random_address(i % 4 == 0);
	measure("others", cache, asked);
	reverse_cache_destroy(cache);
	free(addresses);
	free(asked);
	return 0;
}
