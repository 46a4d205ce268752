/* The ring of refusals; see refusal_file.h.
 *
 * Records wait in a small ring of memory; what of them lies together, there and in the file, goes with one write. */
#include "core/server/refusal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/log.h"

enum {
	LANE_SHIFT = 56,
	FILE_MODE = 0600,
};

#define RESTS_NS (60 * UINT64_C(1000000000)) /* a full disk is not to fill the log */

struct refusal_file {
	struct loop *loop;
	struct loop_op op; /* open or write */
	struct iovec part;
	int fd;                  /* -1: not open */
	uint64_t rests_until_ns; /* after a failure; UINT64_MAX: for good */
	uint64_t last_id;
	uint32_t first;   /* of those that wait, in the ring */
	uint32_t waiting; /* how many do */
	uint32_t writing; /* of them */
	struct refusal ring[LIMIT_REFUSALS_WAITING];
	char path[LIMIT_MAILDIR_PATH_BYTES];
};

struct refusal_file *refusal_file_create(struct loop *loop, const char *lane_directory, unsigned lane)
{
	struct refusal_file *file = calloc(1, sizeof *file);
	if (!file)
		return NULL;
	file->loop = loop;
	file->fd = -1;
	loop_op_init(&file->op);
	/* A worker that starts anew has new ids: nobody refuses a million clients a second. */
	uint64_t mask = (UINT64_C(1) << LANE_SHIFT) - 1;
	file->last_id = (uint64_t)lane << LANE_SHIFT | ((uint64_t)loop_now(loop)->unix_us & mask);
	int size = snprintf(file->path, sizeof file->path, "%s/" REFUSAL_FILE_NAME, lane_directory);
	if (size < 0 || (size_t)size >= sizeof file->path)
		file->rests_until_ns = UINT64_MAX;
	return file;
}

void refusal_file_destroy(struct refusal_file *file)
{
	if (!file)
		return;
	while (loop_op_is_running(&file->op))
		loop_await(file->loop, &file->op);
	if (file->fd >= 0)
		loop_close(file->loop, file->fd);
	free(file);
}

static uint64_t place_of(uint64_t id)
{
	return id % LIMIT_REFUSALS;
}

static void fail(struct refusal_file *file, int32_t result)
{
	file->rests_until_ns = loop_now(file->loop)->monotonic_ns + RESTS_NS;
	file->waiting = file->writing = 0;
	log_message(LOG_WARN, "refusals", "%s: %s; for a minute refusals are not kept for `postern explain`",
		    file->path, strerror(result < 0 ? -result : EIO));
}

static void go_on(struct refusal_file *file);

static void opened(struct loop_op *op, const struct loop_completion *completion)
{
	struct refusal_file *file = CONTAINER_OF(op, struct refusal_file, op);
	if (completion->result < 0) {
		fail(file, completion->result);
		return;
	}
	file->fd = completion->result;
	go_on(file);
}

static void written(struct loop_op *op, const struct loop_completion *completion)
{
	struct refusal_file *file = CONTAINER_OF(op, struct refusal_file, op);
	if (completion->result != (int32_t)(file->writing * sizeof(struct refusal))) {
		fail(file, completion->result);
		return;
	}
	file->first = (file->first + file->writing) % LIMIT_REFUSALS_WAITING;
	file->waiting -= file->writing;
	file->writing = 0;
	go_on(file);
}

/* Records have ids without gaps, but where some found no room: those lie apart in the file. */
static uint32_t count_together(const struct refusal_file *file)
{
	const struct refusal *records = &file->ring[file->first];
	uint32_t count = 1;
	while (count < file->waiting && file->first + count < LIMIT_REFUSALS_WAITING &&
	       records[count].id == records[0].id + count && place_of(records[count].id) != 0)
		count++;
	return count;
}

static void go_on(struct refusal_file *file)
{
	if (file->waiting == 0 || loop_op_is_running(&file->op))
		return;
	if (file->fd < 0) {
		loop_open(file->loop, &file->op, AT_FDCWD, file->path, O_WRONLY | O_CREAT, FILE_MODE, opened);
		return;
	}
	file->writing = count_together(file);
	struct refusal *records = &file->ring[file->first];
	file->part = (struct iovec){ records, file->writing * sizeof *records };
	loop_write(file->loop, &file->op, file->fd, &file->part, 1, place_of(records->id) * sizeof *records, 0,
		   written);
}

uint64_t refusal_file_pass(struct refusal_file *file)
{
	return ++file->last_id;
}

void refusal_file_add(struct refusal_file *file, struct refusal *refusal)
{
	refusal->id = ++file->last_id;
	refusal->unix_us = loop_now(file->loop)->unix_us;
	if (loop_now(file->loop)->monotonic_ns < file->rests_until_ns || file->waiting == LIMIT_REFUSALS_WAITING)
		return;
	file->ring[(file->first + file->waiting) % LIMIT_REFUSALS_WAITING] = *refusal;
	file->waiting++;
	go_on(file);
}

/* --- the command line's --- */

static bool is_sound(const struct refusal *refusal)
{
	return refusal->format == REFUSAL_FORMAT && refusal->stage < REFUSAL_STAGES &&
	       refusal->outcome <= POLICY_NEEDS_NAME && refusal->status < SMTP_STATUS_COUNT &&
	       refusal->name_state <= POLICY_NAME_FAILED && (refusal->family == 4 || refusal->family == 6);
}

static void end_texts(struct refusal *refusal)
{
	refusal->server[sizeof refusal->server - 1] = refusal->rule[sizeof refusal->rule - 1] = 0;
	refusal->file[sizeof refusal->file - 1] = refusal->name[sizeof refusal->name - 1] = 0;
	refusal->login[sizeof refusal->login - 1] = refusal->sender[sizeof refusal->sender - 1] = 0;
	refusal->recipient[sizeof refusal->recipient - 1] = 0;
}

bool refusal_file_find(const char *lane_directory, uint64_t id, struct refusal *refusal, struct error *error)
{
	char path[LIMIT_MAILDIR_PATH_BYTES];
	snprintf(path, sizeof path, "%s/" REFUSAL_FILE_NAME, lane_directory);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return error_set_errno(error, errno, "%s", path);
	ssize_t got = fd < 0 ? 0 : pread(fd, refusal, sizeof *refusal, (off_t)(place_of(id) * sizeof *refusal));
	if (fd >= 0)
		close(fd);
	if (got != (ssize_t)sizeof *refusal || refusal->id != id || id == 0)
		return error_set(error,
				 "no refusal has this id, or it is too long ago: each worker keeps its last %d, and of "
				 "clients who are turned away as they come %d a second",
				 LIMIT_REFUSALS, LIMIT_REFUSALS_AT_THE_DOOR);
	if (!is_sound(refusal))
		return error_set(error, "%s: its records are not of this version of postern", path);
	end_texts(refusal);
	return true;
}
