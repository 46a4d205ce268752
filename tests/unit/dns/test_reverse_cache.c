/* core/dns/cache: against a model that remembers everything; what is told is right, and fair to others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/limits.h"
#include "core/dns/cache.h"

static const uint8_t key[REVERSE_CACHE_KEY_BYTES] = "sixteen bytes..";
static uint64_t seed = 1;

static uint32_t random_below(uint32_t bound)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 32) * bound >> 32);
}

static struct net_address address4(uint32_t number)
{
	struct net_address address = { .family = 4 };
	for (unsigned i = 0; i < 4; i++)
		address.bytes[i] = (uint8_t)(number >> (24 - 8 * i));
	return address;
}

static struct net_address address6(uint64_t network, uint64_t host)
{
	struct net_address address = { .family = 6 };
	for (unsigned i = 0; i < 8; i++) {
		address.bytes[i] = (uint8_t)(network >> (56 - 8 * i));
		address.bytes[8 + i] = (uint8_t)(host >> (56 - 8 * i));
	}
	return address;
}

static struct reverse_name confirmed(const char *text)
{
	return (struct reverse_name){ REVERSE_CONFIRMED, slice_from_text(text) };
}

static bool knows(struct reverse_cache *cache, struct net_address address, uint32_t now_s)
{
	struct reverse_name name;
	return reverse_cache_find(cache, &address, now_s, &name);
}

static void remember(struct reverse_cache *cache, struct net_address address, uint32_t now_s, const char *text)
{
	struct reverse_name name = confirmed(text);
	reverse_cache_put(cache, &address, now_s, 1000, &name);
}

/* --- the model --- */

enum { MODEL_ADDRESSES = 600, STEPS = 200000, NAME_MOST = LIMIT_DNS_NAME_BYTES };

struct entry {
	bool there;
	enum reverse_status status;
	uint32_t end_s;
	size_t size;
	uint8_t letter; /* the name is made of */
};

/* Both families, and one address whose bytes are those of an IPv4 one. */
static struct net_address model_address(uint32_t number)
{
	if (number == 0)
		return address6((uint64_t)0x0a000001 << 32, 0);
	if (number % 3 == 0)
		return address6(0x20010db800000000 | number % 7, number);
	return address4(0x0a000000 | number);
}

static void model_put(struct reverse_cache *cache, struct entry *entry, uint32_t number, uint32_t now_s)
{
	uint8_t text[NAME_MOST];
	struct net_address address = model_address(number);
	uint32_t ttl_s = 1 + random_below(50);
	entry->there = true;
	entry->status = random_below(4);
	entry->end_s = now_s + ttl_s;
	entry->letter = (uint8_t)('a' + random_below(26));
	entry->size = entry->status != REVERSE_CONFIRMED ? 0 : 1 + random_below(random_below(4) ? 40 : NAME_MOST);
	memset(text, entry->letter, sizeof text);
	struct reverse_name name = { entry->status, slice_of(text, entry->size) };
	reverse_cache_put(cache, &address, now_s, ttl_s, &name);
}

static bool model_check(struct reverse_cache *cache, const struct entry *entry, uint32_t number, uint32_t now_s)
{
	struct reverse_name name;
	struct net_address address = model_address(number);
	if (!reverse_cache_find(cache, &address, now_s, &name))
		return false;
	assert_true(entry->there && now_s < entry->end_s);
	assert_int_equal(name.status, entry->status);
	assert_int_equal(name.name.size, entry->size);
	for (size_t i = 0; i < name.name.size; i++)
		assert_int_equal(name.name.data[i], entry->letter);
	return true;
}

static void tells_what_was_put(void **state)
{
	(void)state;
	static const uint32_t sizes[] = { 1, 8, 9, 64, 500, 5000 };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct reverse_cache *cache = reverse_cache_create(sizes[i], key);
		struct entry entries[MODEL_ADDRESSES] = { { .there = false } };
		uint32_t now_s = 0, found = 0;
		assert_non_null(cache);
		for (unsigned step = 0; step < STEPS; step++) {
			uint32_t number = random_below(MODEL_ADDRESSES);
			now_s += random_below(200) == 0;
			if (random_below(3) == 0) {
				model_put(cache, &entries[number], number, now_s);
				assert_true(model_check(cache, &entries[number], number, now_s));
			} else {
				found += model_check(cache, &entries[number], number, now_s);
			}
		}
		assert_true(found > 0);
		reverse_cache_destroy(cache);
	}
}

static void times_out(void **state)
{
	(void)state;
	struct reverse_cache *cache = reverse_cache_create(100, key);
	remember(cache, address4(1), UINT32_MAX - 10, "a.test"); /* the end of the clock is no beginning */
	assert_true(knows(cache, address4(1), UINT32_MAX - 1));
	remember(cache, address4(2), 5, "a.test");
	assert_true(knows(cache, address4(2), 1004));
	assert_false(knows(cache, address4(2), 1005));
	assert_false(knows(cache, address4(3), 5));
	reverse_cache_destroy(cache);
	reverse_cache_destroy(NULL);
}

