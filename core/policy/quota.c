/* Counting what logins send; see quota.h. */
#include "core/policy/quota.h"

#include <string.h>

#include "core/base/shared_lock.h"

enum {
	WAYS = 7,
	HOUR_S = 3600,
	DAY_S = 24 * HOUR_S,
	NOT_A_WAY = -1,
};

#define LAYOUT UINT64_C(0x3161746f75514e50) /* "PNQuota1" */

struct entry {
	uint64_t key;        /* 0: unused */
	uint32_t hour_began; /* Unix seconds; good until 2106 */
	uint32_t day_began;
	struct quota used;
};

/* All but the lock is its holder's. */
struct set {
	struct shared_lock lock;
	uint8_t pad[28];
	struct entry entries[WAYS];
};

_Static_assert(sizeof(struct set) == 256, "four lines of the cache");

struct quotas {
	uint64_t layout;
	uint64_t secret[2];
	uint64_t set_count;
	uint8_t pad[32];
	struct set sets[];
};

static uint32_t set_count(uint32_t logins)
{
	return logins / WAYS + 1;
}

size_t quotas_bytes(uint32_t logins)
{
	return sizeof(struct quotas) + set_count(logins) * sizeof(struct set);
}

struct quotas *quotas_join(void *memory, uint32_t logins)
{
	struct quotas *quotas = memory;
	return quotas->layout == LAYOUT && quotas->set_count == set_count(logins) ? quotas : NULL;
}

struct quotas *quotas_open(void *memory, uint32_t logins)
{
	struct quotas *quotas = quotas_join(memory, logins);
	if (!quotas)
		return NULL;
	for (uint64_t i = 0; i < quotas->set_count; i++)
		if (atomic_load_explicit(&quotas->sets[i].lock.holder, memory_order_relaxed))
			shared_lock_free(&quotas->sets[i].lock);
	return quotas;
}

struct quotas *quotas_init(void *memory, uint32_t logins, const uint64_t secret[2])
{
	struct quotas *quotas = memory;
	quotas->secret[0] = secret[0];
	quotas->secret[1] = secret[1];
	quotas->set_count = set_count(logins);
	quotas->layout = LAYOUT;
	return quotas;
}

/* --- finding --- */

__extension__ typedef unsigned __int128 product;

static uint64_t mix(uint64_t a, uint64_t b)
{
	product both = (product)a * b;
	return (uint64_t)both ^ (uint64_t)(both >> 64);
}

static uint64_t key_of(const struct quotas *quotas, struct slice login)
{
	uint64_t hash = quotas->secret[0] ^ login.size;
	for (size_t at = 0; at < login.size; at += 8) {
		uint8_t bytes[8] = { 0 };
		for (size_t i = 0; i < 8 && at + i < login.size; i++)
			bytes[i] = ascii_lower(login.data[at + i]);
		uint64_t chunk;
		memcpy(&chunk, bytes, sizeof chunk);
		hash = mix(hash ^ chunk, quotas->secret[1] ^ 0x9e3779b97f4a7c15u);
	}
	hash = mix(hash ^ quotas->secret[1], 0xff51afd7ed558ccdu);
	return hash ? hash : 1;
}

static struct set *set_of(struct quotas *quotas, uint64_t key)
{
	return &quotas->sets[(key >> 32) * quotas->set_count >> 32];
}

static struct entry *find(struct set *set, uint64_t key)
{
	for (int way = 0; way < WAYS; way++)
		if (set->entries[way].key == key)
			return &set->entries[way];
	return NULL;
}

/* One that is unused, or whose day began first. */
static struct entry *make_room(struct set *set, uint64_t key)
{
	struct entry *room = &set->entries[0];
	for (int way = 1; way < WAYS; way++)
		if (set->entries[way].day_began < room->day_began)
			room = &set->entries[way];
	*room = (struct entry){ .key = key };
	return room;
}

/* --- counting --- */

/* A time that lies ahead is of a clock that was put back. */
static bool is_over(uint32_t began, uint32_t period, int64_t now_s)
{
	return now_s < (int64_t)began || now_s - (int64_t)began >= (int64_t)period;
}

