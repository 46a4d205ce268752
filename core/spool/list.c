/* Walking a lane from outside, for the command line; see outside.h.
 *
 * Segments are read from the newest to the oldest, each twice: first its changes are noted, then its messages are told,
 * with what was noted of them here and in newer segments. A note is dropped when the oldest segment that it can be about
 * has been told. */
#include "core/spool/outside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/spool/envelope.h"

enum {
	WINDOW_BYTES = 1024 * 1024,
	PATH_BYTES = 4096,
};

struct lister {
	const char *directory;
	lane_visitor *visit;
	void *context;
	struct error *error;
	uint32_t *generations; /* descending */
	uint32_t count;
	struct notes notes;
	struct segment_seal *seals;
	size_t seal_count;
	struct scan scan;
	bool newest_seen;
	/* The segment at work. */
	uint32_t at;
	int fd;
	uint32_t size;
	uint32_t message_count;
	bool stopped; /* by the visitor */
};

static bool no_memory(struct lister *lister)
{
	return error_set(lister->error, "out of memory");
}

/* --- the folder --- */

static int compare_descending(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return left > right ? -1 : left < right;
}

static bool add_generation(struct lister *lister, const char *name)
{
	uint32_t generation;
	if (!segment_name_parse(name, &generation))
		return true;
	uint32_t *larger = realloc(lister->generations, (lister->count + 1) * sizeof *larger);
	if (!larger)
		return no_memory(lister);
	larger[lister->count++] = generation;
	lister->generations = larger;
	return true;
}

static bool read_folder(struct lister *lister)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof path, "%s/segments", lister->directory);
	DIR *folder = opendir(path);
	if (!folder)
		return error_set_errno(lister->error, errno, "can't read the folder %s", path);
	bool ok = true;
	for (struct dirent *found; ok && (found = readdir(folder));)
		ok = add_generation(lister, found->d_name);
	closedir(folder);
	if (!ok || lister->count == 0)
		return ok;
	qsort(lister->generations, lister->count, sizeof *lister->generations, compare_descending);
	return notes_init(&lister->notes, lister->count) || no_memory(lister);
}

/* Index of the segment, or of the one at work when it does not exist (or is newer: told already). */
static uint32_t index_of(const struct lister *lister, uint32_t generation)
{
	const uint32_t *found = NULL;
	if (generation)
		found = bsearch(&generation, lister->generations, lister->count, sizeof generation, compare_descending);
	uint32_t index = found ? (uint32_t)(found - lister->generations) : 0;
	return index > lister->at ? index : lister->at;
}

static struct note *note_for(struct lister *lister, const struct record_header *header)
{
	uint32_t until = index_of(lister, header->reference), stale_until = index_of(lister, header->stale_reference);
	return notes_get(&lister->notes, header->id, until > stale_until ? until : stale_until);
}

/* --- reading a segment --- */

/* As scan_next(), with the reading done. SCAN_MORE: it failed, `error` says how. */
static enum scan_result next_record(struct lister *lister, struct record *record)
{
	enum scan_result result;
	while ((result = scan_next(&lister->scan, record)) == SCAN_MORE) {
		uint64_t offset;
		struct iovec room = scan_room(&lister->scan, &offset);
		if (!room.iov_base) {
			no_memory(lister);
			return SCAN_MORE;
		}
		ssize_t bytes = pread(lister->fd, room.iov_base, room.iov_len, (off_t)offset);
		if (bytes < 0) {
			error_set_errno(lister->error, errno, "can't read segment %u in %s",
					lister->generations[lister->at], lister->directory);
			return SCAN_MORE;
		}
		scan_filled(&lister->scan, (size_t)bytes);
	}
	return result;
}

static bool add_seals(struct lister *lister, struct slice payload)
{
	struct segment_opening opening;
	struct error what;
	if (!segment_opening_read(&opening, payload, &what))
		return error_set(lister->error, "segment %u in %s can't be read: %s", lister->generations[lister->at],
				 lister->directory, what.text);
	if (opening.seal_count == 0)
		return true;
	struct segment_seal *larger =
		realloc(lister->seals, (lister->seal_count + opening.seal_count) * sizeof *larger);
	if (!larger)
		return no_memory(lister);
	memcpy(larger + lister->seal_count, opening.seals, opening.seal_count * sizeof *larger);
	lister->seals = larger;
	lister->seal_count += opening.seal_count;
	return true;
}

static void begin_pass(struct lister *lister)
{
	uint32_t generation = lister->generations[lister->at], end = lister->size;
	for (size_t i = 0; i < lister->seal_count; i++)
		if (lister->seals[i].generation == generation && lister->seals[i].end < end)
			end = lister->seals[i].end;
	scan_begin(&lister->scan, generation, end, lister->newest_seen);
}

