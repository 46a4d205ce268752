/* UTF-16 to and from UTF-8; see utf16.h. */
#include "proto/utf16.h"

#include "core/base/cursor.h"
#include "proto/utf8.h"

enum { HIGH_SURROGATE = 0xd800, LOW_SURROGATE = 0xdc00, AFTER_SURROGATES = 0xe000, BEYOND_PLANE_0 = 0x10000 };

/* --- capitals --- */

/* Letters from `first` to `last`, each `step` from the next, and how far it is to the capital. */
struct case_row {
	uint16_t first, last;
	uint8_t step;
	int16_t to_upper;
};

/* The alphabets of which names are mostly made, in order; letters that stand apart are left out, as are those whose capitals
 * are two letters. */
static const struct case_row case_rows[] = {
	{ 'a', 'z', 1, -32 },       { 0x00e0, 0x00f6, 1, -32 }, { 0x00f8, 0x00fe, 1, -32 }, { 0x00ff, 0x00ff, 1, 121 },
	{ 0x0101, 0x012f, 2, -1 },  { 0x0133, 0x0137, 2, -1 },  { 0x013a, 0x0148, 2, -1 },  { 0x014b, 0x0177, 2, -1 },
	{ 0x017a, 0x017e, 2, -1 },  { 0x01a1, 0x01a5, 2, -1 },  { 0x01b0, 0x01b0, 1, -1 },  { 0x01ce, 0x01dc, 2, -1 },
	{ 0x01df, 0x01ef, 2, -1 },  { 0x01f9, 0x021f, 2, -1 },  { 0x0223, 0x0233, 2, -1 },  { 0x03ac, 0x03ac, 1, -38 },
	{ 0x03ad, 0x03af, 1, -37 }, { 0x03b1, 0x03c1, 1, -32 }, { 0x03c3, 0x03cb, 1, -32 }, { 0x03cc, 0x03cc, 1, -64 },
	{ 0x03cd, 0x03ce, 1, -63 }, { 0x0430, 0x044f, 1, -32 }, { 0x0450, 0x045f, 1, -80 }, { 0x0461, 0x0481, 2, -1 },
	{ 0x048b, 0x04bf, 2, -1 },  { 0x04c2, 0x04ce, 2, -1 },  { 0x04cf, 0x04cf, 1, -15 }, { 0x04d1, 0x052f, 2, -1 },
	{ 0x0561, 0x0586, 1, -48 }, { 0x1e01, 0x1e95, 2, -1 },  { 0x1ea1, 0x1eff, 2, -1 },  { 0xff41, 0xff5a, 1, -32 },
};

static uint32_t upper(uint32_t character)
{
	for (size_t i = 0; i < sizeof case_rows / sizeof case_rows[0] && character >= case_rows[i].first; i++)
		if (character <= case_rows[i].last)
			return (character - case_rows[i].first) % case_rows[i].step
				       ? character
				       : (uint32_t)((int32_t)character + case_rows[i].to_upper);
	return character;
}

/* --- one character --- */

/* `character` is whole and right, of `size` bytes. */
static uint32_t decode_utf8(const uint8_t *character, size_t size)
{
	if (size == 1)
		return character[0];
	uint32_t value = character[0] & (0x7fu >> size);
	for (size_t i = 1; i < size; i++)
		value = value << 6 | (character[i] & 0x3f);
	return value;
}

static void append_unit(struct buffer *out, uint32_t unit)
{
	buffer_append_le(out, unit, 2);
}

static void append_units(struct buffer *out, uint32_t character)
{
	if (character < BEYOND_PLANE_0) {
		append_unit(out, character);
		return;
	}
	character -= BEYOND_PLANE_0;
	append_unit(out, HIGH_SURROGATE + (character >> 10));
	append_unit(out, LOW_SURROGATE + (character & 0x3ff));
}

static void append_utf8(struct buffer *out, uint32_t character)
{
	static const uint8_t leads[] = { 0, 0xc0, 0xe0, 0xf0 };
	unsigned later = character < 0x80 ? 0 : character < 0x800 ? 1 : character < BEYOND_PLANE_0 ? 2 : 3;
	buffer_append_byte(out, (uint8_t)(leads[later] | character >> 6 * later));
	while (later--)
		buffer_append_byte(out, (uint8_t)(0x80 | (character >> 6 * later & 0x3f)));
}

/* --- texts --- */

bool utf16_append(struct buffer *out, struct slice utf8, enum utf16_case letters)
{
	while (utf8.size) {
		size_t size = utf8_character_size(utf8);
		if (size == 0)
			return false;
		uint32_t character = decode_utf8(utf8.data, size);
		append_units(out, letters == UTF16_UPPER ? upper(character) : character);
		utf8 = slice_skip(utf8, size);
	}
	return !out->overflow;
}

/* The controls U+0080 … U+009F become UTF-8 that utf8.h does not take; so do they not pass here. */
static bool is_control(uint32_t character)
{
	return character >= 0x80 && character < 0xa0;
}

bool utf16_append_utf8(struct buffer *out, struct slice utf16)
{
	struct cursor cursor = cursor_over(utf16);
	while (cursor.rest.size) {
		uint32_t character = cursor_take_u16le(&cursor);
		if (character >= LOW_SURROGATE && character < AFTER_SURROGATES)
			return false;
		if (character >= HIGH_SURROGATE && character < LOW_SURROGATE) {
			uint32_t low = cursor_take_u16le(&cursor);
			if (low < LOW_SURROGATE || low >= AFTER_SURROGATES)
				return false;
			character = BEYOND_PLANE_0 + ((character - HIGH_SURROGATE) << 10) + (low - LOW_SURROGATE);
		}
		if (!cursor_ok(&cursor) || is_control(character))
			return false;
		append_utf8(out, character);
	}
	return !out->overflow;
}
