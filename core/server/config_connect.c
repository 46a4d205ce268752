/* The limits of clients in a configuration; see config_connect.h. */
#include "core/server/config_connect.h"

#include "core/server/config_set.h"
#include "core/server/config_value.h"

enum {
	CONNECTIONS_MOST = 1000000, /* of an address or network: more than a server block takes */
	RATE_MOST = 1000000,
	DAY_MS = 24 * 3600 * 1000,
	TARPIT_MOST_MS = 60 * 1000, /* clients give up after some minutes, and each that waits costs memory */
};

void *config_open_connect(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	(void)statement;
	return &((struct config_server *)outer)->connect;
}

static void set_per_address(struct config_reading *reading, const struct config_given *given)
{
	((struct config_connect *)given->target)->per_address_line = given->value->line;
	config_set_number(reading, given);
}

static void set_per_network(struct config_reading *reading, const struct config_given *given)
{
	((struct config_connect *)given->target)->per_network_line = given->value->line;
	config_set_number(reading, given);
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
	connect->rate_line = given->value->line;
}

#define FIELD(member)                                                                                                  \
	.offset = offsetof(struct config_connect, member), .width = sizeof(((struct config_connect *)NULL)->member)

/* clang-format off */
const struct config_key config_connect_keys[] = {
	{ "per_address", .set = set_per_address, FIELD(per_address), .least = 1, .most = CONNECTIONS_MOST },
	{ "per_network", .set = set_per_network, FIELD(per_network), .least = 1, .most = CONNECTIONS_MOST },
	{ "rate", .set = set_rate },
	{ "tarpit", .set = config_set_duration, FIELD(tarpit), .least = 0, .most = TARPIT_MOST_MS },
	{ NULL },
};
/* clang-format on */
