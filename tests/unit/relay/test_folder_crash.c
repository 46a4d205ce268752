/* core/relay/folder on the simulator's disk: a copy that was delivered stays, whoever has made the Maildir, and however that
 * process ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/relay/maildir.h"
#include "tests/sim/loop_sim.h"

enum { SEEDS = 300, CHANGES = 24, BASE_BYTES = 6 };

#define MAILDIR "/mail/example.org/u"

struct life {
	struct sim *sim;
	struct loop *loop;
	struct folder_cache folders;
	struct maildir_copy copy;
	struct maildir_message message;
	uint8_t chunk[LIMIT_DELIVERY_CHUNK_BYTES];
	int32_t result;
	bool done;
};

static void begin(struct life *life)
{
	life->loop = sim_loop_create(life->sim);
	assert_true(folder_cache_init(&life->folders, life->loop));
}

static void end(struct life *life)
{
	folder_cache_finish(&life->folders);
	loop_destroy(life->loop);
}

static void ended(struct maildir_copy *copy, int32_t result)
{
	struct life *life = CONTAINER_OF(copy, struct life, copy);
	life->result = result;
	life->done = true;
}

static int32_t deliver(struct life *life, const char *name)
{
	struct error error;
	life->message = (struct maildir_message){ name, SLICE_LITERAL("Subject: x\r\n\r\ntext\r\n"), -1, 0 };
	life->done = false;
	maildir_copy_init(&life->copy, &life->folders);
	maildir_copy_start(&life->copy, &life->message, MAILDIR, BASE_BYTES, life->chunk, 0, ended);
	while (!life->done)
		assert_true(loop_turn(life->loop, true, &error));
	return life->result;
}

static void check(struct life *life, const char *path)
{
	struct slice bytes;
	assert_true(sim_read_file(life->sim, path, &bytes));
	assert_true(slice_equal(bytes, SLICE_LITERAL("Subject: x\n\ntext\n")));
}

/* The first process makes the Maildir and is killed on the way; the second delivers; the power fails. */
static void a_maildir_that_was_found_is_durable(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct life *life = calloc(1, sizeof *life);
		assert_non_null(life);
		life->sim = sim_create(&(struct sim_settings){ .seed = seed });
		sim_make_directory(life->sim, "/mail");
		begin(life);
		sim_kill_after(life->sim, 1 + seed % CHANGES);
		assert_int_equal(deliver(life, "1.A.first"), 0);
		sim_kill(life->sim);
		end(life);
		begin(life);
		assert_int_equal(deliver(life, "2.B.second"), 0);
		assert_int_equal(deliver(life, "3.C.third"), 0);
		sim_crash(life->sim);
		end(life);
		begin(life);
		check(life, MAILDIR "/new/2.B.second");
		check(life, MAILDIR "/new/3.C.third");
		end(life);
		sim_destroy(life->sim);
		free(life);
	}
}

/* A sync that fails while the Maildir is made defers the copy; the next one does not count on it. */
static void a_sync_that_failed_is_made_again(void **state)
{
	(void)state;
	unsigned deferred = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct life *life = calloc(1, sizeof *life);
		assert_non_null(life);
		life->sim = sim_create(&(struct sim_settings){ .seed = seed, .faults = SIM_DISK_ERROR });
		sim_set_disk_error_rate(life->sim, 8);
		sim_make_directory(life->sim, "/mail");
		begin(life);
		while (deliver(life, "1.A.first") != 0)
			deferred++;
		sim_crash(life->sim);
		end(life);
		begin(life);
		check(life, MAILDIR "/new/1.A.first");
		end(life);
		sim_destroy(life->sim);
		free(life);
	}
	assert_true(deferred > SEEDS / 4);
}

/* After a crash the name in tmp/ and the one in new/ may be the same file's: where only one half of the rename was durable. The
 * repeat must not touch what a mail reader sees. */
static void a_copy_that_is_there_stays_whole(void **state)
{
	(void)state;
	unsigned checked = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct slice bytes;
		struct life *life = calloc(1, sizeof *life);
		assert_non_null(life);
		life->sim = sim_create(&(struct sim_settings){ .seed = seed });
		sim_make_directory(life->sim, "/mail");
		begin(life);
		assert_int_equal(deliver(life, "1.A.first"), 0);
		sim_crash(life->sim);
		end(life);
		begin(life);
		check(life, MAILDIR "/new/1.A.first");
		sim_kill_after(life->sim, 1 + seed % CHANGES);
		assert_int_equal(deliver(life, "1.A.first"), 0);
		sim_kill(life->sim);
		end(life);
		begin(life);
		check(life, MAILDIR "/new/1.A.first");
		checked += sim_read_file(life->sim, MAILDIR "/tmp/1.A.first", &bytes);
		end(life);
		sim_destroy(life->sim);
		free(life);
	}
	assert_true(checked > SEEDS / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_maildir_that_was_found_is_durable),
		cmocka_unit_test(a_sync_that_failed_is_made_again),
		cmocka_unit_test(a_copy_that_is_there_stays_whole),
	};
	log_configure(LOG_ERROR + 1, 2);
	return cmocka_run_group_tests_name("folders and crashes", tests, NULL, NULL);
}
