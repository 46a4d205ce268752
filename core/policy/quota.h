/* How much has a login sent in this hour and this day? For the `quota` of a server block.
 *
 * One table of all workers in memory that is a file's, so that a restart forgets nothing (a machine that breaks down may, of its
 * last half minute). What a message takes is taken in one step when it is accepted, or not at all. An hour begins with the
 * first message after the one before, likewise a day: no login has to wait for a clock that strikes for all.
 *
 * Logins are found by a keyed hash, without regard to case, in sets of seven; names are not kept. Where a set is full, the login
 * makes room whose day began first: with as many logins a day as a tenth of the table one of a million is forgotten early.
 * Only who has signed in gets in, so nobody can fill the table with names. Pure but for the lock (base/shared_lock.h): where that
 * is held too long, a message goes uncounted. */
#ifndef POSTERN_POLICY_QUOTA_H
#define POSTERN_POLICY_QUOTA_H

#include <stddef.h>

#include "core/base/error.h"
#include "core/base/slice.h"

/* Also what has been used of each. */
struct quota {
	uint32_t hour_messages; /* as a limit: 0: there is none; likewise the next */
	uint32_t hour_recipients;
	uint32_t day_messages;
	uint32_t day_recipients;
};

static inline bool quota_limits_anything(const struct quota *limits)
{
	return limits->hour_messages || limits->hour_recipients || limits->day_messages || limits->day_recipients;
}

enum quota_verdict {
	QUOTA_FREE,
	QUOTA_HOUR_MESSAGES, /* that many in an hour were sent; likewise the next */
	QUOTA_HOUR_RECIPIENTS,
	QUOTA_DAY_MESSAGES,
	QUOTA_DAY_RECIPIENTS,
};

struct quotas;

size_t quotas_bytes(uint32_t logins);

/* The table that an earlier run has left in memory of quotas_bytes(), aligned to 64; NULL: there is none of that size. Before the
 * first worker. */
struct quotas *quotas_open(void *memory, uint32_t logins);

/* The one that others use already, in the same memory; NULL likewise. */
struct quotas *quotas_join(void *memory, uint32_t logins);

/* A new one in such memory, which is zero. */
struct quotas *quotas_init(void *memory, uint32_t logins, const uint64_t secret[2]);

/* A message is accepted, with so many recipients: counts it, unless it would be over a limit. `now_s` is Unix time. */
MUST_USE enum quota_verdict quotas_take(struct quotas *quotas, uint32_t worker, struct slice login, uint32_t recipients,
					const struct quota *limits, int64_t now_s);

/* It could not be stored after all. */
void quotas_give_back(struct quotas *quotas, uint32_t worker, struct slice login, uint32_t recipients);

/* Would a message with so many recipients be counted? For saying no early. */
MUST_USE enum quota_verdict quotas_look(struct quotas *quotas, uint32_t worker, struct slice login, uint32_t recipients,
					const struct quota *limits, int64_t now_s);

/* What the login has used. */
struct quota quotas_used(struct quotas *quotas, uint32_t worker, struct slice login, int64_t now_s);

/* That worker is dead: what it had locked is free. What it has counted stays. */
void quotas_forget_worker(struct quotas *quotas, uint32_t worker);

#endif
