/* core/spool: what crashes, damage and full disks leave. A crash is imitated on a copy of the lane's files: cut or
 * overwritten at every byte of the tail. A write fails by a limit on the size of files. */
#include "tests/unit/spool/lane.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/spool/format.h"

static uint8_t *load(const char *path, size_t *size)
{
	struct stat status;
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && fstat(fd, &status) == 0);
	*size = (size_t)status.st_size;
	uint8_t *bytes = malloc(*size);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, *size), *size);
	close(fd);
	return bytes;
}

/* --- the tail --- */

enum { BEFORE = 4, TAIL = 5 };

struct tail {
	struct lane lane; /* a crashed one; its only begun segment is the one that is cut */
	char path[LANE_PATH_BYTES];
	uint8_t *bytes;
	size_t size;
	struct spool_place places[BEFORE + TAIL];
	uint32_t payload_ends[BEFORE + TAIL]; /* without the padding */
	uint64_t ids[BEFORE + TAIL];
};

static uint32_t end_of(struct spool_place place)
{
	return place.offset + place.size;
}

static void tail_init(struct tail *tail)
{
	struct lane lane;
	struct lane_entry entries[BEFORE + TAIL];
	lane_init(&lane, SMALL_SEGMENT_BYTES);
	lane_open(&lane);
	for (size_t i = 0; i < BEFORE + TAIL; i++) {
		lane_start_message(&lane, &entries[i], 1, 13 * i, false);
		if (i < BEFORE)
			lane_wait(&lane, &entries[i]); /* a commit of its own; the rest goes in two */
	}
	lane_wait(&lane, &entries[BEFORE + TAIL - 1]);
	for (size_t i = 0; i < BEFORE + TAIL; i++) {
		tail->ids[i] = entries[i].id;
		tail->places[i] = entries[i].entry.place;
		tail->payload_ends[i] =
			entries[i].entry.place.offset + RECORD_HEADER_BYTES + entries[i].entry.payload_size;
		lane_entry_finish(&entries[i]);
	}
	lane_crash(&tail->lane, &lane);
	lane_finish(&lane);
	lane_segment_path(&tail->lane, tail->places[0].segment, tail->path);
	tail->bytes = load(tail->path, &tail->size);
}

static void tail_finish(struct tail *tail)
{
	free(tail->bytes);
	lane_finish(&tail->lane);
}

/* The messages told must be the first ones, in order: those that end before `end`. */
static void check_prefix(const struct tail *tail, uint32_t end)
{
	size_t wanted = 0;
	while (wanted < BEFORE + TAIL && end_of(tail->places[wanted]) <= end)
		wanted++;
	assert_int_equal(tail->lane.message_count, wanted);
	for (size_t i = 0; i < wanted; i++)
		assert_int_equal(tail->lane.messages[i].id, tail->ids[i]);
}

static void write_cut(const struct tail *tail, uint32_t cut, uint8_t behind)
{
	uint8_t *bytes = malloc(tail->size);
	assert_non_null(bytes);
	memcpy(bytes, tail->bytes, cut);
	memset(bytes + cut, behind, tail->size - cut);
	lane_write_at(tail->path, 0, bytes, tail->size);
	free(bytes);
}

/* Where the bytes behind the cut are by chance those that were there before, a record is whole without having been written whole. */
static uint32_t whole_with(const struct tail *tail, uint8_t behind, uint32_t cut, uint32_t end)
{
	for (size_t i = 0; i < BEFORE + TAIL; i++) {
		bool whole = cut > tail->places[i].offset && cut < tail->payload_ends[i];
		for (uint32_t at = cut; whole && at < tail->payload_ends[i]; at++)
			whole = tail->bytes[at] == behind;
		if (whole)
			return end_of(tail->places[i]);
	}
	return end;
}

static void a_torn_tail_leaves_a_prefix(void **state)
{
	(void)state;
	struct tail tail;
	tail_init(&tail);
	uint32_t first = tail.places[BEFORE].offset - 20, last = end_of(tail.places[BEFORE + TAIL - 1]);
	for (uint32_t cut = first; cut <= last; cut++) {
		uint32_t end = cut; /* padding counts for nothing */
		for (size_t i = 0; i < BEFORE + TAIL; i++)
			if (tail.payload_ends[i] <= cut && cut < end_of(tail.places[i]))
				end = end_of(tail.places[i]);
		write_cut(&tail, cut, 0);
		lane_list(&tail.lane);
		check_prefix(&tail, whole_with(&tail, 0, cut, end));
		write_cut(&tail, cut, 0xa5);
		lane_list(&tail.lane);
		check_prefix(&tail, whole_with(&tail, 0xa5, cut, end));
	}
	tail_finish(&tail);
}

