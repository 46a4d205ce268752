/* core/spool: what goes in comes out, also after reopening: messages, changes, large ones, listings, on both loops. */
#include "tests/unit/spool/lane.h"

#include <stdio.h>
#include <unistd.h>

/* --- messages --- */

static void messages_come_back_in_order(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, 1, 7, 8, 1000, 40000, 5 };
	enum { COUNT = sizeof sizes / sizeof sizes[0] };
	uint64_t ids[COUNT];
	struct lane lane;
	lane_init(&lane, 1024 * 1024);
	lane_open(&lane);
	assert_int_equal(lane.message_count, 0);
	for (size_t i = 0; i < COUNT; i++)
		ids[i] = lane_append(&lane, 2, sizes[i]);
	for (int round = 0; round < 3; round++) {
		lane_close(&lane);
		lane_open(&lane);
		assert_int_equal(lane.message_count, COUNT);
		for (size_t i = 0; i < COUNT; i++) {
			assert_int_equal(lane.messages[i].id, ids[i]);
			assert_int_equal(lane.messages[i].size_bytes, sizes[i]);
			assert_int_equal(lane.messages[i].recipients, 2);
			assert_false(lane.messages[i].held);
			lane_check_text(&lane, ids[i], lane.messages[i].place, sizes[i], false);
		}
	}
	lane_finish(&lane);
}

