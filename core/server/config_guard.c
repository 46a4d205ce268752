/* The guard in a configuration; see config_guard.h. */
#include "core/server/config_guard_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/config_set.h"
#include "core/server/config_value.h"

enum {
	FAILURES_MOST = 100000,
	PERIOD_LEAST_MS = 60 * SECOND_MS, /* a limit of so many a second would ban nobody who guesses slowly */
	BAN_LEAST_MS = 60 * SECOND_MS,
	DELAY_MOST_MS = 120 * SECOND_MS, /* mail programs give up after one to five minutes */
};

static void set_limit(struct config_reading *reading, const struct config_given *given)
{
	struct guard_limit *limit = config_field(given);
	uint64_t count, period_ms;
	if (!config_rate_parse(given->value->text, FAILURES_MOST, &count, &period_ms) || period_ms < PERIOD_LEAST_MS ||
	    period_ms > 30 * (uint64_t)DAY_MS) {
		config_given_problem(reading, given,
				     "not a rate; write how many failures in which time, like 10/h or 100/30min, of a "
				     "minute to 30 days");
		return;
	}
	*limit = (struct guard_limit){ (uint32_t)count, period_ms };
}

static bool add(struct config_guard *guard, const struct net_prefix *prefix)
{
	struct net_prefix *larger = realloc(guard->exempt, (guard->settings.exempt_count + 1) * sizeof *guard->exempt);
	if (!larger)
		return false;
	guard->settings.exempt = guard->exempt = larger;
	guard->exempt[guard->settings.exempt_count++] = *prefix;
	return true;
}

static void add_exempt(struct config_reading *reading, const struct config_given *given)
{
	struct config_guard *guard = given->target;
	struct net_prefix prefix;
	struct error error;
	char what[64];
	if (!net_prefix_parse(slice_from_text(given->value->text), &prefix, &error)) {
		config_given_problem(reading, given, error.text);
	} else if (guard->settings.exempt_count == LIMIT_GUARD_EXEMPT) {
		snprintf(what, sizeof what, "over %d of them; write shorter prefixes", LIMIT_GUARD_EXEMPT);
		config_given_problem(reading, given, what);
	} else if (!add(guard, &prefix)) {
		config_given_problem(reading, given, "out of memory");
	}
}

void config_guard_set_defaults(struct config_guard *guard)
{
	static const struct net_prefix loopback[] = {
		{ .bytes = { 127 }, .length = 8, .family = 4 },
		{ .bytes = { [15] = 1 }, .length = 128, .family = 6 },
	};
	*guard = (struct config_guard){
		.enable = true,
		.settings = {
			.per_login = { 10, HOUR_MS },
			.per_network = { 100, HOUR_MS },
			.ban_ms = HOUR_MS,
			.delay_ms = 30 * SECOND_MS,
			.memory_ms = 30 * (uint64_t)DAY_MS,
			.exempt = loopback,
			.exempt_count = sizeof loopback / sizeof *loopback,
		},
	};
}

static const struct config_choice yes_no[] = { { "yes", true }, { "no", false }, { NULL } };

#define SETTING(member)                                                                                                \
	.offset = offsetof(struct config_guard, settings.member),                                                      \
	.width = sizeof(((struct config_guard *)NULL)->settings.member)

void *config_open_guard(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	struct config_guard *guard = &((struct config *)outer)->guard;
	guard->line = statement->line;
	return guard;
}

/* clang-format off */
const struct config_key config_guard_keys[] = {
	{ "enable", .set = config_set_choice, FIELD(config_guard, enable), .choices = yes_no },
	{ "exempt", .set = add_exempt, FIELD(config_guard, settings.exempt_count), .many = true },
	{ "per_login", .set = set_limit, SETTING(per_login) },
	{ "per_network", .set = set_limit, SETTING(per_network) },
	{ "ban", .set = config_set_duration, SETTING(ban_ms), .least = BAN_LEAST_MS, .most = 365 * (uint64_t)DAY_MS },
	{ "delay", .set = config_set_duration, SETTING(delay_ms), .least = 0, .most = DELAY_MOST_MS },
	{ "remember", .set = config_set_duration, SETTING(memory_ms), .least = HOUR_MS, .most = 365 * (uint64_t)DAY_MS },
	{ NULL },
};
/* clang-format on */
