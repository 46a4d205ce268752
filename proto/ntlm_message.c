/* NTLM's messages; see ntlm_message.h. A field of a message is a length, a length again and an offset; what it points at may
 * stand anywhere behind the header. */
#include "proto/ntlm_message.h"

#include "core/base/cursor.h"
#include "proto/utf16.h"

enum {
	KIND_NEGOTIATE = 1,
	KIND_CHALLENGE = 2,
	KIND_AUTHENTICATE = 3,

	NAME_MOST_BYTES = 255, /* of UTF-8 */
	PAIRS_MOST = 64,       /* of one response; there are some ten kinds */

	NEGOTIATE_BYTES = 32,          /* written, without the version */
	NEGOTIATE_FIELDS_END = 32,     /* two fields; without them it ends at 16 */
	CHALLENGE_LEAST_BYTES = 48,    /* with the target information */
	AUTHENTICATE_LEAST_BYTES = 64, /* with key and flags; version and MIC may be left out */
	NTLM1_RESPONSE_BYTES = 24,
};

#define SIGNATURE SLICE_LITERAL("NTLMSSP\0")

/* For who reads traces: what Windows has said since 7. The last byte is NTLM's own revision. */
static const uint8_t version[8] = { 6, 1, 0, 0, 0, 0, 0, 15 };

static const uint64_t UNIX_EPOCH = 116444736000000000; /* in units of 100 ns since 1601 */

/* --- reading --- */

static bool read_start(struct cursor *cursor, uint32_t kind)
{
	return slice_equal(cursor_take(cursor, SIGNATURE.size), SIGNATURE) && cursor_take_u32le(cursor) == kind;
}

/* An empty field may point anywhere, as some clients' do. */
static bool read_field(struct cursor *cursor, struct slice message, size_t header, struct slice *field)
{
	size_t size = cursor_take_u16le(cursor);
	cursor_take_u16le(cursor);
	size_t offset = cursor_take_u32le(cursor);
	*field = slice_of(NULL, 0);
	if (!cursor_ok(cursor))
		return false;
	if (size == 0)
		return true;
	if (offset < header || offset > message.size || size > message.size - offset)
		return false;
	*field = slice_first(slice_skip(message, offset), size);
	return true;
}

bool ntlm_read_negotiate(struct slice message, struct ntlm_negotiate *negotiate)
{
	struct cursor cursor = cursor_over(message);
	if (!read_start(&cursor, KIND_NEGOTIATE))
		return false;
	negotiate->flags = cursor_take_u32le(&cursor);
	struct slice domain, workstation; /* what the client thinks of itself tells nothing */
	if (message.size >= NEGOTIATE_FIELDS_END)
		return read_field(&cursor, message, NEGOTIATE_FIELDS_END, &domain) &&
		       read_field(&cursor, message, NEGOTIATE_FIELDS_END, &workstation);
	return cursor_ok(&cursor);
}

bool ntlm_read_challenge(struct slice message, struct ntlm_challenge *challenge)
{
	struct cursor cursor = cursor_over(message);
	if (!read_start(&cursor, KIND_CHALLENGE) ||
	    !read_field(&cursor, message, CHALLENGE_LEAST_BYTES, &challenge->target_name))
		return false;
	challenge->flags = cursor_take_u32le(&cursor);
	struct slice bytes = cursor_take(&cursor, NTLM_CHALLENGE_BYTES);
	if (bytes.size)
		memcpy(challenge->challenge, bytes.data, bytes.size);
	cursor_take(&cursor, 8); /* reserved */
	return read_field(&cursor, message, CHALLENGE_LEAST_BYTES, &challenge->target_info);
}

/* The MIC is where the header ends, unless something else is. */
static struct slice find_mic(struct slice message)
{
	if (message.size < NTLM_AUTHENTICATE_HEADER_BYTES)
		return slice_of(NULL, 0);
	struct cursor cursor = cursor_over(slice_skip(message, SIGNATURE.size + 4));
	for (int i = 0; i < 6; i++) {
		size_t size = cursor_take_u32le(&cursor) & 0xffff;
		size_t offset = cursor_take_u32le(&cursor);
		if (size && offset < NTLM_AUTHENTICATE_HEADER_BYTES)
			return slice_of(NULL, 0);
	}
	return slice_first(slice_skip(message, NTLM_MIC_AT), NTLM_MIC_BYTES);
}

bool ntlm_read_authenticate(struct slice message, struct ntlm_authenticate *authenticate)
{
	struct cursor cursor = cursor_over(message);
	if (!read_start(&cursor, KIND_AUTHENTICATE) || message.size < AUTHENTICATE_LEAST_BYTES)
		return false;
	struct slice *fields[] = { &authenticate->lm_response, &authenticate->nt_response, &authenticate->domain,
				   &authenticate->user,        &authenticate->workstation, &authenticate->session_key };
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (!read_field(&cursor, message, AUTHENTICATE_LEAST_BYTES, fields[i]))
			return false;
	authenticate->flags = cursor_take_u32le(&cursor);
	authenticate->mic = find_mic(message);
	return cursor_ok(&cursor);
}

/* --- pairs and responses --- */

bool ntlm_next_pair(struct slice *pairs, unsigned *id, struct slice *value)
{
	struct cursor cursor = cursor_over(*pairs);
	*id = cursor_take_u16le(&cursor);
	*value = cursor_take(&cursor, cursor_take_u16le(&cursor));
	if (!cursor_ok(&cursor))
		return false;
	*pairs = *id == NTLM_PAIR_END ? slice_of(NULL, 0) : cursor.rest;
	return *id != NTLM_PAIR_END;
}