/* Begins a new hour and day where they are over. */
static void turn_over(struct entry *entry, int64_t now_s)
{
	if (is_over(entry->hour_began, HOUR_S, now_s)) {
		entry->hour_began = (uint32_t)now_s;
		entry->used.hour_messages = entry->used.hour_recipients = 0;
	}
	if (is_over(entry->day_began, DAY_S, now_s)) {
		entry->day_began = (uint32_t)now_s;
		entry->used.day_messages = entry->used.day_recipients = 0;
	}
}

static bool is_over_limit(uint32_t used, uint32_t more, uint32_t limit)
{
	return limit && (more > limit || used > limit - more);
}

static enum quota_verdict judge(const struct quota *used, uint32_t recipients, const struct quota *limits)
{
	if (is_over_limit(used->hour_messages, 1, limits->hour_messages))
		return QUOTA_HOUR_MESSAGES;
	if (is_over_limit(used->hour_recipients, recipients, limits->hour_recipients))
		return QUOTA_HOUR_RECIPIENTS;
	if (is_over_limit(used->day_messages, 1, limits->day_messages))
		return QUOTA_DAY_MESSAGES;
	if (is_over_limit(used->day_recipients, recipients, limits->day_recipients))
		return QUOTA_DAY_RECIPIENTS;
	return QUOTA_FREE;
}

static void add(uint32_t *used, uint32_t more)
{
	*used = *used > UINT32_MAX - more ? UINT32_MAX : *used + more;
}

static void count(struct quota *used, uint32_t recipients)
{
	add(&used->hour_messages, 1);
	add(&used->hour_recipients, recipients);
	add(&used->day_messages, 1);
	add(&used->day_recipients, recipients);
}

static void take_off(uint32_t *used, uint32_t less)
{
	*used -= *used < less ? *used : less;
}

void quotas_give_back(struct quotas *quotas, uint32_t worker, struct slice login, uint32_t recipients)
{
	uint64_t key = key_of(quotas, login);
	struct set *set = set_of(quotas, key);
	if (!shared_lock_take(&set->lock, worker))
		return;
	struct entry *entry = find(set, key);
	if (entry) {
		take_off(&entry->used.hour_messages, 1);
		take_off(&entry->used.hour_recipients, recipients);
		take_off(&entry->used.day_messages, 1);
		take_off(&entry->used.day_recipients, recipients);
	}
	shared_lock_free(&set->lock);
}

enum quota_verdict quotas_take(struct quotas *quotas, uint32_t worker, struct slice login, uint32_t recipients,
			       const struct quota *limits, int64_t now_s)
{
	uint64_t key = key_of(quotas, login);
	struct set *set = set_of(quotas, key);
	if (!shared_lock_take(&set->lock, worker))
		return QUOTA_FREE;
	struct entry *entry = find(set, key);
	if (!entry)
		entry = make_room(set, key);
	turn_over(entry, now_s);
	enum quota_verdict verdict = judge(&entry->used, recipients, limits);
	if (verdict == QUOTA_FREE)
		count(&entry->used, recipients);
	shared_lock_free(&set->lock);
	return verdict;
}

struct quota quotas_used(struct quotas *quotas, uint32_t worker, struct slice login, int64_t now_s)
{
	uint64_t key = key_of(quotas, login);
	struct set *set = set_of(quotas, key);
	struct entry copy = { .key = 0 };
	if (shared_lock_take(&set->lock, worker)) {
		const struct entry *entry = find(set, key);
		if (entry)
			copy = *entry;
		shared_lock_free(&set->lock);
	}
	turn_over(&copy, now_s);
	return copy.used;
}

enum quota_verdict quotas_look(struct quotas *quotas, uint32_t worker, struct slice login, uint32_t recipients,
			       const struct quota *limits, int64_t now_s)
{
	struct quota used = quotas_used(quotas, worker, login, now_s);
	return judge(&used, recipients, limits);
}

void quotas_forget_worker(struct quotas *quotas, uint32_t worker)
{
	for (uint64_t i = 0; i < quotas->set_count; i++)
		shared_lock_forget(&quotas->sets[i].lock, worker);
}
