/* core/spool on the simulator's disk that fails (EIO, short writes, operations that overtake each other) and crashes: what
 * is acknowledged stays, what is refused is gone once anything was committed behind it, and the lane goes on.
 *
 * SPOOL_TEST_SEED in the environment runs one seed alone. */
#include "tests/unit/spool/lane.h"

#include <stdio.h>

#include "crypto/secret.h"
#include "tests/sim/loop_sim.h"

enum {
	SEEDS = 40,
	LIVES = 8, /* of a lane, a restart or a crash between them */
	STEPS = 75,
	MESSAGES = LIVES * STEPS,
	TEXT_MOST = 9000,
	TRIES_SECONDS = 5,
};

enum fate {
	UNUSED,
	LIVE,
	ENDED,
	DOUBTFUL, /* refused, and nothing was committed since: a crash may bring it back, or what was to end it may be lost */
};

struct modelled {
	uint64_t id;
	enum fate fate, otherwise; /* what a commit behind it makes of a doubtful one */
	size_t text_size;
	struct spool_place place;
};

struct world {
	struct sim *sim;
	struct lane lane;
	struct modelled messages[MESSAGES];
	size_t count;
	uint64_t most_bytes; /* of disk; 0: no limit */
	uint32_t newest_segment;
	unsigned acknowledged, refused;
	bool stuck; /* on a disk that was full and failed */
};

static struct world world;
static uint64_t current_seed;

static uint32_t below(uint32_t bound)
{
	return (uint32_t)sim_random(world.sim, bound);
}

static struct modelled *find(uint64_t id)
{
	for (size_t i = 0; i < world.count; i++)
		if (world.messages[i].id == id)
			return &world.messages[i];
	return NULL;
}

/* The id of one that was refused and is in no log may be given again after a restart. */
static struct modelled *add(uint64_t id, size_t size)
{
	struct modelled *before = find(id);
	if (before) {
		assert_int_equal(before->fate, ENDED);
		before->id = 0;
	}
	struct modelled *message = &world.messages[world.count++];
	*message = (struct modelled){ .id = id, .text_size = size };
	return message;
}

static void message_moved(void *context, uint64_t id, struct spool_place to)
{
	(void)context;
	find(id)->place = to;
}

/* --- lives --- */

static void begin_life(void)
{
	world.lane = (struct lane){
		.fill_text = lane_fill_text,
		.settings = { .directory = "/spool",
			      .lane = 7,
			      .segment_bytes = SMALL_SEGMENT_BYTES,
			      .most_bytes = world.most_bytes,
			      .compaction_ms = 20 },
		.loop = sim_loop_create(world.sim),
		.moved = message_moved,
	};
	lane_open(&world.lane);
}

/* What ran before the crash runs to its end as a ghost. */
static void end_life(void)
{
	sim_set_faults(world.sim, 0);
	lane_close(&world.lane);
	loop_destroy(world.lane.loop);
	free(world.lane.messages);
}

/* --- steps --- */

/* A commit behind them has sealed the segment that the failed one was in. */
static void decide_doubtful(void)
{
	for (size_t i = 0; i < world.count; i++)
		if (world.messages[i].fate == DOUBTFUL)
			world.messages[i].fate = world.messages[i].otherwise;
}

static void note(const struct lane_entry *entry, struct modelled *message, enum fate done, enum fate otherwise)
{
	if (entry->status == SPOOL_OK) {
		/* Replay goes by generation, so what comes later must have a later one. */
		assert_true(entry->entry.place.segment >= world.newest_segment);
		world.newest_segment = entry->entry.place.segment;
		decide_doubtful();
		message->fate = done;
		world.acknowledged++;
		return;
	}
	/* A disk that fails is no full one: 451, not 452. */
	assert_true(entry->status == SPOOL_ERROR || (entry->status == SPOOL_FULL && world.most_bytes));
	message->fate = DOUBTFUL;
	message->otherwise = otherwise;
	world.refused++;
}

