/* core/spool on the simulator's disk: what a process has written and not made durable is no ground for the next one to
 * build on, however it ended, and however its disk failed. */
#include "tests/unit/spool/lane.h"

#include "crypto/secret.h"
#include "tests/sim/loop_sim.h"

enum {
	SEEDS = 400,
	COUNT = 11,   /* messages: the last one is in another segment than those before */
	TEXT = 13000, /* bytes of each */
	CHANGES = 12, /* of the disk, that compaction makes */
	START_CHANGES = 16,
	REST_MS = 100,
};

struct life {
	struct sim *sim;
	struct lane lane;
};

static void begin(struct life *life)
{
	life->lane = (struct lane){
		.fill_text = lane_fill_text,
		.settings = { .directory = "/spool", .segment_bytes = SMALL_SEGMENT_BYTES, .compaction_ms = 5 },
		.loop = sim_loop_create(life->sim),
	};
}

static void end(struct life *life)
{
	lane_close(&life->lane);
	loop_destroy(life->lane.loop);
	free(life->lane.messages);
}

static void open_next(struct life *life)
{
	begin(life);
	lane_open(&life->lane);
}

static void rest(struct life *life)
{
	struct error error;
	uint64_t until_ns = loop_now(life->lane.loop)->monotonic_ns + (uint64_t)REST_MS * CLOCK_NS_PER_MS;
	while (loop_now(life->lane.loop)->monotonic_ns < until_ns)
		assert_true(loop_turn(life->lane.loop, true, &error));
}

/* A segment with one live message in it, which compaction is going to copy; answers its id. */
static uint64_t make_sparse_segment(struct life *life)
{
	struct lane_entry entries[COUNT];
	for (size_t i = 0; i < COUNT; i++) {
		lane_start_message(&life->lane, &entries[i], 1, TEXT, true);
		lane_wait(&life->lane, &entries[i]);
		assert_int_equal(entries[i].status, SPOOL_OK);
		lane_entry_finish(&entries[i]);
	}
	assert_int_not_equal(entries[0].entry.place.segment, entries[COUNT - 1].entry.place.segment);
	for (size_t i = 1; i < COUNT - 1; i++) {
		lane_change(&life->lane, entries[i].id, SPOOL_MESSAGE_DONE, 0, "");
		spool_forget(life->lane.spool, entries[i].id, entries[i].entry.place, false);
	}
	return entries[0].id;
}

/* The next process takes what it finds, frees what it thinks is free, and then the power fails. */
static void check_that_it_stays(struct life *life, uint64_t id)
{
	open_next(life);
	rest(life);
	sim_crash(life->sim);
	end(life);
	open_next(life);
	const struct lane_message *found = lane_find(&life->lane, id);
	assert_non_null(found);
	lane_check_text(&life->lane, id, found->place, TEXT, false);
	end(life);
	sim_destroy(life->sim);
}

/* What is copied may be seen by the next process and still be lost: the original must not go. */
static void a_copy_of_a_killed_process_is_made_durable(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct life life = { .sim = sim_create(&(struct sim_settings){ .seed = seed }) };
		open_next(&life);
		uint64_t id = make_sparse_segment(&life);
		sim_kill_after(life.sim, 1 + sim_random(life.sim, CHANGES));
		rest(&life);
		sim_kill(life.sim);
		end(&life);
		check_that_it_stays(&life, id);
	}
}

/* The write has failed, the system takes it for done, and the process ends before another one tells of it. */
static void a_copy_whose_write_has_failed_is_made_durable(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct life life = { .sim = sim_create(&(struct sim_settings){ .seed = seed }) };
		open_next(&life);
		uint64_t id = make_sparse_segment(&life);
		sim_fail_next(life.sim, LOOP_WRITE);
		struct error error;
		for (uint64_t turns = sim_random(life.sim, 200); turns > 0; turns--)
			assert_true(loop_turn(life.lane.loop, true, &error));
		sim_kill(life.sim);
		end(&life);
		check_that_it_stays(&life, id);
	}
}

/* The first process makes folders and may not come to sync them; the second finds them. */
static void folders_are_synced_whoever_has_made_them(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct life life = { .sim = sim_create(&(struct sim_settings){ .seed = seed }) };
		/* A process that is killed at any step of its start. */
		begin(&life);
		sim_kill_after(life.sim, 1 + seed % START_CHANGES);
		lane_open(&life.lane);
		sim_kill(life.sim);
		end(&life);
		open_next(&life);
		uint64_t id = lane_append(&life.lane, 1, TEXT);
		sim_crash(life.sim);
		end(&life);
		open_next(&life);
		assert_non_null(lane_find(&life.lane, id));
		end(&life);
		sim_destroy(life.sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_of_a_killed_process_is_made_durable),
		cmocka_unit_test(a_copy_whose_write_has_failed_is_made_durable),
		cmocka_unit_test(folders_are_synced_whoever_has_made_them),
	};
	assert_true(secret_setup());
	log_configure(LOG_ERROR + 1, 2);
	return cmocka_run_group_tests_name("spool hardening", tests, NULL, NULL);
}
