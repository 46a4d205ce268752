/* Large files: the text of a message that is too large for the log, in a file named by its id.
 *
 * Written in order while the message comes in; durable, with its name, before the message's record is appended. */
#include "core/spool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static struct spool_large *large_of(struct loop_op *op)
{
	return CONTAINER_OF(op, struct spool_large, op);
}

static void finish_step(struct spool_large *large, int error)
{
	large->done(large, error ? supply_status_of(error) : SPOOL_OK);
}

/* --- opening --- */

static void file_opened(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool_large *large = large_of(op);
	if (completion->result >= 0)
		large->fd = completion->result;
	finish_step(large, completion->result < 0 ? -completion->result : 0);
}

void spool_large_open(struct spool *spool, struct spool_large *large, uint64_t id, spool_large_done *done)
{
	*large = (struct spool_large){ .spool = spool, .id = id, .fd = -1, .done = done };
	loop_op_init(&large->op);
	spool_id_format(id, large->name);
	loop_open(spool->loop, &large->op, spool->large_fd, large->name, O_WRONLY | O_CREAT | O_TRUNC, 0600,
		  file_opened);
}

/* --- writing --- */

static void parts_written(struct loop_op *op, const struct loop_completion *completion);

/* What a short write has left of a part goes first, by itself. */
static void write_rest(struct spool_large *large)
{
	struct loop *loop = large->spool->loop;
	const struct iovec *parts = large->parts + large->part_at;
	uint32_t count = large->part_count - large->part_at;
	if (large->part_taken) {
		large->rest = (struct iovec){ (uint8_t *)parts->iov_base + large->part_taken,
					      parts->iov_len - large->part_taken };
		parts = &large->rest;
		count = 1;
	}
	if (count > LIMIT_IO_PARTS)
		count = LIMIT_IO_PARTS;
	loop_write(loop, &large->op, large->fd, parts, count, large->size_bytes, 0, parts_written);
}

static void skip_empty_parts(struct spool_large *large)
{
	while (large->part_at < large->part_count && large->parts[large->part_at].iov_len == large->part_taken) {
		large->part_at++;
		large->part_taken = 0;
	}
}

static void advance(struct spool_large *large, size_t bytes)
{
	large->size_bytes += bytes;
	while (bytes) {
		size_t rest = large->parts[large->part_at].iov_len - large->part_taken;
		size_t taken = bytes < rest ? bytes : rest;
		large->part_taken += taken;
		bytes -= taken;
		skip_empty_parts(large);
	}
}

static void parts_written(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool_large *large = large_of(op);
	bool wanted_some = large->part_at < large->part_count;
	if (completion->result < 0 || (completion->result == 0 && wanted_some)) {
		finish_step(large, completion->result ? -completion->result : EIO);
		return;
	}
	advance(large, (size_t)completion->result);
	if (large->part_at < large->part_count)
		write_rest(large);
	else
		finish_step(large, 0);
}

void spool_large_write(struct spool_large *large, const struct iovec *parts, uint32_t count, spool_large_done *done)
{
	large->done = done;
	large->parts = parts;
	large->part_count = count;
	large->part_at = 0;
	large->part_taken = 0;
	skip_empty_parts(large);
	write_rest(large);
}

/* --- the end --- */

static void folder_synced(struct loop_op *op, const struct loop_completion *completion)
{
	finish_step(large_of(op), completion->result < 0 ? -completion->result : 0);
}

static void close_file(struct spool_large *large)
{
	if (large->fd >= 0)
		loop_close(large->spool->loop, large->fd);
	large->fd = -1;
}

static void file_synced(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool_large *large = large_of(op);
	close_file(large);
	if (completion->result < 0)
		finish_step(large, -completion->result);
	else
		loop_sync(large->spool->loop, op, large->spool->large_fd, false, folder_synced);
}

void spool_large_finish(struct spool_large *large, spool_large_done *done)
{
	large->done = done;
	loop_sync(large->spool->loop, &large->op, large->fd, false, file_synced);
}

static void file_unlinked(struct loop_op *op, const struct loop_completion *completion)
{
	(void)completion; /* recovery removes what could not be removed now */
	finish_step(large_of(op), 0);
}

void spool_large_abandon(struct spool_large *large, spool_large_done *done)
{
	large->done = done;
	close_file(large);
	loop_unlink(large->spool->loop, &large->op, large->spool->large_fd, large->name, file_unlinked);
}

/* --- of messages that are over --- */

struct removal {
	struct loop_op op;
	struct spool *spool;
	char name[SPOOL_ID_TEXT_BYTES];
};

static void removal_done(struct loop_op *op, const struct loop_completion *completion)
{
	(void)completion;
	struct removal *removal = CONTAINER_OF(op, struct removal, op);
	removal->spool->removals--;
	free(removal);
}

void large_remove(struct spool *spool, uint64_t id)
{
	struct removal *removal = malloc(sizeof *removal);
	if (!removal)
		return; /* recovery removes it */
	loop_op_init(&removal->op);
	removal->spool = spool;
	spool_id_format(id, removal->name);
	spool->removals++;
	loop_unlink(spool->loop, &removal->op, spool->large_fd, removal->name, removal_done);
}
