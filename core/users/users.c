/* Finding, changing and listing users; see users.h. The database below is users_database.c, the bytes users_record.c. */
#include "core/users/users.h"

#include <time.h>

#include "core/base/log.h"
#include "core/users/users_costs.h"
#include "core/users/users_database.h"
#include "core/users/users_entry.h"

/* --- reading --- */

static bool decode(struct slice key, const MDB_val *value, struct users_entry *entry, struct error *error)
{
	return users_record_decode(users_slice_of(value), entry) ||
	       error_set(error, "user database: the record of %.*s is damaged", SLICE_ARGS(key));
}

enum users_status users_get_entry(struct users *users, MDB_txn *transaction, struct slice key,
				  struct users_entry *entry, struct error *error)
{
	MDB_val key_value = users_value_of(key), value;
	int code = mdb_get(transaction, users->table, &key_value, &value);
	if (code == MDB_NOTFOUND)
		return USERS_UNKNOWN;
	if (code != 0) {
		users_failed(error, code, "can't be read");
		return USERS_FAILED;
	}
	return decode(key, &value, entry, error) ? USERS_OK : USERS_FAILED;
}

enum users_status users_read_entry(struct users *users, struct slice name, users_read *read, void *context)
{
	if (!users_name_is_valid(name))
		return USERS_BAD_NAME;
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES];
	struct slice key = users_fold_name(folded, name);
	struct users_entry entry;
	struct error error;
	enum users_status status = USERS_FAILED;
	int code = users_read_again(users, users->reader);
	users->seen = 0;
	if (code == 0) {
		users->seen = mdb_txn_id(users->reader);
		status = users_get_entry(users, users->reader, key, &entry, &error);
		if (status == USERS_OK)
			read(context, &entry);
		mdb_txn_reset(users->reader);
	} else {
		users_failed(&error, code, "can't be read");
	}
	if (status == USERS_FAILED)
		log_message(LOG_ERROR, "users-unreadable", "%s", error.text);
	return status;
}

struct wanted {
	struct user_record *record;
	struct buffer *written; /* NULL: not wanted */
};

static void copy_record(void *context, const struct users_entry *entry)
{
	const struct wanted *wanted = context;
	*wanted->record = entry->record;
	if (wanted->written)
		buffer_append(wanted->written, entry->name);
}

enum users_status users_find_written(struct users *users, struct slice name, struct user_record *record,
				     struct buffer *written)
{
	return users_read_entry(users, name, copy_record, &(struct wanted){ record, written });
}

enum users_status users_find(struct users *users, struct slice name, struct user_record *record)
{
	return users_find_written(users, name, record, NULL);
}

uint64_t users_seen(const struct users *users)
{
	return users->seen;
}

bool users_are_unchanged(struct users *users, uint64_t seen)
{
	MDB_envinfo info;
	return seen != 0 && mdb_env_info(users->env, &info) == 0 && info.me_last_txnid == seen;
}

bool users_costs(struct users *users, struct users_costs *costs)
{
	struct error error;
	uint64_t last_version;
	int code = users_read_again(users, users->reader);
	bool read = code == 0 ? users_read_head(users, users->reader, &last_version, costs, &error)
			      : users_failed(&error, code, "can't be read");
	if (code == 0)
		mdb_txn_reset(users->reader);
	if (!read)
		log_message(LOG_ERROR, "users-unreadable", "%s", error.text);
	else if (costs->count == 0)
		*costs = (struct users_costs){ .count = 1, .rows = { { password_usual_cost(), 0 } } };
	return read;
}

