/* Files of TLS as one file in memory; see tls_contents.h.
 *
 * They lie one behind the other: of each its size (8 bytes) and its bytes. Who opens it gives each to the TLS library as a file in
 * memory of its own, so that all readers of such files are the same everywhere. */
#include "core/server/tls_contents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"

enum {
	MOST_BYTES = 4 * 1024 * 1024, /* of one file: a hundred times the largest chain */
	COPY_BYTES = 16 * 1024,       /* at once */
};

bool tls_contents_each_file(const struct config *config, server_block_with_file *with, void *context)
{
	for (size_t i = 0; i < config->server_count; i++)
		if (!server_block_each_tls_file(&config->servers[i], with, context))
			return false;
	return true;
}

/* Exactly so many bytes from *at on, by way of memory that is wiped: among them are keys. */
static bool copy_bytes(int from, off_t *at, int to, uint64_t size)
{
	uint8_t bytes[COPY_BYTES];
	bool good = true;
	while (good && size > 0) {
		size_t wanted = size < sizeof bytes ? (size_t)size : sizeof bytes;
		ssize_t got = pread(from, bytes, wanted, *at);
		good = got > 0 && write(to, bytes, (size_t)got) == got;
		*at += good ? got : 0;
		size -= good ? (uint64_t)got : 0;
	}
	secret_wipe(bytes, sizeof bytes);
	return good;
}

/* --- writing --- */

struct writing {
	int fd;
	struct error *error;
};

static bool write_open_file(const struct writing *writing, const char *path, int file)
{
	struct stat before, after;
	off_t at = 0;
	if (fstat(file, &before) != 0)
		return error_set_errno(writing->error, errno, "%s", path);
	uint64_t size = (uint64_t)before.st_size;
	if (size > MOST_BYTES)
		return error_set(writing->error, "%s: over %d MiB is no certificate, and no key", path,
				 MOST_BYTES / (1024 * 1024));
	if (write(writing->fd, &size, sizeof size) != sizeof size)
		return error_set_errno(writing->error, errno, "no memory for copies of certificates");
	if (!copy_bytes(file, &at, writing->fd, size) || fstat(file, &after) != 0 || after.st_size != before.st_size)
		return error_set(writing->error, "%s: it is changing", path);
	return true;
}

static bool write_file(void *context, const char *path)
{
	const struct writing *writing = context;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return error_set_errno(writing->error, errno, "%s", path);
	bool good = write_open_file(writing, path, file);
	close(file);
	return good;
}

int tls_contents_write(const struct config *config, struct error *error)
{
	struct writing writing = { memfd_create("postern-tls", MFD_CLOEXEC), error };
	if (writing.fd < 0) {
		error_set_errno(error, errno, "no memory for copies of certificates");
		return -1;
	}
	if (tls_contents_each_file(config, write_file, &writing))
		return writing.fd;
	close(writing.fd);
	return -1;
}

/* --- opening --- */

struct tls_copy {
	const char *path;
	int fd;
	char place[32];
};

/* Other processes have the same descriptor: the place in the file is each one's own. */
struct opening {
	struct tls_contents *contents;
	int fd;
	off_t at;
	struct error *error;
};

static bool count_file(void *context, const char *path)
{
	(void)path;
	++*(size_t *)context;
	return true;
}

static bool open_copy(void *context, const char *path)
{
	struct opening *opening = context;
	struct tls_contents *contents = opening->contents;
	uint64_t size;
	ASSERT(contents->count < contents->room);
	struct tls_copy *copy = &contents->copies[contents->count];
	copy->path = path;
	copy->fd = memfd_create("postern-tls", MFD_CLOEXEC);
	if (copy->fd < 0)
		return error_set_errno(opening->error, errno, "no copy of %s can be made", path);
	contents->count++;
	snprintf(copy->place, sizeof copy->place, "/proc/self/fd/%d", copy->fd);
	bool has_size = pread(opening->fd, &size, sizeof size, opening->at) == sizeof size;
	opening->at += (off_t)sizeof size;
	return (has_size && copy_bytes(opening->fd, &opening->at, copy->fd, size)) ||
	       error_set(opening->error, "the copy of %s is cut short", path);
}

bool tls_contents_open(struct tls_contents *contents, const struct config *config, int fd, struct error *error)
{
	*contents = (struct tls_contents){ .copies = NULL };
	(void)tls_contents_each_file(config, count_file, &contents->room);
	contents->copies = calloc(contents->room ? contents->room : 1, sizeof *contents->copies);
	struct opening opening = { contents, fd, 0, error };
	if (!contents->copies)
		return error_set(error, "no memory for copies of certificates");
	return tls_contents_each_file(config, open_copy, &opening);
}

void tls_contents_close(struct tls_contents *contents)
{
	for (size_t i = 0; i < contents->count; i++)
		close(contents->copies[i].fd);
	free(contents->copies);
	*contents = (struct tls_contents){ .copies = NULL };
}

const char *tls_contents_find(void *contents, const char *path)
{
	const struct tls_contents *opened = contents;
	size_t at = 0;
	while (at < opened->count && strcmp(opened->copies[at].path, path) != 0)
		at++;
	ASSERT(at < opened->count);
	return opened->copies[at].place;
}
