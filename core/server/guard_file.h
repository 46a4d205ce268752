/* The file in the data folder that keeps the guard's failures, successes and bans, as memory that all workers share; see
 * core/users/guard.h. */
#ifndef POSTERN_SERVER_GUARD_FILE_H
#define POSTERN_SERVER_GUARD_FILE_H

#include "core/users/guard.h"

/* Goes on with the file, or makes it. False and `error`. */
MUST_USE bool guard_file_open(struct guard *guard, const char *path, const struct guard_settings *settings,
			      struct error *error);

/* Of a guard that is zero too. What was counted is in the file. */
void guard_file_close(struct guard *guard);

#endif
