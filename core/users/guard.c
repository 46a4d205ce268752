/* Judging tries to sign in, and counting their failures; see guard.h. */
#include "core/users/guard.h"

#include <string.h>

#include "core/users/guard_parts.h"

enum {
	FREE_TENTHS = 3,       /* of a limit, before one waits */
	DELAY_LEVELS = 6,      /* over the rest: 1, 2, 4, 8, 16, 32 s */
	FIRST_DELAY_MS = 1000, /* a person who mistypes hardly notices it */
	OF_ONES_OWN = 10,      /* times the limit, for a source that has signed in lately */
	SUCCESS_GRAIN_S = 10,  /* a success is noted again after this: those who sign in all the time write little */
};

/* --- counting --- */

static uint64_t interval_of(const struct guard_limit *limit)
{
	return limit->period_ms / limit->count;
}

/* Failures that are not forgiven, at most the limit's count: also where the clock was put back. */
static uint32_t failures_of(const struct guard_entry *entry, const struct guard_limit *limit, int64_t now_ms)
{
	if (limit->count == 0 || entry->due_ms <= now_ms)
		return 0;
	uint64_t left_ms = (uint64_t)(entry->due_ms - now_ms), interval = interval_of(limit);
	uint64_t failures = (left_ms + interval - 1) / interval;
	return failures < limit->count ? (uint32_t)failures : limit->count;
}

/* Answers whether the limit is reached. */
static bool count_failure(struct guard_entry *entry, const struct guard_limit *limit, int64_t now_ms)
{
	if (limit->count == 0)
		return false;
	int64_t interval = (int64_t)interval_of(limit), most_ms = now_ms + interval * limit->count;
	int64_t from_ms = entry->due_ms > now_ms ? entry->due_ms : now_ms;
	entry->due_ms = from_ms + interval < most_ms ? from_ms + interval : most_ms;
	return failures_of(entry, limit, now_ms) == limit->count;
}

uint32_t guard_delay_ms(uint32_t failures, uint32_t count, uint64_t most_ms)
{
	uint32_t free = (uint32_t)((uint64_t)count * FREE_TENTHS / 10);
	if (failures <= free)
		return 0;
	uint32_t level = (uint32_t)((uint64_t)(failures - free - 1) * DELAY_LEVELS / (count - free));
	uint64_t delay_ms = (uint64_t)FIRST_DELAY_MS << level;
	return (uint32_t)(delay_ms < most_ms ? delay_ms : most_ms);
}

uint16_t guard_tag_password(const struct guard *guard, struct slice password)
{
	return (uint16_t)(secret_short_hash(guard->tag_key, password) % UINT16_MAX + 1);
}

/* --- who is exempt --- */

static bool is_on_the_list(const struct guard *guard, const struct net_address *client)
{
	for (size_t i = 0; i < guard->settings.exempt_count; i++)
		if (net_prefix_contains(&guard->settings.exempt[i], client))
			return true;
	return false;
}

static struct guard_limit limit_of_ones_own(const struct guard *guard)
{
	return guard_limit_times(&guard->settings.per_login, OF_ONES_OWN);
}

static bool is_late(const struct guard *guard, const struct guard_entry *entry, int64_t now_ms)
{
	return (int64_t)entry->success_s * 1000 + (int64_t)guard->settings.memory_ms <= now_ms;
}

static struct guard_set *success_set(struct guard *guard, const struct guard_key *key)
{
	return &guard->memory->successes[guard_set_number(guard, key, GUARD_SUCCESS_SETS)];
}

/* The success that exempts the source, while its own failures leave it that; NULL: none. The set is locked. */
static struct guard_entry *find_exemption(struct guard *guard, struct guard_set *set, const struct guard_key *key,
					  int64_t now_ms)
{
	struct guard_limit own = limit_of_ones_own(guard);
	struct guard_entry *entry = guard_find(set, key);
	if (!entry || is_late(guard, entry, now_ms))
		return NULL;
	return own.count == 0 || failures_of(entry, &own, now_ms) < own.count ? entry : NULL;
}

static bool has_signed_in(struct guard *guard, uint32_t worker, const struct guard_try *try, uint64_t login,
			  int64_t now_ms)
{
	struct guard_key key = guard_source_key(&try->client, login);
	struct guard_set *set = success_set(guard, &key);
	if (login == 0 || !shared_lock_take(&set->lock, worker))
		return false;
	bool exempt = find_exemption(guard, set, &key, now_ms) != NULL;
	shared_lock_free(&set->lock);
	return exempt;
}

/* --- asking --- */