/* A group of eight: what is outdated goes first, then what was used longest ago; long names push out more than one. */
static void who_goes_first(void **state)
{
	(void)state;
	struct reverse_cache *cache = reverse_cache_create(8, key);
	for (uint32_t i = 0; i < 8; i++)
		remember(cache, address4(i), i == 5 ? 0 : 1000, "a.test");
	assert_true(knows(cache, address4(0), 1001));
	remember(cache, address4(8), 1001, "a.test"); /* in the place of 5, which was outdated at 1000 */
	assert_false(knows(cache, address4(5), 999));
	remember(cache, address4(9), 1001, "a.test");
	assert_false(knows(cache, address4(1), 1001)); /* 0 was used since */
	assert_true(knows(cache, address4(0), 1001));
	char text[LIMIT_DNS_NAME_BYTES + 1];
	memset(text, 'n', sizeof text);
	text[LIMIT_DNS_NAME_BYTES] = 0;
	remember(cache, address4(10), 1001, text);
	remember(cache, address4(11), 1001, text);
	assert_true(knows(cache, address4(10), 1001) && knows(cache, address4(11), 1001));
	remember(cache, address4(12), 1001, "b.test");
	assert_false(knows(cache, address4(10), 1001));
	assert_true(knows(cache, address4(11), 1001) && knows(cache, address4(12), 1001));
	reverse_cache_destroy(cache);
}

/* --- fairness --- */

enum { PLACES = 100000, OTHERS = 20000 };

static struct net_address other(uint32_t number)
{
	uint32_t spread = number * 2654435761u; /* one address in each of many networks */
	return number % 2 ? address4(spread | 0x01000000)
			  : address6((uint64_t)spread << 32 | 0x2000000000000000, number);
}

static struct reverse_cache *with_others(void)
{
	struct reverse_cache *cache = reverse_cache_create(PLACES, key);
	assert_non_null(cache);
	for (uint32_t i = 0; i < OTHERS; i++)
		remember(cache, other(i), 1, "host.example");
	return cache;
}

static unsigned percent_left(struct reverse_cache *cache)
{
	unsigned left = 0;
	for (uint32_t i = 0; i < OTHERS; i++)
		left += knows(cache, other(i), 1);
	return left * 100 / OTHERS;
}

static void a_network_pushes_out_its_own(void **state)
{
	(void)state;
	struct reverse_cache *cache = with_others();
	assert_true(percent_left(cache) >= 99);
	for (uint64_t i = 0; i < 10 * PLACES; i++)
		remember(cache, address6(0x20010db800010002, i), 1, "flood.example");
	assert_true(percent_left(cache) >= 98);
	unsigned left = 0;
	for (uint64_t i = 9 * PLACES; i < 10 * PLACES; i++)
		left += knows(cache, address6(0x20010db800010002, i), 1);
	assert_in_range(left, 400, LIMIT_REVERSE_SPREAD * 8);
	reverse_cache_destroy(cache);
}

static void a_site_pushes_out_its_own(void **state)
{
	(void)state;
	struct reverse_cache *cache = with_others();
	for (uint64_t i = 0; i < 10 * PLACES; i++)
		remember(cache, address6(0x20010db800010000 | (i & 0xffff), i), 1, "flood.example");
	assert_true(percent_left(cache) >= 95);
	reverse_cache_destroy(cache);
}

static void a_network_of_ipv4_has_room(void **state)
{
	(void)state;
	struct reverse_cache *cache = with_others();
	for (uint32_t i = 0; i < 256; i++)
		remember(cache, address4(0xc0000200 | i), 1, "client.of.a.provider.example");
	unsigned left = 0;
	for (uint32_t i = 0; i < 256; i++)
		left += knows(cache, address4(0xc0000200 | i), 1);
	assert_true(left >= 245);
	reverse_cache_destroy(cache);
}

/* Full to the last place, it holds most of what was put last. */
static void holds_about_what_it_has_places_for(void **state)
{
	(void)state;
	struct reverse_cache *cache = reverse_cache_create(PLACES, key);
	unsigned left = 0;
	for (uint32_t i = 0; i < PLACES; i++)
		remember(cache, address4(i * 2654435761u), 1, "dsl-10-20-30-40.access.provider.example");
	for (uint32_t i = 0; i < PLACES; i++)
		left += knows(cache, address4(i * 2654435761u), 1);
	print_message("    %u of %u are there, %.1f bytes each\n", left, PLACES,
		      (double)reverse_cache_memory_bytes(cache) / PLACES);
	assert_true(left >= PLACES * 8 / 10);
	assert_true(reverse_cache_memory_bytes(cache) <= PLACES * 97);
	reverse_cache_destroy(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_was_put),
		cmocka_unit_test(times_out),
		cmocka_unit_test(who_goes_first),
		cmocka_unit_test(a_network_pushes_out_its_own),
		cmocka_unit_test(a_site_pushes_out_its_own),
		cmocka_unit_test(a_network_of_ipv4_has_room),
		cmocka_unit_test(holds_about_what_it_has_places_for),
	};
	return cmocka_run_group_tests_name("reverse cache", tests, NULL, NULL);
}
