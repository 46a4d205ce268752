/* UTF-8, strict; see utf8.h. */
#include "proto/utf8.h"

/* By lead byte: how long, and what the second byte may be. Later ones are 80 … BF always (RFC 3629 §4). */
struct utf8_row {
	uint8_t first_lead, last_lead;
	uint8_t size;
	uint8_t second_low, second_high;
};

static const struct utf8_row rows[] = {
	{ 0x00, 0x7f, 1, 0x00, 0x00 }, { 0xc2, 0xc2, 2, 0xa0, 0xbf }, /* without the controls */
	{ 0xc3, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf }, /* not overlong */
	{ 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, /* no surrogate */
	{ 0xee, 0xef, 3, 0x80, 0xbf }, { 0xf0, 0xf0, 4, 0x90, 0xbf }, /* not overlong */
	{ 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f }, /* up to U+10FFFF */
};

static bool row_matches(const struct utf8_row *row, struct slice text)
{
	if (text.size < row->size)
		return false;
	if (row->size > 1 && (text.data[1] < row->second_low || text.data[1] > row->second_high))
		return false;
	for (size_t i = 2; i < row->size; i++)
		if ((text.data[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t utf8_character_size(struct slice text)
{
	uint8_t lead = text.data[0];
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (lead >= rows[i].first_lead && lead <= rows[i].last_lead)
			return row_matches(&rows[i], text) ? rows[i].size : 0;
	return 0;
}

bool utf8_is_valid(struct slice text)
{
	while (text.size) {
		size_t size = utf8_character_size(text);
		if (size == 0)
			return false;
		text = slice_skip(text, size);
	}
	return true;
}

struct slice utf8_cut(struct slice text, size_t most)
{
	if (text.size <= most)
		return text;
	while (most && (text.data[most] & 0xc0) == 0x80)
		most--;
	return slice_first(text, most);
}
