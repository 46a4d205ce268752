/* Replay at opening: from the files to the index, the accounts of the segments, and the owner.
 *
 * First every segment's opening is read: it says which segments ended early. Then all records are replayed in order, each
 * checked. Then what is left is told in order of ids. All reading goes through the loop, one piece at a time. */
#include "core/spool/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/spool/envelope.h"

enum {
	OPENING_WINDOW_BYTES = 16 * 1024,
	WINDOW_BYTES = 1024 * 1024,
	PATH_BYTES = 4096,
};

struct recovery {
	struct spool *spool;
	spool_recovered *recovered;
	void *context;
	struct error *error;
	struct scan scan;
	uint32_t *generations; /* found in the folder, ascending */
	size_t generation_count;
	size_t generation_capacity;
	bool out_of_memory;
};

static bool no_memory(struct recovery *recovery)
{
	return error_set(recovery->error, "%s: out of memory", recovery->spool->directory);
}

/* --- which segments there are --- */

static void segment_found(void *context, const char *name)
{
	struct recovery *recovery = context;
	uint32_t generation;
	if (!segment_name_parse(name, &generation))
		return;
	if (recovery->generation_count == recovery->generation_capacity) {
		size_t capacity = recovery->generation_capacity ? recovery->generation_capacity * 2 : 64;
		uint32_t *larger = realloc(recovery->generations, capacity * sizeof *larger);
		if (!larger) {
			recovery->out_of_memory = true;
			return;
		}
		recovery->generations = larger;
		recovery->generation_capacity = capacity;
	}
	recovery->generations[recovery->generation_count++] = generation;
}

static int compare_generations(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return left < right ? -1 : left > right;
}

static bool list_folder(struct recovery *recovery, const char *folder, loop_directory_entry *found)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof path, "%s/%s", recovery->spool->directory, folder);
	if (!loop_list_directory(recovery->spool->loop, path, found, recovery, recovery->error))
		return false;
	return !recovery->out_of_memory || no_memory(recovery);
}

static bool open_file(struct recovery *recovery, struct segment *segment)
{
	struct spool *spool = recovery->spool;
	char name[SEGMENT_NAME_BYTES];
	if (segment->fd >= 0)
		return true;
	segments_close_surplus(spool);
	segment_name_format(segment->generation, name);
	loop_open(spool->loop, &spool->op, spool->segments_fd, name, O_RDWR, 0, NULL);
	segment->fd = spool_await(spool);
	if (segment->fd < 0)
		return error_set_errno(recovery->error, segment->fd, "can't open segment %s in %s", name,
				       spool->directory);
	spool->segments.open_count++;
	return true;
}

/* All found become used ones, whatever they turn out to be. */
static bool add_segments(struct recovery *recovery)
{
	struct spool *spool = recovery->spool;
	struct segment_set *set = &spool->segments;
	for (size_t i = 0; i < recovery->generation_count; i++) {
		struct segment *segment = segment_create(recovery->generations[i], 0, -1);
		if (!segment)
			return no_memory(recovery);
		segment->state = SEGMENT_SEALED;
		segments_add_used(set, segment);
		set->next_generation = segment->generation + 1;
		if (!open_file(recovery, segment))
			return false;
		int64_t size = loop_file_size(spool->loop, segment->fd);
		if (size < 0 || size > INT32_MAX)
			return error_set(recovery->error, "segment %u in %s has an impossible size",
					 segment->generation, spool->directory);
		segment->size = segment->used = (uint32_t)size;
		set->file_bytes += segment->size;
	}
	return true;
}

/* --- records, one by one --- */

/* As scan_next(), with the reading done. SCAN_MORE: it failed, `error` says how. */
static enum scan_result next_record(struct recovery *recovery, const struct segment *segment, struct record *record)
{
	struct spool *spool = recovery->spool;
	struct scan *scan = &recovery->scan;
	enum scan_result result;
	while ((result = scan_next(scan, record)) == SCAN_MORE) {
		uint64_t offset;
		struct iovec room = scan_room(scan, &offset);
		if (!room.iov_base) {
			no_memory(recovery);
			return SCAN_MORE;
		}
		loop_read(spool->loop, &spool->op, segment->fd, &room, 1, offset, NULL);
		int32_t bytes = spool_await(spool);
		if (bytes < 0) {
			error_set_errno(recovery->error, bytes, "can't read segment %u in %s at %llu",
					segment->generation, spool->directory, (unsigned long long)offset);
			return SCAN_MORE;
		}
		scan_filled(scan, (size_t)bytes);
	}
	return result;
}

/* --- openings --- */

