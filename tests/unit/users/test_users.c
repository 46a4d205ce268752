/* core/users: the user database. Names, round trips, versions, walking, batches, growth under a reader, processes that
 * are killed while they write or read, and whom the files belong to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/buffer.h"
#include "core/users/users_database.h"
#include "core/users/users_record.h"
#include "tests/unit/users/users_fixture.h"

/* --- names and records --- */

static void names_are_utf8_without_control_blank_and_colon(void **state)
{
	(void)state;
	static const char *const valid[] = { "a", "alice@example.org", "M\xc3\xbcller", "\xf0\x9f\x98\x80", "~", "#x",
					     "!" };
	static const char *const invalid[] = {
		"",
		"a b",
		"a\tb",
		"a:b",
		"a\x7f",
		"a\x01",
		"a\xc2\x85",
		"a\xc2\xa0",
		"\xc3",
		"\xff",
		"\x80",
		"\xc0\xaf",
		"\xe0\x80\xaf",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"a\xc3(",
	};
	for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
		assert_true(users_name_is_valid(slice_from_text(valid[i])));
	for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
		assert_false(users_name_is_valid(slice_from_text(invalid[i])));
	assert_false(users_name_is_valid(slice_of("a\0b", 3)));
	char longest[LIMIT_LOGIN_NAME_BYTES + 1];
	memset(longest, 'x', sizeof longest);
	assert_true(users_name_is_valid(slice_of(longest, LIMIT_LOGIN_NAME_BYTES)));
	assert_false(users_name_is_valid(slice_of(longest, sizeof longest)));
}

/* --- one process --- */

static void what_is_put_is_found_without_case(void **state)
{
	struct users *users = ((struct fixture *)*state)->users;
	struct user_record record;
	assert_int_equal(find(users, "alice@example.org", &record), USERS_UNKNOWN);
	assert_int_equal(put(users, "Alice@Example.org", HASH_A, false), USERS_OK);
	assert_int_equal(find(users, "aLICE@example.ORG", &record), USERS_OK);
	assert_string_equal(record.hash, HASH_A);
	assert_false(record.disabled);
	assert_true(record.changed_unix_us > 1600000000000000);
	assert_int_equal(put(users, "alice@EXAMPLE.org", HASH_B, false), USERS_EXISTS);
	assert_int_equal(put(users, "alice@EXAMPLE.org", HASH_B, true), USERS_OK);
	char written[LIMIT_LOGIN_NAME_BYTES];
	struct buffer name;
	buffer_init(&name, written, sizeof written);
	assert_int_equal(users_find_written(users, SLICE_LITERAL("alice@example.org"), &record, &name), USERS_OK);
	assert_true(slice_equal(buffer_slice(&name), SLICE_LITERAL("Alice@Example.org")));
	assert_string_equal(record.hash, HASH_B);
	assert_int_equal(find(users, "alice@example.orgs", &record), USERS_UNKNOWN);
	assert_int_equal(find(users, "a lice", &record), USERS_BAD_NAME);
	assert_int_equal(put(users, "a:b", HASH_A, false), USERS_BAD_NAME);
	/* Only ASCII is without case. */
	assert_int_equal(put(users, "\xc3\x84", HASH_A, false), USERS_OK);
	assert_int_equal(find(users, "\xc3\xa4", &record), USERS_UNKNOWN);
}

