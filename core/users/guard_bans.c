/* The guard's bans: those that failures have led to, in sets found by what they are about, and those made by hand, in a list; see
 * guard.h. */
#include <stdio.h>
#include <string.h>

#include "core/users/guard_parts.h"

enum { FUTURE_MS = 60 * 1000 }; /* a ban that began later than that is of a clock that was put back */

static bool is_on(const struct guard_record *record, int64_t now_ms)
{
	const struct guard_ban *ban = &record->ban;
	bool from_the_future = ban->kind != GUARD_BY_HAND && ban->since_ms > now_ms + FUTURE_MS;
	return ban->since_ms && now_ms < ban->until_ms && !from_the_future;
}

static bool is_text(const char *text, size_t capacity)
{
	return memchr(text, 0, capacity) != NULL;
}

static bool is_sound(const struct guard_record *record)
{
	const struct guard_ban *ban = &record->ban;
	bool family = ban->prefix.family == 4 || ban->prefix.family == 6;
	return family && ban->prefix.length <= net_prefix_length_most(ban->prefix.family) &&
	       ban->kind >= GUARD_BY_LOGIN && ban->kind <= GUARD_BY_HAND && is_text(ban->login, sizeof ban->login) &&
	       is_text(ban->reason, sizeof ban->reason);
}

static void drop(struct guard_record *record)
{
	record->ban.since_ms = 0;
}

void guard_bans_check(struct guard_memory *memory)
{
	unsigned by_hand = 0;
	for (size_t i = 0; i < LIMIT_GUARD_BANS_BY_HAND; i++) {
		struct guard_record *record = &memory->by_hand.records[i];
		if (record->ban.since_ms && !is_sound(record))
			drop(record);
		by_hand += record->ban.since_ms != 0;
	}
	atomic_store_explicit(&memory->by_hand.count, by_hand, memory_order_relaxed);
	for (size_t i = 0; i < GUARD_BAN_SETS; i++)
		for (int way = 0; way < GUARD_WAYS; way++) {
			struct guard_record *record = &memory->bans[i].records[way];
			if (record->ban.since_ms && !is_sound(record))
				drop(record);
		}
}

/* --- by hand --- */

static void copy_ban(struct guard_record *record, struct guard_ban *ban)
{
	if (!ban)
		return;
	if (record->ban.refused < UINT32_MAX)
		record->ban.refused++;
	*ban = record->ban;
}

bool guard_is_banned_by_hand(struct guard *guard, uint32_t worker, const struct guard_try *try, uint64_t login,
			     int64_t now_ms, struct guard_ban *ban)
{
	struct guard_by_hand *by_hand = &guard->memory->by_hand;
	bool banned = false;
	if (atomic_load_explicit(&by_hand->count, memory_order_relaxed) == 0 ||
	    !shared_lock_take(&by_hand->lock, worker))
		return false;
	for (size_t i = 0; !banned && i < LIMIT_GUARD_BANS_BY_HAND; i++) {
		struct guard_record *record = &by_hand->records[i];
		banned = is_on(record, now_ms) && (record->login == 0 || record->login == login) &&
			 net_prefix_contains(&record->ban.prefix, &try->client);
		if (banned)
			copy_ban(record, ban);
	}
	shared_lock_free(&by_hand->lock);
	return banned;
}

static bool is_same_prefix(const struct net_prefix *one, const struct net_prefix *other)
{
	return one->family == other->family && one->length == other->length &&
	       memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0;
}

static struct guard_record *find_by_hand(struct guard_by_hand *by_hand, const struct net_prefix *prefix, uint64_t login)
{
	for (size_t i = 0; i < LIMIT_GUARD_BANS_BY_HAND; i++) {
		struct guard_record *record = &by_hand->records[i];
		if (record->ban.since_ms && record->login == login && is_same_prefix(&record->ban.prefix, prefix))
			return record;
	}
	return NULL;
}

/* One that is unused, or over. */
static struct guard_record *find_room(struct guard_by_hand *by_hand, int64_t now_ms)
{
	for (size_t i = 0; i < LIMIT_GUARD_BANS_BY_HAND; i++)
		if (!is_on(&by_hand->records[i], now_ms))
			return &by_hand->records[i];
	return NULL;
}

static void count_by_hand(struct guard_by_hand *by_hand)
{
	unsigned count = 0;
	for (size_t i = 0; i < LIMIT_GUARD_BANS_BY_HAND; i++)
		count += by_hand->records[i].ban.since_ms != 0;
	atomic_store_explicit(&by_hand->count, count, memory_order_relaxed);
}

