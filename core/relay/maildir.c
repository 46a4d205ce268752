/* One copy of a message into one Maildir; see maildir.h. */
#include "core/relay/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { FILE_MODE = 0600 };

enum maildir_step {
	MAILDIR_IDLE,
	MAILDIR_FOLDER, /* waiting for the open folder */
	MAILDIR_CLEAR,  /* an earlier try was cut off: its file goes */
	MAILDIR_OPEN,
	MAILDIR_WRITE,
	MAILDIR_READ, /* the next chunk of a large message */
	MAILDIR_SYNC,
	MAILDIR_RENAME,
	MAILDIR_SYNC_FOLDER,
	MAILDIR_REMOVE, /* what a failure left in tmp/ */
	MAILDIR_FAILED, /* to be told from the loop */
};

static const char *const step_names[] = {
	[MAILDIR_FOLDER] = "folder", [MAILDIR_CLEAR] = "open",
	[MAILDIR_OPEN] = "open",     [MAILDIR_WRITE] = "write",
	[MAILDIR_READ] = "read",     [MAILDIR_SYNC] = "sync",
	[MAILDIR_RENAME] = "rename", [MAILDIR_SYNC_FOLDER] = "sync-folder",
};

static void start_step(struct maildir_copy *copy, enum maildir_step step);

/* --- the end --- */

static void close_file(struct maildir_copy *copy)
{
	if (copy->fd >= 0)
		loop_close(copy->folders->loop, copy->fd);
	copy->fd = -1;
}

static void finish(struct maildir_copy *copy)
{
	close_file(copy);
	if (copy->folder)
		folder_release(copy->folder);
	copy->folder = NULL;
	copy->step = MAILDIR_IDLE;
	copy->done(copy, copy->result);
}

/* A file in tmp/ is removed before the owner is told. */
static void fail(struct maildir_copy *copy, int32_t result)
{
	copy->failed = step_names[copy->step];
	copy->result = result;
	bool left_behind = copy->step > MAILDIR_OPEN && copy->step <= MAILDIR_RENAME;
	if (left_behind)
		start_step(copy, MAILDIR_REMOVE);
	else
		finish(copy);
}

static void failed_at_start(struct timer *timer)
{
	struct maildir_copy *copy = CONTAINER_OF(timer, struct maildir_copy, soon);
	finish(copy);
}

/* --- text --- */

/* Converts into the chunk as much of the inline text as fits; keeps a byte of room for a CR that is held back. */
static void fill_from_text(struct maildir_copy *copy)
{
	size_t room = LIMIT_DELIVERY_CHUNK_BYTES - 1 - copy->chunk_size;
	size_t size = copy->text.size < room ? copy->text.size : room;
	uint8_t *out = copy->chunk + copy->chunk_size;
	copy->chunk_size += line_ends_convert(&copy->line_ends, slice_first(copy->text, size), out);
	copy->text = slice_skip(copy->text, size);
}

static bool large_file_is_left(const struct maildir_copy *copy)
{
	return copy->message->large_fd >= 0 && copy->large_at < copy->message->large_size;
}

static bool text_is_left(const struct maildir_copy *copy)
{
	return copy->text.size > 0 || large_file_is_left(copy);
}

static void next_chunk(struct maildir_copy *copy);

/* Writes the chunk; one that is all of the file is made durable by the same system call. */
static void write_chunk(struct maildir_copy *copy)
{
	if (!text_is_left(copy))
		copy->chunk_size += line_ends_finish(&copy->line_ends, copy->chunk + copy->chunk_size);
	if (copy->chunk_size == 0) {
		next_chunk(copy); /* there was only a CR, which is held back */
		return;
	}
	copy->durable = copy->written == 0 && !text_is_left(copy);
	copy->part = (struct iovec){ copy->chunk, copy->chunk_size };
	start_step(copy, MAILDIR_WRITE);
}

static void next_chunk(struct maildir_copy *copy)
{
	copy->chunk_size = 0;
	if (copy->text.size > 0) {
		fill_from_text(copy);
		write_chunk(copy);
	} else if (large_file_is_left(copy)) {
		start_step(copy, MAILDIR_READ);
	} else {
		start_step(copy, copy->durable ? MAILDIR_RENAME : MAILDIR_SYNC);
	}
}

