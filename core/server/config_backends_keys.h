/* The setters of auth { mechanisms backend }. */
#ifndef POSTERN_SERVER_CONFIG_BACKENDS_KEYS_H
#define POSTERN_SERVER_CONFIG_BACKENDS_KEYS_H

#include "core/server/config_keys.h"

/* Of lists; the target is the config_server. */
config_set config_add_mechanism;
config_set config_add_backend;

#endif
