/* What became of messages, noted while a lane is read from its newest segment to the oldest; see outside.h. */
#include "core/spool/outside.h"

#include <stdlib.h>

enum { EXPECTED_NOTES = 1024 };

/* --- all of them --- */

bool notes_init(struct notes *notes, uint32_t segment_count)
{
	*notes = (struct notes){ .until = calloc(segment_count ? segment_count : 1, sizeof *notes->until) };
	if (!notes->until || !map_init(&notes->by_id, EXPECTED_NOTES))
		return false;
	for (; notes->segment_count < segment_count; notes->segment_count++)
		list_init(&notes->until[notes->segment_count]);
	return true;
}

void notes_finish(struct notes *notes)
{
	for (uint32_t i = 0; i < notes->segment_count; i++)
		notes_drop(notes, i);
	map_finish(&notes->by_id);
	free(notes->until);
	*notes = (struct notes){ 0 };
}

struct note *notes_find(const struct notes *notes, uint64_t id)
{
	struct map_node *node = map_find(&notes->by_id, id);
	return node ? CONTAINER_OF(node, struct note, node) : NULL;
}

struct note *notes_get(struct notes *notes, uint64_t id, uint32_t until)
{
	struct note *note = notes_find(notes, id);
	if (!note) {
		note = calloc(1, sizeof *note);
		if (!note)
			return NULL;
		map_insert(&notes->by_id, &note->node, id);
	} else if (until <= note->until) {
		return note;
	} else {
		list_remove(&note->link);
	}
	note->until = until;
	list_append(&notes->until[until], &note->link);
	return note;
}

void notes_drop(struct notes *notes, uint32_t index)
{
	struct list *link;
	while ((link = list_take_first(&notes->until[index]))) {
		struct note *note = CONTAINER_OF(link, struct note, link);
		map_remove(&notes->by_id, &note->node);
		note_clear(note);
		free(note);
	}
}

/* --- one of them --- */

void note_clear(struct note *note)
{
	free(note->bits);
	free(note->detail);
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

bool note_state(struct note *note, const struct record_header *header, struct slice bytes, uint32_t from)
{
	struct record_state state;
	set_held(note, (header->flags & RECORD_HELD) != 0, from);
	return !record_state_read(&state, bytes) ||
	       (set_detail(note, state.detail, from) && add_bits(note, state.done_bits.data, state.done_bits.size));
}

bool note_change(struct note *note, const struct record *record, uint32_t from)
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
		return note_state(note, header, record->payload, from);
	case RECORD_MESSAGE:
		if (note->copied_to < from)
			note->copied_to = from;
		return true;
	default:
		return true;
	}
}

bool note_widen(struct note *note, uint32_t recipients)
{
	return !note->bits || widen_bits(note, (recipients + 7) / 8);
}

bool note_is_done(const struct note *note, uint32_t recipients)
{
	if (recipients == 0 || note->bits_size < (recipients + 7) / 8)
		return false;
	for (uint32_t i = 0; i < recipients; i++)
		if (!(note->bits[i / 8] >> i % 8 & 1))
			return false;
	return true;
}
