/* Base64, strict and without secrets in its timing; see base64.h.
 *
 * Six bytes, or the eight characters that they become, are worked on at once, in one number: the first byte is the
 * highest, the six are the lower ones. No byte's sums leave it, so nothing runs over into the next one. It all stays
 * in registers: there is no copy to wipe. */
#include "proto/base64.h"

#include <endian.h>

enum { GROUP_BYTES = 6, GROUP_CHARACTERS = 8 };

/* A number that has this in each byte. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The highest bit of each byte says whether that is `least` or more; all are below 128. */
static inline uint64_t compare(uint64_t bytes, unsigned least)
{
	return bytes + EACH(128 - least);
}

/* The same as 1 or 0. */
static inline uint64_t reach(uint64_t bytes, unsigned least)
{
	return compare(bytes, least) >> 7 & EACH(1);
}

/* Each six bits into a byte of their own, and back. */
static inline uint64_t spread(uint64_t bits)
{
	bits = (bits << 8 & UINT64_C(0x00ffffff00000000)) | (bits & UINT64_C(0x0000000000ffffff));
	bits = (bits << 4 & UINT64_C(0x0fff00000fff0000)) | (bits & UINT64_C(0x00000fff00000fff));
	return (bits << 2 & UINT64_C(0x3f003f003f003f00)) | (bits & UINT64_C(0x003f003f003f003f));
}

static inline uint64_t gather(uint64_t values)
{
	values = (values >> 2 & UINT64_C(0x0fc00fc00fc00fc0)) | (values & UINT64_C(0x003f003f003f003f));
	values = (values >> 4 & UINT64_C(0x00fff00000fff000)) | (values & UINT64_C(0x00000fff00000fff));
	return (values >> 8 & UINT64_C(0x0000ffffff000000)) | (values & UINT64_C(0x0000000000ffffff));
}

/* The alphabet is five runs of consecutive characters with consecutive values: A-Z, a-z, 0-9, + and /. From run to run the
 * distance between them changes. */
static inline uint64_t characters_of(uint64_t values)
{
	return values + EACH('A') + reach(values, 26) * ('a' - 'Z' - 1) - reach(values, 52) * ('z' + 1 - '0') -
	       reach(values, 62) * ('9' + 1 - '+') + reach(values, 63) * ('/' - '+' - 1);
}

/* Here the runs come as ASCII has them: + / 0-9 A-Z a-z. What is in one has passed an odd number of their ends. */
static inline uint64_t values_of(uint64_t characters, uint64_t *wrong)
{
	uint64_t ascii = characters & EACH(0x7f);
	uint64_t inside = compare(ascii, '+') ^ compare(ascii, '+' + 1) ^ compare(ascii, '/') ^
			  compare(ascii, '9' + 1) ^ compare(ascii, 'A') ^ compare(ascii, 'Z' + 1) ^
			  compare(ascii, 'a') ^ compare(ascii, 'z' + 1);
	*wrong |= (characters | ~inside) & EACH(0x80);
	return ascii + EACH(62 - '+') - reach(ascii, '/') * (62 - '+' - (63 - '/')) -
	       reach(ascii, '0') * (63 - '/' - (52 - '0')) - reach(ascii, 'A') * (52 - '0' + 'A') -
	       reach(ascii, 'a') * ('a' - 26 - 'A');
}

/* --- numbers --- */

static inline uint64_t take_whole(const uint8_t *bytes)
{
	uint64_t number;
	memcpy(&number, bytes, sizeof number);
	return be64toh(number);
}

static inline void put_whole(uint8_t *to, uint64_t number)
{
	number = htobe64(number);
	memcpy(to, &number, sizeof number);
}

/* `bytes.size` of `places` bytes, the higher ones; the others are zero. */
static inline uint64_t take(struct slice bytes, size_t places)
{
	uint64_t number = 0;
	for (size_t i = 0; i < bytes.size; i++)
		number |= (uint64_t)bytes.data[i] << 8 * (places - 1 - i);
	return number;
}