static struct guard_set *failure_set(struct guard *guard, const struct guard_key *key)
{
	struct guard_set *sets = key->login ? guard->memory->failures : guard->memory->networks;
	return &sets[guard_set_number(guard, key, GUARD_FAILURE_SETS)];
}

static uint32_t failures_by(struct guard *guard, uint32_t worker, const struct guard_key *key, int64_t now_ms)
{
	struct guard_limit limit = guard_limit_for(guard, key);
	struct guard_set *set = failure_set(guard, key);
	uint32_t failures = 0;
	if (limit.count == 0 || !shared_lock_take(&set->lock, worker))
		return 0;
	const struct guard_entry *entry = guard_find(set, key);
	if (entry)
		failures = failures_of(entry, &limit, now_ms);
	shared_lock_free(&set->lock);
	return failures;
}

static uint32_t longer(uint32_t one_ms, uint32_t other_ms)
{
	return one_ms > other_ms ? one_ms : other_ms;
}

static uint32_t delay_by(struct guard *guard, uint32_t worker, const struct guard_key *key, int64_t now_ms)
{
	uint32_t count = guard_limit_for(guard, key).count, failures = failures_by(guard, worker, key, now_ms);
	return count ? guard_delay_ms(failures, count, guard->settings.delay_ms) : 0;
}

/* So long ago that whatever it was counted in has forgiven it, or never. */
static bool has_not_failed_lately(struct guard *guard, uint32_t worker, const struct guard_key *key, int64_t now_ms)
{
	struct guard_set *set = failure_set(guard, key);
	bool lately = false;
	if (guard->settings.per_network.count == 0 || !shared_lock_take(&set->lock, worker))
		return false;
	const struct guard_entry *entry = guard_find(set, key);
	if (entry)
		lately = entry->due_ms + (int64_t)guard_limit_for(guard, key).period_ms > now_ms ||
			 entry->due_ms + (int64_t)guard->settings.per_login.period_ms > now_ms;
	shared_lock_free(&set->lock);
	return !lately;
}

static uint32_t delay_of(struct guard *guard, uint32_t worker, const struct net_address *client, uint64_t login,
			 int64_t now_ms)
{
	int step = guard_first_step(client);
	struct guard_key widest = guard_step_key(client, 0, step);
	uint32_t delay_ms = 0;
	if (step < GUARD_NETWORK && has_not_failed_lately(guard, worker, &widest, now_ms))
		step = GUARD_NETWORK;
	for (; step < GUARD_STEPS; step++) {
		struct guard_key all = guard_step_key(client, 0, step), pair = guard_step_key(client, login, step);
		delay_ms = longer(delay_ms, delay_by(guard, worker, &all, now_ms));
		if (login)
			delay_ms = longer(delay_ms, delay_by(guard, worker, &pair, now_ms));
	}
	return delay_ms;
}

static bool is_banned_by_failures(struct guard *guard, uint32_t worker, const struct net_address *client,
				  uint64_t login, int64_t now_ms, struct guard_ban *ban)
{
	int step = guard_first_step(client);
	if (now_ms >= atomic_load_explicit(&guard->memory->wide_until_ms, memory_order_relaxed))
		step = GUARD_NETWORK;
	bool banned = false;
	for (; step < GUARD_STEPS && !banned; step++) {
		struct guard_key all = guard_step_key(client, 0, step), pair = guard_step_key(client, login, step);
		banned = (login && guard_is_banned(guard, worker, &pair, now_ms, ban)) ||
			 guard_is_banned(guard, worker, &all, now_ms, ban);
	}
	return banned;
}

enum standing { EXEMPT, BANNED, ORDINARY };

/* `ban` NULL: it is only looked whether there is one. */
static enum standing standing_of(struct guard *guard, uint32_t worker, const struct guard_try *try, uint64_t login,
				 int64_t now_ms, struct guard_ban *ban)
{
	if (try->client.family == 0 || is_on_the_list(guard, &try->client))
		return EXEMPT;
	if (guard_is_banned_by_hand(guard, worker, try, login, now_ms, ban))
		return BANNED;
	if (has_signed_in(guard, worker, try, login, now_ms))
		return EXEMPT;
	return is_banned_by_failures(guard, worker, &try->client, login, now_ms, ban) ? BANNED : ORDINARY;
}

bool guard_is_refused(struct guard *guard, uint32_t worker, const struct guard_try *try, int64_t now_ms)
{
	return standing_of(guard, worker, try, guard_login_hash(guard, try->login), now_ms, NULL) == BANNED;
}