static void entries_of_one_turn_go_together(void **state)
{
	(void)state;
	enum { COUNT = 700 };
	static struct lane_entry entries[COUNT];
	struct lane lane;
	lane_init(&lane, 4 * 1024 * 1024);
	lane_open(&lane);
	for (size_t i = 0; i < COUNT; i++)
		lane_start_message(&lane, &entries[i], 1, i * 3, i % 5 == 0);
	lane_wait(&lane, &entries[COUNT - 1]);
	for (size_t i = 0; i < COUNT; i++) {
		assert_true(entries[i].done); /* durable in order */
		assert_int_equal(entries[i].status, SPOOL_OK);
		lane_check_text(&lane, entries[i].id, entries[i].entry.place, i * 3, false);
		lane_entry_finish(&entries[i]);
	}
	lane_close(&lane);
	lane_open(&lane);
	assert_int_equal(lane.message_count, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(lane.messages[i].held, i % 5 == 0);
	lane_finish(&lane);
}

static void closing_commits_what_waits(void **state)
{
	(void)state;
	struct lane lane;
	struct lane_entry entries[3];
	lane_init(&lane, SMALL_SEGMENT_BYTES);
	lane_open(&lane);
	for (size_t i = 0; i < 3; i++)
		lane_start_message(&lane, &entries[i], 1, 40000, false);
	lane_close(&lane);
	for (size_t i = 0; i < 3; i++) {
		assert_true(entries[i].done);
		assert_int_equal(entries[i].status, SPOOL_OK);
		lane_entry_finish(&entries[i]);
	}
	lane_open(&lane);
	assert_int_equal(lane.message_count, 3);
	lane_finish(&lane);
}

static void one_that_is_too_large_is_refused(void **state)
{
	(void)state;
	struct lane lane;
	struct lane_entry entry;
	lane_init(&lane, SMALL_SEGMENT_BYTES);
	lane_open(&lane);
	lane_start_message(&lane, &entry, 1, SMALL_SEGMENT_BYTES / 2, false);
	lane_wait(&lane, &entry);
	assert_int_equal(entry.status, SPOOL_ERROR);
	lane_entry_finish(&entry);
	lane_append(&lane, 1, 100);
	lane_finish(&lane);
}

/* --- changes --- */

static void changes_are_remembered(void **state)
{
	(void)state;
	struct lane lane;
	lane_init(&lane, 1024 * 1024);
	lane_open(&lane);
	uint64_t some_done = lane_append(&lane, 9, 10), all_done = lane_append(&lane, 2, 10);
	uint64_t ended = lane_append(&lane, 3, 10), held = lane_append(&lane, 1, 10);
	uint64_t released = lane_append(&lane, 1, 10), tried = lane_append(&lane, 1, 10);
	lane_change(&lane, some_done, SPOOL_RECIPIENT_DONE, 8, "");
	lane_change(&lane, some_done, SPOOL_RECIPIENT_DONE, 2, "");
	lane_change(&lane, some_done, SPOOL_RECIPIENT_DONE, 2, "");
	lane_change(&lane, all_done, SPOOL_RECIPIENT_DONE, 1, "");
	lane_change(&lane, all_done, SPOOL_RECIPIENT_DONE, 0, "");
	lane_change(&lane, ended, SPOOL_MESSAGE_DONE, 0, "");
	lane_change(&lane, held, SPOOL_HOLD, 0, "by hand");
	lane_change(&lane, released, SPOOL_HOLD, 0, "");
	lane_change(&lane, released, SPOOL_RELEASE, 0, "");
	lane_change(&lane, tried, SPOOL_ATTEMPT, 0, "no route, said at length");
	lane_change(&lane, tried, SPOOL_ATTEMPT, 0, "no route");
	for (int round = 0; round < 2; round++) {
		if (round == 0) {
			lane_list(&lane);
		} else {
			lane_close(&lane);
			lane_open(&lane);
		}
		assert_int_equal(lane.message_count, 4);
		const struct lane_message *message = lane_find(&lane, some_done);
		assert_int_equal(message->done_count, 2);
		assert_int_equal(message->done_bits[0], 4);
		assert_int_equal(message->done_bits[1], 1);
		assert_true(lane_find(&lane, held)->held);
		assert_string_equal(lane_find(&lane, held)->detail, "by hand");
		assert_false(lane_find(&lane, released)->held);
		assert_string_equal(lane_find(&lane, tried)->detail, "no route");
		assert_string_equal(lane_find(&lane, some_done)->detail, "");
	}
	lane_finish(&lane);
}

/* --- large ones --- */

struct large_step {
	struct spool_large large;
	bool done;
	enum spool_status status;
};

static void large_done(struct spool_large *large, enum spool_status status)
{
	struct large_step *step = CONTAINER_OF(large, struct large_step, large);
	step->done = true;
	step->status = status;
}

static void wait_large(struct lane *lane, struct large_step *step)
{
	struct error error;
	while (!step->done)
		assert_true(loop_turn(lane->loop, true, &error));
	step->done = false;
	assert_int_equal(step->status, SPOOL_OK);
}

static void write_large(struct lane *lane, struct large_step *step, uint64_t id, const uint8_t *text, size_t size)
{
	struct iovec parts[4] = {
		{ (void *)(uintptr_t)text, size / 3 },
		{ (void *)(uintptr_t)text, 0 },
		{ (void *)(uintptr_t)(text + size / 3), size - size / 3 - 5 },
		{ (void *)(uintptr_t)(text + size - 5), 5 },
	};
	spool_large_open(lane->spool, &step->large, id, large_done);
	wait_large(lane, step);
	spool_large_write(&step->large, parts, 2, large_done);
	wait_large(lane, step);
	spool_large_write(&step->large, parts + 1, 1, large_done); /* nothing */
	wait_large(lane, step);
	spool_large_write(&step->large, parts + 2, 2, large_done);
	wait_large(lane, step);
	assert_int_equal(step->large.size_bytes, size);
}

enum { LARGE_BYTES = 1000000, FRONT_BYTES = 100 };

static void large_messages_live_in_files(void **state)
{
	(void)state;
	struct lane lane;
	struct large_step step = { .done = false };
	static uint8_t text[LARGE_BYTES];
	lane_init(&lane, SMALL_SEGMENT_BYTES);
	lane_open(&lane);

	uint64_t id = spool_new_id(lane.spool);
	lane_fill_text(text, sizeof text, id);
	write_large(&lane, &step, id, text + FRONT_BYTES, LARGE_BYTES - FRONT_BYTES);
	spool_large_finish(&step.large, large_done);
	wait_large(&lane, &step);
	uint8_t bytes[64];
	struct buffer envelope;
	buffer_init(&envelope, bytes, sizeof bytes);
	assert_true(envelope_begin(&envelope, 0, SLICE_LITERAL(""), SLICE_LITERAL(""), SLICE_LITERAL("")) &&
		    envelope_add_recipient(&envelope, SLICE_LITERAL("a@b.org")));
	envelope_finish(bytes, 0, 1, 1);
	struct iovec parts[2] = { { bytes, envelope.size }, { text, FRONT_BYTES } };
	struct lane_entry entry;
	/* Through the waiting helper's callback. */
	lane_start_change(&lane, &entry, id, SPOOL_RELEASE, 0, "");
	lane_wait(&lane, &entry);
	spool_done *done = entry.entry.done;
	entry.done = false;
	spool_append_message(lane.spool, &entry.entry, id, parts, 2, (uint32_t)envelope.size, LARGE_BYTES, false, true,
			     done);
	lane_wait(&lane, &entry);

	/* One that is given up, and one that a crash leaves. */
	uint64_t abandoned = spool_new_id(lane.spool);
	write_large(&lane, &step, abandoned, text, 1000);
	spool_large_abandon(&step.large, large_done);
	wait_large(&lane, &step);
	assert_int_equal(lane_count_files(&lane, "large"), 1);
	uint64_t orphan = spool_new_id(lane.spool);
	write_large(&lane, &step, orphan, text, 1000);
	spool_large_finish(&step.large, large_done);
	wait_large(&lane, &step);

	lane_close(&lane);
	lane_open(&lane);
	lane_turn(&lane, 20);
	assert_int_equal(lane_count_files(&lane, "large"), 1);
	assert_int_equal(lane.message_count, 1);
	assert_true(lane.messages[0].large);
	lane_check_text(&lane, id, lane.messages[0].place, LARGE_BYTES, true);

	struct spool_copy copy;
	struct error error;
	assert_true(spool_copy_message(lane.directory, id, &copy, &error));
	assert_int_equal(copy.text_size, LARGE_BYTES);
	assert_memory_equal(copy.text, text, LARGE_BYTES);
	free(copy.envelope);
	free(copy.text);

	lane_change(&lane, id, SPOOL_MESSAGE_DONE, 0, "");
	spool_forget(lane.spool, id, lane.messages[0].place, true);
	lane_close(&lane);
	assert_int_equal(lane_count_files(&lane, "large"), 0);
	assert_false(spool_copy_message(lane.directory, id, &copy, &error));
	lane_finish(&lane);
}

/* --- ids --- */

static void ids_never_repeat(void **state)
{
	(void)state;
	struct lane lane;
	lane_init(&lane, SMALL_SEGMENT_BYTES);
	uint64_t last = 0;
	for (int round = 0; round < 3; round++) {
		lane_open(&lane);
		for (int i = 0; i < 1000; i++) {
			uint64_t id = spool_new_id(lane.spool);
			assert_true(id > last);
			assert_int_equal(id >> 56, 7);
			last = id;
		}
		/* The clock is behind these from now on, and they are known from this record alone. */
		for (int i = 0; i < 3000000; i++)
			last = spool_new_id(lane.spool);
		last = lane_append(&lane, 1, 10);
		lane_change(&lane, last, SPOOL_MESSAGE_DONE, 0, "");
		lane_close(&lane);
	}
	lane_finish(&lane);
}

static void ids_are_text_that_sorts(void **state)
{
	(void)state;
	char text[SPOOL_ID_TEXT_BYTES], next[SPOOL_ID_TEXT_BYTES];
	uint64_t id = 1, parsed;
	for (int i = 0; i < 64; i++, id = id << 1 | (i & 1)) {
		spool_id_format(id, text);
		assert_int_equal(strlen(text), 13);
		assert_true(spool_id_parse(slice_from_text(text), &parsed) && parsed == id);
		spool_id_format(id + 1, next);
		assert_true(id == UINT64_MAX || strcmp(text, next) < 0);
	}
	assert_true(spool_id_parse(SLICE_LITERAL("FZZZZZZZZZZZZ"), &parsed) && parsed == UINT64_MAX);
	assert_true(spool_id_parse(SLICE_LITERAL("0oOiIlLabcxyz"), &parsed));
	uint64_t same;
	assert_true(spool_id_parse(SLICE_LITERAL("000111 1ABCXYZ"), &same) == false);
	assert_true(spool_id_parse(SLICE_LITERAL("0001111ABCXYZ"), &same) && same == parsed);
	static const char *const wrong[] = {
		"", "0", "G000000000000", "00000000000000", "000000000000U", "000000000000-"
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(spool_id_parse(slice_from_text(wrong[i]), &parsed));
}

/* --- listing, locking --- */

static void a_listing_reads_beside_the_server(void **state)
{
	(void)state;
	enum { COUNT = 400 };
	uint64_t ids[COUNT];
	struct lane lane;
	lane_init(&lane, SMALL_SEGMENT_BYTES);
	lane_open(&lane);
	for (size_t i = 0; i < COUNT; i++)
		ids[i] = lane_append(&lane, 3, 2000);
	for (size_t i = 0; i < COUNT; i++) {
		if (i % 4 == 0)
			lane_change(&lane, ids[i], SPOOL_MESSAGE_DONE, 0, "");
		else if (i % 4 == 1)
			lane_change(&lane, ids[i], SPOOL_HOLD, 0, "held");
		else if (i % 4 == 2)
			lane_change(&lane, ids[i], SPOOL_RECIPIENT_DONE, 1, "");
	}
	lane_list(&lane);
	assert_int_equal(lane.message_count, COUNT - COUNT / 4);
	for (size_t i = 0; i < COUNT; i++) {
		const struct lane_message *message = lane_find(&lane, ids[i]);
		assert_int_equal(message != NULL, i % 4 != 0);
		if (!message)
			continue;
		assert_int_equal(message->held, i % 4 == 1);
		assert_int_equal(message->done_count, i % 4 == 2);
	}
	struct spool_copy copy;
	struct error error;
	assert_true(spool_copy_message(lane.directory, ids[5], &copy, &error));
	uint8_t wanted[2000];
	lane_fill_text(wanted, sizeof wanted, ids[5]);
	assert_int_equal(copy.text_size, sizeof wanted);
	assert_memory_equal(copy.text, wanted, sizeof wanted);
	assert_true(copy.message.held);
	free(copy.text);
	free(copy.envelope);
	assert_false(spool_copy_message(lane.directory, ids[4], &copy, &error));
	assert_false(spool_list("no such lane", NULL, NULL, &error));
	lane_finish(&lane);
}

static void a_lane_has_one_owner(void **state)
{
	(void)state;
	struct lane lane;
	struct error error;
	char holder[32];
	lane_init(&lane, SMALL_SEGMENT_BYTES);
	lane_open(&lane);
	assert_null(spool_open(lane.loop, &lane.settings, NULL, NULL, NULL, &error));
	snprintf(holder, sizeof holder, "by process %ld", (long)getpid());
	assert_non_null(strstr(error.text, holder));
	lane_append(&lane, 1, 10);
	lane_close(&lane);
	lane_open(&lane);
	lane_finish(&lane);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_back_in_order),
		cmocka_unit_test(entries_of_one_turn_go_together),
		cmocka_unit_test(closing_commits_what_waits),
		cmocka_unit_test(one_that_is_too_large_is_refused),
		cmocka_unit_test(changes_are_remembered),
		cmocka_unit_test(large_messages_live_in_files),
		cmocka_unit_test(ids_never_repeat),
		cmocka_unit_test(ids_are_text_that_sorts),
		cmocka_unit_test(a_listing_reads_beside_the_server),
		cmocka_unit_test(a_lane_has_one_owner),
	};
	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}

int main(void)
{
	return run_on_both_loops(run);
}