/* A few at once, so that commits carry more than one. */
static void append_some(void)
{
	enum { MOST = 6 };
	struct lane_entry entries[MOST];
	size_t count = 1 + below(MOST), first = world.count;
	if (first + count > MESSAGES)
		return;
	for (size_t i = 0; i < count; i++) {
		size_t size = below(TEXT_MOST);
		lane_start_message(&world.lane, &entries[i], 1 + below(5), size, false);
		add(entries[i].id, size);
	}
	for (size_t i = 0; i < count; i++) {
		lane_wait(&world.lane, &entries[i]);
		struct modelled *message = &world.messages[first + i];
		if (message->place.size == 0)
			message->place = entries[i].entry.place;
		lane_entry_finish(&entries[i]);
	}
	for (size_t i = 0; i < count; i++)
		note(&entries[i], &world.messages[first + i], LIVE, ENDED);
}

static void end_message(struct modelled *message)
{
	struct lane_entry entry;
	if (message->fate != LIVE)
		return;
	lane_start_change(&world.lane, &entry, message->id, SPOOL_MESSAGE_DONE, 0, "");
	lane_wait(&world.lane, &entry);
	note(&entry, message, ENDED, LIVE);
	if (entry.status == SPOOL_OK)
		spool_forget(world.lane.spool, message->id, message->place, false);
}

static void end_one(void)
{
	end_message(&world.messages[below((uint32_t)world.count)]);
}

static void check_one(void)
{
	const struct modelled *message = &world.messages[below((uint32_t)world.count)];
	if (message->fate != LIVE)
		return;
	sim_set_faults(world.sim, SIM_DELAY | SIM_SHORT_IO);
	lane_check_text(&world.lane, message->id, message->place, message->text_size, false);
}

/* A lane that is full takes mail again when some of it has ended. */
static void make_space(void)
{
	for (size_t i = 0; world.most_bytes && i < world.count; i++)
		if (i % 3)
			end_message(&world.messages[i]);
}

/* --- after a crash --- */

static void compare(void)
{
	size_t known = 0;
	for (size_t i = 0; i < world.count; i++) {
		struct modelled *message = &world.messages[i];
		const struct lane_message *found = lane_find(&world.lane, message->id);
		known += found != NULL;
		if (message->fate == LIVE)
			assert_non_null(found);
		if (message->fate == ENDED)
			assert_null(found);
		if (message->fate == DOUBTFUL)
			message->fate = found ? LIVE : ENDED;
		if (!found)
			continue;
		message->place = found->place;
		assert_int_equal(found->size_bytes, message->text_size);
		lane_check_text(&world.lane, message->id, message->place, message->text_size, false);
	}
	assert_int_equal(known, world.lane.message_count);
}

static bool becomes_writable(void)
{
	struct error error;
	uint64_t until_ns = loop_now(world.lane.loop)->monotonic_ns + (uint64_t)TRIES_SECONDS * 1000 * CLOCK_NS_PER_MS;
	while (!spool_is_writable(world.lane.spool) && loop_now(world.lane.loop)->monotonic_ns < until_ns)
		assert_true(loop_turn(world.lane.loop, true, &error));
	return spool_is_writable(world.lane.spool);
}

/* The disk is well again: so is the lane, within the time between a few tries. Commits that fail on a full disk may use up
 * all segments that are left: then a restart goes on in the last one, unless that is full too. */
static void check_that_it_goes_on(void)
{
	sim_set_faults(world.sim, 0);
	make_space();
	if (!becomes_writable()) {
		assert_true(world.most_bytes > 0);
		end_life();
		begin_life();
		compare();
		make_space();
		if (!becomes_writable()) {
			world.stuck = true;
			return;
		}
	}
	size_t size = 100;
	struct lane_entry entry;
	lane_start_message(&world.lane, &entry, 1, size, false);
	struct modelled *message = add(entry.id, size);
	lane_wait(&world.lane, &entry);
	assert_int_equal(entry.status, SPOOL_OK);
	message->place = entry.entry.place;
	lane_entry_finish(&entry);
	note(&entry, message, LIVE, ENDED);
}

