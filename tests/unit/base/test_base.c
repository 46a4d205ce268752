/* core/base: slices, bounded buffers, the checked cursor, pools, the hash map against a naive one, log quoting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/buffer.h"
#include "core/base/cursor.h"
#include "core/base/limits.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/pool.h"

static void numbers_are_digits_within_a_bound(void **state)
{
	(void)state;
	uint64_t number;
	assert_true(slice_parse_number(SLICE_LITERAL("0"), 10, &number) && number == 0);
	assert_true(slice_parse_number(SLICE_LITERAL("18446744073709551615"), UINT64_MAX, &number));
	assert_true(number == UINT64_MAX);
	assert_false(slice_parse_number(SLICE_LITERAL("18446744073709551616"), UINT64_MAX, &number));
	assert_false(slice_parse_number(SLICE_LITERAL("11"), 10, &number));
	assert_false(slice_parse_number(SLICE_LITERAL(""), 10, &number));
	assert_false(slice_parse_number(SLICE_LITERAL("+1"), 10, &number));
	assert_false(slice_parse_number(SLICE_LITERAL("1 "), 10, &number));
}

static void buffer_takes_all_or_nothing(void **state)
{
	(void)state;
	uint8_t storage[8];
	struct buffer buffer;
	buffer_init(&buffer, storage, sizeof storage);
	assert_true(buffer_append_text(&buffer, "12345"));
	assert_false(buffer_append_text(&buffer, "6789"));
	assert_true(buffer.overflow);
	assert_int_equal(buffer.size, 5);
	assert_true(buffer_append_number(&buffer, 678));
	buffer_consume(&buffer, 6);
	assert_memory_equal(buffer.data, "78", 2);
	buffer_clear(&buffer);
	assert_false(buffer.overflow);
}

static void cursor_fails_once_and_stays_failed(void **state)
{
	(void)state;
	uint8_t bytes[7];
	struct buffer buffer;
	buffer_init(&buffer, bytes, sizeof bytes);
	assert_true(buffer_append_le(&buffer, 0x01020304, 4));
	assert_false(buffer_append_le(&buffer, 0xabcdef, 4));
	assert_true(buffer_append_le(&buffer, 0xabcdef, 3));
	struct cursor cursor = cursor_over(slice_of(bytes, sizeof bytes));
	assert_int_equal(cursor_take_u32le(&cursor), 0x01020304);
	assert_int_equal(cursor_take_u32le(&cursor), 0);
	assert_false(cursor_ok(&cursor));
	assert_int_equal(cursor_take_u8(&cursor), 0);
}

static void pool_keeps_its_maximum_and_reuses(void **state)
{
	(void)state;
	struct pool pool;
	pool_init(&pool, 40, 4, 6);
	void *taken[6];
	for (size_t i = 0; i < 6; i++) {
		taken[i] = pool_take(&pool);
		assert_non_null(taken[i]);
		memset(taken[i], 0xaa, 40);
	}
	assert_null(pool_take(&pool));
	pool_give(&pool, taken[3]);
	assert_ptr_equal(pool_take(&pool), taken[3]);
	for (size_t i = 0; i < 6; i++)
		pool_give(&pool, taken[i]);
	pool_give(&pool, NULL);
	assert_int_equal(pool.used, 0);
	pool_finish(&pool);
}

struct entry {
	struct map_node node;
	bool in;
};

static void map_agrees_with_an_array(void **state)
{
	(void)state;
	enum { ENTRIES = 500, STEPS = 20000 };
	static struct entry entries[ENTRIES];
	struct map map;
	assert_true(map_init(&map, 1));
	srandom(1);
	size_t in = 0;
	for (size_t step = 0; step < STEPS; step++) {
		size_t i = (size_t)random() % ENTRIES;
		/* Hashes collide on purpose: seven entries share one. */
		uint64_t hash = map_hash_number(i / 7);
		if (entries[i].in)
			map_remove(&map, &entries[i].node);
		else
			map_insert(&map, &entries[i].node, hash);
		entries[i].in = !entries[i].in;
		in += entries[i].in ? 1 : (size_t)-1;
		assert_int_equal(map.size, in);
		bool found = false;
		for (struct map_node *node = map_find(&map, hash); node; node = map_find_next(node))
			found |= node == &entries[i].node;
		assert_int_equal(found, entries[i].in);
	}
	size_t walked = 0;
	for (struct map_node *node = map_walk(&map, NULL); node; node = map_walk(&map, node))
		walked++;
	assert_int_equal(walked, in);
	map_finish(&map);
}

