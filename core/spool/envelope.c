/* The stored envelope; its layout is in envelope.h. */
#include "core/spool/envelope.h"

#include "core/spool/spool.h"

enum {
	VERSION = 1,
	AT_FLAGS = 1,
	AT_RECIPIENTS = 2,
	AT_ACCEPTED = 4,
	FIXED_BYTES = 12,
	SIZE_BYTES = 2, /* in front of each text */
	TEXT_MOST = UINT16_MAX,
};

static bool append_text(struct buffer *out, struct slice text)
{
	if (text.size > TEXT_MOST || buffer_room(out) < SIZE_BYTES + text.size) {
		out->overflow = true;
		return false;
	}
	store_le(out->data + out->size, text.size, SIZE_BYTES);
	out->size += SIZE_BYTES;
	return buffer_append(out, text);
}

bool envelope_begin(struct buffer *out, unsigned flags, struct slice login, struct slice client,
		    struct slice reverse_path)
{
	static const uint8_t fixed[FIXED_BYTES] = { VERSION };
	uint8_t *envelope = out->data + out->size;
	if (!buffer_append(out, slice_of(fixed, sizeof fixed)))
		return false;
	envelope[AT_FLAGS] = (uint8_t)flags;
	return append_text(out, login) && append_text(out, client) && append_text(out, reverse_path);
}

bool envelope_add_recipient(struct buffer *out, struct slice path)
{
	return append_text(out, path);
}

void envelope_finish(uint8_t *envelope, unsigned flags, uint16_t recipients, int64_t accepted_unix_us)
{
	envelope[AT_FLAGS] = (uint8_t)flags;
	store_le(envelope + AT_RECIPIENTS, recipients, 2);
	store_le(envelope + AT_ACCEPTED, (uint64_t)accepted_unix_us, 8);
}

static struct slice take_text(struct cursor *cursor)
{
	return cursor_take(cursor, cursor_take_u16le(cursor));
}

bool envelope_read(struct envelope *envelope, struct slice bytes)
{
	struct cursor cursor = cursor_over(bytes);
	if (cursor_take_u8(&cursor) != VERSION)
		return false;
	envelope->flags = cursor_take_u8(&cursor);
	envelope->recipients = cursor_take_u16le(&cursor);
	envelope->accepted_unix_us = (int64_t)cursor_take_u64le(&cursor);
	envelope->login = take_text(&cursor);
	envelope->client = take_text(&cursor);
	envelope->reverse_path = take_text(&cursor);
	envelope->rest = cursor;
	return cursor_ok(&cursor);
}

uint32_t envelope_recipients(struct slice bytes)
{
	struct cursor cursor = cursor_over(bytes);
	uint8_t version = cursor_take_u8(&cursor);
	cursor_take_u8(&cursor);
	uint16_t recipients = cursor_take_u16le(&cursor);
	return version == VERSION ? recipients : 0;
}

int64_t envelope_accepted(struct slice bytes, uint64_t id)
{
	struct envelope envelope;
	return envelope_read(&envelope, bytes) ? envelope.accepted_unix_us : spool_id_time(id);
}

bool envelope_next(struct envelope *envelope, struct slice *path)
{
	if (envelope->rest.rest.size == 0 || envelope->rest.failed)
		return false;
	*path = take_text(&envelope->rest);
	return cursor_ok(&envelope->rest);
}
