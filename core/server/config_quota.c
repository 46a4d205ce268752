/* The quotas of logins in a configuration; see config_quota.h. */
#include "core/server/config_quota.h"

#include "core/server/config_set.h"

enum { QUOTA_MOST = 1000000000 };

void *config_open_quota(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	struct config_server *server = outer;
	server->quota_line = statement->line;
	return &server->quota;
}

#define QUOTA(member)                                                                                                  \
	.offset = offsetof(struct quota, member), .width = sizeof(((struct quota *)NULL)->member), .least = 1,         \
	.most = QUOTA_MOST

/* clang-format off */
const struct config_key config_quota_keys[] = {
	{ "messages_per_hour", .set = config_set_number, QUOTA(hour_messages) },
	{ "messages_per_day", .set = config_set_number, QUOTA(day_messages) },
	{ "recipients_per_hour", .set = config_set_number, QUOTA(hour_recipients) },
	{ "recipients_per_day", .set = config_set_number, QUOTA(day_recipients) },
	{ NULL },
};
/* clang-format on */
