/* Encoding and checking of the spool's records; the format itself is described in format.h. */
#include "core/spool/format.h"

#include <stdio.h>

#include <xxhash.h>

#include "core/base/cursor.h"

enum {
	MAGIC = 0x52545350, /* "PSTR" */
	AT_TYPE = 4,
	AT_GENERATION = 12,
	AT_REFERENCE = 36,
	AT_PAYLOAD_CHECKSUM = 48,
	AT_HEADER_CHECKSUM = 56,
	OPENING_FIXED_BYTES = 24,
	SEAL_BYTES = 8,
};

/* --- headers --- */

void record_header_write(uint8_t to[RECORD_HEADER_BYTES], const struct record_header *header)
{
	memset(to, 0, RECORD_HEADER_BYTES);
	store_le(to, MAGIC, 4);
	to[AT_TYPE] = header->type;
	to[5] = header->flags;
	store_le(to + 6, header->state_size, 2);
	store_le(to + 8, header->payload_size, 4);
	store_le(to + 16, header->id, 8);
	store_le(to + 24, header->text_size, 8);
	store_le(to + 32, header->type == RECORD_RECIPIENT_DONE ? header->recipient : header->envelope_size, 4);
	record_header_refer(to, header->reference, header->stale_reference);
}

void record_header_refer(uint8_t at[RECORD_HEADER_BYTES], uint32_t reference, uint32_t stale_reference)
{
	store_le(at + AT_REFERENCE, reference, 4);
	store_le(at + AT_REFERENCE + 4, stale_reference, 4);
}

static uint64_t header_checksum(const uint8_t header[RECORD_HEADER_BYTES], uint64_t salt)
{
	return XXH3_64bits_withSeed(header, AT_HEADER_CHECKSUM, salt);
}

void record_header_check_payload(uint8_t at[RECORD_HEADER_BYTES], uint64_t payload_checksum)
{
	store_le(at + AT_PAYLOAD_CHECKSUM, payload_checksum, 8);
}

void record_header_seal(uint8_t at[RECORD_HEADER_BYTES], uint32_t generation, uint64_t salt)
{
	store_le(at + AT_GENERATION, generation, 4);
	store_le(at + AT_HEADER_CHECKSUM, header_checksum(at, salt), 8);
}

void record_header_read(struct record_header *header, const uint8_t from[RECORD_HEADER_BYTES])
{
	struct cursor cursor = cursor_over(slice_of(from, RECORD_HEADER_BYTES));
	cursor_take(&cursor, 4);
	*header = (struct record_header){
		.type = cursor_take_u8(&cursor),
		.flags = cursor_take_u8(&cursor),
		.state_size = cursor_take_u16le(&cursor),
		.payload_size = cursor_take_u32le(&cursor),
		.generation = cursor_take_u32le(&cursor),
		.id = cursor_take_u64le(&cursor),
		.text_size = cursor_take_u64le(&cursor),
	};
	uint32_t detail = cursor_take_u32le(&cursor);
	if (header->type == RECORD_RECIPIENT_DONE)
		header->recipient = detail;
	else
		header->envelope_size = detail;
	header->reference = cursor_take_u32le(&cursor);
	header->stale_reference = cursor_take_u32le(&cursor);
	cursor_take(&cursor, 4);
	header->payload_checksum = cursor_take_u64le(&cursor);
}

uint8_t record_header_type(const uint8_t from[RECORD_HEADER_BYTES])
{
	return from[AT_TYPE];
}

bool record_header_check(struct record_header *header, const uint8_t from[RECORD_HEADER_BYTES], uint32_t generation,
			 uint64_t salt)
{
	struct cursor cursor = cursor_over(slice_of(from, RECORD_HEADER_BYTES));
	if (cursor_take_u32le(&cursor) != MAGIC)
		return false;
	record_header_read(header, from);
	if (header->generation != generation || header->type == 0 || header->type >= RECORD_TYPES)
		return false;
	cursor = cursor_over(slice_of(from + AT_HEADER_CHECKSUM, 8));
	return cursor_take_u64le(&cursor) == header_checksum(from, salt) &&
	       header->payload_size <= LIMIT_SPOOL_RECORD_BYTES + RECORD_STATE_MOST_BYTES;
}

