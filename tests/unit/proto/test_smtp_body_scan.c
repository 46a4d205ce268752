/* proto/smtp_body_scan: all ways of scanning that this processor has, and a simple one, agree on random text at every offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Whose ways are seen here, each by its name. */
#include "proto/smtp_body_scan.c"

size_t scan_portably(struct slice text, uint8_t previous, bool dots); /* scan_portably.c */

static size_t scan_simply(struct slice text, uint8_t previous, bool dots)
{
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];
		if (c == 0 || (c == '\n') != (previous == '\r') || (dots && c == '.' && previous == '\n'))
			return i;
		previous = c;
	}
	return text.size;
}

/* Mostly good text; odd bytes become rarer, so that they are found at every distance. */
static void fill(uint8_t *text, size_t size, long rarity)
{
	static const uint8_t odd[] = { '\r', '\n', '.', 0 };
	for (size_t i = 0; i < size; i++)
		text[i] = (uint8_t)(random() % rarity ? 0x80 + random() % 128 : odd[random() % 4]);
	for (size_t i = 0; i + 1 < size; i += 1 + (size_t)random() % 50)
		text[i] = '\r', text[i + 1] = '\n';
}

typedef size_t scan_function(struct slice text, uint8_t previous, bool dots);

static size_t ways(scan_function *found[5])
{
	size_t count = 0;
	found[count++] = smtp_body_scan;
	found[count++] = scan_portably;
#ifdef POSTERN_SCAN_X86
	found[count++] = scan_by_16;
	if (__builtin_cpu_supports("avx2"))
		found[count++] = scan_by_32;
	if (__builtin_cpu_supports("avx512bw"))
		found[count++] = scan_by_64;
#endif
	return count;
}

static void all_ways_agree(void **state)
{
	(void)state;
	static const uint8_t before[] = { '\n', '\r', 'x' };
	scan_function *found[5];
	size_t count = ways(found);
	srandom(5);
	for (int round = 0; round < 200000; round++) {
		uint8_t text[400];
		size_t size = (size_t)random() % sizeof text;
		fill(text, size, 2 + random() % 1000);
		size_t at = size ? (size_t)random() % size : 0;
		struct slice part = slice_of(text + at, size - at);
		uint8_t previous = before[random() % 3];
		bool dots = random() & 1;
		size_t simply = scan_simply(part, previous, dots);
		for (size_t way = 0; way < count; way++)
			assert_int_equal(found[way](part, previous, dots), simply);
	}
}

/* What lies behind the text is not read: each is as long as its memory, which a sanitizer watches. */
static void nothing_behind_is_read(void **state)
{
	(void)state;
	scan_function *found[5];
	size_t count = ways(found);
	for (size_t size = 1; size < 200; size++) {
		uint8_t *text = malloc(size);
		memset(text, 'x', size);
		for (size_t way = 0; way < count; way++)
			assert_int_equal(found[way](slice_of(text, size), 'x', true), size);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_ways_agree),
		cmocka_unit_test(nothing_behind_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
