/* Opening and closing the user database, its transactions and its growth; see users_database.h.
 *
 * LMDB's lock file counts readers by process, so what a killed process has left is swept at each opening. Files belong
 * to the folder's owner also when root opens them: it does so under the owner's identity, which also keeps it from
 * following a link that the owner has no right to. */
#include "core/users/users_database.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cursor.h"
#include "core/users/users_costs.h"
#include "core/users/users_record.h"
#include "crypto/durable_file.h"

enum { HEAD_BYTES = 1 + 8 + USERS_COSTS_BYTES, FILE_MODE = 0600, FOLDER_MODE = 0700 };

bool users_failed(struct error *error, int code, const char *what)
{
	return error_set(error, "user database: %s: %s", what, mdb_strerror(code));
}

/* --- root works as the owner --- */

struct identity {
	uid_t user;
	gid_t group;
};

static bool become(const struct identity *identity)
{
	/* The group first on the way down and last on the way up: only root may change it. */
	if (geteuid() == 0)
		return setegid(identity->group) == 0 && seteuid(identity->user) == 0;
	return seteuid(identity->user) == 0 && setegid(identity->group) == 0;
}

/* Root becomes the owner of `path`; everybody else stays. `before` is for going back. That nothing is there is told by
 * whoever goes on to use it. */
static bool become_owner(const char *path, struct identity *before, struct error *error)
{
	*before = (struct identity){ geteuid(), getegid() };
	if (before->user != 0)
		return true;
	struct stat status;
	if (stat(path, &status) != 0)
		return errno == ENOENT || error_set_errno(error, errno, "%s", path);
	struct identity owner = { status.st_uid, status.st_gid };
	if (owner.user != 0 && !become(&owner))
		return error_set_errno(error, errno, "user database: can't act as the owner of %s", path);
	return true;
}

static void become_again(const struct identity *before)
{
	bool same = geteuid() == before->user || become(before);
	ASSERT(same);
}

/* --- opening --- */

static bool make_folder(const char *directory, struct error *error)
{
	char parent[PATH_MAX];
	if (!slice_to_text(slice_from_text(directory), parent, sizeof parent))
		return error_set_errno(error, ENAMETOOLONG, "%s", directory);
	struct identity before;
	if (!become_owner(dirname(parent), &before, error))
		return false;
	bool made = mkdir(directory, FOLDER_MODE) == 0 || errno == EEXIST;
	int code = errno;
	become_again(&before);
	return made || error_set_errno(error, code, "can't make the folder of the user database, %s", directory);
}

/* A name lasts once the folder that it is in is synced: that of LMDB's file, and that of the database. Also where they were found: who
 * made them may not have come so far. Where a folder may not be read, nothing was made by us. */
static bool make_names_last(const char *directory, struct error *error)
{
	char file[PATH_MAX];
	int size = snprintf(file, sizeof file, "%s/data.mdb", directory);
	if (size < 0 || (size_t)size >= sizeof file)
		return error_set_errno(error, ENAMETOOLONG, "%s", directory);
	if (durable_file_sync_name(file) && (durable_file_sync_name(directory) || errno == EACCES))
		return true;
	return error_set_errno(error, errno, "can't sync the folder of the user database, %s", directory);
}

static bool open_environment(struct users *users, const char *directory, bool writable, size_t map_bytes,
			     struct error *error)
{
	int code = mdb_env_create(&users->env);
	if (code == 0)
		code = mdb_env_set_maxreaders(users->env, LIMIT_USERS_READERS);
	if (code == 0)
		code = mdb_env_set_mapsize(users->env, map_bytes);
	if (code != 0)
		return users_failed(error, code, "can't be set up");
	struct identity before;
	if (!become_owner(directory, &before, error))
		return false;
	code = mdb_env_open(users->env, directory, MDB_NOTLS | (writable ? 0u : (unsigned)MDB_RDONLY), FILE_MODE);
	become_again(&before);
	if (code == ENOENT)
		return error_set(error, "there is no user database in %s yet", directory);
	if (code != 0)
		return error_set(error, "can't open the user database in %s: %s", directory, mdb_strerror(code));
	int swept = 0;
	code = mdb_reader_check(users->env, &swept);
	return code == 0 || users_failed(error, code, "can't sweep its readers");
}

bool users_read_head(const struct users *users, MDB_txn *transaction, uint64_t *last_version, struct users_costs *costs,
		     struct error *error)
{
	MDB_val key = users_value_of(USERS_HEAD_KEY), value;
	int code = mdb_get(transaction, users->table, &key, &value);
	*last_version = 0;
	costs->count = 0;
	if (code == MDB_NOTFOUND)
		return true;
	if (code != 0)
		return users_failed(error, code, "can't be read");
	struct cursor cursor = cursor_over(users_slice_of(&value));
	uint8_t layout = cursor_take_u8(&cursor);
	*last_version = cursor_take_u64le(&cursor);
	if (!cursor_ok(&cursor) || layout != USERS_LAYOUT)
		return error_set(error, "user database: its layout is %u, this Postern knows %u", layout, USERS_LAYOUT);
	return users_costs_decode(&cursor, costs) || error_set(error, "user database: its head is damaged");
}