static inline void put(uint8_t *to, size_t count, uint64_t number, size_t places)
{
	for (size_t i = 0; i < count; i++)
		to[i] = (uint8_t)(number >> 8 * (places - 1 - i));
}

/* --- encoding --- */

/* At most GROUP_BYTES. */
static void encode_last(uint8_t *to, struct slice bytes)
{
	size_t size = BASE64_ENCODED_BYTES(bytes.size), padding = (3 - bytes.size % 3) % 3;
	put(to, size - padding, characters_of(spread(take(bytes, GROUP_BYTES))), GROUP_CHARACTERS);
	memset(to + size - padding, '=', padding);
}

bool base64_encode(struct buffer *out, struct slice bytes)
{
	size_t size = BASE64_ENCODED_BYTES(bytes.size);
	if (size > buffer_room(out)) {
		out->overflow = true;
		return false;
	}
	uint8_t *to = out->data + out->size;
	out->size += size;
	for (; bytes.size >= sizeof(uint64_t); bytes = slice_skip(bytes, GROUP_BYTES), to += GROUP_CHARACTERS)
		put_whole(to, characters_of(spread(take_whole(bytes.data) >> 16)));
	if (bytes.size > GROUP_BYTES) {
		encode_last(to, slice_first(bytes, GROUP_BYTES));
		bytes = slice_skip(bytes, GROUP_BYTES);
		to += GROUP_CHARACTERS;
	}
	encode_last(to, bytes);
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

/* Answers false and appends nothing where there is no room. */
static inline bool decode_group(struct buffer *out, uint64_t characters, uint64_t *wrong)
{
	uint64_t bytes = gather(values_of(characters, wrong));
	uint8_t *to = out->data + out->size;
	if (buffer_room(out) >= sizeof bytes)
		put_whole(to, bytes << 16); /* two zeros more, which the next ones overwrite */
	else if (buffer_room(out) >= GROUP_BYTES)
		put(to, GROUP_BYTES, bytes, GROUP_BYTES);
	else
		return false;
	out->size += GROUP_BYTES;
	return true;
}

/* Characters that are not there count as 'A', which stands for zero: so must the bits that no byte has. */
static bool decode_last(struct buffer *out, struct slice text, uint64_t *wrong)
{
	size_t padding = padding_of(text), given = text.size - padding, count = text.size / 4 * 3 - padding;
	uint64_t missing = ~UINT64_C(0) >> 8 * (given - 1) >> 8;
	uint64_t characters = take(slice_first(text, given), GROUP_CHARACTERS) | (EACH('A') & missing);
	uint64_t bytes = gather(values_of(characters, wrong));
	*wrong |= bytes & ((UINT64_C(1) << 8 * (GROUP_BYTES - count)) - 1);
	if (count > buffer_room(out))
		return false;
	put(out->data + out->size, count, bytes, GROUP_BYTES);
	out->size += count;
	return true;
}

static enum base64_status take_back(struct buffer *out, size_t size, enum base64_status status)
{
	explicit_bzero(out->data + size, out->size - size);
	out->size = size;
	return status;
}

enum base64_status base64_decode(struct buffer *out, struct slice text)
{
	size_t start = out->size;
	uint64_t wrong = 0;
	bool fits = true;
	if (text.size % 4)
		return BASE64_MALFORMED;
	for (; fits && text.size > GROUP_CHARACTERS; text = slice_skip(text, GROUP_CHARACTERS))
		fits = decode_group(out, take_whole(text.data), &wrong);
	if (fits && text.size)
		fits = decode_last(out, text, &wrong);
	if (fits && !wrong)
		return BASE64_OK;
	out->overflow = out->overflow || !fits;
	return take_back(out, start, wrong ? BASE64_MALFORMED : BASE64_TOO_LONG);
}