static void apply_seals(struct segment_set *set, const struct segment_opening *opening)
{
	for (uint32_t i = 0; i < opening->seal_count; i++) {
		struct segment *segment = segment_find(set, opening->seals[i].generation);
		if (!segment)
			continue;
		segment->sealed_early = true;
		if (opening->seals[i].end < segment->used)
			segment->used = opening->seals[i].end;
	}
}

static bool read_opening(struct recovery *recovery, struct segment *segment)
{
	struct spool *spool = recovery->spool;
	struct segment_opening opening;
	struct record record;
	scan_begin(&recovery->scan, segment->generation, segment->size, false);
	if (!open_file(recovery, segment))
		return false;
	switch (next_record(recovery, segment, &record)) {
	case SCAN_MORE:
		return false;
	case SCAN_END:
		return true;
	case SCAN_RECORD:
		break;
	}
	struct error what;
	if (!segment_opening_read(&opening, record.payload, &what))
		return error_set(recovery->error, "segment %u in %s can't be read: %s", segment->generation,
				 spool->directory, what.text);
	segment->begun = true;
	segment->salt = opening.salt;
	spool->segments.newest_begun = segment;
	if (opening.last_id > spool->last_id)
		spool->last_id = opening.last_id;
	apply_seals(&spool->segments, &opening);
	return true;
}

/* A file with no opening is a ready one when it is newer than all others. Else its first commit failed, which a seal
 * says, or it is damaged: then it is left for a person to look at. */
static void sort_out(struct spool *spool, struct segment *segment)
{
	struct segment_set *set = &spool->segments;
	bool newer = !set->newest_begun || segment->generation > set->newest_begun->generation;
	uint32_t first =
		spool->segment_bytes < LIMIT_FIRST_SEGMENT_BYTES ? spool->segment_bytes : LIMIT_FIRST_SEGMENT_BYTES;
	if (newer && segment->size >= first && set->ready_count < LIMIT_READY_SEGMENTS) {
		list_remove(&segment->link);
		map_remove(&set->by_generation, &segment->node);
		set->open_count--;
		segment->used = 0;
		segments_add_ready(set, segment);
	} else if (newer || (segment->sealed_early && segment->used == 0)) {
		segment->used = 0;
	} else {
		log_message(LOG_ERROR, "spool-damage",
			    "%s: segment %u has lost its beginning and can't be read; it is left", spool->directory,
			    segment->generation);
		segment->kept = true;
	}
}

static bool read_openings(struct recovery *recovery)
{
	struct segment_set *set = &recovery->spool->segments;
	if (!scan_init(&recovery->scan, OPENING_WINDOW_BYTES))
		return no_memory(recovery);
	for (struct list *link = set->used.next; link != &set->used; link = link->next)
		if (!read_opening(recovery, CONTAINER_OF(link, struct segment, link)))
			return false;
	scan_finish(&recovery->scan);
	for (struct list *link = set->used.next, *next; link != &set->used; link = next) {
		next = link->next;
		struct segment *segment = CONTAINER_OF(link, struct segment, link);
		if (segment->begun)
			continue;
		if (!open_file(recovery, segment))
			return false;
		sort_out(recovery->spool, segment);
	}
	return true;
}

/* --- replay --- */

static void drop_live(struct spool *spool, struct live *live)
{
	segment_find(&spool->segments, live->segment)->live_bytes -= live->size;
	live_remove(&spool->index, live);
}

static bool replay_message(struct recovery *recovery, struct segment *segment, const struct record *record)
{
	struct spool *spool = recovery->spool;
	struct record_parts parts;
	struct record_state state;
	if (!record_split(&record->header, record->payload, &parts) || !record_state_read(&state, parts.state))
		return true; /* valid, and yet not: nothing that this program wrote */
	struct live *live = live_find(&spool->index, record->header.id);
	if (live) {
		struct segment *before = segment_find(&spool->segments, live->segment);
		before->live_bytes -= live->size;
		if (before != segment)
			spool->segments.stale = before;
	} else {
		live = live_create(&spool->index, record->header.id);
		if (!live)
			return no_memory(recovery);
		live = live_insert(&spool->index, live);
		live->recipients = (uint16_t)envelope_recipients(parts.envelope);
		live->large = (record->header.flags & RECORD_LARGE) != 0;
	}
	live->segment = segment->generation;
	live->offset = record->offset;
	live->size = record->size & 0xffffff;
	segment->live_bytes += live->size;
	if (record->header.id > spool->last_id)
		spool->last_id = record->header.id;
	return live_restore(live, &record->header, &state) || no_memory(recovery);
}

