/* Names and records of users as bytes; see users_record.h. Knows nothing of LMDB. */
#include "core/users/users_record.h"

#include "core/base/cursor.h"

/* What the first byte says of an UTF-8 sequence: its further bytes, and the least code point that may be written so (a
 * shorter way to write one is no UTF-8, RFC 3629 §3). */
struct utf8_lead {
	uint8_t mask;
	uint8_t bits;
	uint8_t further;
	uint32_t least;
};

static const struct utf8_lead utf8_leads[] = {
	{ 0x80, 0x00, 0, 0x00 },
	{ 0xe0, 0xc0, 1, 0x80 },
	{ 0xf0, 0xe0, 2, 0x800 },
	{ 0xf8, 0xf0, 3, 0x10000 },
};

/* Takes one code point; the cursor fails on what is no UTF-8. */
static uint32_t take_code_point(struct cursor *cursor)
{
	uint8_t first = cursor_take_u8(cursor);
	for (size_t i = 0; i < sizeof utf8_leads / sizeof utf8_leads[0]; i++) {
		const struct utf8_lead *lead = &utf8_leads[i];
		if ((first & lead->mask) != lead->bits)
			continue;
		uint32_t point = first & (uint8_t)~lead->mask;
		for (unsigned further = 0; further < lead->further; further++) {
			uint8_t byte = cursor_take_u8(cursor);
			if ((byte & 0xc0) != 0x80)
				cursor->failed = true;
			point = point << 6 | (byte & 0x3f);
		}
		if (point < lead->least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
			cursor->failed = true;
		return point;
	}
	cursor->failed = true;
	return 0;
}

static bool may_stand_in_name(uint32_t point)
{
	bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
	bool blank = point == ' ' || point == 0xa0;
	return !control && !blank && point != ':';
}

bool users_name_is_valid(struct slice name)
{
	if (name.size == 0 || name.size > LIMIT_LOGIN_NAME_BYTES)
		return false;
	struct cursor cursor = cursor_over(name);
	while (cursor_ok(&cursor) && cursor.rest.size > 0)
		if (!may_stand_in_name(take_code_point(&cursor)))
			return false;
	return cursor_ok(&cursor);
}

struct slice users_fold_name(uint8_t storage[LIMIT_LOGIN_NAME_BYTES], struct slice name)
{
	ASSERT(name.size <= LIMIT_LOGIN_NAME_BYTES);
	for (size_t i = 0; i < name.size; i++)
		storage[i] = ascii_lower(name.data[i]);
	return slice_of(storage, name.size);
}

static void append_u64le(struct buffer *buffer, uint64_t number)
{
	uint8_t bytes[8];
	store_le(bytes, number, sizeof bytes);
	buffer_append(buffer, slice_of(bytes, sizeof bytes));
}

static void append_short(struct buffer *buffer, struct slice bytes)
{
	ASSERT(bytes.size <= UINT8_MAX);
	buffer_append_byte(buffer, (uint8_t)bytes.size);
	buffer_append(buffer, bytes);
}

bool users_record_encode(struct buffer *value, struct slice name, const struct user_record *record)
{
	buffer_append_byte(value, USERS_LAYOUT);
	buffer_append_byte(value, record->disabled ? USERS_FLAG_DISABLED : 0);
	append_u64le(value, record->version);
	append_u64le(value, (uint64_t)record->changed_unix_us);
	append_short(value, name);
	append_short(value, slice_from_text(record->hash));
	return !value->overflow;
}

bool users_record_decode(struct slice value, struct slice *name, struct user_record *record)
{
	struct cursor cursor = cursor_over(value);
	uint8_t layout = cursor_take_u8(&cursor);
	uint8_t flags = cursor_take_u8(&cursor);
	record->version = cursor_take_u64le(&cursor);
	record->changed_unix_us = (int64_t)cursor_take_u64le(&cursor);
	*name = cursor_take(&cursor, cursor_take_u8(&cursor));
	struct slice hash = cursor_take(&cursor, cursor_take_u8(&cursor));
	record->disabled = flags & USERS_FLAG_DISABLED;
	return cursor_ok(&cursor) && layout == USERS_LAYOUT && cursor.rest.size == 0 &&
	       slice_to_text(hash, record->hash, sizeof record->hash);
}
