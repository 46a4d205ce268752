/* proto/ntlm_message: the published messages read and written, and every way to break one: cut anywhere, any byte flipped, fields
 * that point elsewhere. Each message lies in memory of its own size, so that a step too far is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/cursor.h"
#include "proto/ntlm_message.h"
#include "tests/unit/proto/ntlm_vectors.h"

#define MESSAGE(bytes) slice_of(bytes, sizeof(bytes))

static void assert_slice(struct slice slice, struct slice wanted)
{
	assert_int_equal(slice.size, wanted.size);
	assert_memory_equal(slice.data, wanted.data, wanted.size);
}

/* --- what is published --- */

static void the_published_challenge_is_read_and_written(void **state)
{
	(void)state;
	static const uint8_t name[] = { VECTOR_SERVER }, info[] = { VECTOR_TARGET_INFO },
			     random[] = { VECTOR_CHALLENGE };
	struct ntlm_challenge challenge;
	assert_true(ntlm_read_challenge(MESSAGE(vector_challenge_message), &challenge));
	assert_int_equal(challenge.flags, 0xe28a8233);
	assert_memory_equal(challenge.challenge, random, sizeof random);
	assert_slice(challenge.target_name, MESSAGE(name));
	assert_slice(challenge.target_info, MESSAGE(info));

	uint8_t storage[256];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	assert_true(ntlm_write_challenge(&out, &challenge));
	assert_int_equal(out.size, sizeof vector_challenge_message);
	memcpy(storage + 48, vector_challenge_message + 48, 8); /* the version is another one */
	assert_memory_equal(storage, vector_challenge_message, out.size);
}

static void the_published_authenticate_is_read(void **state)
{
	(void)state;
	static const uint8_t domain[] = { VECTOR_DOMAIN }, key[] = { VECTOR_KEY }, proof[] = { VECTOR_PROOF };
	static const uint8_t blob[] = { VECTOR_BLOB }, random[] = { VECTOR_CLIENT };
	struct ntlm_authenticate message;
	assert_true(ntlm_read_authenticate(MESSAGE(vector_authenticate_message), &message));
	assert_int_equal(message.flags, 0xe2888235);
	assert_slice(message.domain, MESSAGE(domain));
	assert_slice(message.user, SLICE_LITERAL("U\0s\0e\0r\0"));
	assert_slice(message.workstation, SLICE_LITERAL("C\0O\0M\0P\0U\0T\0E\0R\0"));
	assert_slice(message.session_key, MESSAGE(key));
	assert_int_equal(message.mic.size, 0); /* its names begin where one would be */

	struct ntlm_response response;
	assert_int_equal(ntlm_read_response(message.nt_response, &response), NTLM_RESPONSE_2);
	assert_slice(response.proof, MESSAGE(proof));
	assert_slice(response.blob, MESSAGE(blob));
	assert_int_equal(response.time, 0);
	assert_slice(response.client_challenge, MESSAGE(random));
	assert_int_equal(response.pair_flags | response.binding.size | response.target.size, 0);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	uint8_t storage[512];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	struct ntlm_authenticate wrote = { .flags = NTLM_UNICODE,
					   .lm_response = SLICE_LITERAL("lm"),
					   .nt_response = SLICE_LITERAL("nt"),
					   .domain = SLICE_LITERAL("dd"),
					   .user = SLICE_LITERAL("uuuu"),
					   .workstation = SLICE_LITERAL(""),
					   .session_key = SLICE_LITERAL("kkkkkk") };
	struct ntlm_authenticate read;
	assert_true(ntlm_write_authenticate(&out, &wrote));
	assert_true(ntlm_read_authenticate(buffer_slice(&out), &read));
	assert_slice(read.user, wrote.user);
	assert_slice(read.session_key, wrote.session_key);
	assert_int_equal(read.mic.size, NTLM_MIC_BYTES);
	assert_ptr_equal(read.mic.data, storage + NTLM_MIC_AT);

	buffer_clear(&out);
	struct ntlm_negotiate negotiate;
	assert_true(ntlm_write_negotiate(&out, 0x80000205) && ntlm_read_negotiate(buffer_slice(&out), &negotiate));
	assert_int_equal(negotiate.flags, 0x80000205);
	assert_true(ntlm_read_negotiate(slice_first(buffer_slice(&out), 16), &negotiate)); /* as old clients have it */
}

static void nothing_is_written_where_there_is_no_room(void **state)
{
	(void)state;
	struct ntlm_challenge challenge = { .target_name = SLICE_LITERAL("ab") };
	struct ntlm_authenticate authenticate = { .user = SLICE_LITERAL("ab") };
	for (size_t room = 0; room < NTLM_CHALLENGE_HEADER_BYTES + 2; room++) {
		uint8_t storage[NTLM_CHALLENGE_HEADER_BYTES + 2];
		struct buffer out;
		buffer_init(&out, storage, room);
		assert_false(ntlm_write_challenge(&out, &challenge));
		buffer_init(&out, storage, room);
		assert_false(ntlm_write_authenticate(&out, &authenticate));
		buffer_init(&out, storage, room);
		assert_false(ntlm_append_pair(&out, NTLM_PAIR_HOST, slice_of(vector_challenge_message, room)));
		assert_int_equal(out.size, 0);
	}
}

