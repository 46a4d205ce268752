/* Opening a Maildir, step by step, and making what is missing of it; see folder.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/relay/folder_state.h"

enum { FOLDER_MODE = 0700 };

void folder_close(const struct folder *folder, int *fd)
{
	if (*fd >= 0)
		loop_close(folder->cache->loop, *fd);
	*fd = -1;
}

static void start_step(struct folder *folder, enum folder_step step);

static void cut_prefix(struct folder *folder, size_t bytes)
{
	memcpy(folder->prefix, folder->path, bytes);
	folder->prefix[bytes] = 0;
}

/* On to the next component that may have to be made; with none left the Maildir must be there. */
static void make_next_parent(struct folder *folder)
{
	size_t size = strlen(folder->path), at = folder->prefix_bytes;
	while (at < size && folder->path[at] == '/')
		at++;
	if (at == size) {
		folder->made = true;
		start_step(folder, FOLDER_LOOK_UP);
		return;
	}
	struct slice rest = slice_of(folder->path + at, size - at);
	folder->prefix_bytes = at + slice_find(rest, '/');
	start_step(folder, FOLDER_MAKE_PARENT);
}

/* The prefix without its last component: where that was made. */
static void cut_to_parent(struct folder *folder)
{
	size_t size = folder->prefix_bytes;
	while (size > 0 && folder->path[size - 1] != '/')
		size--;
	if (size > 0)
		cut_prefix(folder, size);
	else
		memcpy(folder->prefix, ".", 2);
}

static void looked_up(struct folder *folder, int32_t result)
{
	if (result >= 0) {
		folder->directory_fd = result;
		start_step(folder, folder->repair || folder->made ? FOLDER_MAKE_TMP : FOLDER_OPEN_NEW);
	} else if (result == -ENOENT && !folder->made) {
		make_next_parent(folder);
	} else {
		folder_end_opening(folder, result);
	}
}

static void made_parent(struct folder *folder, int32_t result)
{
	folder->found = result == -EEXIST;
	if (result == 0 || (folder->found && !folder_is_lasting(folder->cache, folder->prefix)))
		start_step(folder, FOLDER_OPEN_PARENT);
	else if (folder->found)
		make_next_parent(folder);
	else
		folder_end_opening(folder, result);
}

/* The name of the component is durable; of the Maildir itself more has to be. */
static void note_component(struct folder *folder)
{
	cut_prefix(folder, folder->prefix_bytes);
	if (strcmp(folder->prefix, folder->path) != 0)
		folder_note_lasting(folder->cache, folder->prefix);
	make_next_parent(folder);
}

static void opened_parent(struct folder *folder, int32_t result)
{
	if (result == -EACCES && folder->found) {
		note_component(folder); /* who may not even read a folder has made nothing there */
		return;
	}
	if (result < 0) {
		folder_end_opening(folder, result);
		return;
	}
	folder->parent_fd = result;
	start_step(folder, FOLDER_SYNC_PARENT);
}

static void synced_parent(struct folder *folder, int32_t result)
{
	folder_close(folder, &folder->parent_fd);
	if (result < 0)
		folder_end_opening(folder, result);
	else
		note_component(folder);
}

static void made_name(struct folder *folder, int32_t result)
{
	if (result < 0 && result != -EEXIST)
		folder_end_opening(folder, result);
	else
		start_step(folder, (enum folder_step)(folder->step + 1));
}

static void opened_new(struct folder *folder, int32_t result)
{
	if (result >= 0) {
		folder->new_fd = result;
		if (folder->made)
			folder_note_lasting(folder->cache, folder->path);
		folder_end_opening(folder, 0);
	} else if (result == -ENOENT && !folder->repair && !folder->made) {
		folder->repair = true;
		start_step(folder, FOLDER_MAKE_TMP);
	} else {
		folder_end_opening(folder, result);
	}
}

static void step_ended(struct loop_op *op, const struct loop_completion *completion)
{
	static void (*const ended[])(struct folder *, int32_t) = {
		[FOLDER_LOOK_UP] = looked_up,         [FOLDER_MAKE_PARENT] = made_parent,
		[FOLDER_OPEN_PARENT] = opened_parent, [FOLDER_SYNC_PARENT] = synced_parent,
		[FOLDER_MAKE_TMP] = made_name,        [FOLDER_MAKE_NEW] = made_name,
		[FOLDER_MAKE_CUR] = made_name,        [FOLDER_SYNC_NAMES] = made_name,
		[FOLDER_OPEN_NEW] = opened_new,
	};
	struct folder *folder = CONTAINER_OF(op, struct folder, op);
	ended[folder->step](folder, completion->result);
}

static void start_step(struct folder *folder, enum folder_step step)
{
	static const char *const names[] = {
		[FOLDER_MAKE_TMP] = "tmp",
		[FOLDER_MAKE_NEW] = "new",
		[FOLDER_MAKE_CUR] = "cur",
		[FOLDER_OPEN_NEW] = "new",
	};
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	struct loop *loop = folder->cache->loop;
	folder->step = (uint8_t)step;
	switch (step) {
	case FOLDER_LOOK_UP:
		loop_open(loop, &folder->op, AT_FDCWD, folder->path, flags, 0, step_ended);
		break;
	case FOLDER_MAKE_PARENT:
		cut_prefix(folder, folder->prefix_bytes);
		loop_make_directory(loop, &folder->op, AT_FDCWD, folder->prefix, FOLDER_MODE, step_ended);
		break;
	case FOLDER_OPEN_PARENT:
		cut_to_parent(folder);
		loop_open(loop, &folder->op, AT_FDCWD, folder->prefix, flags, 0, step_ended);
		break;
	case FOLDER_SYNC_PARENT:
		loop_sync(loop, &folder->op, folder->parent_fd, false, step_ended);
		break;
	case FOLDER_MAKE_TMP:
	case FOLDER_MAKE_NEW:
	case FOLDER_MAKE_CUR:
		loop_make_directory(loop, &folder->op, folder->directory_fd, names[step], FOLDER_MODE, step_ended);
		break;
	case FOLDER_SYNC_NAMES:
		loop_sync(loop, &folder->op, folder->directory_fd, false, step_ended);
		break;
	case FOLDER_OPEN_NEW:
		loop_open(loop, &folder->op, folder->directory_fd, names[step], flags, 0, step_ended);
		break;
	case FOLDER_OPEN:
		break;
	}
}

void folder_start_opening(struct folder *folder)
{
	folder->prefix_bytes = folder->base_bytes;
	if (folder_is_lasting(folder->cache, folder->path))
		start_step(folder, FOLDER_LOOK_UP);
	else
		make_next_parent(folder);
}
