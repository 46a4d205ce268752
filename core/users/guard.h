/* The guard at the door: who has failed to sign in so often that he must wait, or may not try for a while.
 *
 * Failures are counted for a network (IPv4 /24, IPv6 /64) and one login, and for the network with whatever login. A limit of 10
 * in an hour lets ten come at once and forgives one every six minutes. From three tenths of it on the network waits before each
 * try, longer each time; with the tenth it is banned, from that login or from all, for a time that has an end.
 *
 * A customer may have a /56 or a /48 of IPv6, and with it 256 or 65,536 networks to guess from. So the failures of these are counted
 * too, against four and sixteen times the limits, and they are delayed and banned like any network. As long as nobody has failed in
 * a /48, that costs one look more.
 *
 * Nobody locks a victim out: what is counted and banned is always a network, never a login for all. And a source (an IPv4
 * address, an IPv6 /64: one customer) that has signed in to a login lately is exempt for that login from all penalties of its
 * network; its own failures there are counted apart, against ten times the limit, which bounds what another behind its address
 * can try. No success takes penalties back, or one who has a login could guess on and on.
 *
 * The same wrong password again tells a guesser nothing and is not counted: a telephone with an old password hurts nobody.
 * Of a password there is a tag of 16 bits, by a key that is in no file and ends with the server.
 *
 * Verdicts are asked for before a try and again when its outcome is known, so tries at the same time gain nothing: from
 * the ban on, right passwords are refused like wrong ones.
 *
 * Memory: one table of all workers in memory that is a file's, so that a restart forgets nothing (a machine that breaks down
 * may, of its last half minute). Networks are kept as they are and logins as a keyed hash of 64 bits in sets that are found
 * by a keyed hash: nobody is taken for another. Where a set is full, that entry makes room that would be forgotten first,
 * of bans the one that ends first, of successes the oldest; each only makes the guard milder. Failures fill the room of
 * failures only: who floods it with names does not get at bans or successes, and his network is banned after so many names.
 *
 * A set has a lock (base/shared_lock.h): where it is held too long, a try passes uncounted. Pure but for that: no clock, no
 * I/O, no allocation. Times are Unix ms. A clock that is put back locks nobody out: no penalty is longer than its limit's
 * time, and a ban from the future is none. */
#ifndef POSTERN_USERS_GUARD_H
#define POSTERN_USERS_GUARD_H

#include "core/base/limits.h"
#include "core/net/prefix.h"

/* So many failures in a period; count 0: not limited. */
struct guard_limit {
	uint32_t count;
	uint64_t period_ms; /* at least count */
};

struct guard_settings {
	struct guard_limit per_login;   /* of a network and a login */
	struct guard_limit per_network; /* of a network, whatever the login */
	uint64_t ban_ms;
	uint64_t delay_ms;  /* the longest */
	uint64_t memory_ms; /* how long a success exempts its source */
	const struct net_prefix *exempt;
	size_t exempt_count;
};

/* Where it lies in the memory and who else has it is private. A process's own copy; bytes may be copied over a fork. */
struct guard {
	struct guard_memory *memory;
	struct guard_settings settings; /* what it points to outlives the guard */
	uint8_t tag_key[16];            /* secret_short_hash()'s */
};

size_t guard_bytes(void);

/* The table that an earlier run has left in memory of guard_bytes(), aligned to 64, or a new one there; such memory is zero. Before
 * the first worker. False: what is there is something else, and nothing was touched. */
MUST_USE bool guard_open(struct guard *guard, void *memory, const struct guard_settings *settings);

/* That worker is dead: what it had locked is free. What it has counted stays. */
void guard_forget_worker(struct guard *guard, uint32_t worker);

/* --- tries --- */

/* A try to sign in. */
struct guard_try {
	struct net_address client; /* family 0: nobody knows who; he is allowed */
	struct slice login;        /* as the client says it; case does not matter. Empty: not known */
	uint16_t tag;              /* guard_tag_password(); 0: the password isn't known */
};

enum guard_kind {
	GUARD_BY_LOGIN = 1, /* a network, from one login */
	GUARD_BY_NETWORK,   /* a network */
	GUARD_BY_HAND,      /* any prefix, from one login or all */
};

#define GUARD_FOR_EVER INT64_MAX

enum { GUARD_LOGIN_BYTES = 96, GUARD_REASON_BYTES = 112 };

/* A ban, for people. */
struct guard_ban {
	int64_t since_ms;
	int64_t until_ms; /* GUARD_FOR_EVER: until it is taken back */
	struct net_prefix prefix;
	uint8_t kind;                    /* enum guard_kind */
	uint32_t refused;                /* tries so far */
	char login[GUARD_LOGIN_BYTES];   /* "": all logins; a longer one is cut */
	char reason[GUARD_REASON_BYTES]; /* longer ones are cut */
};

enum guard_answer {
	GUARD_ALLOW,
	GUARD_REFUSE, /* `ban` says why */
};

struct guard_verdict {
	enum guard_answer answer;
	uint32_t delay_ms; /* GUARD_ALLOW: to wait before the try; 0: none */
	bool exempt;       /* by the list or by a success; its failure may be counted all the same */
	struct guard_ban ban;
};

/* 1 to 65535. */
uint16_t guard_tag_password(const struct guard *guard, struct slice password);

/* May he try? */
void guard_ask(struct guard *guard, uint32_t worker, const struct guard_try *try, int64_t now_ms,
	       struct guard_verdict *verdict);

/* Is he banned now? Nothing is counted by this: for tries that wait, and that guard_ask() has allowed. */
MUST_USE bool guard_is_refused(struct guard *guard, uint32_t worker, const struct guard_try *try, int64_t now_ms);

/* The try failed, for a reason that is the client's. True: that has led to a ban, which is told. */
bool guard_failed(struct guard *guard, uint32_t worker, const struct guard_try *try, int64_t now_ms,
		  struct guard_ban *ban);

/* It succeeded, and the guard was asked since that is known. */
void guard_succeeded(struct guard *guard, uint32_t worker, const struct guard_try *try, int64_t now_ms);

/* --- bans --- */

enum guard_change { GUARD_CHANGED, GUARD_NOT_THERE, GUARD_NO_ROOM, GUARD_BUSY };

/* By hand: fills the kind and replaces one of the same prefix and login. It wins over successes, and the list of exempt prefixes
 * over it. */
MUST_USE enum guard_change guard_ban_add(struct guard *guard, uint32_t worker, const struct guard_ban *ban);

/* Of the same prefix and login, by whom ever; the failures that led to it are forgotten too. */
MUST_USE enum guard_change guard_ban_remove(struct guard *guard, uint32_t worker, const struct net_prefix *prefix,
					    struct slice login, int64_t now_ms);

/* The next ban from place *at on, which begins at 0: false at the end. Bans that come meanwhile may be left out, none is told
 * twice. */
bool guard_ban_next(struct guard *guard, uint32_t worker, uint32_t *at, int64_t now_ms, struct guard_ban *ban);

/* How long one waits who has failed so often, of a limit's count: for people and tests. */
uint32_t guard_delay_ms(uint32_t failures, uint32_t count, uint64_t most_ms);

#endif
