/* proto/base64: RFC 4648's vectors, there and back, and everything that is not quite base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base64.h"

static const char *const vectors[][2] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/" },
};

static void vectors_of_the_rfc(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		uint8_t storage[64];
		struct buffer out;
		buffer_init(&out, storage, sizeof storage);
		assert_true(base64_encode(&out, slice_from_text(vectors[i][0])));
		assert_true(slice_equal(buffer_slice(&out), slice_from_text(vectors[i][1])));
		buffer_clear(&out);
		assert_int_equal(base64_decode(&out, slice_from_text(vectors[i][1])), BASE64_OK);
		assert_true(slice_equal(buffer_slice(&out), slice_from_text(vectors[i][0])));
	}
}

static const char *const wrong[] = {
	"A",        "AA",
	"AAA",      "A===",
	"====",     "=AAA",
	"AA=A",     "A=AA",
	"Zg=",      "Zg=A",
	"Zg==Zg==", "Zm8=Zm9v",
	"Zh==",     "Zm9=",
	"Zm9 ",     " Zm9v",
	"Zm9v\n",   "Zm9v\r\n",
	"Zm 9v",    "Zm9-",
	"Zm9_",     "Zm9*",
	"Zm9v====", "Z\xc3\xa4g",
	"ZmA\x7f",  "\xff\xff\xff\xff",
	"@@@@",     "[[[[",
	"````",     "{{{{",
	"::::",     ",,,,",
	"....",     "----",
};

static void only_the_canonical_form_is_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		uint8_t storage[64] = { 0 };
		struct buffer out;
		buffer_init(&out, storage, sizeof storage);
		if (base64_decode(&out, slice_from_text(wrong[i])) != BASE64_MALFORMED)
			print_error("\"%s\"\n", wrong[i]);
		assert_int_equal(out.size, 0);
		for (size_t k = 0; k < sizeof storage; k++)
			assert_int_equal(storage[k], 0);
	}
	uint8_t storage[4];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	assert_int_equal(base64_decode(&out, SLICE_LITERAL("Zm\0v")), BASE64_MALFORMED);
}

/* Every byte at every place of a line that is long enough for all ways of working on it, looked up in the alphabet. */
static void each_character_has_one_value(void **state)
{
	(void)state;
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t at = 0; at < 20; at++)
		for (unsigned byte = 0; byte < 256; byte++) {
			uint8_t text[20], bytes[15], again[20];
			struct buffer decoded, encoded;
			const char *found = byte ? strchr(alphabet, (int)byte) : NULL;
			memset(text, 'A', sizeof text);
			text[at] = (uint8_t)byte;
			buffer_init(&decoded, bytes, sizeof bytes);
			buffer_init(&encoded, again, sizeof again);
			bool is_padding = byte == '=' && at == 19;
			assert_int_equal(base64_decode(&decoded, slice_of(text, sizeof text)),
					 found || is_padding ? BASE64_OK : BASE64_MALFORMED);
			assert_int_equal(decoded.size, found ? 15 : is_padding ? 14 : 0);
			if (!found)
				continue;
			uint32_t group =
				(uint32_t)bytes[at / 4 * 3] << 16 | bytes[at / 4 * 3 + 1] << 8 | bytes[at / 4 * 3 + 2];
			assert_int_equal(group, (uint32_t)(found - alphabet) << 6 * (3 - at % 4));
			assert_true(base64_encode(&encoded, buffer_slice(&decoded)));
			assert_memory_equal(again, text, sizeof text);
		}
}

static void there_and_back(void **state)
{
	(void)state;
	srandom(6);
	for (int round = 0; round < 20000; round++) {
		uint8_t bytes[100], text[200], back[100];
		size_t size = (size_t)random() % sizeof bytes;
		for (size_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)random();
		struct buffer encoded, decoded;
		buffer_init(&encoded, text, BASE64_ENCODED_BYTES(size));
		buffer_init(&decoded, back, size);
		assert_true(base64_encode(&encoded, slice_of(bytes, size)));
		assert_int_equal(encoded.size, BASE64_ENCODED_BYTES(size));
		assert_int_equal(base64_decode(&decoded, buffer_slice(&encoded)), BASE64_OK);
		assert_true(slice_equal(buffer_slice(&decoded), slice_of(bytes, size)));
	}
}

static void what_does_not_fit_is_not_there(void **state)
{
	(void)state;
	uint8_t storage[8] = "xx";
	struct buffer out;
	buffer_init(&out, storage, 5);
	out.size = 2;
	assert_false(base64_encode(&out, SLICE_LITERAL("f")));
	assert_int_equal(out.size, 2);
	buffer_init(&out, storage, 5);
	out.size = 2;
	assert_int_equal(base64_decode(&out, SLICE_LITERAL("Zm9vYg==")), BASE64_TOO_LONG);
	assert_int_equal(out.size, 2);
	assert_memory_equal(storage, "xx\0\0\0", 5);
	/* Right or wrong: told for what is there, up to where it ends to fit. */
	buffer_init(&out, storage, 5);
	assert_int_equal(base64_decode(&out, SLICE_LITERAL("Zm9vYmFyZm9v")), BASE64_TOO_LONG);
	assert_true(out.size == 0 && out.overflow);
	buffer_init(&out, storage, 7);
	assert_int_equal(base64_decode(&out, SLICE_LITERAL("Zm9vYmFyZm9v")), BASE64_TOO_LONG);
	assert_memory_equal(storage, "\0\0\0\0\0\0", 6);
	buffer_init(&out, storage, 7);
	assert_int_equal(base64_decode(&out, SLICE_LITERAL("Zm9vY!FyZm9v")), BASE64_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_rfc),
		cmocka_unit_test(only_the_canonical_form_is_right),
		cmocka_unit_test(each_character_has_one_value),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(what_does_not_fit_is_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
