/* Asking the running server what any of its workers can answer. */
#ifndef POSTERN_TOOLS_ASK_WORKERS_H
#define POSTERN_TOOLS_ASK_WORKERS_H

#include <jansson.h>

#include "core/server/config.h"

/* Asks one worker after the other until one answers; one that has died is waited for. The request is used up. NULL after telling why there
 * is no answer, as the command of that name. */
json_t *ask_workers(const struct config *config, const char *command, json_t *request);

/* The same, but why there is no answer stands in `error`; but that the data folder can't be read is told, and `error` stays as it was. */
json_t *ask_workers_quietly(const struct config *config, json_t *request, struct error *error);

#endif
