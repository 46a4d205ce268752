/* Reading one message back: its record whole and checked, and its large file opened.
 *
 * A segment that is being read from stays, whatever compaction does meanwhile. */
#include "core/spool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static struct spool_read *read_of(struct loop_op *op)
{
	return CONTAINER_OF(op, struct spool_read, op);
}

/* The segment is not needed any more. */
static void leave_segment(struct spool_read *read)
{
	struct spool *spool = read->spool;
	if (read->segment_fd >= 0)
		loop_close(spool->loop, read->segment_fd);
	read->segment_fd = -1;
	struct segment *segment = segment_find(&spool->segments, read->place.segment);
	if (!segment)
		return;
	segment->readers--;
	segment_settle(spool, segment);
}

static void end(struct spool_read *read, enum spool_status status)
{
	read->done(read, status);
}

/* --- the large file --- */

static void large_opened(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool_read *read = read_of(op);
	if (completion->result < 0) {
		end(read, SPOOL_ERROR);
		return;
	}
	read->large_fd = completion->result;
	int64_t size = loop_file_size(read->spool->loop, read->large_fd);
	read->large_size = size < 0 ? 0 : (uint64_t)size;
	end(read, size < 0 ? SPOOL_ERROR : SPOOL_OK);
}

/* --- the record --- */

/* Is it the message's record, whole? Then its parts are set. */
static bool check_record(struct spool_read *read)
{
	const struct segment *segment = segment_find(&read->spool->segments, read->place.segment);
	struct record_header header;
	struct record_parts parts;
	if (!segment || !record_header_check(&header, read->record, segment->generation, segment->salt))
		return false;
	if (header.type != RECORD_MESSAGE || header.id != read->id ||
	    record_size(header.payload_size) != read->place.size)
		return false;
	struct slice payload = slice_of(read->record + RECORD_HEADER_BYTES, header.payload_size);
	if (record_hash(payload, segment->salt) != header.payload_checksum || !record_split(&header, payload, &parts))
		return false;
	read->envelope = parts.envelope;
	read->text = parts.text;
	return true;
}

static void record_loaded(struct spool_read *read)
{
	bool valid = check_record(read);
	leave_segment(read);
	if (!valid) {
		end(read, SPOOL_ERROR);
	} else if (read->large) {
		spool_id_format(read->id, read->name);
		loop_open(read->spool->loop, &read->op, read->spool->large_fd, read->name, O_RDONLY, 0, large_opened);
	} else {
		end(read, SPOOL_OK);
	}
}

static void record_read(struct loop_op *op, const struct loop_completion *completion);

static void read_rest(struct spool_read *read, int fd)
{
	read->part = (struct iovec){ read->record + read->record_filled, read->place.size - read->record_filled };
	loop_read(read->spool->loop, &read->op, fd, &read->part, 1, read->place.offset + read->record_filled,
		  record_read);
}

static void record_read(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool_read *read = read_of(op);
	if (completion->result <= 0) {
		leave_segment(read);
		end(read, SPOOL_ERROR);
		return;
	}
	read->record_filled += (uint32_t)completion->result;
	if (read->record_filled < read->place.size)
		read_rest(read, op->fd);
	else
		record_loaded(read);
}

static void segment_opened(struct loop_op *op, const struct loop_completion *completion)
{
	struct spool_read *read = read_of(op);
	if (completion->result < 0) {
		leave_segment(read);
		end(read, SPOOL_ERROR);
		return;
	}
	read->segment_fd = completion->result;
	read_rest(read, read->segment_fd);
}

static void nothing_read(struct loop_op *op, const struct loop_completion *completion)
{
	(void)completion;
	end(read_of(op), SPOOL_ERROR);
}

void spool_read_start(struct spool *spool, struct spool_read *read, uint64_t id, struct spool_place place, bool large,
		      spool_read_done *done)
{
	struct segment *segment = segment_find(&spool->segments, place.segment);
	*read = (struct spool_read){
		.spool = spool,
		.id = id,
		.place = place,
		.large = large,
		.large_fd = -1,
		.segment_fd = -1,
		.done = done,
		.record = segment && place.size >= RECORD_HEADER_BYTES ? malloc(place.size) : NULL,
	};
	loop_op_init(&read->op);
	if (!read->record) {
		/* The callback comes from the loop; what is asked of it does not matter. */
		loop_sync(spool->loop, &read->op, spool->large_fd, true, nothing_read);
		return;
	}
	segment->readers++;
	if (segment->fd >= 0) {
		read_rest(read, segment->fd);
		return;
	}
	segment_name_format(segment->generation, read->name);
	loop_open(spool->loop, &read->op, spool->segments_fd, read->name, O_RDONLY, 0, segment_opened);
}

void spool_read_finish(struct spool_read *read)
{
	ASSERT(!loop_op_is_running(&read->op));
	free(read->record);
	read->record = NULL;
	if (read->large_fd >= 0)
		loop_close(read->spool->loop, read->large_fd);
	read->large_fd = -1;
}