static void live(void)
{
	for (unsigned i = 0; i < STEPS && world.count < MESSAGES - 1; i++) {
		sim_set_faults(world.sim, SIM_DELAY | SIM_SHORT_IO | SIM_DISK_ERROR);
		if (world.count == 0 || below(3) == 0)
			append_some();
		else if (below(8) > 0)
			end_one();
		else
			check_one();
	}
	if (world.count < MESSAGES && below(2))
		check_that_it_goes_on();
}

static void run_seed(uint64_t seed)
{
	world = (struct world){ .sim = sim_create(&(struct sim_settings){ .seed = seed }) };
	if (seed % 2 == 0)
		world.most_bytes = (uint64_t)(3 + seed / 2 % 5) * SMALL_SEGMENT_BYTES;
	begin_life();
	for (unsigned i = 0; i < LIVES && !world.stuck; i++) {
		live();
		/* A restart finds in the system's memory what a crash may lose. */
		uint32_t way = below(4);
		if (way < 2)
			end_life();
		if (way > 0)
			sim_crash(world.sim);
		if (way >= 2)
			end_life();
		begin_life();
		compare();
	}
	end_life();
	sim_destroy(world.sim);
}

static void nothing_acknowledged_is_lost_on_a_failing_disk(void **state)
{
	(void)state;
	unsigned acknowledged = 0, refused = 0, stuck = 0;
	const char *one = getenv("SPOOL_TEST_SEED");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1;
	for (uint64_t seed = first; seed < first + (one ? 1 : SEEDS); seed++) {
		current_seed = seed;
		run_seed(seed);
		acknowledged += world.acknowledged;
		refused += world.refused;
		stuck += world.stuck;
	}
	print_message("    %u acknowledged, %u refused\n", acknowledged, refused);
	assert_true(one || refused > SEEDS);
	assert_true(stuck <= SEEDS / 20);
}

/* --- one fault --- */

static void begin_world(void)
{
	world = (struct world){ .sim = sim_create(&(struct sim_settings){ .seed = 1 }) };
	begin_life();
	world.lane.moved = NULL;
}

/* Virtual time: what the supply has to do is done. */
static void rest(unsigned milliseconds)
{
	struct error error;
	uint64_t until_ns = loop_now(world.lane.loop)->monotonic_ns + (uint64_t)milliseconds * CLOCK_NS_PER_MS;
	while (loop_now(world.lane.loop)->monotonic_ns < until_ns)
		assert_true(loop_turn(world.lane.loop, true, &error));
}

static void crash_and_open(void)
{
	sim_crash(world.sim);
	end_life();
	begin_life();
}

static void end_world(void)
{
	end_life();
	sim_destroy(world.sim);
}

static void a_failed_commit_is_refused_and_the_next_is_taken(void **state)
{
	(void)state;
	enum { COUNT = 4 };
	struct lane_entry entries[COUNT];
	begin_world();
	uint64_t before = lane_append(&world.lane, 1, 100);
	rest(200);
	for (size_t i = 0; i < COUNT; i++)
		lane_start_message(&world.lane, &entries[i], 1, 100, false);
	lane_wait(&world.lane, &entries[0]); /* a commit by itself; the others are the next */
	sim_fail_next(world.sim, LOOP_WRITE);
	for (size_t i = 0; i < COUNT; i++) {
		lane_wait(&world.lane, &entries[i]);
		assert_int_equal(entries[i].status, i ? SPOOL_ERROR : SPOOL_OK);
		lane_entry_finish(&entries[i]);
	}
	assert_true(spool_is_writable(world.lane.spool));
	uint64_t after = lane_append(&world.lane, 1, 100);
	crash_and_open();
	assert_int_equal(world.lane.message_count, 3);
	assert_non_null(lane_find(&world.lane, before));
	assert_non_null(lane_find(&world.lane, entries[0].id));
	assert_non_null(lane_find(&world.lane, after));
	lane_append(&world.lane, 1, 100);
	end_world();
}

