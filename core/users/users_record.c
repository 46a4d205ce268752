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

/* Without grants it is what an earlier Postern reads, too. */
bool users_record_encode(struct buffer *value, const struct users_entry *entry)
{
	const struct user_record *record = &entry->record;
	buffer_append_byte(value, entry->grants.size ? USERS_LAYOUT_GRANTS : USERS_LAYOUT);
	buffer_append_byte(value, record->disabled ? USERS_FLAG_DISABLED : 0);
	append_u64le(value, record->version);
	append_u64le(value, (uint64_t)record->changed_unix_us);
	append_short(value, entry->name);
	append_short(value, slice_from_text(record->hash));
	buffer_append(value, entry->grants);
	return !value->overflow;
}

static bool are_whole(struct slice grants)
{
	struct slice grant;
	while (users_next_grant(&grants, &grant))
		if (grant.size == 0)
			return false;
	return grants.size == 0;
}

bool users_record_decode(struct slice value, struct users_entry *entry)
{
	struct cursor cursor = cursor_over(value);
	struct user_record *record = &entry->record;
	uint8_t layout = cursor_take_u8(&cursor);
	uint8_t flags = cursor_take_u8(&cursor);
	record->version = cursor_take_u64le(&cursor);
	record->changed_unix_us = (int64_t)cursor_take_u64le(&cursor);
	entry->name = cursor_take(&cursor, cursor_take_u8(&cursor));
	struct slice hash = cursor_take(&cursor, cursor_take_u8(&cursor));
	record->disabled = flags & USERS_FLAG_DISABLED;
	entry->grants = cursor.rest;
	return cursor_ok(&cursor) && (layout == USERS_LAYOUT || layout == USERS_LAYOUT_GRANTS) &&
	       (layout == USERS_LAYOUT_GRANTS) == (entry->grants.size > 0) && are_whole(entry->grants) &&
	       slice_to_text(hash, record->hash, sizeof record->hash);
}
