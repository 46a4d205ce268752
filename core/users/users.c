/* Finding, changing and listing users; see users.h. The database below is users_database.c, the bytes users_record.c. */
#include "core/users/users.h"

#include <time.h>

#include "core/base/log.h"
#include "core/users/users_costs.h"
#include "core/users/users_database.h"
#include "core/users/users_record.h"

/* --- reading --- */

static bool decode(struct slice key, const MDB_val *value, struct slice *name, struct user_record *record,
		   struct error *error)
{
	return users_record_decode(users_slice_of(value), name, record) ||
	       error_set(error, "user database: the record of %.*s is damaged", SLICE_ARGS(key));
}

/* `written` is the name as it was given, in the database's own memory: valid while the transaction is, and until its next
 * change. */
static enum users_status get_record(struct users *users, MDB_txn *transaction, struct slice key, struct slice *written,
				    struct user_record *record, struct error *error)
{
	MDB_val key_value = users_value_of(key), value;
	int code = mdb_get(transaction, users->table, &key_value, &value);
	if (code == MDB_NOTFOUND)
		return USERS_UNKNOWN;
	if (code != 0) {
		users_failed(error, code, "can't be read");
		return USERS_FAILED;
	}
	return decode(key, &value, written, record, error) ? USERS_OK : USERS_FAILED;
}

enum users_status users_find_written(struct users *users, struct slice name, struct user_record *record,
				     struct buffer *written)
{
	if (!users_name_is_valid(name))
		return USERS_BAD_NAME;
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES];
	struct slice key = users_fold_name(folded, name), given;
	struct error error;
	enum users_status status = USERS_FAILED;
	int code = users_read_again(users, users->reader);
	if (code == 0) {
		status = get_record(users, users->reader, key, &given, record, &error);
		if (status == USERS_OK && written)
			buffer_append(written, given);
		mdb_txn_reset(users->reader);
	} else {
		users_failed(&error, code, "can't be read");
	}
	if (status == USERS_FAILED)
		log_message(LOG_ERROR, "users-unreadable", "%s", error.text);
	return status;
}

enum users_status users_find(struct users *users, struct slice name, struct user_record *record)
{
	return users_find_written(users, name, record, NULL);
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
		struct slice name;
		struct user_record record;
		whole = decode(users_slice_of(&key), &value, &name, &record, error);
		wanted = whole && each(context, name, &record);
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

static bool change_begin(struct users *users, struct error *error)
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

static enum users_status change_end(struct users *users, enum users_status status, struct error *error)
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

/* Gives the record its new version and time, and stores it. `name` may lie in the record that is replaced. */
static enum users_status store_record(struct users *users, struct slice key, struct slice name,
				      struct user_record *record, struct error *error)
{
	record->version = ++users->last_version;
	record->changed_unix_us = unix_us();
	uint8_t storage[USERS_VALUE_BYTES];
	struct buffer value;
	buffer_init(&value, storage, sizeof storage);
	bool encoded = users_record_encode(&value, name, record);
	ASSERT(encoded);
	MDB_val key_value = users_value_of(key), data = users_value_of(buffer_slice(&value));
	int code = mdb_put(users->writer, users->table, &key_value, &data, 0);
	if (code == 0)
		return USERS_OK;
	users_failed(error, code, "can't be changed");
	return USERS_FAILED;
}

/* `disabled` NULL: as it was, and not for who is new. */
static enum users_status put_step(struct users *users, struct slice name, const char *hash, const bool *disabled,
				  bool replace, struct error *error)
{
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES];
	struct slice key = users_fold_name(folded, name), written;
	struct user_record record;
	enum users_status status = get_record(users, users->writer, key, &written, &record, error);
	if (status == USERS_FAILED)
		return status;
	if (status == USERS_OK && !replace)
		return USERS_EXISTS;
	struct users_costs costs = users->costs;
	if (status == USERS_OK)
		users_costs_remove(&costs, record.hash);
	if (!users_costs_add(&costs, hash))
		return USERS_TOO_MANY_COSTS;
	users->costs = costs;
	if (disabled)
		record.disabled = *disabled;
	else if (status == USERS_UNKNOWN)
		record.disabled = false;
	bool fits = slice_to_text(slice_from_text(hash), record.hash, sizeof record.hash);
	ASSERT(fits);
	return store_record(users, key, status == USERS_OK ? written : name, &record, error);
}

static enum users_status put(struct users *users, struct slice name, const char *hash, const bool *disabled,
			     bool replace, struct error *error)
{
	if (!users_name_is_valid(name))
		return USERS_BAD_NAME;
	if (!change_begin(users, error))
		return USERS_FAILED;
	return change_end(users, put_step(users, name, hash, disabled, replace, error), error);
}

enum users_status users_put(struct users *users, struct slice name, const char *hash, bool replace, struct error *error)
{
	return put(users, name, hash, NULL, replace, error);
}

enum users_status users_restore(struct users *users, struct slice name, const char *hash, bool disabled, bool replace,
				struct error *error)
{
	return put(users, name, hash, &disabled, replace, error);
}

static enum users_status disable_step(struct users *users, struct slice name, bool disabled, struct error *error)
{
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES];
	struct slice key = users_fold_name(folded, name), written;
	struct user_record record;
	enum users_status status = get_record(users, users->writer, key, &written, &record, error);
	if (status != USERS_OK)
		return status;
	record.disabled = disabled;
	return store_record(users, key, written, &record, error);
}

enum users_status users_set_disabled(struct users *users, struct slice name, bool disabled, struct error *error)
{
	if (!users_name_is_valid(name))
		return USERS_BAD_NAME;
	if (!change_begin(users, error))
		return USERS_FAILED;
	return change_end(users, disable_step(users, name, disabled, error), error);
}

static enum users_status remove_step(struct users *users, struct slice name, struct error *error)
{
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES];
	MDB_val key = users_value_of(users_fold_name(folded, name)), value;
	int code = mdb_get(users->writer, users->table, &key, &value);
	if (code == MDB_NOTFOUND)
		return USERS_UNKNOWN;
	struct slice written;
	struct user_record record;
	/* A damaged record can be removed too. */
	if (code == 0 && users_record_decode(users_slice_of(&value), &written, &record))
		users_costs_remove(&users->costs, record.hash);
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
	if (!change_begin(users, error))
		return USERS_FAILED;
	return change_end(users, remove_step(users, name, error), error);
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
