/* proto/utf16: a table both ways, what is refused, and that every character comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/utf16.h"
#include "proto/utf8.h"

struct row {
	const char *utf8, *upper;
	struct slice utf16; /* as it is */
};

static const struct row rows[] = {
	{ "", "", { (const uint8_t *)"", 0 } },
	{ "Ab1", "AB1", { (const uint8_t *)"A\0b\0001\0", 6 } },
	{ "\xc3\xa4\xc3\x9f", "\xc3\x84\xc3\x9f", { (const uint8_t *)"\xe4\0\xdf\0", 4 } }, /* no capital sharp s */
	{ "\xe2\x82\xac", "\xe2\x82\xac", { (const uint8_t *)"\xac\x20", 2 } },
	{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", { (const uint8_t *)"\x3d\xd8\x00\xde", 4 } },
	{ "\xd0\xb6\xd1\x91", "\xd0\x96\xd0\x81", { (const uint8_t *)"\x36\x04\x51\x04", 4 } },
};

static struct slice convert(struct buffer *out, struct slice utf8, enum utf16_case letters)
{
	buffer_clear(out);
	assert_true(utf16_append(out, utf8, letters));
	return buffer_slice(out);
}

static void texts_become_what_they_must(void **state)
{
	(void)state;
	uint8_t storage[64], back_storage[64];
	struct buffer out, back;
	buffer_init(&out, storage, sizeof storage);
	buffer_init(&back, back_storage, sizeof back_storage);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct slice utf8 = slice_from_text(rows[i].utf8);
		assert_true(slice_equal(convert(&out, utf8, UTF16_AS_IS), rows[i].utf16));
		buffer_clear(&back);
		assert_true(utf16_append_utf8(&back, rows[i].utf16) && slice_equal(buffer_slice(&back), utf8));
		buffer_clear(&back);
		assert_true(utf16_append_utf8(&back, convert(&out, utf8, UTF16_UPPER)));
		assert_true(slice_equal(buffer_slice(&back), slice_from_text(rows[i].upper)));
	}
}

static void broken_text_is_refused(void **state)
{
	(void)state;
	static const struct slice evil[] = {
		{ (const uint8_t *)"a", 1 },        /* half a unit */
		{ (const uint8_t *)"\x3d\xd8", 2 }, /* a lone high surrogate */
		{ (const uint8_t *)"\x3d\xd8"
				   "a\0",
		  4 },                                      /* followed by a letter */
		{ (const uint8_t *)"\x3d\xd8\x3d\xd8", 4 }, /* by another */
		{ (const uint8_t *)"\x00\xde", 2 },         /* a lone low one */
		{ (const uint8_t *)"\x3d\xd8\x00", 3 },     /* cut */
		{ (const uint8_t *)"\x85\x00", 2 },         /* a control that UTF-8 may not have either */
	};
	uint8_t storage[64];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++)
		assert_false(utf16_append_utf8(&out, evil[i]));
	assert_false(utf16_append(&out, SLICE_LITERAL("\xed\xa0\x80"), UTF16_AS_IS)); /* a surrogate in UTF-8 */
	assert_false(utf16_append(&out, SLICE_LITERAL("a\xff"), UTF16_UPPER));
}

static void what_does_not_fit_is_told(void **state)
{
	(void)state;
	uint8_t storage[3];
	struct buffer out;
	buffer_init(&out, storage, 3);
	assert_false(utf16_append(&out, SLICE_LITERAL("ab"), UTF16_AS_IS));
	buffer_init(&out, storage, 3);
	assert_false(utf16_append_utf8(&out, SLICE_LITERAL("a\0b\0c\0d\0")));
}

/* Every character there is. */
static void all_characters_come_back(void **state)
{
	(void)state;
	for (uint32_t unit = 0; unit < 0x110000; unit++) {
		uint8_t utf16[4], storage[8], back_storage[8];
		size_t size = unit < 0x10000 ? 2 : 4;
		uint32_t first = unit < 0x10000 ? unit : 0xd800 + ((unit - 0x10000) >> 10);
		uint32_t second = 0xdc00 + ((unit - 0x10000) & 0x3ff);
		utf16[0] = (uint8_t)first, utf16[1] = (uint8_t)(first >> 8);
		utf16[2] = (uint8_t)second, utf16[3] = (uint8_t)(second >> 8);
		struct buffer out, back;
		buffer_init(&out, storage, sizeof storage);
		buffer_init(&back, back_storage, sizeof back_storage);
		bool is_none = (unit >= 0xd800 && unit < 0xe000) || (unit >= 0x80 && unit < 0xa0);
		assert_int_equal(utf16_append_utf8(&out, slice_of(utf16, size)), !is_none);
		if (is_none)
			continue;
		assert_true(utf8_is_valid(buffer_slice(&out)));
		assert_true(utf16_append(&back, buffer_slice(&out), UTF16_AS_IS));
		assert_true(slice_equal(buffer_slice(&back), slice_of(utf16, size)));
		buffer_clear(&back);
		assert_true(utf16_append(&back, buffer_slice(&out), UTF16_UPPER) && back.size == size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_become_what_they_must),
		cmocka_unit_test(broken_text_is_refused),
		cmocka_unit_test(what_does_not_fit_is_told),
		cmocka_unit_test(all_characters_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
