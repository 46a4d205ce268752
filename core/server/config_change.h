/* What of a configuration can't change while the server runs. */
#ifndef POSTERN_SERVER_CONFIG_CHANGE_H
#define POSTERN_SERVER_CONFIG_CHANGE_H

#include "core/server/config.h"

/* Adds a problem for each such key that differs from `before`, which is served now. Of a configuration that was read in part it judges what is
 * there. */
void config_change_check(const struct config *before, const struct config *config, struct config_problems *problems);

#endif