/* Sectors of one write reach the disk in any order: what is behind a hole does not count, now or ever. */
static void what_is_behind_a_hole_never_comes_back(void **state)
{
	(void)state;
	for (size_t hole = BEFORE; hole < BEFORE + TAIL; hole++) {
		struct tail tail;
		tail_init(&tail);
		const uint8_t zeros[8] = { 0 };
		lane_write_at(tail.path, tail.places[hole].offset + 8, zeros, sizeof zeros);
		lane_open(&tail.lane);
		check_prefix(&tail, tail.places[hole].offset);
		lane_append(&tail.lane, 1, 50);
		lane_close(&tail.lane);
		/* The hole closes: as if it had been an error of reading. */
		lane_write_at(tail.path, 0, tail.bytes, tail.size);
		for (size_t added = 1; added <= 3; added++) {
			lane_list(&tail.lane);
			assert_int_equal(tail.lane.message_count, hole + added);
			lane_open(&tail.lane);
			assert_int_equal(tail.lane.message_count, hole + added);
			for (size_t i = 0; i < hole; i++)
				assert_int_equal(tail.lane.messages[i].id, tail.ids[i]);
			lane_append(&tail.lane, 1, 50);
			lane_close(&tail.lane);
		}
		tail_finish(&tail);
	}
}

/* In a segment that is not the newest, damage costs what it hit and no more. */
static void old_damage_costs_one_message(void **state)
{
	(void)state;
	struct tail tail;
	tail_init(&tail);
	lane_open(&tail.lane);
	uint64_t newer = lane_append(&tail.lane, 1, 10);
	lane_close(&tail.lane);
	const uint8_t wrong[2] = { 1, 2 };
	lane_write_at(tail.path, tail.places[3].offset + 80, wrong, sizeof wrong);
	lane_open(&tail.lane);
	assert_int_equal(tail.lane.message_count, BEFORE + TAIL);
	assert_null(lane_find(&tail.lane, tail.ids[3]));
	assert_non_null(lane_find(&tail.lane, newer));
	lane_close(&tail.lane);
	/* With its beginning lost a segment is left as it is, and the lane still opens. */
	lane_write_at(tail.path, 10, wrong, sizeof wrong);
	lane_open(&tail.lane);
	assert_int_equal(tail.lane.message_count, 1);
	assert_non_null(lane_find(&tail.lane, newer));
	lane_close(&tail.lane);
	assert_int_equal(access(tail.path, F_OK), 0);
	tail_finish(&tail);
}

static void a_lane_of_the_future_is_refused(void **state)
{
	(void)state;
	struct tail tail;
	struct error error;
	static uint8_t record[SEGMENT_OPENING_BYTES];
	static const struct segment_opening opening;
	tail_init(&tail);
	uint32_t generation = tail.places[0].segment;
	uint32_t size = segment_opening_write(record, generation, &opening);
	record[RECORD_HEADER_BYTES] = FORMAT_VERSION + 1;
	struct slice payload = slice_of(record + RECORD_HEADER_BYTES, size - RECORD_HEADER_BYTES);
	record_header_check_payload(record, record_hash(payload, generation));
	record_header_seal(record, generation, generation);
	lane_write_at(tail.path, 0, record, size);
	assert_null(spool_open(tail.lane.loop, &tail.lane.settings, NULL, NULL, NULL, &error));
	assert_non_null(strstr(error.text, "format version 2"));
	assert_false(spool_list(tail.lane.directory, NULL, NULL, &error));
	lane_write_at(tail.path, 0, tail.bytes, tail.size);
	lane_open(&tail.lane);
	check_prefix(&tail, UINT32_MAX);
	tail_finish(&tail);
}

/* --- stale contents --- */

static uint32_t forged_generation;