/* False where it is not the size that it must have, or has been there before. */
static bool note_pair(struct ntlm_response *response, unsigned id, struct slice value)
{
	struct cursor cursor = cursor_over(value);
	switch (id) {
	case NTLM_PAIR_FLAGS:
		response->pair_flags |= cursor_take_u32le(&cursor);
		return value.size == 4;
	case NTLM_PAIR_BINDING:
		if (response->binding.size)
			return false;
		response->binding = value;
		return value.size == NTLM_BINDING_BYTES;
	case NTLM_PAIR_TARGET:
		if (response->target.size)
			return false;
		response->target = value;
		return true;
	default:
		return true;
	}
}

static bool read_pairs(struct ntlm_response *response, struct slice pairs)
{
	unsigned id;
	struct slice value;
	for (int i = 0; i < PAIRS_MOST && ntlm_next_pair(&pairs, &id, &value); i++)
		if (!note_pair(response, id, value))
			return false;
	return pairs.size == 0;
}

enum ntlm_response_kind ntlm_read_response(struct slice nt_response, struct ntlm_response *response)
{
	if (nt_response.size <= NTLM1_RESPONSE_BYTES)
		return NTLM_RESPONSE_1;
	struct cursor cursor = cursor_over(nt_response);
	*response = (struct ntlm_response){ .proof = cursor_take(&cursor, NTLM_PROOF_BYTES) };
	response->blob = cursor.rest;
	bool is_version_1 =
		cursor_take_u16le(&cursor) == 0x0101; /* of NTLMv2's response, and the highest that is known */
	cursor_take(&cursor, 6);
	response->time = cursor_take_u64le(&cursor);
	response->client_challenge = cursor_take(&cursor, NTLM_CHALLENGE_BYTES);
	cursor_take(&cursor, 4);
	if (!cursor_ok(&cursor) || !is_version_1 || !read_pairs(response, cursor.rest))
		return NTLM_RESPONSE_EVIL;
	return NTLM_RESPONSE_2;
}

/* --- writing --- */

static void append_zeros(struct buffer *out, size_t count)
{
	while (count--)
		buffer_append_byte(out, 0);
}

static void append_start(struct buffer *out, uint32_t kind)
{
	buffer_append(out, SIGNATURE);
	buffer_append_le(out, kind, 4);
}

/* Where its bytes will be is counted along. */
static void append_field(struct buffer *out, struct slice field, size_t *at)
{
	ASSERT(field.size <= UINT16_MAX);
	buffer_append_le(out, field.size, 2);
	buffer_append_le(out, field.size, 2);
	buffer_append_le(out, *at, 4);
	*at += field.size;
}

bool ntlm_append_pair(struct buffer *out, enum ntlm_pair id, struct slice value)
{
	if (value.size > UINT16_MAX || buffer_room(out) < NTLM_PAIR_HEADER_BYTES + value.size) {
		out->overflow = true;
		return false;
	}
	buffer_append_le(out, id, 2);
	buffer_append_le(out, value.size, 2);
	return buffer_append(out, value);
}

bool ntlm_append_name_pair(struct buffer *out, enum ntlm_pair id, struct slice utf8)
{
	uint8_t storage[NAME_MOST_BYTES * UTF16_BYTES_A_BYTE];
	struct buffer name;
	buffer_init(&name, storage, sizeof storage);
	return utf16_append(&name, utf8, UTF16_AS_IS) && ntlm_append_pair(out, id, buffer_slice(&name));
}

bool ntlm_write_negotiate(struct buffer *out, uint32_t flags)
{
	append_start(out, KIND_NEGOTIATE);
	buffer_append_le(out, flags, 4);
	append_zeros(out, NEGOTIATE_BYTES - 16);
	return !out->overflow;
}

bool ntlm_write_challenge(struct buffer *out, const struct ntlm_challenge *challenge)
{
	size_t at = NTLM_CHALLENGE_HEADER_BYTES;
	append_start(out, KIND_CHALLENGE);
	append_field(out, challenge->target_name, &at);
	buffer_append_le(out, challenge->flags, 4);
	buffer_append(out, slice_of(challenge->challenge, NTLM_CHALLENGE_BYTES));
	append_zeros(out, 8);
	append_field(out, challenge->target_info, &at);
	buffer_append(out, slice_of(version, sizeof version));
	buffer_append(out, challenge->target_name);
	return buffer_append(out, challenge->target_info) && !out->overflow;
}

bool ntlm_write_authenticate(struct buffer *out, const struct ntlm_authenticate *authenticate)
{
	const struct slice fields[] = {
		authenticate->lm_response, authenticate->nt_response, authenticate->domain,
		authenticate->user,        authenticate->workstation, authenticate->session_key
	};
	size_t at = NTLM_AUTHENTICATE_HEADER_BYTES;
	append_start(out, KIND_AUTHENTICATE);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		append_field(out, fields[i], &at);
	buffer_append_le(out, authenticate->flags, 4);
	buffer_append(out, slice_of(version, sizeof version));
	append_zeros(out, NTLM_MIC_BYTES);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		buffer_append(out, fields[i]);
	return !out->overflow;
}

bool ntlm_write_blob(struct buffer *out, uint64_t time, const uint8_t challenge[NTLM_CHALLENGE_BYTES],
		     struct slice pairs)
{
	buffer_append_le(out, 0x0101, 8);
	buffer_append_le(out, time, 8);
	buffer_append(out, slice_of(challenge, NTLM_CHALLENGE_BYTES));
	append_zeros(out, 4);
	buffer_append(out, pairs);
	append_zeros(out, 4);
	return !out->overflow;
}

uint64_t ntlm_time(int64_t unix_us)
{
	return UNIX_EPOCH + (uint64_t)unix_us * 10;
}
