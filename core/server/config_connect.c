/* The limits of clients in a configuration; see config_connect.h. */
#include "core/server/config_connect.h"

#include "core/server/config_access_keys.h"
#include "core/server/config_set.h"
#include "core/server/config_value.h"

enum {
	CONNECTIONS_MOST = 1000000, /* of an address or network: more than a server block takes */
	RATE_MOST = 1000000,
	TARPIT_MOST_MS = 60 * 1000, /* clients give up after some minutes, and each that waits costs memory */
};

void *config_open_connect(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	struct config_connect *connect = &((struct config_server *)outer)->connect;
	connect->line = statement->line;
	return connect;
}

static void set_rate(struct config_reading *reading, const struct config_given *given)
{
	struct config_connect *connect = given->target;
	uint64_t count, period_ms;
	if (!config_rate_parse(given->value->text, RATE_MOST, &count, &period_ms) || period_ms > DAY_MS) {
		config_given_problem(reading, given,
				     "not a rate; write how many connections in which time, like 30/min, 500/h or "
				     "100/10min, of at most a day");
		return;
	}
	connect->rate = (uint32_t)count;
	connect->rate_ms = period_ms;
}

static const struct config_choice unknown_names[] = { { "allow", UNKNOWN_NAME_ALLOW },
						      { "deny", UNKNOWN_NAME_DENY },
						      { NULL } };

#define CONNECT(member) FIELD(config_connect, member)
#define RULES           .offset = offsetof(struct config_connect, rules), .many = true

/* clang-format off */
const struct config_key config_connect_keys[] = {
	{ "default", .set = config_set_told_choice, CONNECT(default_allow.value), .choices = config_allow_deny },
	{ "allow", .set = config_add_allow, RULES },
	{ "deny", .set = config_add_deny, RULES },
	{ "lists", .set = config_add_rule_file, RULES },
	{ "unknown_name", .set = config_set_told_choice, CONNECT(unknown_name.value), .choices = unknown_names },
	{ "per_address", .set = config_set_number, CONNECT(per_address), .least = 1, .most = CONNECTIONS_MOST,
	  LINE(config_connect, per_address_line) },
	{ "per_network", .set = config_set_number, CONNECT(per_network), .least = 1, .most = CONNECTIONS_MOST,
	  LINE(config_connect, per_network_line) },
	{ "rate", .set = set_rate, LINE(config_connect, rate_line) },
	{ "tarpit", .set = config_set_duration, CONNECT(tarpit), .least = 0, .most = TARPIT_MOST_MS },
	{ NULL },
};
/* clang-format on */
