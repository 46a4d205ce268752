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

bool users_foreign_name_is_valid(struct slice name)
{
	for (size_t i = 0; i < name.size; i++)
		if (name.data[i] < ' ' || name.data[i] == 0x7f)
			return false;
	return name.size > 0 && name.size <= LIMIT_LOGIN_NAME_BYTES && utf8_is_valid(name);
}

struct slice users_fold_name(uint8_t storage[LIMIT_LOGIN_NAME_BYTES], struct slice name)
{
	ASSERT(name.size <= LIMIT_LOGIN_NAME_BYTES);
	for (size_t i = 0; i < name.size; i++)
		storage[i] = ascii_lower(name.data[i]);
	return slice_of(storage, name.size);
}

static void append_short(struct buffer *buffer, struct slice bytes)
{
	ASSERT(bytes.size <= UINT8_MAX);
	buffer_append_byte(buffer, (uint8_t)bytes.size);
	buffer_append(buffer, bytes);
}

static uint8_t flags_of(const struct user_record *record)
{
	return (uint8_t)((record->disabled ? USERS_FLAG_DISABLED : 0) |
			 (record->scram.iterations > 0 ? USERS_FLAG_SCRAM : 0) | (record->has_nt ? USERS_FLAG_NT : 0));
}

/* What an earlier Postern reads, too, where it has nothing that is newer. */
static uint8_t layout_of(const struct users_entry *entry)
{
	if (flags_of(&entry->record) & USERS_FLAGS_OF_KEYS)
		return USERS_LAYOUT_KEYS;
	return entry->grants.size > 0 ? USERS_LAYOUT_GRANTS : USERS_LAYOUT;
}

static void append_keys(struct buffer *value, const struct user_record *record)
{
	const struct scram_keys *scram = &record->scram;
	if (scram->iterations > 0) {
		buffer_append_le(value, scram->iterations, 4);
		append_short(value, slice_of(scram->salt, scram->salt_size));
		buffer_append(value, slice_of(scram->stored_key, sizeof scram->stored_key));
		buffer_append(value, slice_of(scram->server_key, sizeof scram->server_key));
	}
	if (record->has_nt)
		buffer_append(value, slice_of(record->nt_sealed, sizeof record->nt_sealed));
}

bool users_record_encode(struct buffer *value, const struct users_entry *entry)
{
	const struct user_record *record = &entry->record;
	buffer_append_byte(value, layout_of(entry));
	buffer_append_byte(value, flags_of(record));
	buffer_append_le(value, record->version, 8);
	buffer_append_le(value, (uint64_t)record->changed_unix_us, 8);
	append_short(value, entry->name);
	append_short(value, slice_from_text(record->hash));
	append_keys(value, record);
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

static void take_bytes(struct cursor *cursor, uint8_t *bytes, size_t size)
{
	struct slice taken = cursor_take(cursor, size);
	if (taken.size > 0)
		memcpy(bytes, taken.data, taken.size);
}

static bool take_keys(struct cursor *cursor, uint8_t flags, struct user_record *record)
{
	struct scram_keys *scram = &record->scram;
	scram->iterations = 0;
	if (flags & USERS_FLAG_SCRAM) {
		scram->iterations = cursor_take_u32le(cursor);
		scram->salt_size = cursor_take_u8(cursor);
		if (scram->iterations == 0 || scram->salt_size > sizeof scram->salt)
			return false;
		take_bytes(cursor, scram->salt, scram->salt_size);
		take_bytes(cursor, scram->stored_key, sizeof scram->stored_key);
		take_bytes(cursor, scram->server_key, sizeof scram->server_key);
	}
	record->has_nt = flags & USERS_FLAG_NT;
	if (record->has_nt)
		take_bytes(cursor, record->nt_sealed, sizeof record->nt_sealed);
	return true;
}

/* Each layout only where it is needed: so there is one way to write a record. */
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
	bool keys = take_keys(&cursor, flags, record);
	entry->grants = cursor.rest;
	return keys && cursor_ok(&cursor) && (flags & ~USERS_FLAGS) == 0 && layout == layout_of(entry) &&
	       are_whole(entry->grants) && slice_to_text(hash, record->hash, sizeof record->hash);
}
