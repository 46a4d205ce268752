/* Names and records of users as bytes; see users_record.h. Knows nothing of LMDB. */
#include "core/users/users_record.h"

#include "core/base/cursor.h"
#include "proto/utf8.h"

#define NO_BREAK_SPACE SLICE_LITERAL("\xc2\xa0") /* a blank that nobody sees to be one */

bool users_name_is_valid(struct slice name)
{
	if (name.size == 0 || name.size > LIMIT_LOGIN_NAME_BYTES)
		return false;
	while (name.size > 0) {
		size_t size = utf8_character_size(name);
		bool is_ascii = size == 1;
		if (size == 0 || (is_ascii && (name.data[0] <= ' ' || name.data[0] == 0x7f || name.data[0] == ':')) ||
		    slice_starts_with(name, NO_BREAK_SPACE))
			return false;
		name = slice_skip(name, size);
	}
	return true;
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