void guard_ask(struct guard *guard, uint32_t worker, const struct guard_try *try, int64_t now_ms,
	       struct guard_verdict *verdict)
{
	uint64_t login = guard_login_hash(guard, try->login);
	enum standing standing = standing_of(guard, worker, try, login, now_ms, &verdict->ban);
	verdict->answer = standing == BANNED ? GUARD_REFUSE : GUARD_ALLOW;
	verdict->exempt = standing == EXEMPT;
	verdict->delay_ms = standing == ORDINARY ? delay_of(guard, worker, &try->client, login, now_ms) : 0;
}

/* --- telling --- */

/* True: it is the last wrong password again. Notes it otherwise. */
static bool is_same_again(struct guard_entry *entry, uint16_t tag)
{
	if (tag && tag == entry->tag)
		return true;
	entry->tag = tag;
	return false;
}

/* A failure of who is exempt. False: he isn't. */
static bool count_ones_own(struct guard *guard, uint32_t worker, const struct guard_try *try, uint64_t login,
			   int64_t now_ms)
{
	struct guard_key key = guard_source_key(&try->client, login);
	struct guard_limit own = limit_of_ones_own(guard);
	struct guard_set *set = success_set(guard, &key);
	if (login == 0 || !shared_lock_take(&set->lock, worker))
		return false;
	struct guard_entry *entry = find_exemption(guard, set, &key, now_ms);
	if (entry && !is_same_again(entry, try->tag))
		(void)count_failure(entry, &own, now_ms);
	shared_lock_free(&set->lock);
	return entry != NULL;
}

enum counted { COUNTED_NOT, COUNTED, COUNTED_FULL };

static enum counted count_prefix(struct guard *guard, uint32_t worker, const struct guard_key *key, uint16_t tag,
				 int64_t now_ms)
{
	struct guard_limit limit = guard_limit_for(guard, key);
	struct guard_set *set = failure_set(guard, key);
	if (!shared_lock_take(&set->lock, worker))
		return COUNTED;
	enum counted counted = COUNTED_NOT;
	struct guard_entry *entry = guard_make(set, key);
	if (!is_same_again(entry, tag))
		counted = count_failure(entry, &limit, now_ms) ? COUNTED_FULL : COUNTED;
	shared_lock_free(&set->lock);
	return counted;
}

/* For a login and for all, from the network on to wider prefixes, until one has had the same before. Notes the widest that is full;
 * one that is for all is wider than one for a login. False: none is. */
static bool count_steps(struct guard *guard, uint32_t worker, const struct guard_try *try, uint64_t login,
			int64_t now_ms, struct guard_key *full)
{
	bool any = false, for_all = false;
	for (int step = GUARD_NETWORK; step >= guard_first_step(&try->client); step--) {
		struct guard_key all = guard_step_key(&try->client, 0, step);
		struct guard_key pair = guard_step_key(&try->client, login, step);
		enum counted of_pair = login ? count_prefix(guard, worker, &pair, try->tag, now_ms) : COUNTED;
		if (of_pair == COUNTED_NOT)
			break;
		bool all_full = count_prefix(guard, worker, &all, 0, now_ms) == COUNTED_FULL;
		if (all_full || (of_pair == COUNTED_FULL && !for_all))
			*full = all_full ? all : pair;
		for_all |= all_full;
		any |= all_full || of_pair == COUNTED_FULL;
	}
	return any;
}

bool guard_failed(struct guard *guard, uint32_t worker, const struct guard_try *try, int64_t now_ms,
		  struct guard_ban *ban)
{
	if (try->client.family == 0 || is_on_the_list(guard, &try->client))
		return false;
	uint64_t login = guard_login_hash(guard, try->login);
	if (count_ones_own(guard, worker, try, login, now_ms))
		return false;
	struct guard_key full;
	if (!count_steps(guard, worker, try, login, now_ms, &full))
		return false;
	guard_ban(guard, worker, &full, try, now_ms, ban);
	return true;
}

void guard_succeeded(struct guard *guard, uint32_t worker, const struct guard_try *try, int64_t now_ms)
{
	uint64_t login = guard_login_hash(guard, try->login);
	if (try->client.family == 0 || login == 0 || is_on_the_list(guard, &try->client))
		return;
	struct guard_key key = guard_source_key(&try->client, login);
	struct guard_set *set = success_set(guard, &key);
	if (!shared_lock_take(&set->lock, worker))
		return;
	struct guard_entry *entry = guard_make(set, &key);
	int64_t now_s = now_ms / 1000;
	/* One from the future is of a clock that was put back. */
	if (entry->success_s + SUCCESS_GRAIN_S <= now_s || entry->success_s > now_s)
		entry->success_s = (uint32_t)now_s;
	shared_lock_free(&set->lock);
}
