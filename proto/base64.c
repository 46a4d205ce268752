/* Base64, strict and without secrets in its timing; see base64.h. */
#include "proto/base64.h"

/* The alphabet is five runs of consecutive characters with consecutive values. */
struct alphabet_run {
	uint8_t first_character;
	uint8_t first_value;
	uint8_t count;
};

static const struct alphabet_run alphabet[] = {
	{ 'A', 0, 26 }, { 'a', 26, 26 }, { '0', 52, 10 }, { '+', 62, 1 }, { '/', 63, 1 },
};

enum { ALPHABET_RUNS = sizeof alphabet / sizeof alphabet[0], NOT_IN_ALPHABET = 64 };

/* All ones where first <= value < first + count, else 0: without a branch. All are small numbers. */
static inline uint32_t mask_within(uint32_t value, uint32_t first, uint32_t count)
{
	uint32_t below = value - first;
	uint32_t above = first + count - 1 - value;
	return ((below | above) >> 31) - 1;
}

static uint8_t character_of(uint32_t value)
{
	uint32_t character = 0;
	for (int i = 0; i < ALPHABET_RUNS; i++) {
		const struct alphabet_run *run = &alphabet[i];
		character |= mask_within(value, run->first_value, run->count) &
			     (value - run->first_value + run->first_character);
	}
	return (uint8_t)character;
}

static uint32_t value_of(uint32_t character)
{
	uint32_t value = 0;
	uint32_t found = 0;
	for (int i = 0; i < ALPHABET_RUNS; i++) {
		const struct alphabet_run *run = &alphabet[i];
		uint32_t mask = mask_within(character, run->first_character, run->count);
		value |= mask & (character - run->first_character + run->first_value);
		found |= mask;
	}
	return value | (~found & NOT_IN_ALPHABET);
}

bool base64_encode(struct buffer *out, struct slice bytes)
{
	if (BASE64_ENCODED_BYTES(bytes.size) > buffer_room(out)) {
		out->overflow = true;
		return false;
	}
	while (bytes.size) {
		size_t count = bytes.size < 3 ? bytes.size : 3;
		uint32_t group = (uint32_t)bytes.data[0] << 16;
		if (count > 1)
			group |= (uint32_t)bytes.data[1] << 8;
		if (count > 2)
			group |= bytes.data[2];
		uint8_t characters[4] = { character_of(group >> 18), character_of(group >> 12 & 63),
					  character_of(group >> 6 & 63), character_of(group & 63) };
		for (size_t i = count + 1; i < 4; i++)
			characters[i] = '=';
		buffer_append(out, slice_of(characters, 4));
		bytes = slice_skip(bytes, count);
	}
	return true;
}

/* How many of the last group's characters are padding: 0, 1 or 2. */
static size_t padding_of(struct slice text)
{
	size_t padding = 0;
	while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=')
		padding++;
	return padding;
}

/* Four characters, the last `padding` of them padding whose bits must be zero. False: not base64. */
static bool decode_group(struct slice group, size_t padding, uint8_t bytes[3])
{
	uint32_t bits = 0;
	uint32_t wrong = 0;
	for (size_t i = 0; i < 4; i++) {
		uint32_t value = i < 4 - padding ? value_of(group.data[i]) : 0;
		wrong |= value & NOT_IN_ALPHABET;
		bits = bits << 6 | (value & 63);
	}
	bytes[0] = (uint8_t)(bits >> 16);
	bytes[1] = (uint8_t)(bits >> 8);
	bytes[2] = (uint8_t)bits;
	uint32_t unused = padding == 2 ? bits & 0xffff : padding == 1 ? bits & 0xff : 0;
	return wrong == 0 && unused == 0;
}

static enum base64_status take_back(struct buffer *out, size_t size, enum base64_status status)
{
	explicit_bzero(out->data + size, out->size - size);
	out->size = size;
	return status;
}

enum base64_status base64_decode(struct buffer *out, struct slice text)
{
	if (text.size % 4)
		return BASE64_MALFORMED;
	size_t start = out->size;
	while (text.size) {
		size_t padding = text.size == 4 ? padding_of(text) : 0;
		uint8_t bytes[3];
		if (!decode_group(slice_first(text, 4), padding, bytes))
			return take_back(out, start, BASE64_MALFORMED);
		if (!buffer_append(out, slice_of(bytes, 3 - padding)))
			return take_back(out, start, BASE64_TOO_LONG);
		text = slice_skip(text, 4);
	}
	return BASE64_OK;
}