static int write_head(struct users *users)
{
	uint8_t storage[HEAD_BYTES];
	struct buffer head;
	buffer_init(&head, storage, sizeof storage);
	buffer_append_byte(&head, USERS_LAYOUT);
	buffer_append_le(&head, users->last_version, 8);
	users_costs_encode(&head, &users->costs);
	MDB_val key = users_value_of(USERS_HEAD_KEY), value = users_value_of(buffer_slice(&head));
	return mdb_put(users->writer, users->table, &key, &value, 0);
}

/* The handle of the table, the transaction that lookups keep, and a look at the layout. */
static bool open_table(struct users *users, struct error *error)
{
	int code = users_read_begin(users, &users->reader);
	if (code == 0)
		code = mdb_dbi_open(users->reader, NULL, 0, &users->table);
	if (code != 0)
		return users_failed(error, code, "can't be read");
	bool known = users_read_head(users, users->reader, &users->last_version, &users->costs, error);
	mdb_txn_reset(users->reader);
	return known;
}

struct users *users_open_with_map(const char *directory, bool writable, size_t map_bytes, struct error *error)
{
	struct users *users = calloc(1, sizeof *users);
	if (!users) {
		error_set_errno(error, ENOMEM, "user database");
		return NULL;
	}
	if ((writable && !make_folder(directory, error)) ||
	    !open_environment(users, directory, writable, map_bytes, error) ||
	    (writable && !make_names_last(directory, error)) || !open_table(users, error)) {
		users_close(users);
		return NULL;
	}
	return users;
}

struct users *users_open(const char *directory, bool writable, struct error *error)
{
	return users_open_with_map(directory, writable, (size_t)LIMIT_USERS_MAP_GIB << 30, error);
}

void users_close(struct users *users)
{
	if (!users)
		return;
	ASSERT(users->walks == 0);
	users_write_abort(users);
	mdb_txn_abort(users->reader);
	mdb_env_close(users->env);
	free(users);
}

/* --- transactions --- */

/* Another process has made the map larger: so do we, unless somebody is walking on the old one. */
static bool follow_map(struct users *users, int code)
{
	return code == MDB_MAP_RESIZED && users->walks == 0 && mdb_env_set_mapsize(users->env, 0) == 0;
}

int users_read_begin(struct users *users, MDB_txn **reader)
{
	int code;
	do
		code = mdb_txn_begin(users->env, NULL, MDB_RDONLY, reader);
	while (follow_map(users, code));
	return code;
}

int users_read_again(struct users *users, MDB_txn *reader)
{
	int code;
	do
		code = mdb_txn_renew(reader);
	while (follow_map(users, code));
	return code;
}

/* A transaction that fills the map is lost, so there is always more room than one can fill. The file is sparse and grows
 * with what is written only. */
static bool make_room(struct users *users, struct error *error)
{
	MDB_envinfo info;
	MDB_stat stat;
	int code = mdb_env_info(users->env, &info);
	if (code == 0)
		code = mdb_env_stat(users->env, &stat);
	if (code != 0)
		return users_failed(error, code, "can't tell its size");
	size_t needed = (info.me_last_pgno + 1) * stat.ms_psize + ((size_t)LIMIT_USERS_ROOM_MIB << 20);
	if (needed <= info.me_mapsize)
		return true;
	if (users->walks > 0)
		return error_set(error, "user database: can't grow while it is being read");
	size_t larger = info.me_mapsize;
	while (larger < needed)
		larger *= 2;
	code = mdb_env_set_mapsize(users->env, larger);
	return code == 0 || users_failed(error, code, "can't grow");
}

/* Users and no tally: an earlier Postern, which kept none, has changed the database last. */
static bool count_costs(struct users *users, struct error *error)
{
	MDB_stat stat;
	MDB_cursor *cursor;
	MDB_val key, value;
	int code = mdb_stat(users->writer, users->table, &stat);
	if (code == 0 && (users->costs.count > 0 || stat.ms_entries <= 1))
		return true;
	if (code == 0)
		code = mdb_cursor_open(users->writer, users->table, &cursor);
	if (code != 0)
		return users_failed(error, code, "can't be read");
	while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct users_entry entry;
		bool counted = !users_record_decode(users_slice_of(&value), &entry) ||
			       users_costs_add(&users->costs, entry.record.hash);
		(void)counted; /* what is no user, or of a cost too many, is left out */
	}
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND || users_failed(error, code, "can't be read");
}

bool users_write_begin(struct users *users, struct error *error)
{
	ASSERT(!users->writer);
	if (!make_room(users, error))
		return false;
	int code;
	do
		code = mdb_txn_begin(users->env, NULL, 0, &users->writer);
	while (follow_map(users, code));
	if (code != 0) {
		users->writer = NULL;
		return users_failed(error, code, "can't be changed");
	}
	if (users_read_head(users, users->writer, &users->last_version, &users->costs, error) &&
	    count_costs(users, error))
		return true;
	users_write_abort(users);
	return false;
}

bool users_write_commit(struct users *users, struct error *error)
{
	int code = write_head(users);
	if (code != 0) {
		users_write_abort(users);
		return users_failed(error, code, "can't be changed");
	}
	code = mdb_txn_commit(users->writer);
	users->writer = NULL;
	return code == 0 || users_failed(error, code, "can't be stored");
}

void users_write_abort(struct users *users)
{
	if (users->writer)
		mdb_txn_abort(users->writer);
	users->writer = NULL;
}
