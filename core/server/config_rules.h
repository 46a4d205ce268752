/* What a configuration contradicts itself in, or lacks: by the struct alone, nothing outside is looked at. */
#ifndef POSTERN_SERVER_CONFIG_RULES_H
#define POSTERN_SERVER_CONFIG_RULES_H

#include "core/server/config.h"

void config_rules_check(const struct config *config, struct config_problems *problems);

#endif
