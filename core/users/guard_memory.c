/* The guard's table: its memory, and finding entries in it; see guard.h. */
#include <string.h>

#include "core/users/guard_parts.h"

#define LAYOUT UINT64_C(0x3164726175474e50) /* "PNGuard1" */

/* --- memory --- */

size_t guard_bytes(void)
{
	return sizeof(struct guard_memory);
}

typedef void lock_visit(struct shared_lock *lock, uint32_t worker);

static void visit_locks(struct guard_memory *memory, lock_visit *visit, uint32_t worker)
{
	for (size_t i = 0; i < GUARD_FAILURE_SETS; i++) {
		visit(&memory->failures[i].lock, worker);
		visit(&memory->networks[i].lock, worker);
	}
	for (size_t i = 0; i < GUARD_SUCCESS_SETS; i++)
		visit(&memory->successes[i].lock, worker);
	for (size_t i = 0; i < GUARD_BAN_SETS; i++)
		visit(&memory->bans[i].lock, worker);
	visit(&memory->by_hand.lock, worker);
}

/* Without writing where it is free already: a file's pages stay clean. */
static void free_lock(struct shared_lock *lock, uint32_t worker)
{
	(void)worker;
	if (atomic_load_explicit(&lock->holder, memory_order_relaxed))
		shared_lock_free(lock);
}

bool guard_open(struct guard *guard, void *at, const struct guard_settings *settings)
{
	ASSERT((uintptr_t)at % 64 == 0);
	struct guard_memory *memory = at;
	bool is_new = memory->layout == 0 && memory->bytes == 0;
	if (!is_new && (memory->layout != LAYOUT || memory->bytes != sizeof *memory))
		return false;
	*guard = (struct guard){ .memory = memory, .settings = *settings };
	secret_random(guard->tag_key, sizeof guard->tag_key);
	if (is_new) {
		secret_random(memory->key, sizeof memory->key);
		memory->bytes = sizeof *memory;
		memory->layout = LAYOUT;
	}
	visit_locks(memory, free_lock, 0);
	guard_bans_check(memory);
	return true;
}

void guard_forget_worker(struct guard *guard, uint32_t worker)
{
	visit_locks(guard->memory, shared_lock_forget, worker);
}

/* --- keys --- */

uint64_t guard_login_hash(const struct guard *guard, struct slice login)
{
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES];
	if (login.size == 0)
		return 0;
	/* A longer name is nobody's: those that begin alike may be one. */
	size_t size = login.size < sizeof folded ? login.size : sizeof folded;
	for (size_t i = 0; i < size; i++)
		folded[i] = ascii_lower(login.data[i]);
	uint64_t hash = secret_short_hash(guard->memory->key, slice_of(folded, size));
	return hash ? hash : 1;
}

static uint64_t first_bytes(const struct net_address *client, size_t count)
{
	uint64_t network = 0;
	memcpy(&network, client->bytes, count);
	return network;
}

const struct guard_step guard_steps[GUARD_STEPS] = { { 48, 16 }, { 56, 4 }, { 0, 1 } };

struct guard_key guard_network_key(const struct net_address *client, uint64_t login)
{
	return (struct guard_key){ first_bytes(client, client->family == 4 ? 3 : 8), login, client->family, 0 };
}

struct guard_key guard_source_key(const struct net_address *client, uint64_t login)
{
	return (struct guard_key){ first_bytes(client, client->family == 4 ? 4 : 8), login, client->family, 0 };
}

struct guard_key guard_step_key(const struct net_address *client, uint64_t login, int step)
{
	uint8_t wide = guard_steps[step].wide;
	if (!wide)
		return guard_network_key(client, login);
	return (struct guard_key){ first_bytes(client, wide / 8), login, client->family, wide };
}

struct guard_limit guard_limit_times(const struct guard_limit *limit, uint32_t times)
{
	struct guard_limit many = *limit;
	many.count = limit->count < UINT32_MAX / times ? limit->count * times : UINT32_MAX;
	if (many.count && many.period_ms < many.count)
		many.period_ms = many.count;
	return many;
}

struct guard_limit guard_limit_for(const struct guard *guard, const struct guard_key *key)
{
	const struct guard_limit *limit = key->login ? &guard->settings.per_login : &guard->settings.per_network;
	int step = 0;
	while (guard_steps[step].wide != key->wide)
		step++;
	return guard_limit_times(limit, guard_steps[step].times);
}

/* --- sets --- */

size_t guard_set_number(const struct guard *guard, const struct guard_key *key, size_t sets)
{
	uint64_t all[] = { key->network, key->login, (uint64_t)key->wide << 8 | key->family };
	uint64_t hash = secret_short_hash(guard->memory->key, slice_of(all, sizeof all));
	return (size_t)((hash >> 32) * sets >> 32);
}

static bool has_key(const struct guard_entry *entry, const struct guard_key *key)
{
	return entry->network == key->network && entry->login == key->login && entry->family == key->family &&
	       entry->wide == key->wide;
}

struct guard_entry *guard_find(struct guard_set *set, const struct guard_key *key)
{
	for (int way = 0; way < GUARD_WAYS; way++)
		if (has_key(&set->entries[way], key))
			return &set->entries[way];
	return NULL;
}

static bool is_forgotten_before(const struct guard_entry *one, const struct guard_entry *other)
{
	if (!one->family != !other->family)
		return !one->family;
	if (one->success_s != other->success_s)
		return one->success_s < other->success_s;
	return one->due_ms < other->due_ms;
}

struct guard_entry *guard_make(struct guard_set *set, const struct guard_key *key)
{
	struct guard_entry *entry = guard_find(set, key);
	if (entry)
		return entry;
	entry = &set->entries[0];
	for (int way = 1; way < GUARD_WAYS; way++)
		if (is_forgotten_before(&set->entries[way], entry))
			entry = &set->entries[way];
	/* Unused while it is changed, should the worker be killed meanwhile. */
	entry->family = 0;
	atomic_signal_fence(memory_order_seq_cst);
	entry->network = key->network;
	entry->login = key->login;
	entry->wide = key->wide;
	entry->due_ms = 0;
	entry->success_s = 0;
	entry->tag = 0;
	atomic_signal_fence(memory_order_seq_cst);
	entry->family = key->family;
	return entry;
}
