/* The table of names; see cache.h. */
#include "core/dns/cache.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "core/base/limits.h"

enum {
	WAYS = 8,
	SITE_SHARE = 32, /* of the table, that one /48 may lie in */
};

/* Of a place that is free the tag is 0. Times are seconds; `used` counts what is done with the group. */
struct group {
	uint32_t tags[WAYS];
	uint32_t ends_s[WAYS];
	uint8_t addresses[WAYS][16];
	uint32_t used[WAYS];
	uint32_t turn;
	uint16_t starts[WAYS]; /* of names, which lie one behind the other */
	uint8_t sizes[WAYS];
	uint8_t kinds[WAYS]; /* family and status: addresses of both families may have the same bytes */
	uint16_t names_size;
	uint8_t names[LIMIT_REVERSE_NAMES_BYTES];
} __attribute__((aligned(64)));

struct reverse_cache {
	struct group *groups;
	uint32_t count;
	uint32_t network_spread, site_spread; /* groups that a network, or all of a site, may lie in */
	size_t bytes;
	uint64_t secret[2];
};

struct place {
	struct group *group;
	uint32_t tag;
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Keyed, so that nobody can choose whom he shares a group with. */
static uint64_t hash_of(const struct reverse_cache *cache, uint64_t high, uint64_t low, uint64_t kind)
{
	uint64_t hash = mix(high ^ cache->secret[0], low ^ cache->secret[1]);
	return mix(hash ^ cache->secret[1], cache->secret[0] ^ (kind + 1) * 0x9e3779b97f4a7c15u);
}

/* A number below `count`, from the hash's higher half: the lower one makes the tag. */
static uint32_t below(uint64_t hash, uint32_t count)
{
	return (uint32_t)((hash >> 32) * count >> 32);
}

static struct place place_of(const struct reverse_cache *cache, const struct net_address *address)
{
	enum { NETWORK, SITE, ADDRESS }; /* kinds of hash; the family keeps those of both apart */
	uint64_t words[2], family = (uint64_t)address->family << 8;
	memcpy(words, address->bytes, sizeof words);
	uint64_t network = net_address_network(address);
	uint64_t hash = hash_of(cache, words[0], words[1], family | ADDRESS);
	uint64_t at = below(hash, cache->network_spread);
	uint64_t network_hash = hash_of(cache, network, 0, family | NETWORK);
	if (address->family == 6) {
		at += below(network_hash, cache->site_spread);
		at += below(hash_of(cache, network >> 16, 0, family | SITE), cache->count);
	} else {
		at += below(network_hash, cache->count);
	}
	uint32_t tag = (uint32_t)hash;
	return (struct place){ &cache->groups[at % cache->count], tag ? tag : 1 };
}

static uint32_t at_least(uint32_t number, uint32_t least)
{
	return number > least ? number : least;
}

struct reverse_cache *reverse_cache_create(uint32_t entries, const uint8_t key[REVERSE_CACHE_KEY_BYTES])
{
	ASSERT(entries > 0 && entries <= LIMIT_REVERSE_CACHE);
	struct reverse_cache *cache = calloc(1, sizeof *cache);
	if (!cache)
		return NULL;
	memcpy(cache->secret, key, sizeof cache->secret);
	cache->count = (entries + WAYS - 1) / WAYS;
	cache->site_spread = at_least(cache->count / SITE_SHARE, 1);
	cache->network_spread = cache->site_spread < LIMIT_REVERSE_SPREAD ? cache->site_spread : LIMIT_REVERSE_SPREAD;
	cache->bytes = (size_t)cache->count * sizeof *cache->groups;
	/* Not in huge pages: a lookup would take 50 ns less, but the first few hundred addresses all of the memory. */
	void *memory =
		mmap(NULL, cache->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		free(cache);
		return NULL;
	}
	cache->groups = memory;
	return cache;
}

void reverse_cache_destroy(struct reverse_cache *cache)
{
	if (!cache)
		return;
	munmap(cache->groups, cache->bytes);
	free(cache);
}

size_t reverse_cache_memory_bytes(const struct reverse_cache *cache)
{
	return sizeof *cache + cache->bytes;
}

static uint8_t kind_of(const struct net_address *address, enum reverse_status status)
{
	return (uint8_t)(address->family << 4 | status);
}

/* Its number in the group, or WAYS. */
static unsigned find_way(const struct place *place, const struct net_address *address)
{
	const struct group *group = place->group;
	for (unsigned i = 0; i < WAYS; i++)
		if (group->tags[i] == place->tag && group->kinds[i] >> 4 == address->family &&
		    memcmp(group->addresses[i], address->bytes, 16) == 0)
			return i;
	return WAYS;
}

bool reverse_cache_find(struct reverse_cache *cache, const struct net_address *address, uint32_t now_s,
			struct reverse_name *name)
{
	struct place place = place_of(cache, address);
	struct group *group = place.group;
	unsigned way = find_way(&place, address);
	if (way == WAYS || now_s >= group->ends_s[way])
		return false;
	group->used[way] = ++group->turn;
	name->status = group->kinds[way] & 15;
	name->name = slice_of(group->names + group->starts[way], group->sizes[way]);
	return true;
}

/* Frees the place; the names behind its own close up. */
static void clear_way(struct group *group, unsigned way)
{
	unsigned start = group->starts[way], size = group->sizes[way];
	memmove(group->names + start, group->names + start + size, group->names_size - start - size);
	group->names_size = (uint16_t)(group->names_size - size);
	for (unsigned i = 0; i < WAYS; i++)
		if (group->starts[i] > start)
			group->starts[i] = (uint16_t)(group->starts[i] - size);
	group->tags[way] = 0;
	group->starts[way] = group->sizes[way] = 0;
}

static bool is_free(const struct group *group, unsigned way)
{
	return group->tags[way] == 0;
}

/* Counted back from now, so that it is right when `turn` begins anew. */
static uint32_t age_of(const struct group *group, unsigned way)
{
	return group->turn - group->used[way];
}

/* Which of those there should go: one that is outdated, or that was used longest ago. */
static unsigned choose_victim(const struct group *group, uint32_t now_s)
{
	unsigned victim = WAYS;
	for (unsigned i = 0; i < WAYS; i++) {
		if (is_free(group, i))
			continue;
		if (now_s >= group->ends_s[i])
			return i;
		if (victim == WAYS || age_of(group, i) > age_of(group, victim))
			victim = i;
	}
	ASSERT(victim < WAYS);
	return victim;
}

static unsigned find_free(const struct group *group)
{
	unsigned way = 0;
	while (way < WAYS && !is_free(group, way))
		way++;
	return way;
}

void reverse_cache_put(struct reverse_cache *cache, const struct net_address *address, uint32_t now_s, uint32_t ttl_s,
		       const struct reverse_name *name)
{
	struct place place = place_of(cache, address);
	struct group *group = place.group;
	size_t size = name->status == REVERSE_CONFIRMED ? name->name.size : 0;
	ASSERT(size <= LIMIT_DNS_NAME_BYTES);
	unsigned way = find_way(&place, address);
	if (way < WAYS)
		clear_way(group, way);
	while ((way = find_free(group)) == WAYS || group->names_size + size > sizeof group->names)
		clear_way(group, choose_victim(group, now_s));
	group->tags[way] = place.tag;
	group->ends_s[way] = now_s + ttl_s < now_s ? UINT32_MAX : now_s + ttl_s;
	memcpy(group->addresses[way], address->bytes, 16);
	group->used[way] = ++group->turn;
	group->starts[way] = group->names_size;
	group->sizes[way] = (uint8_t)size;
	group->kinds[way] = kind_of(address, name->status);
	if (size)
		memcpy(group->names + group->names_size, name->name.data, size);
	group->names_size = (uint16_t)(group->names_size + size);
}