/* Text full of records for generations to come, at every place where a record may begin. */
static void fill_with_forgeries(uint8_t *text, size_t size, uint64_t id)
{
	(void)id;
	for (size_t at = 0; at + RECORD_HEADER_BYTES <= size; at += RECORD_HEADER_BYTES) {
		uint32_t next = forged_generation + 1 + (uint32_t)(at / RECORD_HEADER_BYTES % 6);
		record_header_write(text + at, &(struct record_header){ .type = RECORD_MESSAGE, .id = 1000 + at });
		record_header_check_payload(text + at, 0);
		record_header_seal(text + at, next, at % 128 ? next : 0);
	}
}

static void what_a_file_held_before_is_never_read(void **state)
{
	(void)state;
	enum { ROUNDS = 60 };
	struct lane lane, copy;
	lane_init(&lane, SMALL_SEGMENT_BYTES);
	lane.fill_text = fill_with_forgeries;
	lane_open(&lane);
	uint64_t held = lane_append(&lane, 1, 30000); /* the first segment stays */
	for (int i = 0; i < ROUNDS; i++) {
		struct lane_entry entry;
		lane_start_message(&lane, &entry, 1, 30000, false);
		lane_wait(&lane, &entry);
		assert_int_equal(entry.status, SPOOL_OK);
		forged_generation = entry.entry.place.segment;
		lane_entry_finish(&entry);
		lane_change(&lane, entry.id, SPOOL_MESSAGE_DONE, 0, "");
		spool_forget(lane.spool, entry.id, entry.entry.place, false);
		lane_turn(&lane, 2);
		lane_crash(&copy, &lane);
		lane_list(&copy);
		assert_int_equal(copy.message_count, 1);
		lane_open(&copy);
		assert_int_equal(copy.message_count, 1);
		assert_int_equal(copy.messages[0].id, held);
		lane_finish(&copy);
	}
	assert_true(forged_generation > 8); /* files were used again */
	assert_in_range(lane_count_files(&lane, "segments"), 1, 3 + LIMIT_READY_SEGMENTS);
	lane_finish(&lane);
}

/* --- no space --- */

static void a_full_lane_takes_changes_and_recovers(void **state)
{
	(void)state;
	enum { MOST = 200 };
	static struct lane_entry entries[MOST];
	struct lane lane;
	size_t count = 0;
	lane_init(&lane, SMALL_SEGMENT_BYTES);
	lane.settings.most_bytes = 4 * SMALL_SEGMENT_BYTES;
	lane_open(&lane);
	assert_true(spool_is_writable(lane.spool));
	do {
		lane_start_message(&lane, &entries[count], 1, 10000, false);
		lane_wait(&lane, &entries[count]);
		lane_entry_finish(&entries[count]);
	} while (entries[count].status == SPOOL_OK && ++count < MOST);
	assert_in_range(count, 33, 40); /* in three of the four: one is kept for compaction */
	assert_int_equal(entries[count].status, SPOOL_FULL);
	assert_false(spool_is_writable(lane.spool));
	assert_true(lane_count_files(&lane, "segments") <= 4);

	lane_close(&lane);
	lane_open(&lane);
	assert_int_equal(lane.message_count, count);
	lane_turn(&lane, 20); /* to find that there is no more space */
	assert_false(spool_is_writable(lane.spool));
	for (size_t i = 0; i < count; i++) {
		lane_check_text(&lane, entries[i].id, lane.messages[i].place, 10000, false);
		if (i % 10 == 0)
			continue;
		struct lane_entry entry;
		lane_start_change(&lane, &entry, entries[i].id, SPOOL_MESSAGE_DONE, 0, "");
		lane_wait(&lane, &entry);
		assert_int_equal(entry.status, SPOOL_OK);
		spool_forget(lane.spool, entries[i].id, lane.messages[i].place, false);
	}
	lane_finish(&lane);
}

