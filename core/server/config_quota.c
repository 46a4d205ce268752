/* The quotas of logins in a configuration; see config_quota.h. */
#include "core/server/config_quota.h"

#include "core/base/list.h"
#include "core/server/config_set.h"

enum { QUOTA_MOST = 1000000000 };

void *config_open_quota(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	(void)statement;
	return &((struct config_server *)outer)->quota;
}

/* The verdicts are in the order of what they are about. */
static void set_limit(struct config_reading *reading, const struct config_given *given)
{
	struct config_server *server = CONTAINER_OF(given->target, struct config_server, quota);
	_Static_assert(offsetof(struct quota, day_recipients) / sizeof(uint32_t) + 1 == QUOTA_DAY_RECIPIENTS, "");
	server->quota_lines[given->key->offset / sizeof(uint32_t) + 1] = given->value->line;
	config_set_number(reading, given);
}

#define QUOTA(member)                                                                                                  \
	.offset = offsetof(struct quota, member), .width = sizeof(((struct quota *)NULL)->member), .least = 1,         \
	.most = QUOTA_MOST

/* clang-format off */
const struct config_key config_quota_keys[] = {
	{ "messages_per_hour", .set = set_limit, QUOTA(hour_messages) },
	{ "messages_per_day", .set = set_limit, QUOTA(day_messages) },
	{ "recipients_per_hour", .set = set_limit, QUOTA(hour_recipients) },
	{ "recipients_per_day", .set = set_limit, QUOTA(day_recipients) },
	{ NULL },
};
/* clang-format on */
