/* The simulator's disk: a crash keeps what was synced and any part of the rest; full and failing disks tell no lies. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "tests/sim/loop_sim.h"
#include "tests/sim/sim_await.h"

enum { SEEDS = 300, FILE_BYTES = 5 * 512 };

struct before {
	struct sim *sim;
	struct loop *loop;
};

static struct before begin(uint64_t seed)
{
	struct before before;
	before.sim = sim_create(&(struct sim_settings){ .seed = seed, .faults = SIM_DELAY });
	sim_make_directory(before.sim, "/a");
	sim_make_directory(before.sim, "/b");
	before.loop = sim_loop_create(before.sim);
	return before;
}

/* The next life. */
static void crash(struct before *before)
{
	sim_crash(before->sim);
	assert_true(sim_has_crashed(before->sim));
	loop_destroy(before->loop);
	before->loop = sim_loop_create(before->sim);
	assert_false(sim_has_crashed(before->sim));
}

static void end(struct before *before)
{
	loop_destroy(before->loop);
	sim_destroy(before->sim);
}

static bool exists(struct before *before, const char *path)
{
	struct slice bytes;
	return sim_read_file(before->sim, path, &bytes);
}

static void make_file(struct before *before, const char *path, uint8_t fill, bool durable)
{
	uint8_t bytes[FILE_BYTES];
	memset(bytes, fill, sizeof bytes);
	int fd = sim_open(before->loop, path, O_RDWR | O_CREAT);
	assert_true(fd >= 0);
	assert_int_equal(sim_write(before->loop, fd, bytes, sizeof bytes, 0, durable ? LOOP_WRITE_DURABLE : 0),
			 FILE_BYTES);
	loop_close(before->loop, fd);
}

static void what_is_synced_stays(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct before before = begin(seed);
		make_file(&before, "/a/durable", 1, true);
		make_file(&before, "/a/synced", 2, false);
		int fd = sim_open(before.loop, "/a/synced", O_RDWR);
		assert_int_equal(sim_sync(before.loop, fd), 0);
		loop_close(before.loop, fd);
		sim_sync_directory(before.loop, "/a");
		crash(&before);
		struct slice bytes;
		assert_true(sim_read_file(before.sim, "/a/durable", &bytes));
		assert_int_equal(bytes.size, FILE_BYTES);
		for (size_t i = 0; i < bytes.size; i++)
			assert_int_equal(bytes.data[i], 1);
		assert_true(sim_read_file(before.sim, "/a/synced", &bytes));
		assert_int_equal(bytes.size, FILE_BYTES);
		assert_int_equal(bytes.data[FILE_BYTES - 1], 2);
		end(&before);
	}
}

struct fates {
	unsigned lost, kept, torn, mixed, shorter;
};

/* Synced ones are overwritten with twos, and not synced. */
static void count_fates(struct fates *fates, struct slice bytes)
{
	bool some_lost = false, some_kept = false;
	for (size_t at = 0; at + 512 <= bytes.size; at += 512) {
		unsigned twos = 0;
		for (size_t i = 0; i < 512; i++) {
			assert_in_range(bytes.data[at + i], 1, 2);
			twos += bytes.data[at + i] == 2;
		}
		fates->torn += twos > 0 && twos < 512;
		some_lost |= twos == 0;
		some_kept |= twos == 512;
	}
	fates->lost += some_lost && !some_kept;
	fates->kept += some_kept && !some_lost;
	fates->mixed += some_kept && some_lost;
}

static void what_is_not_synced_has_any_fate(void **state)
{
	(void)state;
	struct fates fates = { 0 };
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct before before = begin(seed);
		make_file(&before, "/a/file", 1, true);
		sim_sync_directory(before.loop, "/a");
		make_file(&before, "/a/file", 2, false);
		crash(&before);
		struct slice bytes;
		assert_true(sim_read_file(before.sim, "/a/file", &bytes));
		assert_int_equal(bytes.size, FILE_BYTES);
		count_fates(&fates, bytes);
		end(&before);
	}
	assert_true(fates.lost > SEEDS / 10 && fates.kept > SEEDS / 10 && fates.mixed > SEEDS / 10);
	assert_true(fates.torn > SEEDS / 10);
}