static bool note_record(struct lister *lister, const struct record *record)
{
	uint8_t type = record->header.type;
	if (type == RECORD_SEGMENT)
		return add_seals(lister, record->payload);
	if (type == RECORD_MESSAGE)
		lister->message_count++;
	if (type == RECORD_MESSAGE && !(record->header.flags & RECORD_COPY))
		return true;
	struct note *note = note_for(lister, &record->header);
	return (note && note_change(note, record, lister->generations[lister->at])) || no_memory(lister);
}

static bool note_changes(struct lister *lister)
{
	struct record record;
	enum scan_result result;
	begin_pass(lister);
	lister->message_count = 0;
	while ((result = next_record(lister, &record)) == SCAN_RECORD)
		if (!note_record(lister, &record))
			return false;
	return result == SCAN_END;
}

/* --- telling --- */

/* Tells a message with what the note knows of it. False: no memory. */
static bool tell(struct lister *lister, const struct record *record, struct note *note)
{
	const struct record_header *header = &record->header;
	uint32_t generation = lister->generations[lister->at];
	struct record_parts parts;
	if (!record_split(header, record->payload, &parts))
		return true;
	/* Its own record is older than all changes, those in the same segment too. */
	uint32_t recipients = envelope_recipients(parts.envelope);
	if (!note_state(note, header, parts.state, generation - 1) || !note_widen(note, recipients))
		return no_memory(lister);
	if (note_is_done(note, recipients))
		return true;
	struct spool_message message = {
		.id = header->id,
		.place = { generation, record->offset, record->size },
		.envelope = parts.envelope,
		.done_bits = note->bits,
		.detail = slice_of(note->detail, note->detail_size),
		.size_bytes = header->text_size,
		.accepted_unix_us = envelope_accepted(parts.envelope, header->id),
		.recipients = recipients,
		.held = note->held,
		.large = (header->flags & RECORD_LARGE) != 0,
	};
	lister->stopped = !lister->visit(lister->context, &message, parts.text);
	return true;
}

static bool tell_if_live(struct lister *lister, const struct record *record)
{
	struct note *note = notes_find(&lister->notes, record->header.id);
	struct note nothing = { 0 };
	if (note && (note->over || note->copied_to > lister->generations[lister->at]))
		return true;
	bool ok = tell(lister, record, note ? note : &nothing);
	note_clear(&nothing);
	return ok;
}

static bool tell_messages(struct lister *lister)
{
	struct record record;
	enum scan_result result = SCAN_END;
	begin_pass(lister);
	while (!lister->stopped && (result = next_record(lister, &record)) == SCAN_RECORD)
		if (record.header.type == RECORD_MESSAGE && !tell_if_live(lister, &record))
			return false;
	return lister->stopped || result == SCAN_END;
}

/* --- all of a lane --- */

static bool list_open_segment(struct lister *lister)
{
	struct stat status;
	if (fstat(lister->fd, &status) != 0 || status.st_size > INT32_MAX)
		return error_set(lister->error, "segment %u in %s has an impossible size",
				 lister->generations[lister->at], lister->directory);
	lister->size = (uint32_t)status.st_size;
	if (!note_changes(lister))
		return false;
	bool ok = lister->message_count == 0 || tell_messages(lister);
	lister->newest_seen |= lister->scan.opened;
	return ok;
}

static bool list_segment(struct lister *lister)
{
	char path[PATH_BYTES], name[SEGMENT_NAME_BYTES];
	segment_name_format(lister->generations[lister->at], name);
	snprintf(path, sizeof path, "%s/segments/%s", lister->directory, name);
	lister->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (lister->fd < 0)
		return errno == ENOENT /* reused meanwhile */ ||
		       error_set_errno(lister->error, errno, "can't open %s", path);
	bool ok = list_open_segment(lister);
	close(lister->fd);
	return ok;
}

static void finish(struct lister *lister)
{
	notes_finish(&lister->notes);
	scan_finish(&lister->scan);
	free(lister->seals);
	free(lister->generations);
}

bool lane_walk(const char *directory, lane_visitor *visit, void *context, struct error *error)
{
	struct lister lister = { .directory = directory, .visit = visit, .context = context, .error = error };
	bool ok = scan_init(&lister.scan, WINDOW_BYTES);
	if (!ok)
		no_memory(&lister);
	ok = ok && read_folder(&lister);
	for (lister.at = 0; ok && !lister.stopped && lister.at < lister.count; lister.at++) {
		ok = list_segment(&lister);
		notes_drop(&lister.notes, lister.at);
	}
	finish(&lister);
	return ok;
}

struct listing {
	spool_listed *listed;
	void *context;
};

static bool visit_listing(void *context, const struct spool_message *message, struct slice text)
{
	(void)text;
	const struct listing *listing = context;
	return listing->listed(listing->context, message);
}

bool spool_list(const char *directory, spool_listed *listed, void *context, struct error *error)
{
	struct listing listing = { listed, context };
	return lane_walk(directory, visit_listing, &listing, error);
}
