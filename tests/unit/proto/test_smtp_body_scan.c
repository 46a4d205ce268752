/* proto/smtp_body_scan: both ways of scanning, and a simple one, agree on random text at every offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/smtp_body_scan.h"

/* The portable way under another name, beside the one in the archive. */
#define POSTERN_PORTABLE
#define smtp_body_scan scan_portably
size_t scan_portably(struct slice text, uint8_t previous, bool dots);
#include "proto/smtp_body_scan.c"
#undef smtp_body_scan

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

static void all_ways_agree(void **state)
{
	(void)state;
	static const uint8_t before[] = { '\n', '\r', 'x' };
	uint8_t text[400];
	srandom(5);
	for (int round = 0; round < 200000; round++) {
		size_t size = (size_t)random() % sizeof text;
		fill(text, size, 2 + random() % 1000);
		size_t at = size ? (size_t)random() % size : 0;
		struct slice part = slice_of(text + at, size - at);
		uint8_t previous = before[random() % 3];
		bool dots = random() & 1;
		size_t simply = scan_simply(part, previous, dots);
		assert_int_equal(smtp_body_scan(part, previous, dots), simply);
		assert_int_equal(scan_portably(part, previous, dots), simply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_ways_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