static void versions_rise_and_are_never_given_twice(void **state)
{
	struct fixture *fixture = *state;
	struct user_record record;
	struct error error;
	uint64_t last = 0;
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(put(fixture->users, "a", round % 2 ? HASH_B : HASH_A, true), USERS_OK);
		assert_int_equal(find(fixture->users, "a", &record), USERS_OK);
		assert_true(record.version > last);
		last = record.version;
		assert_int_equal(users_set_disabled(fixture->users, SLICE_LITERAL("A"), true, &error), USERS_OK);
		assert_int_equal(find(fixture->users, "a", &record), USERS_OK);
		assert_true(record.version > last && record.disabled);
		last = record.version;
		assert_int_equal(users_remove(fixture->users, SLICE_LITERAL("A"), &error), USERS_OK);
		assert_int_equal(users_remove(fixture->users, SLICE_LITERAL("A"), &error), USERS_UNKNOWN);
		assert_int_equal(find(fixture->users, "a", &record), USERS_UNKNOWN);
		users_close(fixture->users);
		fixture->users = open_or_die(&fixture->scratch, true);
	}
}

static void a_disabled_user_stays_so_under_a_new_password(void **state)
{
	struct users *users = ((struct fixture *)*state)->users;
	struct user_record record;
	struct error error;
	assert_int_equal(users_set_disabled(users, SLICE_LITERAL("bob"), true, &error), USERS_UNKNOWN);
	assert_int_equal(put(users, "Bob", HASH_A, false), USERS_OK);
	assert_int_equal(users_set_disabled(users, SLICE_LITERAL("bob"), true, &error), USERS_OK);
	assert_int_equal(put(users, "bob", HASH_B, true), USERS_OK);
	assert_int_equal(find(users, "bob", &record), USERS_OK);
	assert_true(record.disabled);
	assert_string_equal(record.hash, HASH_B);
	assert_int_equal(users_set_disabled(users, SLICE_LITERAL("bob"), false, &error), USERS_OK);
	assert_int_equal(find(users, "bob", &record), USERS_OK);
	assert_false(record.disabled);
}

/* --- what hashes cost --- */

#define OUTPUT "$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

/* Compared with a count of the users that are there. */
static bool count_cost(void *context, struct slice name, const struct user_record *record, struct slice grants)
{
	(void)name, (void)grants;
	struct password_cost cost;
	struct users_costs *costs = context;
	unsigned at = 0;
	if (!password_cost_of(record->hash, &cost))
		return true;
	while (at < costs->count && !password_cost_equal(&costs->rows[at].cost, &cost))
		at++;
	if (at == costs->count)
		costs->rows[costs->count++] = (struct users_cost){ cost, 0 };
	costs->rows[at].users++;
	return true;
}

static uint64_t users_of(const struct users_costs *costs, const struct password_cost *cost)
{
	for (unsigned i = 0; i < costs->count; i++)
		if (password_cost_equal(&costs->rows[i].cost, cost))
			return costs->rows[i].users;
	return 0;
}

static void assert_tally(struct users *users)
{
	struct users_costs told, counted = { 0 };
	assert_true(users_costs(users, &told));
	assert_true(users_walk(users, count_cost, &counted, NULL));
	struct password_cost usual = password_usual_cost();
	if (counted.count == 0)
		counted = (struct users_costs){ 1, { { usual, 0 } } };
	assert_int_equal(told.count, counted.count);
	for (unsigned i = 0; i < told.count; i++)
		assert_true(users_of(&counted, &told.rows[i].cost) == told.rows[i].users);
}

static void the_tally_of_costs_agrees_with_the_users(void **state)
{
	enum { STEPS = 600, NAMES = 24, KINDS = LIMIT_HASH_COSTS + 2 };
	struct users *users = ((struct fixture *)*state)->users;
	struct error error;
	unsigned refused = 0;
	assert_tally(users);
	srand(7);
	for (unsigned i = 0; i < STEPS; i++) {
		char name[16], hash[LIMIT_HASH_TEXT_BYTES];
		snprintf(name, sizeof name, "user%d", rand() % NAMES);
		snprintf(hash, sizeof hash, "$argon2id$v=19$m=%d,t=2,p=1" OUTPUT, 65536 + rand() % KINDS);
		if (i % 50 == 0)
			users_batch_begin(users);
		if (rand() % 3 == 0)
			assert_int_not_equal(users_remove(users, slice_from_text(name), &error), USERS_FAILED);
		else
			refused += put(users, name, hash, rand() % 4) == USERS_TOO_MANY_COSTS;
		if (i % 50 == 10)
			assert_true(users_batch_end(users, &error));
		if (i % 50 >= 10)
			assert_tally(users);
	}
	assert_true(refused > 0);
	/* A password that is set here always has room. */
	assert_int_equal(put(users, "usual", HASH_A, true), USERS_OK);
	assert_tally(users);
}

