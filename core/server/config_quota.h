/* What a login may send: quota { … } in a server block. */
#ifndef POSTERN_SERVER_CONFIG_QUOTA_H
#define POSTERN_SERVER_CONFIG_QUOTA_H

#include "core/server/config_keys.h"

extern const struct config_key config_quota_keys[];

/* Of the block inside a server block. */
config_open config_open_quota;

#endif
