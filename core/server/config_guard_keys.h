/* What the tables of a configuration's keys need of the guard's. */
#ifndef POSTERN_SERVER_CONFIG_GUARD_KEYS_H
#define POSTERN_SERVER_CONFIG_GUARD_KEYS_H

#include "core/server/config_keys.h"

extern const struct config_key config_guard_keys[];

/* Of the block on the outermost level. */
config_open config_open_guard;

#endif
