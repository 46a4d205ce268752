/* What the files of the guard share: guard.c (judging tries), guard_memory.c (the table), guard_bans.c (bans). Private to them. */
#ifndef POSTERN_USERS_GUARD_PARTS_H
#define POSTERN_USERS_GUARD_PARTS_H

#include "core/base/shared_lock.h"
#include "core/users/guard.h"
#include "crypto/secret.h"

enum { GUARD_WAYS = 7 };

/* What an entry is about, as it is but for the login: no other network can be taken for it. */
struct guard_key {
	uint64_t network; /* of IPv4 the first 4 bytes, of IPv6 the first 8 */
	uint64_t login;   /* keyed hash; 0: all logins, or not known */
	uint8_t family;   /* 0: an unused entry */
	uint8_t wide;     /* length of a prefix that holds many networks; 0: of a network or source */
};

/* The prefixes that a client is counted in, the widest first; the last is his network, and all that IPv4 has. */
enum { GUARD_STEPS = 3, GUARD_NETWORK = GUARD_STEPS - 1 };
struct guard_step {
	uint8_t wide;  /* as in the key */
	uint8_t times; /* the limits of a network */
};
extern const struct guard_step guard_steps[GUARD_STEPS];

static inline int guard_first_step(const struct net_address *client)
{
	return client->family == 6 ? 0 : GUARD_NETWORK;
}

/* Failures, of a network or of a source that has signed in. The count is kept as the time when all will be forgiven (the
 * theoretical arrival time of the generic cell rate algorithm, ITU-T I.371). */
struct guard_entry {
	uint64_t network;
	uint64_t login;
	int64_t due_ms;
	uint32_t success_s; /* Unix seconds, good until 2106; 0: of a network */
	uint16_t tag;       /* of the last wrong password; 0: none is known */
	uint8_t family;
	uint8_t wide;
};

/* All but the lock is its holder's. */
struct guard_set {
	struct shared_lock lock;
	uint8_t pad[28];
	struct guard_entry entries[GUARD_WAYS];
};
_Static_assert(sizeof(struct guard_set) == 256, "four lines of the cache");

/* One sector: a crash of the machine leaves it whole. since_ms 0: unused. */
struct guard_record {
	uint64_t login;
	struct guard_ban ban;
};
_Static_assert(sizeof(struct guard_record) == 256, "two in a sector");

struct guard_ban_set {
	struct shared_lock lock;
	uint8_t pad[252];
	struct guard_record records[GUARD_WAYS];
};

struct guard_by_hand {
	struct shared_lock lock;
	atomic_uint count; /* records in use, so that none costs nothing */
	uint8_t pad[248];
	struct guard_record records[LIMIT_GUARD_BANS_BY_HAND];
};

enum {
	GUARD_FAILURE_SETS = LIMIT_GUARD_FAILURES / GUARD_WAYS + 1,
	GUARD_SUCCESS_SETS = LIMIT_GUARD_SUCCESSES / GUARD_WAYS + 1,
	GUARD_BAN_SETS = LIMIT_GUARD_BANS / GUARD_WAYS + 1,
};

struct guard_memory {
	uint64_t layout;
	uint64_t bytes; /* of all this */
	uint8_t key[SECRET_SHORT_KEY_BYTES];
	_Atomic(int64_t) wide_until_ms; /* no wide prefix is banned any longer; none ever: 0 */
	uint8_t pad[216];
	struct guard_set failures[GUARD_FAILURE_SETS];
	struct guard_set networks[GUARD_FAILURE_SETS]; /* likewise, whatever the login */
	struct guard_set successes[GUARD_SUCCESS_SETS];
	struct guard_by_hand by_hand;
	struct guard_ban_set bans[GUARD_BAN_SETS];
};

/* --- guard_memory.c --- */

/* 0 for the empty one only; case does not matter. */
uint64_t guard_login_hash(const struct guard *guard, struct slice login);

/* The address's /24 or /64, or as a source: the address or its /64. */
struct guard_key guard_network_key(const struct net_address *client, uint64_t login);
struct guard_key guard_source_key(const struct net_address *client, uint64_t login);
/* The prefix of that step. */
struct guard_key guard_step_key(const struct net_address *client, uint64_t login, int step);

/* What the key's failures are counted against: of a network's, or of whoever failed from wider ones. */
struct guard_limit guard_limit_for(const struct guard *guard, const struct guard_key *key);
/* So many times as much in the same time. */
struct guard_limit guard_limit_times(const struct guard_limit *limit, uint32_t times);

/* The set that the key belongs to, of so many. */
size_t guard_set_number(const struct guard *guard, const struct guard_key *key, size_t sets);

/* NULL: there is none. The lock is the caller's. */
struct guard_entry *guard_find(struct guard_set *set, const struct guard_key *key);

/* The same, or a new one in the place of that which would be forgotten first; of successes, the oldest. */
struct guard_entry *guard_make(struct guard_set *set, const struct guard_key *key);

/* --- guard_bans.c --- */

/* Is the try banned? Counts it then and copies the ban, where that is wanted (not NULL). */
bool guard_is_banned_by_hand(struct guard *guard, uint32_t worker, const struct guard_try *try, uint64_t login,
			     int64_t now_ms, struct guard_ban *ban);
bool guard_is_banned(struct guard *guard, uint32_t worker, const struct guard_key *key, int64_t now_ms,
		     struct guard_ban *ban);

/* Bans the key's network. */
void guard_ban(struct guard *guard, uint32_t worker, const struct guard_key *key, const struct guard_try *try,
	       int64_t now_ms, struct guard_ban *ban);

/* Drops what is no ban, as a file may have it that was not left by us. */
void guard_bans_check(struct guard_memory *memory);

#endif