enum guard_change guard_ban_add(struct guard *guard, uint32_t worker, const struct guard_ban *ban)
{
	struct guard_by_hand *by_hand = &guard->memory->by_hand;
	uint64_t login = guard_login_hash(guard, slice_from_text(ban->login));
	if (!shared_lock_take(&by_hand->lock, worker))
		return GUARD_BUSY;
	struct guard_record *record = find_by_hand(by_hand, &ban->prefix, login);
	if (!record)
		record = find_room(by_hand, ban->since_ms);
	if (record) {
		*record = (struct guard_record){ .login = login, .ban = *ban };
		record->ban.kind = GUARD_BY_HAND;
		count_by_hand(by_hand);
	}
	shared_lock_free(&by_hand->lock);
	return record ? GUARD_CHANGED : GUARD_NO_ROOM;
}

/* --- by failures --- */

static struct guard_ban_set *ban_set(struct guard *guard, const struct guard_key *key)
{
	return &guard->memory->bans[guard_set_number(guard, key, GUARD_BAN_SETS)];
}

static struct net_prefix prefix_of(const struct guard_key *key)
{
	struct net_prefix prefix = { .family = key->family, .length = key->family == 4 ? 24 : 64 };
	if (key->wide)
		prefix.length = key->wide;
	memcpy(prefix.bytes, &key->network, sizeof key->network);
	return prefix;
}

static struct guard_record *find(struct guard_ban_set *set, const struct guard_key *key)
{
	struct net_prefix prefix = prefix_of(key);
	for (int way = 0; way < GUARD_WAYS; way++) {
		struct guard_record *record = &set->records[way];
		if (record->ban.since_ms && record->login == key->login && is_same_prefix(&record->ban.prefix, &prefix))
			return record;
	}
	return NULL;
}

bool guard_is_banned(struct guard *guard, uint32_t worker, const struct guard_key *key, int64_t now_ms,
		     struct guard_ban *ban)
{
	struct guard_ban_set *set = ban_set(guard, key);
	if (!shared_lock_take(&set->lock, worker))
		return false;
	struct guard_record *record = find(set, key);
	bool banned = record && is_on(record, now_ms);
	if (banned)
		copy_ban(record, ban);
	shared_lock_free(&set->lock);
	return banned;
}

/* Its own, or one that is over, or that ends first. */
static struct guard_record *make_room(struct guard_ban_set *set, const struct guard_key *key, int64_t now_ms)
{
	struct guard_record *record = find(set, key);
	for (int way = 0; !record && way < GUARD_WAYS; way++)
		if (!is_on(&set->records[way], now_ms))
			record = &set->records[way];
	if (record)
		return record;
	record = &set->records[0];
	for (int way = 1; way < GUARD_WAYS; way++)
		if (set->records[way].ban.until_ms < record->ban.until_ms)
			record = &set->records[way];
	return record;
}

static void write_period(uint64_t ms, char text[32])
{
	static const struct {
		uint64_t ms;
		const char *one, *many;
	} units[] = {
		{ 24 * 3600 * 1000, "a day", "days" },  { 3600 * 1000, "an hour", "hours" },
		{ 60 * 1000, "a minute", "minutes" },   { 1000, "a second", "seconds" },
		{ 1, "a millisecond", "milliseconds" },
	};
	size_t i = 0;
	while (ms % units[i].ms)
		i++;
	unsigned long long count = ms / units[i].ms;
	if (count == 1)
		snprintf(text, 32, "%s", units[i].one);
	else
		snprintf(text, 32, "%llu %s", count, units[i].many);
}

static void note_wide(struct guard_memory *memory, int64_t until_ms)
{
	int64_t known_ms = atomic_load_explicit(&memory->wide_until_ms, memory_order_relaxed);
	while (known_ms < until_ms && !atomic_compare_exchange_weak(&memory->wide_until_ms, &known_ms, until_ms))
		;
}

