/* `postern policy test`: a file of clients, each judged as the server would and compared with what is expected of it. */
#ifndef POSTERN_TOOLS_POLICY_CASES_H
#define POSTERN_TOOLS_POLICY_CASES_H

#include "core/server/config.h"

/* Tells the cases that are wrong on standard output, and lines that can't be read on standard error. Answers the exit status
 * (command.h). */
int policy_cases_run(const struct config *config, const char *path, bool json);

#endif
