/* The file in the data folder that keeps what logins have sent, as memory that all workers share; see core/policy/quota.h. */
#ifndef POSTERN_SERVER_QUOTA_FILE_H
#define POSTERN_SERVER_QUOTA_FILE_H

#include "core/policy/quota.h"

/* Goes on with the file, or makes it. It takes all its room at once: a full disk must not hit a worker later. NULL and `error`. */
struct quotas *quota_file_open(const char *path, uint32_t logins, struct error *error);

/* The file that another process has opened, and that others use: nothing of theirs changes. NULL and `error`. */
struct quotas *quota_file_join(const char *path, uint32_t logins, struct error *error);

/* NULL is allowed. What was counted is in the file. */
void quota_file_close(struct quotas *quotas, uint32_t logins);

#endif