bool users_walk(struct users *users, users_each *each, void *context, struct error *error)
{
	MDB_txn *reader;
	MDB_cursor *cursor;
	int code = users_read_begin(users, &reader);
	if (code != 0)
		return users_failed(error, code, "can't be read");
	code = mdb_cursor_open(reader, users->table, &cursor);
	if (code != 0) {
		mdb_txn_abort(reader);
		return users_failed(error, code, "can't be read");
	}
	users->walks++;
	/* Names start behind the head. */
	MDB_val key = users_value_of(SLICE_LITERAL("\1")), value;
	bool whole = true, wanted = true;
	code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (code == 0 && wanted) {
		struct users_entry entry;
		whole = decode(users_slice_of(&key), &value, &entry, error);
		wanted = whole && each(context, entry.name, &entry.record, entry.grants);
		code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	users->walks--;
	mdb_cursor_close(cursor);
	mdb_txn_abort(reader);
	if (code != 0 && code != MDB_NOTFOUND)
		return users_failed(error, code, "can't be read");
	return whole;
}

bool users_count(struct users *users, uint64_t *count)
{
	if (users_read_again(users, users->reader) != 0)
		return false;
	MDB_stat stat;
	MDB_val head = users_value_of(USERS_HEAD_KEY), value;
	bool told = mdb_stat(users->reader, users->table, &stat) == 0;
	if (told)
		*count = stat.ms_entries - (mdb_get(users->reader, users->table, &head, &value) == 0 ? 1 : 0);
	mdb_txn_reset(users->reader);
	return told;
}

/* --- changing: begin, one of the steps, end --- */

static uint64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int64_t unix_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool users_change_begin(struct users *users, struct error *error)
{
	if (users->writer)
		return true;
	users->batch_changes = 0;
	users->batch_began_ms = monotonic_ms();
	return users_write_begin(users, error);
}

/* The age counts too: what is hashed while it is imported comes slowly, and other writers wait meanwhile. */
static bool batch_goes_on(const struct users *users)
{
	return users->batching && users->batch_changes < LIMIT_USERS_BATCH &&
	       monotonic_ms() - users->batch_began_ms < LIMIT_USERS_BATCH_MS;
}

enum users_status users_change_end(struct users *users, enum users_status status, struct error *error)
{
	if (status == USERS_FAILED || (status != USERS_OK && !users->batching)) {
		users_write_abort(users);
		return status;
	}
	users->batch_changes++;
	if (batch_goes_on(users) || users_write_commit(users, error))
		return status;
	return USERS_FAILED;
}

enum users_status users_store_entry(struct users *users, struct slice key, struct users_entry *entry,
				    struct error *error)
{
	entry->record.version = ++users->last_version;
	entry->record.changed_unix_us = unix_us();
	uint8_t storage[USERS_VALUE_BYTES];
	struct buffer value;
	buffer_init(&value, storage, sizeof storage);
	bool encoded = users_record_encode(&value, entry);
	ASSERT(encoded);
	users->batch_changes += (uint32_t)(value.size / LIMIT_USERS_CHANGE_BYTES);
	MDB_val key_value = users_value_of(key), data = users_value_of(buffer_slice(&value));
	int code = mdb_put(users->writer, users->table, &key_value, &data, 0);
	if (code == 0)
		return USERS_OK;
	users_failed(error, code, "can't be changed");
	return USERS_FAILED;
}

static void set_credentials(struct user_record *record, const struct user_credentials *credentials)
{
	const char *hash = credentials->hash ? credentials->hash : "";
	bool fits = slice_to_text(slice_from_text(hash), record->hash, sizeof record->hash);
	ASSERT(fits);
	record->scram = credentials->scram ? *credentials->scram : (struct scram_keys){ 0 };
	record->has_nt = credentials->nt_sealed != NULL;
	if (record->has_nt)
		memcpy(record->nt_sealed, credentials->nt_sealed, sizeof record->nt_sealed);
}

/* `state` NULL: as it was; who is new is enabled, and has no grants. */
static enum users_status put_step(struct users *users, struct slice name, const struct user_credentials *credentials,
				  const struct user_state *state, bool replace, struct error *error)
{
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES];
	struct slice key = users_fold_name(folded, name);
	struct users_entry entry;
	enum users_status status = users_get_entry(users, users->writer, key, &entry, error);
	if (status == USERS_FAILED)
		return status;
	if (status == USERS_OK && !replace)
		return USERS_EXISTS;
	struct users_costs costs = users->costs;
	if (status == USERS_OK)
		users_costs_remove(&costs, entry.record.hash);
	else
		entry = (struct users_entry){ .name = name };
	set_credentials(&entry.record, credentials);
	if (!users_costs_add(&costs, entry.record.hash))
		return USERS_TOO_MANY_COSTS;
	users->costs = costs;
	if (state)
		entry.record.disabled = state->disabled;
	if (state && state->grants)
		entry.grants = *state->grants;
	return users_store_entry(users, key, &entry, error);
}

static enum users_status put(struct users *users, struct slice name, const struct user_credentials *credentials,
			     const struct user_state *state, bool replace, struct error *error)
{
	if (!users_name_is_valid(name))
		return USERS_BAD_NAME;
	if (!users_change_begin(users, error))
		return USERS_FAILED;
	return users_change_end(users, put_step(users, name, credentials, state, replace, error), error);
}

enum users_status users_put(struct users *users, struct slice name, const struct user_credentials *credentials,
			    bool replace, struct error *error)
{
	return put(users, name, credentials, NULL, replace, error);
}

enum users_status users_restore(struct users *users, struct slice name, const struct user_credentials *credentials,
				const struct user_state *state, bool replace, struct error *error)
{
	return put(users, name, credentials, state, replace, error);
}

static enum users_status disable_step(struct users *users, struct slice name, bool disabled, struct error *error)
{
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES];
	struct slice key = users_fold_name(folded, name);
	struct users_entry entry;
	enum users_status status = users_get_entry(users, users->writer, key, &entry, error);
	if (status != USERS_OK)
		return status;
	entry.record.disabled = disabled;
	return users_store_entry(users, key, &entry, error);
}

enum users_status users_set_disabled(struct users *users, struct slice name, bool disabled, struct error *error)
{
	if (!users_name_is_valid(name))
		return USERS_BAD_NAME;
	if (!users_change_begin(users, error))
		return USERS_FAILED;
	return users_change_end(users, disable_step(users, name, disabled, error), error);
}

static enum users_status remove_step(struct users *users, struct slice name, struct error *error)
{
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES];
	MDB_val key = users_value_of(users_fold_name(folded, name)), value;
	int code = mdb_get(users->writer, users->table, &key, &value);
	if (code == MDB_NOTFOUND)
		return USERS_UNKNOWN;
	struct users_entry entry;
	/* A damaged record can be removed too. */
	if (code == 0 && users_record_decode(users_slice_of(&value), &entry))
		users_costs_remove(&users->costs, entry.record.hash);
	if (code == 0)
		code = mdb_del(users->writer, users->table, &key, NULL);
	if (code == 0)
		return USERS_OK;
	users_failed(error, code, "can't be changed");
	return USERS_FAILED;
}

enum users_status users_remove(struct users *users, struct slice name, struct error *error)
{
	if (!users_name_is_valid(name))
		return USERS_BAD_NAME;
	if (!users_change_begin(users, error))
		return USERS_FAILED;
	return users_change_end(users, remove_step(users, name, error), error);
}

void users_batch_begin(struct users *users)
{
	ASSERT(!users->batching && !users->writer);
	users->batching = true;
}

bool users_batch_end(struct users *users, struct error *error)
{
	ASSERT(users->batching);
	users->batching = false;
	return !users->writer || users_write_commit(users, error);
}