void guard_ban(struct guard *guard, uint32_t worker, const struct guard_key *key, const struct guard_try *try,
	       int64_t now_ms, struct guard_ban *ban)
{
	struct guard_limit limit = guard_limit_for(guard, key);
	char period[32];
	write_period(limit.period_ms, period);
	*ban = (struct guard_ban){
		.since_ms = now_ms,
		.until_ms = now_ms + (int64_t)guard->settings.ban_ms,
		.prefix = prefix_of(key),
		.kind = key->login ? GUARD_BY_LOGIN : GUARD_BY_NETWORK,
	};
	if (key->login)
		(void)!slice_to_text(try->login, ban->login, sizeof ban->login);
	snprintf(ban->reason, sizeof ban->reason, "%u failed sign-ins %s within %s", limit.count,
		 key->login ? "to this login" : "to whatever login", period);
	struct guard_ban_set *set = ban_set(guard, key);
	if (!shared_lock_take(&set->lock, worker))
		return;
	struct guard_record *record = make_room(set, key, now_ms);
	drop(record);
	atomic_signal_fence(memory_order_seq_cst);
	record->login = key->login;
	record->ban = *ban;
	shared_lock_free(&set->lock);
	if (key->wide)
		note_wide(guard->memory, ban->until_ms);
}

/* --- for people --- */

static bool remove_by_hand(struct guard_by_hand *by_hand, const struct net_prefix *prefix, uint64_t login)
{
	struct guard_record *record = find_by_hand(by_hand, prefix, login);
	if (record)
		drop(record);
	count_by_hand(by_hand);
	return record != NULL;
}

/* Whoever was banned begins anew. */
static bool forget_failures(struct guard *guard, uint32_t worker, const struct guard_key *key)
{
	struct guard_set *sets = key->login ? guard->memory->failures : guard->memory->networks;
	struct guard_set *set = &sets[guard_set_number(guard, key, GUARD_FAILURE_SETS)];
	if (!shared_lock_take(&set->lock, worker))
		return false;
	struct guard_entry *entry = guard_find(set, key);
	if (entry)
		entry->due_ms = 0;
	shared_lock_free(&set->lock);
	return true;
}

static enum guard_change remove_of_failures(struct guard *guard, uint32_t worker, const struct guard_key *key,
					    int64_t now_ms)
{
	struct guard_ban_set *set = ban_set(guard, key);
	if (!forget_failures(guard, worker, key) || !shared_lock_take(&set->lock, worker))
		return GUARD_BUSY;
	struct guard_record *record = find(set, key);
	bool was_on = record && is_on(record, now_ms);
	if (record)
		drop(record);
	shared_lock_free(&set->lock);
	return was_on ? GUARD_CHANGED : GUARD_NOT_THERE;
}

enum guard_change guard_ban_remove(struct guard *guard, uint32_t worker, const struct net_prefix *prefix,
				   struct slice login, int64_t now_ms)
{
	struct guard_by_hand *by_hand = &guard->memory->by_hand;
	uint64_t hash = guard_login_hash(guard, login);
	enum guard_change change = GUARD_NOT_THERE;
	struct net_address first = net_prefix_first(prefix);
	for (int step = guard_first_step(&first); step < GUARD_STEPS && change == GUARD_NOT_THERE; step++) {
		struct guard_key key = guard_step_key(&first, hash, step);
		if (prefix_of(&key).length == prefix->length)
			change = remove_of_failures(guard, worker, &key, now_ms);
	}
	if (change == GUARD_BUSY || !shared_lock_take(&by_hand->lock, worker))
		return GUARD_BUSY;
	if (remove_by_hand(by_hand, prefix, hash))
		change = GUARD_CHANGED;
	shared_lock_free(&by_hand->lock);
	return change;
}

/* A record, and the lock that it is under, by its place in the order of guard_ban_next(). */
static struct guard_record *record_at(struct guard_memory *memory, uint32_t place, struct shared_lock **lock)
{
	if (place < LIMIT_GUARD_BANS_BY_HAND) {
		*lock = &memory->by_hand.lock;
		return &memory->by_hand.records[place];
	}
	uint32_t number = place - LIMIT_GUARD_BANS_BY_HAND;
	struct guard_ban_set *set = &memory->bans[number / GUARD_WAYS];
	*lock = &set->lock;
	return &set->records[number % GUARD_WAYS];
}

bool guard_ban_next(struct guard *guard, uint32_t worker, uint32_t *at, int64_t now_ms, struct guard_ban *ban)
{
	const uint32_t end = LIMIT_GUARD_BANS_BY_HAND + GUARD_BAN_SETS * GUARD_WAYS;
	for (bool found = false; !found; (*at)++) {
		struct shared_lock *lock;
		if (*at >= end)
			return false;
		const struct guard_record *record = record_at(guard->memory, *at, &lock);
		if (!record->ban.since_ms || !shared_lock_take(lock, worker))
			continue;
		found = is_on(record, now_ms);
		if (found)
			*ban = record->ban;
		shared_lock_free(lock);
	}
	return true;
}