/* A sector is synced, then half of it is written again: the first half is safe. */
static void a_later_write_does_not_undo_a_sync(void **state)
{
	(void)state;
	unsigned newer = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct before before = begin(seed);
		int fd = sim_open(before.loop, "/a/log", O_RDWR | O_CREAT);
		assert_int_equal(sim_write(before.loop, fd, "first record|", 13, 0, 0), 13);
		struct loop_op sync;
		loop_op_init(&sync);
		loop_sync(before.loop, &sync, fd, true, NULL);
		/* While the sync runs. */
		for (uint64_t turns = 0; turns < seed % 3; turns++)
			sim_turn(before.loop);
		assert_int_equal(sim_write(before.loop, fd, "second", 6, 13, 0), 6);
		assert_int_equal(loop_await(before.loop, &sync), 0);
		loop_close(before.loop, fd);
		sim_sync_directory(before.loop, "/a");
		crash(&before);
		struct slice bytes;
		assert_true(sim_read_file(before.sim, "/a/log", &bytes));
		assert_true(bytes.size >= 13);
		assert_memory_equal(bytes.data, "first record|", 13);
		newer += bytes.size == 19 && memcmp(bytes.data + 13, "second", 6) == 0;
		end(&before);
	}
	assert_in_range(newer, SEEDS / 10, SEEDS - 1);
}

static void names_are_durable_with_their_directory(void **state)
{
	(void)state;
	unsigned made = 0, renamed = 0, removed = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct before before = begin(seed);
		make_file(&before, "/a/old", 1, true);
		make_file(&before, "/a/gone", 2, true);
		sim_sync_directory(before.loop, "/a");
		make_file(&before, "/a/new", 3, true);
		assert_int_equal(sim_rename(before.loop, "/a/old", "/a/moved"), 0);
		assert_int_equal(sim_unlink(before.loop, "/a/gone"), 0);
		crash(&before);
		made += exists(&before, "/a/new");
		/* Inside one directory a rename has happened or has not. */
		assert_int_not_equal(exists(&before, "/a/old"), exists(&before, "/a/moved"));
		renamed += exists(&before, "/a/moved");
		removed += !exists(&before, "/a/gone");
		end(&before);
	}
	assert_in_range(made, SEEDS / 10, SEEDS - SEEDS / 10);
	assert_in_range(renamed, SEEDS / 10, SEEDS - SEEDS / 10);
	assert_in_range(removed, SEEDS / 10, SEEDS - SEEDS / 10);
}

/* As a delivery to a Maildir does it. */
static void a_rename_is_safe_when_its_target_is_synced(void **state)
{
	(void)state;
	unsigned twice = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct before before = begin(seed);
		make_file(&before, "/a/mail", 1, true);
		sim_sync_directory(before.loop, "/a");
		assert_int_equal(sim_rename(before.loop, "/a/mail", "/b/mail"), 0);
		bool synced = seed % 2;
		if (synced)
			sim_sync_directory(before.loop, "/b");
		crash(&before);
		bool in_a = exists(&before, "/a/mail"), in_b = exists(&before, "/b/mail");
		assert_true(in_a || in_b);
		if (synced)
			assert_true(in_b);
		else
			assert_false(in_a && in_b);
		twice += in_a && in_b;
		end(&before);
	}
	assert_in_range(twice, 1, SEEDS / 2);
}

