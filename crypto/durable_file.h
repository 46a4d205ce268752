/* Writing a small file so that after a crash it is there whole, or not at all. For set-up only: it blocks. */
#ifndef POSTERN_CRYPTO_DURABLE_FILE_H
#define POSTERN_CRYPTO_DURABLE_FILE_H

#include <sys/stat.h>

#include "core/base/error.h"
#include "core/base/slice.h"

enum durable_file_existing { DURABLE_FILE_REPLACE, DURABLE_FILE_KEEP };

/* Writes under a temporary name beside `path`, syncs, gives it its name, and syncs the directory. With DURABLE_FILE_KEEP a file that is
 * already there is an error and stays as it is. The mode is exact, whatever the umask. */
MUST_USE bool durable_file_write(const char *path, mode_t mode, struct slice bytes, enum durable_file_existing existing,
				 struct error *error);

/* As that, and the file then belongs to `owner`; NULL: to who writes it. */
struct durable_file_owner {
	uid_t user;
	gid_t group;
};
MUST_USE bool durable_file_write_for(const char *path, mode_t mode, struct slice bytes,
				     enum durable_file_existing existing, const struct durable_file_owner *owner,
				     struct error *error);

/* Makes a name last: syncs the folder that it is in. False with errno. */
MUST_USE bool durable_file_sync_name(const char *path);

#endif