/* --- pairs --- */

static void pairs_are_taken_one_by_one(void **state)
{
	(void)state;
	uint8_t storage[64];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	assert_true(ntlm_append_name_pair(&out, NTLM_PAIR_DNS_DOMAIN, SLICE_LITERAL("\xc3\xa4")));
	assert_true(ntlm_append_pair(&out, NTLM_PAIR_HOST, SLICE_LITERAL("")));
	assert_false(ntlm_append_name_pair(&out, NTLM_PAIR_DOMAIN, SLICE_LITERAL("\xff")));
	struct slice whole = buffer_slice(&out), pairs = whole, value;
	unsigned id;
	assert_true(ntlm_next_pair(&pairs, &id, &value) && id == NTLM_PAIR_DNS_DOMAIN);
	assert_slice(value, SLICE_LITERAL("\xe4\0"));
	assert_true(ntlm_next_pair(&pairs, &id, &value) && id == NTLM_PAIR_HOST && value.size == 0);
	assert_false(ntlm_next_pair(&pairs, &id, &value)); /* no end mark: but nothing is left */

	pairs = slice_first(whole, 5);
	assert_false(ntlm_next_pair(&pairs, &id, &value));
	assert_int_equal(pairs.size, 5);
}

struct response_row {
	struct slice pairs;
	enum ntlm_response_kind kind;
};

static const struct response_row response_rows[] = {
	{ { (const uint8_t *)"\0\0\0\0", 4 }, NTLM_RESPONSE_2 },
	{ { (const uint8_t *)"\0\0\0\0what follows", 16 }, NTLM_RESPONSE_2 },
	{ { (const uint8_t *)"\6\0\4\0\2\0\0\0\0\0\0\0", 12 }, NTLM_RESPONSE_2 },
	{ { (const uint8_t *)"\6\0\4\0\2\0\0\0", 8 }, NTLM_RESPONSE_2 },
	{ { (const uint8_t *)"\6\0\2\0\2\0\0\0\0\0", 10 }, NTLM_RESPONSE_EVIL },       /* flags too short */
	{ { (const uint8_t *)"\6\0\5\0\2\0\0\0\0\0\0\0\0", 13 }, NTLM_RESPONSE_EVIL }, /* too long */
	{ { (const uint8_t *)"\x0a\0\4\0abcd\0\0\0\0", 12 }, NTLM_RESPONSE_EVIL },     /* a short binding */
	{ { (const uint8_t *)"\x0a\0\x10\0abcdabcdabcdabcd\0\0\0\0", 24 }, NTLM_RESPONSE_2 },
	{ { (const uint8_t *)"\x0a\0\x10\0abcdabcdabcdabcd\x0a\0\x10\0abcdabcdabcdabcd\0\0\0\0", 44 },
	  NTLM_RESPONSE_EVIL }, /* two of them */
	{ { (const uint8_t *)"\1\0\xff\xff"
			     "ab",
	    6 },
	  NTLM_RESPONSE_EVIL },
	{ { (const uint8_t *)"\1\0\2", 3 }, NTLM_RESPONSE_EVIL },
};

static void responses_are_told_apart(void **state)
{
	(void)state;
	static const uint8_t random[NTLM_CHALLENGE_BYTES] = { 9 };
	struct ntlm_response response;
	for (size_t i = 0; i < sizeof response_rows / sizeof response_rows[0]; i++) {
		uint8_t storage[256];
		struct buffer out;
		buffer_init(&out, storage, sizeof storage);
		buffer_append(&out, slice_of(vector_challenge_message, NTLM_PROOF_BYTES));
		assert_true(ntlm_write_blob(&out, 77, random, response_rows[i].pairs));
		out.size -= 4; /* zeros */
		assert_int_equal(ntlm_read_response(buffer_slice(&out), &response), response_rows[i].kind);
		assert_int_equal(response.time, 77);
		storage[NTLM_PROOF_BYTES] = 2;
		assert_int_equal(ntlm_read_response(buffer_slice(&out), &response), NTLM_RESPONSE_EVIL);
	}
	for (size_t size = 0; size <= 24; size++)
		assert_int_equal(ntlm_read_response(slice_first(MESSAGE(vector_challenge_message), size), &response),
				 NTLM_RESPONSE_1);
	assert_int_equal(ntlm_read_response(slice_first(MESSAGE(vector_challenge_message), 25), &response),
			 NTLM_RESPONSE_EVIL);
}

