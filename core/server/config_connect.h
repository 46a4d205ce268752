/* What a server block says of connections: connect { per_address per_network rate tarpit }. */
#ifndef POSTERN_SERVER_CONFIG_CONNECT_H
#define POSTERN_SERVER_CONFIG_CONNECT_H

#include "core/server/config_keys.h"

extern const struct config_key config_connect_keys[];

/* Of the block inside a server block. */
config_open config_open_connect;

#endif
