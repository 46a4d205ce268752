/* Base64, strict and without secrets in its timing; see base64.h. */
#include "proto/base64.h"

/* Characters are looked at in blocks of a fixed size, which the compiler makes vector instructions of; what is left over is
 * filled up to one. */
enum { BLOCK_CHARACTERS = 64, BLOCK_BYTES = BLOCK_CHARACTERS / 4 * 3, NOT_IN_ALPHABET = 64 };

/* All ones where first <= value < first + count, else 0: without a branch. */
static inline uint8_t mask_within(uint8_t value, uint8_t first, uint8_t count)
{
	return (uint8_t) - (uint8_t)((uint8_t)(value - first) < count);
}

/* The alphabet is five runs of consecutive characters with consecutive values: A-Z, a-z, 0-9, + and /. */
static inline uint8_t character_of(uint8_t value)
{
	return (uint8_t)((mask_within(value, 0, 26) & (value + 'A')) |
			 (mask_within(value, 26, 26) & (value - 26 + 'a')) |
			 (mask_within(value, 52, 10) & (value - 52 + '0')) | (mask_within(value, 62, 1) & '+') |
			 (mask_within(value, 63, 1) & '/'));
}

static inline uint8_t value_of(uint8_t character)
{
	uint8_t capital = mask_within(character, 'A', 26), small = mask_within(character, 'a', 26),
		digit = mask_within(character, '0', 10), plus = mask_within(character, '+', 1),
		slash = mask_within(character, '/', 1);
	uint8_t found = capital | small | digit | plus | slash;
	return (uint8_t)((capital & (character - 'A')) | (small & (character - 'a' + 26)) |
			 (digit & (character - '0' + 52)) | (plus & 62) | (slash & 63) | (~found & NOT_IN_ALPHABET));
}

static void characters_of_block(uint8_t block[BLOCK_CHARACTERS])
{
	for (size_t i = 0; i < BLOCK_CHARACTERS; i++)
		block[i] = character_of(block[i]);
}

/* Answers whether something is not in the alphabet. */
static bool values_of_block(uint8_t block[BLOCK_CHARACTERS])
{
	uint8_t wrong = 0;
	for (size_t i = 0; i < BLOCK_CHARACTERS; i++)
		block[i] = value_of(block[i]);
	for (size_t i = 0; i < BLOCK_CHARACTERS; i++)
		wrong |= block[i];
	return wrong & NOT_IN_ALPHABET;
}

/* --- encoding --- */

/* At most BLOCK_BYTES. */
static void encode_block(struct buffer *out, struct slice bytes)
{
	uint8_t padded[BLOCK_BYTES] = { 0 }, block[BLOCK_CHARACTERS];
	memcpy(padded, bytes.data, bytes.size);
	for (size_t group = 0; group < BLOCK_CHARACTERS / 4; group++) {
		const uint8_t *from = padded + 3 * group;
		uint8_t *to = block + 4 * group;
		to[0] = from[0] >> 2;
		to[1] = (uint8_t)((from[0] & 3) << 4 | from[1] >> 4);
		to[2] = (uint8_t)((from[1] & 15) << 2 | from[2] >> 6);
		to[3] = from[2] & 63;
	}
	characters_of_block(block);
	size_t characters = BASE64_ENCODED_BYTES(bytes.size);
	for (size_t i = characters - (3 - bytes.size % 3) % 3; i < characters; i++)
		block[i] = '=';
	buffer_append(out, slice_of(block, characters));
	explicit_bzero(padded, sizeof padded);
	explicit_bzero(block, sizeof block);
}

bool base64_encode(struct buffer *out, struct slice bytes)
{
	if (BASE64_ENCODED_BYTES(bytes.size) > buffer_room(out)) {
		out->overflow = true;
		return false;
	}
	while (bytes.size) {
		size_t count = bytes.size < BLOCK_BYTES ? bytes.size : BLOCK_BYTES;
		encode_block(out, slice_first(bytes, count));
		bytes = slice_skip(bytes, count);
	}
	return true;
}

/* --- decoding --- */

/* How many of the last group's characters are padding: 0, 1 or 2. */
static size_t padding_of(struct slice text)
{
	size_t padding = 0;
	while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=')
		padding++;
	return padding;
}

/* At most BLOCK_CHARACTERS, whole groups, the last `padding` of them padding. False: not base64. */
static bool decode_block(struct slice text, size_t padding, uint8_t bytes[BLOCK_BYTES])
{
	uint8_t block[BLOCK_CHARACTERS];
	size_t characters = text.size - padding;
	memset(block, 'A', sizeof block);
	memcpy(block, text.data, characters);
	bool wrong = values_of_block(block);
	for (size_t group = 0; group < BLOCK_CHARACTERS / 4; group++) {
		const uint8_t *from = block + 4 * group;
		uint8_t *to = bytes + 3 * group;
		to[0] = (uint8_t)(from[0] << 2 | from[1] >> 4);
		to[1] = (uint8_t)(from[1] << 4 | from[2] >> 2);
		to[2] = (uint8_t)(from[2] << 6 | from[3]);
	}
	/* The bits of the last character that no byte has must be zero. */
	uint8_t unused = padding == 2 ? block[characters - 1] & 15 : padding == 1 ? block[characters - 1] & 3 : 0;
	explicit_bzero(block, sizeof block);
	return !wrong && unused == 0;
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
	enum base64_status status = BASE64_OK;
	uint8_t bytes[BLOCK_BYTES];
	while (text.size && status == BASE64_OK) {
		size_t count = text.size < BLOCK_CHARACTERS ? text.size : BLOCK_CHARACTERS;
		size_t padding = count == text.size ? padding_of(text) : 0;
		if (!decode_block(slice_first(text, count), padding, bytes))
			status = BASE64_MALFORMED;
		else if (!buffer_append(out, slice_of(bytes, count / 4 * 3 - padding)))
			status = BASE64_TOO_LONG;
		text = slice_skip(text, count);
	}
	explicit_bzero(bytes, sizeof bytes);
	return status == BASE64_OK ? BASE64_OK : take_back(out, start, status);
}
