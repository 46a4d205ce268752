/* core/spool on a lane that is full: whatever part of it is over, mail is taken again once that part is, also after a restart
 * and when tries to deliver go on meanwhile. On the simulator, whose time costs nothing. */
#include "tests/unit/spool/lane.h"

#include "crypto/secret.h"
#include "tests/sim/loop_sim.h"

enum { SEGMENTS = 8, MOST = 4000, PATIENCE_SECONDS = 60 };

struct kept {
	uint64_t id;
	struct spool_place place;
	bool live;
};

static struct sim *sim;
static struct lane lane;
static struct kept messages[MOST];
static size_t count, text_size;

static void message_moved(void *context, uint64_t id, struct spool_place to)
{
	(void)context;
	for (size_t i = 0; i < count; i++)
		if (messages[i].id == id)
			messages[i].place = to;
}

static void open_lane(void)
{
	lane = (struct lane){
		.fill_text = lane_fill_text,
		.settings = { .directory = "/spool",
			      .lane = 7,
			      .segment_bytes = SMALL_SEGMENT_BYTES,
			      .most_bytes = (uint64_t)SEGMENTS * SMALL_SEGMENT_BYTES,
			      .compaction_ms = 1000 },
		.loop = sim_loop_create(sim),
		.moved = message_moved,
	};
	lane_open(&lane);
}

static void close_lane(void)
{
	lane_close(&lane);
	loop_destroy(lane.loop);
	free(lane.messages);
}

/* What is there must be what was kept; the text of some is looked at. */
static void reopen(bool crash)
{
	if (crash)
		sim_crash(sim);
	close_lane();
	open_lane();
	size_t live = 0;
	for (size_t i = 0; i < count; i++) {
		const struct lane_message *found = lane_find(&lane, messages[i].id);
		assert_int_equal(found != NULL, messages[i].live);
		live += messages[i].live;
		if (!found)
			continue;
		messages[i].place = found->place;
		if (i % 7 == 0)
			lane_check_text(&lane, messages[i].id, found->place, text_size, false);
	}
	assert_int_equal(live, lane.message_count);
}

static enum spool_status append(void)
{
	struct lane_entry entry;
	assert_true(count < MOST);
	lane_start_message(&lane, &entry, 1, text_size, false);
	struct kept *message = &messages[count++];
	*message = (struct kept){ .id = entry.id };
	lane_wait(&lane, &entry);
	lane_entry_finish(&entry);
	message->live = entry.status == SPOOL_OK;
	if (!message->live)
		count--;
	else if (message->place.size == 0)
		message->place = entry.entry.place;
	return entry.status;
}

static void fill(void)
{
	enum spool_status status;
	while ((status = append()) == SPOOL_OK)
		;
	assert_int_equal(status, SPOOL_FULL);
	assert_false(spool_is_writable(lane.spool));
}

static void pass(unsigned milliseconds)
{
	struct error error;
	uint64_t until_ns = loop_now(lane.loop)->monotonic_ns + (uint64_t)milliseconds * CLOCK_NS_PER_MS;
	while (loop_now(lane.loop)->monotonic_ns < until_ns)
		assert_true(loop_turn(lane.loop, true, &error));
}

/* As the queue does: what could not be recorded is recorded later. */
static void end_message(struct kept *message)
{
	struct lane_entry entry;
	for (unsigned seconds = 0;; seconds++) {
		lane_start_change(&lane, &entry, message->id, SPOOL_MESSAGE_DONE, 0, "");
		lane_wait(&lane, &entry);
		if (entry.status == SPOOL_OK)
			break;
		assert_int_equal(entry.status, SPOOL_FULL);
		assert_true(seconds < PATIENCE_SECONDS);
		pass(1000);
	}
	message->live = false;
	spool_forget(lane.spool, message->id, message->place, false);
}

/* Every `nth` lives on, all over the lane. */
static void end_all_but(size_t nth)
{
	for (size_t i = 0; i < count; i++)
		if (messages[i].live && i % nth != 0)
			end_message(&messages[i]);
}

