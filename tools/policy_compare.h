/* `postern policy diff`: two configurations, server block by server block. */
#ifndef POSTERN_TOOLS_POLICY_COMPARE_H
#define POSTERN_TOOLS_POLICY_COMPARE_H

#include <stdbool.h>

/* `server`: this one alone, or NULL. Answers the exit status: 0 no difference, 1 some, else as in command.h. */
int policy_compare_run(const char *old_file, const char *new_file, const char *server, bool json);

#endif
