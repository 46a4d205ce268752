/* The table of keys for auth { ntlm { … } }. */
#ifndef POSTERN_SERVER_CONFIG_NTLM_KEYS_H
#define POSTERN_SERVER_CONFIG_NTLM_KEYS_H

#include "core/server/config_keys.h"

extern const struct config_key config_ntlm_keys[];
config_open config_open_ntlm;

#endif
