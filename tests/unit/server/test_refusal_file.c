/* core/server/refusal_file: what was added last is found by its id, by both loops; the ring comes round; what can't be written
 * harms nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/server/refusal_file.h"

enum { LANE = 3 };

struct world {
	char folder[32];
	struct loop *loop;
};

static void open_world(struct world *world, enum loop_kind kind)
{
	struct error error;
	struct loop_settings settings = { .kind = kind, .receive_buffers = 8 };
	snprintf(world->folder, sizeof world->folder, "/tmp/refusals-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	world->loop = loop_create(&settings, &error);
	assert_non_null(world->loop);
}

static void close_world(struct world *world)
{
	char path[64];
	loop_destroy(world->loop);
	snprintf(path, sizeof path, "%s/" REFUSAL_FILE_NAME, world->folder);
	unlink(path);
	assert_int_equal(rmdir(world->folder), 0);
}

static struct refusal make_refusal(uint32_t line)
{
	struct refusal refusal = { .format = REFUSAL_FORMAT, .line = line, .family = 4, .stage = POLICY_SENDER };
	snprintf(refusal.rule, sizeof refusal.rule, "rule %u", line);
	return refusal;
}

static void turn(struct world *world, unsigned times)
{
	struct error error;
	while (times-- > 0)
		assert_true(loop_turn(world->loop, false, &error));
}

static bool is_found(struct world *world, uint64_t id, uint32_t line)
{
	struct refusal refusal;
	struct error error;
	if (!refusal_file_find(world->folder, id, &refusal, &error))
		return false;
	assert_int_equal(refusal.line, line);
	return refusal.id == id;
}

/* Until it is in the file, and the loop has heard so: some back ends write in threads of the kernel's. */
static void settle(struct world *world, const struct refusal *refusal)
{
	for (int i = 0; i < 5000 && !is_found(world, refusal->id, refusal->line); i++) {
		turn(world, 1);
		usleep(1000);
	}
	usleep(1000);
	turn(world, 3);
}

static void find_all(enum loop_kind kind)
{
	struct world world;
	uint64_t ids[200];
	open_world(&world, kind);
	struct refusal_file *file = refusal_file_create(world.loop, world.folder, LANE);
	for (uint32_t i = 0; i < 200; i++) {
		struct refusal refusal = make_refusal(i);
		refusal_file_add(file, &refusal);
		ids[i] = refusal.id;
		assert_int_equal(refusal.id >> 56, LANE);
		assert_true(i == 0 || ids[i] > ids[i - 1]);
		if (i % 16 == 0)
			settle(&world, &refusal);
	}
	refusal_file_destroy(file);
	for (uint32_t i = 0; i < 200; i++)
		if (!is_found(&world, ids[i], i))
			fail_msg("refusal %u is lost", i);
	assert_false(is_found(&world, ids[199] + 1, 0));
	close_world(&world);
}

static void refusals_are_found_by_their_id(void **state)
{
	(void)state;
	find_all(LOOP_EPOLL);
	struct error error;
	struct loop_settings settings = { .kind = LOOP_IO_URING, .receive_buffers = 8 };
	struct loop *loop = loop_create(&settings, &error);
	if (!loop)
		return;
	loop_destroy(loop);
	find_all(LOOP_IO_URING);
}

/* The oldest go, and the file grows no more. */
static void the_ring_comes_round(void **state)
{
	(void)state;
	struct world world;
	struct stat status;
	char path[64];
	open_world(&world, LOOP_EPOLL);
	struct refusal_file *file = refusal_file_create(world.loop, world.folder, LANE);
	uint64_t first = 0, last = 0;
	for (uint32_t i = 0; i < LIMIT_REFUSALS + 100; i++) {
		struct refusal refusal = make_refusal(i);
		refusal_file_add(file, &refusal);
		if (i == 0)
			first = refusal.id;
		last = refusal.id;
		if (i % (LIMIT_REFUSALS_WAITING / 2) == 0)
			turn(&world, 6);
	}
	refusal_file_destroy(file);
	assert_true(is_found(&world, last, LIMIT_REFUSALS + 99));
	assert_true(is_found(&world, first + 100, 100));
	assert_false(is_found(&world, first + 99, 99));
	assert_false(is_found(&world, 0, 0));
	snprintf(path, sizeof path, "%s/" REFUSAL_FILE_NAME, world.folder);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, LIMIT_REFUSALS * REFUSAL_BYTES);
	close_world(&world);
}