/* --- checksums --- */

uint64_t record_hash_by_16(struct slice payload, uint64_t salt)
{
	return XXH3_64bits_withSeed(payload.data, payload.size, salt);
}

/* --- payloads --- */

bool record_split(const struct record_header *header, struct slice payload, struct record_parts *parts)
{
	struct cursor cursor = cursor_over(payload);
	parts->state = cursor_take(&cursor, header->state_size);
	parts->envelope = cursor_take(&cursor, header->envelope_size);
	parts->text = cursor.rest;
	return cursor_ok(&cursor);
}

bool record_state_read(struct record_state *state, struct slice bytes)
{
	*state = (struct record_state){ 0 };
	if (bytes.size == 0)
		return true;
	struct cursor cursor = cursor_over(bytes);
	state->detail = cursor_take(&cursor, cursor_take_u16le(&cursor));
	state->done_bits = cursor.rest;
	return cursor_ok(&cursor);
}

void record_state_write(uint8_t *to, struct slice detail, struct slice done_bits)
{
	store_le(to, detail.size, 2);
	if (detail.size)
		memcpy(to + 2, detail.data, detail.size);
	if (done_bits.size)
		memcpy(to + 2 + detail.size, done_bits.data, done_bits.size);
}

/* --- a segment's first record --- */

uint32_t segment_opening_write(uint8_t to[SEGMENT_OPENING_BYTES], uint32_t generation,
			       const struct segment_opening *opening)
{
	uint8_t *payload = to + RECORD_HEADER_BYTES;
	store_le(payload, FORMAT_VERSION, 4);
	store_le(payload + 4, opening->seal_count, 4);
	store_le(payload + 8, opening->salt, 8);
	store_le(payload + 16, opening->last_id, 8);
	for (uint32_t i = 0; i < opening->seal_count; i++) {
		uint8_t *at = payload + OPENING_FIXED_BYTES + (size_t)SEAL_BYTES * i;
		store_le(at, opening->seals[i].generation, 4);
		store_le(at + 4, opening->seals[i].end, 4);
	}
	uint32_t size = OPENING_FIXED_BYTES + SEAL_BYTES * opening->seal_count;
	record_header_write(to, &(struct record_header){ .type = RECORD_SEGMENT, .payload_size = size });
	record_header_check_payload(to, record_hash(slice_of(payload, size), generation));
	record_header_seal(to, generation, generation);
	return record_size(size);
}

bool segment_opening_read(struct segment_opening *opening, struct slice payload, struct error *error)
{
	struct cursor cursor = cursor_over(payload);
	uint32_t version = cursor_take_u32le(&cursor);
	if (version != FORMAT_VERSION)
		return error_set(error, "it has format version %u, this program knows version %u only", version,
				 FORMAT_VERSION);
	opening->seal_count = cursor_take_u32le(&cursor);
	opening->salt = cursor_take_u64le(&cursor);
	opening->last_id = cursor_take_u64le(&cursor);
	if (opening->seal_count > LIMIT_SEALS)
		return error_set(error, "its first record names %u seals, more than there can be", opening->seal_count);
	for (uint32_t i = 0; i < opening->seal_count; i++) {
		opening->seals[i].generation = cursor_take_u32le(&cursor);
		opening->seals[i].end = cursor_take_u32le(&cursor);
	}
	return cursor_ok(&cursor) || error_set(error, "its first record is too short");
}

/* --- names --- */

void segment_name_format(uint32_t generation, char name[SEGMENT_NAME_BYTES])
{
	snprintf(name, SEGMENT_NAME_BYTES, "%016u", generation);
}

bool segment_name_parse(const char *name, uint32_t *generation)
{
	struct slice text = slice_from_text(name);
	uint64_t number;
	if (text.size != SEGMENT_NAME_BYTES - 1 || !slice_parse_number(text, UINT32_MAX, &number) || number == 0)
		return false;
	*generation = (uint32_t)number;
	return true;
}