/* In the middle of the work, at each change of the disk in turn: what was acknowledged is there. */
static void a_crash_comes_at_any_change(void **state)
{
	(void)state;
	for (uint64_t at = 1; at <= 60; at++) {
		struct before before = begin(at);
		sim_crash_after(before.sim, at);
		unsigned acknowledged = 0;
		int fd = sim_open(before.loop, "/a/log", O_RDWR | O_CREAT);
		sim_sync_directory(before.loop, "/a");
		for (unsigned i = 0; i < 40; i++) {
			uint8_t record[100];
			memset(record, (int)i + 1, sizeof record);
			assert_int_equal(sim_write(before.loop, fd, record, sizeof record, i * sizeof record,
						   LOOP_WRITE_DURABLE),
					 sizeof record);
			if (!sim_has_crashed(before.sim))
				acknowledged++;
		}
		loop_close(before.loop, fd);
		assert_true(sim_has_crashed(before.sim));
		crash(&before);
		struct slice bytes = { NULL, 0 };
		bool there = sim_read_file(before.sim, "/a/log", &bytes);
		assert_true(there || acknowledged == 0);
		assert_true(bytes.size >= acknowledged * 100);
		for (size_t i = 0; i < acknowledged * 100; i++)
			assert_int_equal(bytes.data[i], i / 100 + 1);
		end(&before);
	}
}

/* --- processes that end, and looking at the disk --- */

/* What it has written and not synced is seen by the next one, and may be lost all the same. */
static void a_killed_process_leaves_what_it_wrote(void **state)
{
	(void)state;
	unsigned lost = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct before before = begin(seed);
		make_file(&before, "/a/file", 1, false);
		sim_kill(before.sim);
		assert_true(sim_has_crashed(before.sim));
		loop_destroy(before.loop);
		before.loop = sim_loop_create(before.sim);
		struct slice bytes;
		assert_true(sim_read_file(before.sim, "/a/file", &bytes));
		assert_int_equal(bytes.size, FILE_BYTES);
		assert_int_equal(bytes.data[FILE_BYTES - 1], 1);
		crash(&before);
		lost += !exists(&before, "/a/file");
		end(&before);
	}
	assert_in_range(lost, SEEDS / 10, SEEDS - SEEDS / 10);
}

/* A sync has failed and the system takes what it should have written for clean: the next process may read what was there
 * before, and syncing again makes nothing durable. */
static void what_a_failed_sync_forgot_may_be_gone_with_the_process(void **state)
{
	(void)state;
	unsigned gone = 0, lost = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct before before = begin(seed);
		make_file(&before, "/a/file", 1, true);
		sim_sync_directory(before.loop, "/a");
		int fd = sim_open(before.loop, "/a/file", O_RDWR);
		assert_int_equal(sim_write(before.loop, fd, "2", 1, 0, 0), 1);
		sim_fail_next(before.sim, LOOP_SYNC);
		assert_int_equal(sim_sync(before.loop, fd), -EIO);
		assert_int_equal(sim_sync(before.loop, fd), 0);
		struct slice bytes;
		assert_true(sim_read_file(before.sim, "/a/file", &bytes));
		assert_int_equal(bytes.data[0], '2');
		loop_close(before.loop, fd);
		loop_destroy(before.loop);
		before.loop = sim_loop_create(before.sim);
		assert_true(sim_read_file(before.sim, "/a/file", &bytes));
		gone += bytes.data[0] == 1;
		crash(&before);
		assert_true(sim_read_file(before.sim, "/a/file", &bytes));
		lost += bytes.data[0] == 1;
		end(&before);
	}
	assert_in_range(gone, SEEDS / 20, SEEDS / 2);
	assert_in_range(lost, gone + 1, SEEDS / 2);
}

static void a_fork_is_looked_at_and_changes_nothing(void **state)
{
	(void)state;
	struct fates fates = { 0 };
	struct before before = begin(1);
	make_file(&before, "/a/file", 1, true);
	sim_sync_directory(before.loop, "/a");
	make_file(&before, "/a/file", 2, false);
	uint64_t hash = sim_trace_hash(before.sim);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim *fork = sim_fork(before.sim, seed, seed % 2);
		struct loop *loop = sim_loop_create(fork);
		struct slice bytes;
		assert_true(sim_read_file(fork, "/a/file", &bytes));
		if (seed % 2)
			count_fates(&fates, bytes);
		else
			assert_int_equal(bytes.data[0], 2);
		assert_int_equal(sim_unlink(loop, "/a/file"), 0);
		sim_sync_directory(loop, "/a");
		loop_destroy(loop);
		sim_destroy(fork);
	}
	assert_true(fates.lost && fates.kept && fates.mixed && fates.torn);
	assert_true(exists(&before, "/a/file"));
	assert_int_equal(sim_trace_hash(before.sim), hash);
	end(&before);
}

