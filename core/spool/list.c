/* Reading a lane from outside: no lock, no loop, nothing is changed. For the command line.
 *
 * Segments are read from the newest to the oldest, each twice: first its changes are noted, then its messages are told,
 * with what was noted of them here and in newer segments. A note is dropped when the oldest segment that it can be about
 * has been told. Between newer and older notes the newer wins; within a segment the later. */
#include "core/spool/internal.h"

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
	EXPECTED_NOTES = 1024,
};

/* What is known of a message from records that came behind its own. */
struct note {
	struct map_node node;
	struct list link; /* in the lister's `until` of the oldest segment that it is about */
	uint64_t id;
	uint32_t until;     /* index of that segment */
	uint32_t copied_to; /* records in segments before this one are stale */
	uint32_t held_from; /* the segment that said held or not; 0: none did */
	uint32_t detail_from;
	bool over;
	bool held;
	uint8_t *bits;
	size_t bits_size;
	uint8_t *detail;
	size_t detail_size;
};

typedef bool visitor(void *context, const struct spool_message *message, struct slice text);

struct lister {
	const char *directory;
	visitor *visit;
	void *context;
	struct error *error;
	uint32_t *generations; /* descending */
	uint32_t count;
	struct list *until; /* notes, a list for each segment */
	struct map notes;
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
	lister->until = calloc(lister->count, sizeof *lister->until);
	if (!lister->until)
		return no_memory(lister);
	for (uint32_t i = 0; i < lister->count; i++)
		list_init(&lister->until[i]);
	return true;
}

/* --- notes --- */

static struct note *find_note(const struct lister *lister, uint64_t id)
{
	struct map_node *node = map_find(&lister->notes, map_hash_number(id));
	return node ? CONTAINER_OF(node, struct note, node) : NULL;
}

static void drop_notes(struct lister *lister, uint32_t index)
{
	struct list *link;
	while ((link = list_take_first(&lister->until[index]))) {
		struct note *note = CONTAINER_OF(link, struct note, link);
		map_remove(&lister->notes, &note->node);
		free(note->bits);
		free(note->detail);
		free(note);
	}
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
	if (stale_until > until)
		until = stale_until;
	struct note *note = find_note(lister, header->id);
	if (!note) {
		note = calloc(1, sizeof *note);
		if (!note)
			return NULL;
		note->id = header->id;
		note->until = until;
		list_append(&lister->until[until], &note->link);
		map_insert(&lister->notes, &note->node, map_hash_number(note->id));
	} else if (until > note->until) {
		list_remove(&note->link);
		list_append(&lister->until[until], &note->link);
		note->until = until;
	}
	return note;
}

static bool widen_bits(struct note *note, size_t size)
{
	if (size <= note->bits_size)
		return true;
	uint8_t *larger = realloc(note->bits, size);
	if (!larger)
		return false;
	memset(larger + note->bits_size, 0, size - note->bits_size);
	note->bits = larger;
	note->bits_size = size;
	return true;
}

static bool add_bits(struct note *note, const uint8_t *bits, size_t size)
{
	if (!widen_bits(note, size))
		return false;
	for (size_t i = 0; i < size; i++)
		note->bits[i] |= bits[i];
	return true;
}

static bool add_done_recipient(struct note *note, uint32_t recipient)
{
	uint8_t bits[UINT16_MAX / 8 + 1] = { 0 };
	if (recipient > UINT16_MAX)
		return true;
	bits[recipient / 8] = (uint8_t)(1u << recipient % 8);
	return add_bits(note, bits, recipient / 8 + 1);
}

static bool set_detail(struct note *note, struct slice detail, uint32_t from)
{
	if (detail.size == 0 || note->detail_from > from)
		return true;
	uint8_t *copy = malloc(detail.size);
	if (!copy)
		return false;
	memcpy(copy, detail.data, detail.size);
	free(note->detail);
	note->detail = copy;
	note->detail_size = detail.size;
	note->detail_from = from;
	return true;
}

static void set_held(struct note *note, bool held, uint32_t from)
{
	if (note->held_from > from)
		return;
	note->held = held;
	note->held_from = from;
}

static bool add_state(struct note *note, const struct record_header *header, struct slice bytes, uint32_t from)
{
	struct record_state state;
	set_held(note, (header->flags & RECORD_HELD) != 0, from);
	return !record_state_read(&state, bytes) ||
	       (set_detail(note, state.detail, from) && add_bits(note, state.done_bits.data, state.done_bits.size));
}

static bool note_change(struct note *note, const struct record *record, uint32_t from)
{
	const struct record_header *header = &record->header;
	switch (header->type) {
	case RECORD_RECIPIENT_DONE:
		return add_done_recipient(note, header->recipient);
	case RECORD_MESSAGE_DONE:
		note->over = true;
		return true;
	case RECORD_HOLD:
	case RECORD_RELEASE:
		set_held(note, header->type == RECORD_HOLD, from);
		return set_detail(note, record->payload, from);
	case RECORD_ATTEMPT:
		return set_detail(note, record->payload, from);
	case RECORD_STATE:
		return add_state(note, header, record->payload, from);
	case RECORD_MESSAGE:
		if (note->copied_to < from)
			note->copied_to = from;
		return true;
	default:
		return true;
	}
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

static bool all_done(const struct note *note, uint32_t recipients)
{
	if (recipients == 0 || note->bits_size < (recipients + 7) / 8)
		return false;
	for (uint32_t i = 0; i < recipients; i++)
		if (!(note->bits[i / 8] >> i % 8 & 1))
			return false;
	return true;
}

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
	if (!add_state(note, header, parts.state, generation - 1) ||
	    (note->bits && !widen_bits(note, (recipients + 7) / 8)))
		return no_memory(lister);
	if (all_done(note, recipients))
		return true;
	struct spool_message message = {
		.id = header->id,
		.place = { generation, record->offset, record->size },
		.envelope = parts.envelope,
		.done_bits = note->bits,
		.detail = slice_of(note->detail, note->detail_size),
		.size_bytes = header->text_size,
		.accepted_unix_us = accepted_time(parts.envelope, header->id),
		.held = note->held,
		.large = (header->flags & RECORD_LARGE) != 0,
	};
	lister->stopped = !lister->visit(lister->context, &message, parts.text);
	return true;
}

static bool tell_if_live(struct lister *lister, const struct record *record)
{
	struct note *note = find_note(lister, record->header.id);
	struct note nothing = { 0 };
	if (note && (note->over || note->copied_to > lister->generations[lister->at]))
		return true;
	bool ok = tell(lister, record, note ? note : &nothing);
	free(nothing.bits);
	free(nothing.detail);
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
	for (uint32_t i = 0; lister->until && i < lister->count; i++)
		drop_notes(lister, i);
	map_finish(&lister->notes);
	scan_finish(&lister->scan);
	free(lister->seals);
	free(lister->until);
	free(lister->generations);
}

static bool walk(const char *directory, visitor *visit, void *context, struct error *error)
{
	struct lister lister = { .directory = directory, .visit = visit, .context = context, .error = error };
	bool ok = map_init(&lister.notes, EXPECTED_NOTES) && scan_init(&lister.scan, WINDOW_BYTES);
	if (!ok)
		no_memory(&lister);
	ok = ok && read_folder(&lister);
	for (lister.at = 0; ok && !lister.stopped && lister.at < lister.count; lister.at++) {
		ok = list_segment(&lister);
		drop_notes(&lister, lister.at);
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
	return walk(directory, visit_listing, &listing, error);
}

/* --- one message --- */

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
	bool ok = walk(directory, visit_copying, &copying, error);
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