/* --- steps --- */

static void opened(struct maildir_copy *copy, int32_t result)
{
	if (result == -ENOENT && !copy->looked_twice) {
		/* The folder was moved, or its tmp/ is gone. */
		copy->looked_twice = true;
		folder_forget(copy->folder);
		folder_release(copy->folder);
		copy->folder = NULL;
		start_step(copy, MAILDIR_FOLDER);
		return;
	}
	if (result == -EEXIST && !copy->cleared) {
		start_step(copy, MAILDIR_CLEAR);
		return;
	}
	if (result < 0) {
		fail(copy, result);
		return;
	}
	copy->fd = result;
	fill_from_text(copy);
	write_chunk(copy);
}

static void cleared(struct maildir_copy *copy, int32_t result)
{
	copy->cleared = true;
	if (result < 0 && result != -ENOENT)
		fail(copy, result);
	else
		start_step(copy, MAILDIR_OPEN);
}

static void written(struct maildir_copy *copy, int32_t result)
{
	if (result <= 0) {
		fail(copy, result < 0 ? result : -EIO);
		return;
	}
	ASSERT((size_t)result <= copy->part.iov_len);
	copy->written += (uint64_t)result;
	copy->part.iov_base = (uint8_t *)copy->part.iov_base + result;
	copy->part.iov_len -= (size_t)result;
	if (copy->part.iov_len > 0)
		start_step(copy, MAILDIR_WRITE);
	else
		next_chunk(copy);
}

/* What was read stands one byte behind the front of the chunk and is converted in place. */
static void read_large(struct maildir_copy *copy, int32_t result)
{
	if (result <= 0) {
		fail(copy, result < 0 ? result : -EIO);
		return;
	}
	copy->large_at += (uint64_t)result;
	struct slice bytes = slice_of(copy->chunk + 1, (size_t)result);
	copy->chunk_size = line_ends_convert(&copy->line_ends, bytes, copy->chunk);
	write_chunk(copy);
}

static void synced(struct maildir_copy *copy, int32_t result)
{
	if (result < 0)
		fail(copy, result);
	else
		start_step(copy, MAILDIR_RENAME);
}

static void renamed(struct maildir_copy *copy, int32_t result)
{
	if (result < 0)
		fail(copy, result);
	else
		start_step(copy, MAILDIR_SYNC_FOLDER);
}

static void removed(struct maildir_copy *copy, int32_t result)
{
	(void)result; /* what can't be removed now is removed by the next try */
	finish(copy);
}

static void step_ended(struct loop_op *op, const struct loop_completion *completion)
{
	static void (*const ended[])(struct maildir_copy *, int32_t) = {
		[MAILDIR_CLEAR] = cleared,   [MAILDIR_OPEN] = opened, [MAILDIR_WRITE] = written,
		[MAILDIR_READ] = read_large, [MAILDIR_SYNC] = synced, [MAILDIR_RENAME] = renamed,
		[MAILDIR_REMOVE] = removed,
	};
	struct maildir_copy *copy = CONTAINER_OF(op, struct maildir_copy, op);
	ended[copy->step](copy, completion->result);
}

static void folder_opened(struct folder_request *request, int32_t result)
{
	struct maildir_copy *copy = CONTAINER_OF(request, struct maildir_copy, request);
	copy->folder = request->folder;
	if (result < 0)
		fail(copy, result);
	else
		start_step(copy, MAILDIR_OPEN);
}

static void folder_synced(struct folder_request *request, int32_t result)
{
	struct maildir_copy *copy = CONTAINER_OF(request, struct maildir_copy, request);
	if (result < 0)
		fail(copy, result);
	else
		finish(copy);
}

static void start_folder(struct maildir_copy *copy)
{
	copy->folder = folder_find(copy->folders, copy->path);
	if (copy->folder) {
		copy->request.folder = copy->folder;
		start_step(copy, MAILDIR_OPEN);
		return;
	}
	if (folder_open(copy->folders, &copy->request, copy->path, copy->base_bytes, copy->looked_twice, folder_opened))
		return;
	copy->failed = step_names[copy->step];
	copy->result = -ENOMEM;
	copy->step = MAILDIR_FAILED;
	loop_timer_start(copy->folders->loop, &copy->soon, 0);
}