static void list_moves_whole(void **state)
{
	(void)state;
	struct list a, b, nodes[3];
	list_init(&a);
	list_init(&b);
	for (size_t i = 0; i < 3; i++)
		list_append(&b, &nodes[i]);
	list_splice(&a, &b);
	assert_true(list_is_empty(&b));
	list_remove(&nodes[1]);
	list_remove(&nodes[1]);
	assert_ptr_equal(list_take_first(&a), &nodes[0]);
	assert_ptr_equal(list_take_first(&a), &nodes[2]);
	assert_null(list_take_first(&a));
}

/* What a client sends can't start a line or a field of its own. */
static void log_values_are_quoted(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	log_configure(LOG_INFO, ends[1]);
	struct log_line line;
	assert_false(log_begin(&line, LOG_DEBUG, "hidden"));
	assert_true(log_begin(&line, LOG_INFO, "seen"));
	log_slice(&line, "name", SLICE_LITERAL("a\r\nerror forged=1 \"x\""));
	log_number(&line, "size", -5);
	log_end(&line);
	char text[512];
	ssize_t size = read(ends[0], text, sizeof text - 1);
	assert_true(size > 25);
	text[size] = 0;
	assert_string_equal(text + 24, " info seen name=\"a\\x0d\\x0aerror forged=1 \\\"x\\\"\" size=-5\n");
	log_configure(LOG_INFO, 2);
	close(ends[0]);
	close(ends[1]);
}

static size_t bytes_in(int fd)
{
	int size = 0;
	assert_int_equal(ioctl(fd, FIONREAD, &size), 0);
	return (size_t)size;
}

static void log_info_line(const char *event)
{
	struct log_line line;
	assert_true(log_begin(&line, LOG_INFO, event));
	log_end(&line);
}

static void log_lines_leave_together(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 2 * LIMIT_LOG_BUFFER_BYTES) > 0);
	log_configure(LOG_INFO, ends[1]);
	log_set_buffered(true);
	log_info_line("one");
	log_info_line("two");
	assert_int_equal(bytes_in(ends[0]), 0);
	log_flush();
	char text[256];
	ssize_t size = read(ends[0], text, sizeof text - 1);
	assert_int_equal(size, 2 * (24 + strlen(" info one\n")));
	log_info_line("three");
	log_message(LOG_ERROR, "four", "leaves at once, with what was before it");
	assert_true(bytes_in(ends[0]) > 60);
	assert_true(read(ends[0], text, sizeof text - 1) > 0);

	/* What doesn't fit pushes out what waits. */
	size_t before = bytes_in(ends[0]);
	for (size_t i = 0; bytes_in(ends[0]) == before && i < 10000; i++)
		log_info_line("filling");
	assert_true(bytes_in(ends[0]) > LIMIT_LOG_BUFFER_BYTES - 256);
	log_configure(LOG_INFO, 2);
	log_set_buffered(false);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_digits_within_a_bound),
		cmocka_unit_test(buffer_takes_all_or_nothing),
		cmocka_unit_test(cursor_fails_once_and_stays_failed),
		cmocka_unit_test(pool_keeps_its_maximum_and_reuses),
		cmocka_unit_test(map_agrees_with_an_array),
		cmocka_unit_test(list_moves_whole),
		cmocka_unit_test(log_values_are_quoted),
		cmocka_unit_test(log_lines_leave_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