static void a_lane_that_was_emptied_takes_mail_again(void **state)
{
	(void)state;
	enum { MOST = 200 };
	static struct lane_entry entries[MOST];
	struct lane lane;
	size_t count = 0;
	lane_init(&lane, SMALL_SEGMENT_BYTES);
	lane.settings.most_bytes = 4 * SMALL_SEGMENT_BYTES;
	lane.settings.compaction_ms = 5;
	lane_open(&lane);
	do {
		lane_start_message(&lane, &entries[count], 1, count % 12 ? 10000 : 500, false);
		lane_wait(&lane, &entries[count]);
		lane_entry_finish(&entries[count]);
	} while (entries[count].status == SPOOL_OK && ++count < MOST);
	assert_false(spool_is_writable(lane.spool));
	/* All but a few end: the changes fit in what is kept for them. */
	for (size_t i = 0; i < count; i++) {
		if (i % 12 == 0)
			continue;
		lane_change(&lane, entries[i].id, SPOOL_MESSAGE_DONE, 0, "");
		spool_forget(lane.spool, entries[i].id, entries[i].entry.place, false);
	}
	for (int i = 0; i < 300 && !spool_is_writable(lane.spool); i++)
		lane_turn(&lane, 10);
	assert_true(spool_is_writable(lane.spool));
	uint64_t id = lane_append(&lane, 1, 10000);
	lane_close(&lane);
	lane_open(&lane);
	assert_int_equal(lane.message_count, (count + 11) / 12 + 1);
	assert_non_null(lane_find(&lane, id));
	lane_finish(&lane);
}

/* --- failed writes --- */

static void limit_files(uint64_t bytes)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_failed_commit_fails_its_entries_only(void **state)
{
	(void)state;
	enum { COUNT = 6, TEXT = 6000 };
	struct lane lane, copy;
	struct lane_entry before, entries[COUNT];
	signal(SIGXFSZ, SIG_IGN);
	lane_init(&lane, 1024 * 1024);
	lane_open(&lane);
	lane_start_message(&lane, &before, 1, TEXT, false);
	lane_wait(&lane, &before);
	for (size_t i = 0; i < COUNT; i++)
		lane_start_message(&lane, &entries[i], 1, TEXT, false);
	/* The first is a commit by itself; the others gather meanwhile. The second is written whole, the third in part: a
	 * short write, of whole blocks, and then none. */
	uint64_t second_end = end_of(before.entry.place) + 2 * (uint64_t)before.entry.place.size;
	limit_files((second_end + SPOOL_BLOCK_BYTES - 1) / SPOOL_BLOCK_BYTES * SPOOL_BLOCK_BYTES);
	lane_wait(&lane, &entries[0]);
	assert_int_equal(entries[0].status, SPOOL_OK);
	for (size_t i = 1; i < COUNT; i++) {
		lane_wait(&lane, &entries[i]);
		assert_int_equal(entries[i].status, SPOOL_FULL);
	}
	lane_turn(&lane, 20);
	assert_false(spool_is_writable(lane.spool));
	struct lane_entry refused;
	lane_start_message(&lane, &refused, 1, TEXT, false);
	lane_wait(&lane, &refused);
	assert_int_equal(refused.status, SPOOL_FULL);
	lane_entry_finish(&refused);

	/* A crash now may bring the second back, which is whole, and nothing else. */
	limit_files(RLIM_INFINITY);
	lane_crash(&copy, &lane);
	lane_open(&copy);
	assert_in_range(copy.message_count, 2, 3);
	lane_finish(&copy);

	for (int i = 0; i < 300 && !spool_is_writable(lane.spool); i++)
		lane_turn(&lane, 10);
	assert_true(spool_is_writable(lane.spool));
	uint64_t after = lane_append(&lane, 1, TEXT);
	lane_check_text(&lane, entries[0].id, entries[0].entry.place, TEXT, false);
	for (int round = 0; round < 2; round++) {
		lane_close(&lane);
		lane_open(&lane);
		assert_int_equal(lane.message_count, 3 + (size_t)round);
		assert_non_null(lane_find(&lane, before.id));
		assert_non_null(lane_find(&lane, entries[0].id));
		assert_non_null(lane_find(&lane, after));
		lane_append(&lane, 1, 10);
	}
	for (size_t i = 0; i < COUNT; i++)
		lane_entry_finish(&entries[i]);
	lane_entry_finish(&before);
	lane_finish(&lane);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_torn_tail_leaves_a_prefix),
		cmocka_unit_test(what_is_behind_a_hole_never_comes_back),
		cmocka_unit_test(old_damage_costs_one_message),
		cmocka_unit_test(a_lane_of_the_future_is_refused),
		cmocka_unit_test(what_a_file_held_before_is_never_read),
		cmocka_unit_test(a_full_lane_takes_changes_and_recovers),
		cmocka_unit_test(a_lane_that_was_emptied_takes_mail_again),
		cmocka_unit_test(a_failed_commit_fails_its_entries_only),
	};
	return cmocka_run_group_tests_name("spool crash", tests, NULL, NULL);
}

int main(void)
{
	return run_on_both_loops(run);
}