/* In one turn more than may wait: ids go on, and what found room is there. */
static void what_finds_no_room_has_an_id_all_the_same(void **state)
{
	(void)state;
	struct world world;
	struct refusal refusal;
	open_world(&world, LOOP_EPOLL);
	struct refusal_file *file = refusal_file_create(world.loop, world.folder, LANE);
	uint64_t first = 0;
	for (uint32_t i = 0; i < LIMIT_REFUSALS_WAITING + 10; i++) {
		refusal = make_refusal(i);
		refusal_file_add(file, &refusal);
		first = i ? first : refusal.id;
	}
	assert_int_equal(refusal.id, first + LIMIT_REFUSALS_WAITING + 9);
	turn(&world, 20);
	refusal = make_refusal(1000);
	refusal_file_add(file, &refusal);
	refusal_file_destroy(file);
	assert_true(is_found(&world, first + LIMIT_REFUSALS_WAITING - 1, LIMIT_REFUSALS_WAITING - 1));
	assert_false(is_found(&world, first + LIMIT_REFUSALS_WAITING, 0));
	assert_true(is_found(&world, refusal.id, 1000));
	close_world(&world);
}

static void a_file_that_cannot_be_made_harms_nobody(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, LOOP_EPOLL);
	log_configure(LOG_ERROR, 2);
	struct refusal_file *file = refusal_file_create(world.loop, "/nowhere/at/all", LANE);
	for (uint32_t i = 0; i < 3; i++) {
		struct refusal refusal = make_refusal(i);
		refusal_file_add(file, &refusal);
		assert_true(refusal.id != 0);
		turn(&world, 3);
	}
	refusal_file_destroy(file);
	refusal_file_destroy(NULL);
	log_configure(LOG_INFO, 2);
	close_world(&world);
}

static void details_keep_the_id_whatever_the_address(void **state)
{
	(void)state;
	uint8_t storage[LIMIT_REPLY_DETAIL_BYTES];
	char address[LIMIT_PATH_BYTES];
	struct buffer detail;
	memset(address, 'a', sizeof address);
	buffer_init(&detail, storage, sizeof storage);
	refusal_write_detail(&detail, SMTP_RELAY_REFUSED, slice_of(address, sizeof address), "0123456789ABC");
	assert_false(detail.overflow);
	assert_true(slice_equal(slice_skip(buffer_slice(&detail), detail.size - 15), SLICE_LITERAL("(0123456789ABC)")));
	buffer_clear(&detail);
	refusal_write_detail(&detail, SMTP_RELAY_REFUSED, SLICE_LITERAL("a@b"), "X");
	assert_true(slice_equal(buffer_slice(&detail), SLICE_LITERAL("<a@b> (X)")));
	buffer_clear(&detail);
	refusal_write_detail(&detail, SMTP_CLIENT_REFUSED, SLICE_LITERAL(""), "X");
	assert_true(slice_equal(buffer_slice(&detail), SLICE_LITERAL("(X)")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_are_found_by_their_id),
		cmocka_unit_test(the_ring_comes_round),
		cmocka_unit_test(what_finds_no_room_has_an_id_all_the_same),
		cmocka_unit_test(a_file_that_cannot_be_made_harms_nobody),
		cmocka_unit_test(details_keep_the_id_whatever_the_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