/* Two in a row: then it is given a second, clients are told at MAIL, and it comes back by itself. */
static void a_disk_that_fails_on_is_tried_again_each_second(void **state)
{
	(void)state;
	struct lane_entry entry;
	begin_world();
	uint64_t before = lane_append(&world.lane, 1, 100);
	for (unsigned i = 0; i < 2; i++) {
		rest(200);
		sim_fail_next(world.sim, LOOP_WRITE);
		lane_start_message(&world.lane, &entry, 1, 100, false);
		lane_wait(&world.lane, &entry);
		assert_int_equal(entry.status, SPOOL_ERROR);
		lane_entry_finish(&entry);
	}
	assert_false(spool_is_writable(world.lane.spool));
	lane_start_message(&world.lane, &entry, 1, 100, false);
	lane_wait(&world.lane, &entry);
	assert_int_equal(entry.status, SPOOL_ERROR);
	lane_entry_finish(&entry);
	rest(SPOOL_RETRY_MS + 100);
	assert_true(spool_is_writable(world.lane.spool));
	uint64_t after = lane_append(&world.lane, 1, 100);
	crash_and_open();
	assert_int_equal(world.lane.message_count, 2);
	assert_true(lane_find(&world.lane, before) && lane_find(&world.lane, after));
	end_world();
}

static void end_kept(uint64_t id, struct spool_place place)
{
	lane_change(&world.lane, id, SPOOL_MESSAGE_DONE, 0, "");
	spool_forget(world.lane.spool, id, place, false);
}

static struct spool_place append_place(uint64_t *id)
{
	struct lane_entry entry;
	lane_start_message(&world.lane, &entry, 1, 20000, false);
	lane_wait(&world.lane, &entry);
	assert_int_equal(entry.status, SPOOL_OK);
	lane_entry_finish(&entry);
	*id = entry.id;
	return entry.entry.place;
}

/* A free file got its new name, but the folder's sync failed. Others are written before it is tried again: by then that name
 * is too old for what is written next. */
static void a_file_that_waited_for_its_name_gets_a_later_one(void **state)
{
	(void)state;
	enum { FIRST = 7, COUNT = 30 };
	uint64_t first[FIRST], ids[COUNT];
	struct spool_place first_places[FIRST], places[COUNT];
	begin_world();
	for (size_t i = 0; i < FIRST; i++)
		first_places[i] = append_place(&first[i]);
	assert_int_not_equal(first_places[0].segment, first_places[FIRST - 1].segment);
	rest(200);
	for (size_t i = 0; first_places[i].segment == first_places[0].segment; i++) {
		if (first_places[i + 1].segment != first_places[0].segment)
			sim_fail_next(world.sim, LOOP_SYNC);
		end_kept(first[i], first_places[i]);
	}
	for (size_t i = 0; i < COUNT; i++) {
		places[i] = append_place(&ids[i]);
		assert_true(i == 0 || places[i].segment >= places[i - 1].segment);
		if (i == COUNT / 2)
			rest(2 * SPOOL_RETRY_MS);
	}
	for (size_t i = 0; i < COUNT; i++)
		end_kept(ids[i], places[i]);
	crash_and_open();
	for (size_t i = 0; i < COUNT; i++)
		assert_null(lane_find(&world.lane, ids[i]));
	end_world();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_commit_is_refused_and_the_next_is_taken),
		cmocka_unit_test(a_disk_that_fails_on_is_tried_again_each_second),
		cmocka_unit_test(a_file_that_waited_for_its_name_gets_a_later_one),
		cmocka_unit_test(nothing_acknowledged_is_lost_on_a_failing_disk),
	};
	assert_true(secret_setup());
	log_configure(getenv("SPOOL_TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1, 2);
	int failed = cmocka_run_group_tests_name("spool faults", tests, NULL, NULL);
	if (failed)
		print_message("SPOOL_TEST_SEED=%llu\n", (unsigned long long)current_seed);
	return failed;
}