/* Every `nth` ends. */
static void end_each(size_t nth)
{
	for (size_t i = 0; i < count; i++)
		if (messages[i].live && i % nth == 0)
			end_message(&messages[i]);
}

static size_t live_count(void)
{
	size_t live = 0;
	for (size_t i = 0; i < count; i++)
		live += messages[i].live;
	return live;
}

/* Takes mail again, and more than a little: `wanted` messages within the time. */
static void assert_takes(size_t wanted)
{
	size_t taken = 0;
	for (unsigned seconds = 0; taken < wanted; seconds++) {
		assert_true(seconds < PATIENCE_SECONDS);
		while (taken < wanted && spool_is_writable(lane.spool) && append() == SPOOL_OK)
			taken++;
		pass(1000);
	}
}

static void begin(size_t size)
{
	sim = sim_create(&(struct sim_settings){ .seed = 1 });
	count = 0;
	text_size = size;
	open_lane();
}

static void end(void)
{
	reopen(true);
	close_lane();
	sim_destroy(sim);
}

static const size_t sizes[] = { 400, 3000, 10000, 40000 };
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void what_has_ended_makes_room(void **state)
{
	(void)state;
	/* One in so many lives on; where it is 0, three of four do. */
	static const size_t parts[] = { 8, 4, 2, 0 };
	for (size_t i = 0; i < SIZES; i++)
		for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
			begin(sizes[i]);
			fill();
			size_t full = live_count();
			if (parts[k])
				end_all_but(parts[k]);
			else
				end_each(4);
			assert_takes((full - live_count()) / 2);
			end();
		}
}

/* A restart may not take the last room. */
static void a_restart_keeps_the_room_that_is_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++)
		for (unsigned crash = 0; crash < 2; crash++) {
			begin(sizes[i]);
			fill();
			for (unsigned times = 0; times < 4; times++)
				reopen(crash);
			size_t full = live_count();
			end_each(2);
			reopen(crash);
			assert_takes((full - live_count()) / 2);
			end();
		}
}

/* What can be done without may not use up the room that ends need. */
static void tries_do_not_take_the_room_of_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		begin(sizes[i]);
		fill();
		size_t full = live_count(), refused = 0;
		for (size_t k = 0; k < 2000; k++) {
			struct lane_entry entry;
			lane_start_change(&lane, &entry, messages[k % count].id, SPOOL_ATTEMPT, 0,
					  "450 4.2.0 the mailbox is busy");
			lane_wait(&lane, &entry);
			refused += entry.status == SPOOL_FULL;
		}
		assert_true(refused > 0);
		end_each(2);
		assert_takes((full - live_count()) / 2);
		end();
	}
}

/* Full again and again, with ends here and there: it never comes to a stand. */
static void it_goes_on_for_ever(void **state)
{
	(void)state;
	enum { ROUNDS = 12 };
	for (size_t i = 1; i < SIZES; i++) {
		begin(sizes[i]);
		fill();
		for (size_t round = 0; round < ROUNDS; round++) {
			size_t before = live_count();
			for (size_t k = 0; k < count; k++)
				if (messages[k].live && sim_random(sim, 3) == 0)
					end_message(&messages[k]);
			assert_takes((before - live_count()) / 2);
			if (round % 3 == 0)
				reopen(round % 2);
			size_t kept = 0;
			for (size_t k = 0; k < count; k++)
				if (messages[k].live)
					messages[kept++] = messages[k];
			count = kept;
			while (append() == SPOOL_OK)
				;
		}
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_ended_makes_room),
		cmocka_unit_test(a_restart_keeps_the_room_that_is_left),
		cmocka_unit_test(tries_do_not_take_the_room_of_ends),
		cmocka_unit_test(it_goes_on_for_ever),
	};
	assert_true(secret_setup());
	log_configure(getenv("SPOOL_TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1, 2);
	return cmocka_run_group_tests_name("spool full", tests, NULL, NULL);
}
