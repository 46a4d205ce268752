/* Writing small files durably; see durable_file.h. */
#include "crypto/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool write_all(int fd, struct slice bytes)
{
	while (bytes.size) {
		ssize_t written = write(fd, bytes.data, bytes.size);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		bytes = slice_skip(bytes, (size_t)written);
	}
	return true;
}

bool durable_file_sync_name(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t size = slash ? (size_t)(slash - path) + 1 : 0;
	if (!slice_to_text(slash ? slice_of(path, size) : SLICE_LITERAL("."), directory, sizeof directory)) {
		errno = ENAMETOOLONG;
		return false;
	}
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return done;
}

/* Gives the file its name; link() refuses a name that is taken, rename() replaces. */
static bool publish(const char *temporary, const char *path, enum durable_file_existing existing)
{
	if (existing == DURABLE_FILE_REPLACE)
		return rename(temporary, path) == 0;
	return link(temporary, path) == 0 && unlink(temporary) == 0;
}

static bool make_ready(int fd, mode_t mode, struct slice bytes, const struct durable_file_owner *owner)
{
	return write_all(fd, bytes) && (!owner || fchown(fd, owner->user, owner->group) == 0) &&
	       fchmod(fd, mode) == 0 && fsync(fd) == 0;
}

bool durable_file_write(const char *path, mode_t mode, struct slice bytes, enum durable_file_existing existing,
			struct error *error)
{
	return durable_file_write_for(path, mode, bytes, existing, NULL, error);
}

bool durable_file_write_for(const char *path, mode_t mode, struct slice bytes, enum durable_file_existing existing,
			    const struct durable_file_owner *owner, struct error *error)
{
	char temporary[PATH_MAX];
	int size = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
	if (size < 0 || (size_t)size >= sizeof temporary)
		return error_set_errno(error, ENAMETOOLONG, "cannot write %s", path);
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(error, errno, "cannot write %s", path);
	bool done = make_ready(fd, mode, bytes, owner);
	done = done && publish(temporary, path, existing) && durable_file_sync_name(path);
	int code = errno;
	close(fd);
	if (done)
		return true;
	unlink(temporary);
	return error_set_errno(error, code, "cannot write %s", path);
}