static void start_step(struct maildir_copy *copy, enum maildir_step step)
{
	struct loop *loop = copy->folders->loop;
	int folder_fd = copy->folder ? folder_descriptor(copy->folder) : -1;
	copy->step = (uint8_t)step;
	switch (step) {
	case MAILDIR_FOLDER:
		start_folder(copy);
		break;
	case MAILDIR_CLEAR:
	case MAILDIR_REMOVE:
		loop_unlink(loop, &copy->op, folder_fd, copy->tmp_name, step_ended);
		break;
	case MAILDIR_OPEN:
		/* A file that is there is this message's, left by a crash. It is not written over: where a rename is not
		 * whole after a crash, the copy in new/ is the same file. */
		loop_open(loop, &copy->op, folder_fd, copy->tmp_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			  FILE_MODE, step_ended);
		break;
	case MAILDIR_WRITE:
		loop_write(loop, &copy->op, copy->fd, &copy->part, 1, copy->written,
			   copy->durable ? LOOP_WRITE_DURABLE : 0, step_ended);
		break;
	case MAILDIR_READ: {
		uint64_t left = copy->message->large_size - copy->large_at, room = LIMIT_DELIVERY_CHUNK_BYTES - 2;
		copy->part = (struct iovec){ copy->chunk + 1, left < room ? left : room };
		loop_read(loop, &copy->op, copy->message->large_fd, &copy->part, 1, copy->large_at, step_ended);
		break;
	}
	case MAILDIR_SYNC:
		loop_sync(loop, &copy->op, copy->fd, true, step_ended);
		break;
	case MAILDIR_RENAME:
		close_file(copy);
		loop_rename(loop, &copy->op, folder_fd, copy->tmp_name, copy->new_name, step_ended);
		break;
	case MAILDIR_SYNC_FOLDER:
		folder_sync(&copy->request, folder_synced);
		break;
	case MAILDIR_IDLE:
	case MAILDIR_FAILED:
		break;
	}
}

/* --- starting --- */

void maildir_copy_init(struct maildir_copy *copy, struct folder_cache *folders)
{
	*copy = (struct maildir_copy){ .folders = folders, .fd = -1 };
	loop_op_init(&copy->op);
	timer_init(&copy->soon, failed_at_start);
}

void maildir_copy_start(struct maildir_copy *copy, const struct maildir_message *message, const char *path,
			size_t base_bytes, uint8_t *chunk, size_t head_size, maildir_done *done)
{
	ASSERT(copy->step == MAILDIR_IDLE && head_size <= LIMIT_DELIVERY_CHUNK_BYTES / 2);
	copy->done = done;
	copy->message = message;
	copy->failed = NULL;
	copy->path = path;
	copy->base_bytes = base_bytes;
	copy->text = message->text;
	copy->large_at = copy->written = 0;
	copy->line_ends = (struct line_ends){ 0 };
	copy->chunk = chunk;
	copy->chunk_size = head_size;
	copy->result = 0;
	copy->looked_twice = copy->cleared = false;
	snprintf(copy->tmp_name, sizeof copy->tmp_name, "tmp/%s", message->name);
	snprintf(copy->new_name, sizeof copy->new_name, "new/%s", message->name);
	start_step(copy, MAILDIR_FOLDER);
}

void maildir_host(const char *hostname, char host[MAILDIR_HOST_BYTES])
{
	struct buffer out;
	buffer_init(&out, host, MAILDIR_HOST_BYTES - 1);
	for (; *hostname; hostname++) {
		char escaped[] = { '\\', '0', (char)('0' + (*hostname >> 3 & 7)), (char)('0' + (*hostname & 7)) };
		bool special = *hostname == '/' || *hostname == ':';
		buffer_append(&out, special ? slice_of(escaped, sizeof escaped) : slice_of(hostname, 1));
	}
	host[out.size] = 0;
}

void maildir_name(char name[MAILDIR_NAME_BYTES], int64_t accepted_unix_us, const char *id, const char *host)
{
	int size = snprintf(name, MAILDIR_NAME_BYTES, "%lld.%s.%s", (long long)(accepted_unix_us / 1000000), id, host);
	ASSERT(size > 0 && size < MAILDIR_NAME_BYTES);
}