/* One process changes, the other knows. */
static void costs_are_those_that_hold_now(void **state)
{
	struct fixture *fixture = *state;
	struct users *reader = open_or_die(&fixture->scratch, true);
	struct users_costs costs;
	assert_int_equal(put(fixture->users, "a", "$argon2i$v=19$m=4096,t=3,p=1" OUTPUT, false), USERS_OK);
	assert_true(users_costs(reader, &costs) && costs.count == 1 && costs.rows[0].users == 1);
	assert_true(costs.rows[0].cost.kind == PASSWORD_ARGON2I && costs.rows[0].cost.memory_kib == 4096 &&
		    costs.rows[0].cost.passes == 3);
	assert_int_equal(put(reader, "a", HASH_A, true), USERS_OK);
	assert_true(users_costs(fixture->users, &costs) && costs.count == 1);
	struct password_cost usual = password_usual_cost();
	assert_true(password_cost_equal(&costs.rows[0].cost, &usual));
	users_close(reader);
}

/* What a Postern that kept no tally has left is counted when something is changed. */
static void users_without_a_tally_are_counted(void **state)
{
	struct users *users = ((struct fixture *)*state)->users;
	struct error error;
	struct users_costs costs;
	assert_int_equal(put(users, "a", "$argon2id$v=19$m=4096,t=3,p=1" OUTPUT, false), USERS_OK);
	assert_int_equal(put(users, "b", HASH_A, false), USERS_OK);
	assert_true(users_write_begin(users, &error));
	uint8_t head[9] = { USERS_LAYOUT, 2 };
	MDB_val key = users_value_of(USERS_HEAD_KEY), value = users_value_of(slice_of(head, sizeof head));
	assert_int_equal(mdb_put(users->writer, users->table, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(users->writer), 0);
	users->writer = NULL;
	assert_true(users_costs(users, &costs) && costs.count == 1);
	assert_int_equal(put(users, "c", HASH_A, false), USERS_OK);
	assert_true(users_costs(users, &costs) && costs.count == 2);
	assert_tally(users);
}

struct walk {
	struct users *users;
	char names[256];
	unsigned most;
};

static bool note_name(void *context, struct slice name, const struct user_record *record, struct slice grants)
{
	(void)grants;
	struct walk *walk = context;
	struct user_record found;
	assert_int_equal(users_find(walk->users, name, &found), USERS_OK);
	assert_true(found.version == record->version);
	size_t size = strlen(walk->names);
	snprintf(walk->names + size, sizeof walk->names - size, "%.*s ", SLICE_ARGS(name));
	return --walk->most > 0;
}

static void walking_goes_by_name_and_stops_when_told(void **state)
{
	struct users *users = ((struct fixture *)*state)->users;
	uint64_t count = 99;
	struct error error;
	struct walk nobody = { users, "", 9 };
	assert_true(users_walk(users, note_name, &nobody, &error));
	assert_string_equal(nobody.names, "");
	assert_true(users_count(users, &count) && count == 0);
	static const char *const names[] = { "carol", "Bob", "alice", "ALICE2", "!" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(put(users, names[i], HASH_A, false), USERS_OK);
	struct walk all = { users, "", 9 }, some = { users, "", 2 };
	assert_true(users_walk(users, note_name, &all, &error));
	assert_string_equal(all.names, "! alice ALICE2 Bob carol ");
	assert_true(users_walk(users, note_name, &some, &error));
	assert_string_equal(some.names, "! alice ");
	assert_true(users_count(users, &count) && count == 5);
}

static void a_batch_is_stored_at_its_end_and_when_it_is_old(void **state)
{
	struct users *users = ((struct fixture *)*state)->users;
	struct error error;
	struct user_record record;
	users_batch_begin(users);
	assert_int_equal(put(users, "a", HASH_A, false), USERS_OK);
	assert_int_equal(put(users, "A", HASH_A, false), USERS_EXISTS);
	assert_int_equal(find(users, "a", &record), USERS_UNKNOWN);
	usleep((LIMIT_USERS_BATCH_MS + 5) * 1000);
	assert_int_equal(put(users, "b", HASH_A, false), USERS_OK);
	assert_int_equal(find(users, "a", &record), USERS_OK);
	assert_int_equal(put(users, "c", HASH_A, false), USERS_OK);
	assert_int_equal(find(users, "c", &record), USERS_UNKNOWN);
	assert_true(users_batch_end(users, &error));
	assert_int_equal(find(users, "c", &record), USERS_OK);
	users_batch_begin(users);
	assert_true(users_batch_end(users, &error));
}

/* Whoever has made the change. */
static void what_a_lookup_has_seen_holds_until_something_is_changed(void **state)
{
	struct fixture *fixture = *state;
	struct user_record record;
	struct error error;
	assert_false(users_are_unchanged(fixture->users, 0));
	struct users *others = open_or_die(&fixture->scratch, true);
	for (unsigned round = 0; round < 4; round++) {
		assert_int_equal(put(round % 2 ? others : fixture->users, "a", HASH_A, true), USERS_OK);
		assert_int_equal(find(fixture->users, "a", &record), USERS_OK);
		uint64_t seen = users_seen(fixture->users);
		assert_true(users_are_unchanged(fixture->users, seen));
		assert_int_equal(find(fixture->users, "b", &record), USERS_UNKNOWN);
		assert_true(users_seen(fixture->users) == seen && users_are_unchanged(fixture->users, seen));
		assert_int_equal(
			users_set_disabled(round / 2 ? others : fixture->users, SLICE_LITERAL("a"), true, &error),
			USERS_OK);
		assert_false(users_are_unchanged(fixture->users, seen));
		assert_int_equal(find(fixture->users, "a", &record), USERS_OK);
		assert_false(users_are_unchanged(fixture->users, seen));
	}
	users_close(others);
}

static void what_is_missing_or_foreign_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct error error = { "" };
	assert_null(users_open(fixture->scratch.database, false, &error));
	assert_non_null(strstr(error.text, "there is no user database in"));
	assert_null(users_open("/proc/nowhere/users", true, &error));
	assert_non_null(strstr(error.text, "/proc/nowhere"));
	assert_int_equal(mkdir(fixture->scratch.database, 0700), 0);
	char path[128];
	snprintf(path, sizeof path, "%s/data.mdb", fixture->scratch.database);
	FILE *foreign = fopen(path, "w");
	for (unsigned i = 0; i < 1000; i++)
		fputs("this is no database\n", foreign);
	fclose(foreign);
	assert_null(users_open(fixture->scratch.database, true, &error));
	assert_non_null(strstr(error.text, "can't open the user database"));
}

/* --- several processes --- */

/* Changes, adds and removes as fast as it can, until it is killed. */
static void write_for_ever(const struct scratch *scratch)
{
	struct users *users = open_or_die(scratch, true);
	struct error error;
	for (unsigned turn = 0;; turn++) {
		char name[32];
		snprintf(name, sizeof name, "user%u", turn % 100);
		if (put(users, "moving", turn % 2 ? HASH_A : HASH_B, true) != USERS_OK)
			_exit(2);
		if (turn % 3 == 0 && users_remove(users, slice_from_text(name), &error) == USERS_FAILED)
			_exit(3);
		if (turn % 3 != 0 && put(users, name, HASH_A, true) != USERS_OK)
			_exit(4);
	}
}

static bool count_whole(void *context, struct slice name, const struct user_record *record, struct slice grants)
{
	(void)name, (void)grants;
	if (record->hash[0] == '$')
		(*(uint64_t *)context)++;
	return true;
}

static void a_reader_goes_on_beside_writers_that_are_killed(void **state)
{
	enum { WRITERS = 8, TIME_US = 100000 };
	struct fixture *fixture = *state;
	users_close(fixture->users);
	fixture->users = NULL;
	struct users *users = open_or_die(&fixture->scratch, true);
	assert_int_equal(put(users, "steady", HASH_A, false), USERS_OK);
	assert_int_equal(put(users, "moving", HASH_A, false), USERS_OK);
	uint64_t version = 0, newest = 0, changes = 0;
	for (unsigned round = 0; round < WRITERS; round++) {
		pid_t writer = scratch_fork();
		if (writer == 0)
			write_for_ever(&fixture->scratch);
		for (uint64_t end = scratch_now_us() + TIME_US; scratch_now_us() < end;) {
			struct user_record record;
			assert_int_equal(find(users, "steady", &record), USERS_OK);
			assert_string_equal(record.hash, HASH_A);
			assert_int_equal(find(users, "moving", &record), USERS_OK);
			assert_true(!strcmp(record.hash, HASH_A) || !strcmp(record.hash, HASH_B));
			changes += record.version != version;
			version = record.version;
			newest = version > newest ? version : newest;
		}
		kill(writer, SIGKILL);
		assert_int_equal(scratch_wait(writer), -1);
	}
	assert_true(changes > WRITERS);
	/* The lock of the dead is taken over, and all that is there is whole. */
	assert_int_equal(put(users, "after", HASH_A, false), USERS_OK);
	struct user_record record;
	assert_int_equal(find(users, "moving", &record), USERS_OK);
	assert_true(record.version >= newest);
	assert_int_equal(find(users, "after", &record), USERS_OK);
	assert_true(record.version > newest);
	struct error error;
	uint64_t whole = 0, count = 0;
	assert_true(users_walk(users, count_whole, &whole, &error));
	assert_true(users_count(users, &count) && count == whole);
	fixture->users = users;
}

static bool stop_here(void *context, struct slice name, const struct user_record *record, struct slice grants)
{
	(void)name, (void)record, (void)grants;
	char ready = 1;
	if (write(*(int *)context, &ready, 1) == 1)
		pause();
	return false;
}

static uint64_t file_size(const struct scratch *scratch)
{
	char path[128];
	struct stat status;
	snprintf(path, sizeof path, "%s/data.mdb", scratch->database);
	assert_int_equal(stat(path, &status), 0);
	return (uint64_t)status.st_size;
}

/* A killed reader's pages would be kept for ever, and the file would grow with every change. */
static void what_a_killed_reader_held_is_swept(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(put(fixture->users, "a", HASH_A, false), USERS_OK);
	users_close(fixture->users);
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t reader = scratch_fork();
	if (reader == 0) {
		struct users *users = open_or_die(&fixture->scratch, false);
		_exit(users_walk(users, stop_here, &ends[1], NULL));
	}
	char ready;
	assert_int_equal(read(ends[0], &ready, 1), 1);
	kill(reader, SIGKILL);
	assert_int_equal(scratch_wait(reader), -1);
	close(ends[0]);
	close(ends[1]);
	fixture->users = open_or_die(&fixture->scratch, true);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(put(fixture->users, "a", HASH_B, true), USERS_OK);
	assert_true(file_size(&fixture->scratch) < 100000);
}

/* Reads with a map of its own size, waits, and finds what the writer has added far behind that map's end. */
static int read_beyond_map(const struct scratch *scratch, int ready_fd, int go_fd)
{
	struct error error;
	struct user_record record;
	char byte = 0;
	struct users *users = users_open_with_map(scratch->database, false, 1 << 20, &error);
	if (!users || find(users, "first", &record) != USERS_OK || write(ready_fd, &byte, 1) != 1 ||
	    read(go_fd, &byte, 1) != 1)
		return 2;
	uint64_t count;
	bool all = find(users, "user19999", &record) == USERS_OK && users_count(users, &count) && count == 20001;
	users_close(users);
	return all ? 0 : 1;
}

static void the_map_grows_for_writer_and_reader(void **state)
{
	struct fixture *fixture = *state;
	struct error error;
	int ready[2], go[2];
	char byte = 0;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	fixture->users = users_open_with_map(fixture->scratch.database, true, 1 << 20, &error);
	assert_int_equal(put(fixture->users, "first", HASH_A, false), USERS_OK);
	pid_t reader = scratch_fork();
	if (reader == 0)
		_exit(read_beyond_map(&fixture->scratch, ready[1], go[0]));
	assert_int_equal(read(ready[0], &byte, 1), 1);
	users_batch_begin(fixture->users);
	for (unsigned i = 0; i < 20000; i++) {
		char name[32];
		snprintf(name, sizeof name, "user%u", i);
		assert_int_equal(put(fixture->users, name, HASH_A, false), USERS_OK);
	}
	assert_true(users_batch_end(fixture->users, &error));
	assert_true(file_size(&fixture->scratch) > 2 << 20);
	assert_int_equal(write(go[1], &byte, 1), 1);
	assert_int_equal(scratch_wait(reader), 0);
	for (unsigned i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
}

static void assert_owned(const char *path, uid_t owner, mode_t mode)
{
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_uid, owner);
	assert_int_equal(status.st_mode & 07777, mode);
}

/* The command line runs as root, the server as somebody else: everything is the owner's of the data folder. */
static void what_root_makes_belongs_to_the_owner(void **state)
{
	enum { NOBODY = 65534 };
	struct fixture *fixture = *state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(fixture->scratch.path, NOBODY, NOBODY), 0);
	fixture->users = open_or_die(&fixture->scratch, true);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(put(fixture->users, "a", HASH_A, false), USERS_OK);
	char path[128];
	assert_owned(fixture->scratch.database, NOBODY, 0700);
	snprintf(path, sizeof path, "%s/data.mdb", fixture->scratch.database);
	assert_owned(path, NOBODY, 0600);
	snprintf(path, sizeof path, "%s/lock.mdb", fixture->scratch.database);
	assert_owned(path, NOBODY, 0600);
	pid_t reader = scratch_fork();
	if (reader == 0) {
		struct user_record record;
		_exit(setgid(NOBODY) != 0 || setuid(NOBODY) != 0 ||
		      find(open_or_die(&fixture->scratch, false), "a", &record) != USERS_OK);
	}
	assert_int_equal(scratch_wait(reader), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_utf8_without_control_blank_and_colon),
		cmocka_unit_test_setup_teardown(what_is_put_is_found_without_case, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(versions_rise_and_are_never_given_twice, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(a_disabled_user_stays_so_under_a_new_password, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(the_tally_of_costs_agrees_with_the_users, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(costs_are_those_that_hold_now, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(users_without_a_tally_are_counted, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(walking_goes_by_name_and_stops_when_told, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_is_stored_at_its_end_and_when_it_is_old, set_up_open,
						tear_down),
		cmocka_unit_test_setup_teardown(what_a_lookup_has_seen_holds_until_something_is_changed, set_up_open,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_missing_or_foreign_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_goes_on_beside_writers_that_are_killed, set_up_open,
						tear_down),
		cmocka_unit_test_setup_teardown(what_a_killed_reader_held_is_swept, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(the_map_grows_for_writer_and_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_root_makes_belongs_to_the_owner, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
