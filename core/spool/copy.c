/* One message's bytes by its id, from outside; see spool.h. */
#include "core/spool/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

struct copying {
	uint64_t id;
	struct spool_copy *copy;
	bool found;
	bool no_memory;
};

static uint8_t *duplicate(struct slice bytes)
{
	uint8_t *copy = malloc(bytes.size + 1); /* never a malloc(0) */
	if (copy && bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return copy;
}

static bool visit_copying(void *context, const struct spool_message *message, struct slice text)
{
	struct copying *copying = context;
	struct spool_copy *copy = copying->copy;
	if (message->id != copying->id)
		return true;
	copying->found = true;
	copy->message = *message;
	copy->message.done_bits = NULL;
	copy->message.detail = (struct slice){ NULL, 0 };
	copy->envelope = duplicate(message->envelope);
	copy->envelope_size = message->envelope.size;
	copy->text = duplicate(text);
	copy->text_size = text.size;
	copying->no_memory = !copy->envelope || !copy->text;
	copy->message.envelope = slice_of(copy->envelope, copy->envelope_size);
	return false;
}

static bool append_file(struct spool_copy *copy, int fd, const char *path, struct error *error)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return error_set_errno(error, errno, "can't read %s", path);
	size_t size = (size_t)status.st_size;
	uint8_t *larger = realloc(copy->text, copy->text_size + size + 1);
	if (!larger)
		return error_set(error, "out of memory");
	copy->text = larger;
	while (size) {
		ssize_t bytes = read(fd, copy->text + copy->text_size, size);
		if (bytes <= 0)
			return error_set_errno(error, bytes ? errno : EIO, "can't read %s", path);
		copy->text_size += (size_t)bytes;
		size -= (size_t)bytes;
	}
	return true;
}

static bool append_large(const char *directory, struct spool_copy *copy, struct error *error)
{
	char path[PATH_BYTES], name[SPOOL_ID_TEXT_BYTES];
	spool_id_format(copy->message.id, name);
	snprintf(path, sizeof path, "%s/large/%s", directory, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(error, errno, "can't open %s", path);
	bool ok = append_file(copy, fd, path, error);
	close(fd);
	return ok;
}

bool spool_copy_message(const char *directory, uint64_t id, struct spool_copy *copy, struct error *error)
{
	struct copying copying = { .id = id, .copy = copy };
	char text[SPOOL_ID_TEXT_BYTES];
	*copy = (struct spool_copy){ 0 };
	spool_id_format(id, text);
	bool ok = lane_walk(directory, visit_copying, &copying, error);
	if (ok && !copying.found)
		ok = error_set(error, "there is no message %s in %s", text, directory);
	else if (ok && copying.no_memory)
		ok = error_set(error, "out of memory");
	else if (ok && copy->message.large)
		ok = append_large(directory, copy, error);
	if (ok)
		return true;
	free(copy->envelope);
	free(copy->text);
	*copy = (struct spool_copy){ 0 };
	return false;
}