/* --- other faults --- */

static void a_disk_is_full(void **state)
{
	(void)state;
	struct sim *sim = sim_create(&(struct sim_settings){ .seed = 1, .disk_bytes = 1000 });
	struct loop *loop = sim_loop_create(sim);
	int fd = sim_open(loop, "/file", O_RDWR | O_CREAT);
	static const uint8_t bytes[800];
	assert_int_equal(sim_write(loop, fd, bytes, 800, 0, 0), 800);
	assert_int_equal(sim_write(loop, fd, bytes, 800, 800, 0), 200);
	assert_int_equal(sim_write(loop, fd, bytes, 1, 1000, 0), -ENOSPC);
	assert_int_equal(sim_write(loop, fd, bytes, 800, 0, LOOP_WRITE_DURABLE), 800);
	struct loop_op op;
	loop_op_init(&op);
	loop_allocate(loop, &op, fd, 2000, NULL);
	assert_int_equal(loop_await(loop, &op), -ENOSPC);
	loop_close(loop, fd);
	assert_int_equal(sim_unlink(loop, "/file"), 0);
	fd = sim_open(loop, "/other", O_RDWR | O_CREAT);
	assert_int_equal(sim_write(loop, fd, bytes, 800, 0, 0), 800);
	loop_close(loop, fd);
	loop_destroy(loop);
	sim_destroy(sim);
}

static void disks_fail_and_nothing_lies(void **state)
{
	(void)state;
	unsigned errors = 0, full = 0;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct sim *sim = sim_create(&(struct sim_settings){
			.seed = seed, .faults = SIM_DELAY | SIM_DISK_ERROR | SIM_DISK_FULL | SIM_SHORT_IO });
		struct loop *loop = sim_loop_create(sim);
		int fd;
		while ((fd = sim_open(loop, "/file", O_RDWR | O_CREAT)) < 0)
			full++;
		bool safe[20] = { false };
		for (unsigned i = 0; i < 20; i++) {
			uint8_t record[512];
			memset(record, 7, sizeof record);
			int32_t result = sim_write(loop, fd, record, 512, i * UINT64_C(512), LOOP_WRITE_DURABLE);
			safe[i] = result == 512;
			errors += result == -EIO;
			full += result == -ENOSPC;
		}
		sim_set_faults(sim, 0);
		sim_sync_directory(loop, "/");
		loop_close(loop, fd);
		sim_crash(sim);
		loop_destroy(loop);
		loop = sim_loop_create(sim);
		struct slice bytes;
		assert_true(sim_read_file(sim, "/file", &bytes));
		for (unsigned i = 0; i < 20; i++)
			for (size_t at = i * 512; safe[i] && at < (i + 1) * 512; at++)
				assert_true(at < bytes.size && bytes.data[at] == 7);
		loop_destroy(loop);
		sim_destroy(sim);
	}
	assert_true(errors && full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_synced_stays),
		cmocka_unit_test(what_is_not_synced_has_any_fate),
		cmocka_unit_test(a_later_write_does_not_undo_a_sync),
		cmocka_unit_test(names_are_durable_with_their_directory),
		cmocka_unit_test(a_rename_is_safe_when_its_target_is_synced),
		cmocka_unit_test(a_crash_comes_at_any_change),
		cmocka_unit_test(a_killed_process_leaves_what_it_wrote),
		cmocka_unit_test(what_a_failed_sync_forgot_may_be_gone_with_the_process),
		cmocka_unit_test(a_fork_is_looked_at_and_changes_nothing),
		cmocka_unit_test(a_disk_is_full),
		cmocka_unit_test(disks_fail_and_nothing_lies),
	};
	alarm(240);
	log_configure(LOG_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