/* A pair of no size many times over must not keep the reader long. */
static void pairs_without_end_are_refused(void **state)
{
	(void)state;
	uint8_t *bytes = calloc(1, 4000);
	assert_non_null(bytes);
	bytes[NTLM_PROOF_BYTES] = bytes[NTLM_PROOF_BYTES + 1] = 1;
	for (size_t at = NTLM_PROOF_BYTES + NTLM_BLOB_HEADER_BYTES; at + 4 <= 4000; at += 4)
		bytes[at] = NTLM_PAIR_HOST;
	struct ntlm_response response;
	assert_int_equal(ntlm_read_response(slice_of(bytes, 4000), &response), NTLM_RESPONSE_EVIL);
	free(bytes);
}

/* --- broken messages --- */

static bool lies_in(struct slice part, struct slice whole)
{
	return part.size == 0 || (part.data >= whole.data && part.size <= whole.size &&
				  (size_t)(part.data - whole.data) <= whole.size - part.size);
}

/* Reads the message as whatever it may be; what is taken from it must lie in it. */
static bool read_any(struct slice message)
{
	struct ntlm_negotiate negotiate;
	struct ntlm_challenge challenge;
	struct ntlm_authenticate one;
	bool any = ntlm_read_negotiate(message, &negotiate);
	if (ntlm_read_challenge(message, &challenge)) {
		any = true;
		assert_true(lies_in(challenge.target_name, message) && lies_in(challenge.target_info, message));
	}
	if (!ntlm_read_authenticate(message, &one))
		return any;
	assert_true(lies_in(one.lm_response, message) && lies_in(one.nt_response, message) &&
		    lies_in(one.domain, message) && lies_in(one.user, message) && lies_in(one.workstation, message) &&
		    lies_in(one.session_key, message) && lies_in(one.mic, message));
	struct ntlm_response response;
	if (ntlm_read_response(one.nt_response, &response) == NTLM_RESPONSE_2)
		assert_true(lies_in(response.blob, message) && lies_in(response.binding, message) &&
			    lies_in(response.target, message));
	return true;
}

static uint8_t *copy_of(struct slice message)
{
	uint8_t *copy = malloc(message.size ? message.size : 1);
	assert_non_null(copy);
	memcpy(copy, message.data, message.size);
	return copy;
}

static void cut_messages_are_refused(void **state)
{
	(void)state;
	const struct slice messages[] = { MESSAGE(vector_challenge_message), MESSAGE(vector_authenticate_message) };
	for (size_t i = 0; i < 2; i++)
		for (size_t size = 0; size < messages[i].size; size++) {
			uint8_t *copy = copy_of(slice_first(messages[i], size));
			assert_false(read_any(slice_of(copy, size)));
			free(copy);
		}
}

static void any_flipped_byte_harms_nobody(void **state)
{
	(void)state;
	const struct slice messages[] = { MESSAGE(vector_challenge_message), MESSAGE(vector_authenticate_message) };
	for (size_t i = 0; i < 2; i++)
		for (size_t at = 0; at < messages[i].size; at++)
			for (unsigned bits = 1; bits < 256; bits++) {
				uint8_t *copy = copy_of(messages[i]);
				copy[at] ^= (uint8_t)bits;
				bool read = read_any(slice_of(copy, messages[i].size));
				if (at < 9)
					assert_false(read); /* signature and kind */
				free(copy);
			}
}

/* Fields of AUTHENTICATE that reach into the header, to the last byte, behind it, and round the end of 32 bits. */
static void fields_stay_in_the_message(void **state)
{
	(void)state;
	static const struct {
		uint32_t size, offset;
		bool sound;
	} fields[] = {
		{ 0, 0, true },           { 0, 0xffffffff, true }, { 2, 63, false },      { 2, 64, true },
		{ 2, 230, true },         { 2, 231, false },       { 1, 232, false },     { 1, 231, true },
		{ 168, 64, true },        { 169, 64, false },      { 0xffff, 64, false }, { 0xffff, 0xffffffff, false },
		{ 2, 0xffffffff, false },
	};
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		for (size_t at = 12; at < 60; at += 8) {
			uint8_t *copy = copy_of(MESSAGE(vector_authenticate_message));
			store_le(copy + at, fields[i].size, 2);
			store_le(copy + at + 4, fields[i].offset, 4);
			struct ntlm_authenticate message;
			assert_int_equal(
				ntlm_read_authenticate(slice_of(copy, sizeof vector_authenticate_message), &message),
				fields[i].sound);
			free(copy);
		}
}

static void times_are_windows(void **state)
{
	(void)state;
	assert_true(ntlm_time(0) == 116444736000000000);
	assert_true(ntlm_time(1000000) == 116444736010000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_challenge_is_read_and_written),
		cmocka_unit_test(the_published_authenticate_is_read),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(nothing_is_written_where_there_is_no_room),
		cmocka_unit_test(pairs_are_taken_one_by_one),
		cmocka_unit_test(responses_are_told_apart),
		cmocka_unit_test(pairs_without_end_are_refused),
		cmocka_unit_test(cut_messages_are_refused),
		cmocka_unit_test(any_flipped_byte_harms_nobody),
		cmocka_unit_test(fields_stay_in_the_message),
		cmocka_unit_test(times_are_windows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