static bool replay_change(struct recovery *recovery, struct segment *segment, const struct record *record)
{
	struct spool *spool = recovery->spool;
	const struct record_header *header = &record->header;
	struct record_state state = { 0 };
	segment_refer(&spool->segments, segment, header->reference, record->size);
	segment_refer(&spool->segments, segment, header->stale_reference, record->size);
	struct live *live = live_find(&spool->index, header->id);
	if (!live)
		return true;
	if (header->type == RECORD_STATE) {
		if (record_state_read(&state, record->payload) && !live_restore(live, header, &state))
			return no_memory(recovery);
	} else {
		if (!live_reserve(live, record->payload.size))
			return no_memory(recovery);
		live_apply(live, header, record->payload);
	}
	if (live_is_done(live))
		drop_live(spool, live);
	return true;
}

static bool replay_segment(struct recovery *recovery, struct segment *segment)
{
	struct spool *spool = recovery->spool;
	struct scan *scan = &recovery->scan;
	struct record record;
	enum scan_result result;
	scan_begin(scan, segment->generation, segment->used, segment != spool->segments.newest_begun);
	if (!open_file(recovery, segment))
		return false;
	while ((result = next_record(recovery, segment, &record)) == SCAN_RECORD) {
		bool ok = true;
		if (record.header.type == RECORD_MESSAGE)
			ok = replay_message(recovery, segment, &record);
		else if (record_is_change(record.header.type))
			ok = replay_change(recovery, segment, &record);
		if (!ok)
			return false;
	}
	segment->used = scan->good_end;
	if (scan->damaged_bytes)
		log_message(LOG_ERROR, "spool-damage", "%s: segment %u: %llu bytes are damaged, the last before %u",
			    spool->directory, segment->generation, (unsigned long long)scan->damaged_bytes,
			    scan->good_end);
	return result == SCAN_END;
}

static bool replay(struct recovery *recovery)
{
	struct segment_set *set = &recovery->spool->segments;
	if (!scan_init(&recovery->scan, WINDOW_BYTES))
		return no_memory(recovery);
	for (struct list *link = set->used.next; link != &set->used; link = link->next) {
		struct segment *segment = CONTAINER_OF(link, struct segment, link);
		if (segment->begun && !replay_segment(recovery, segment))
			return false;
	}
	/* What the last process left behind the end never counts, whatever a later one finds there. */
	if (set->newest_begun)
		set->newest_begun->sealed_early = true;
	return true;
}

/* --- telling the owner --- */

static bool tell(struct recovery *recovery, const struct live *live)
{
	struct segment *segment = segment_find(&recovery->spool->segments, live->segment);
	struct record record;
	struct record_parts parts;
	if (!open_file(recovery, segment))
		return false;
	scan_seek(&recovery->scan, segment->generation, segment->salt, segment->used, live->offset);
	enum scan_result result = next_record(recovery, segment, &record);
	if (result == SCAN_MORE)
		return false;
	if (result == SCAN_END || !record_split(&record.header, record.payload, &parts))
		return error_set(recovery->error, "segment %u in %s has changed while it was read", segment->generation,
				 recovery->spool->directory);
	struct spool_message message = live_message(live);
	message.envelope = parts.envelope;
	message.size_bytes = record.header.text_size;
	message.accepted_unix_us = envelope_accepted(parts.envelope, live->id);
	recovery->recovered(recovery->context, &message);
	return true;
}

static bool tell_all(struct recovery *recovery)
{
	const struct live_index *index = &recovery->spool->index;
	for (const struct live *live = live_next(index, 0); live; live = live_next(index, live->id))
		if (!tell(recovery, live))
			return false;
	return true;
}

/* --- large files --- */

static void large_found(void *context, const char *name)
{
	struct recovery *recovery = context;
	struct spool *spool = recovery->spool;
	uint64_t id;
	if (!spool_id_parse(slice_from_text(name), &id))
		return;
	if (id > spool->last_id)
		spool->last_id = id;
	const struct live *live = live_find(&spool->index, id);
	if (!live || !live->large)
		large_remove(spool, id);
}

bool recovery_run(struct spool *spool, spool_recovered *recovered, void *context, struct error *error)
{
	struct recovery recovery = { .spool = spool, .recovered = recovered, .context = context, .error = error };
	bool ok = list_folder(&recovery, "segments", segment_found);
	if (ok && recovery.generation_count)
		qsort(recovery.generations, recovery.generation_count, sizeof *recovery.generations,
		      compare_generations);
	ok = ok && add_segments(&recovery) && read_openings(&recovery) && replay(&recovery) &&
	     harden_newest(spool, error) && tell_all(&recovery) && list_folder(&recovery, "large", large_found);
	scan_finish(&recovery.scan);
	free(recovery.generations);
	if (ok)
		segments_settle_all(spool);
	return ok;
}
