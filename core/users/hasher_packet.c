/* Jobs and answers of hashers as bytes; see hasher.h. */
#include "core/base/cursor.h"
#include "core/users/hasher.h"

bool hasher_job_encode(struct buffer *packet, const struct hasher_job *job)
{
	ASSERT(job->costs_count <= LIMIT_HASH_COSTS);
	if (job->hash.size >= LIMIT_HASH_TEXT_BYTES || job->password.size > LIMIT_PASSWORD_BYTES)
		return false;
	buffer_append_le(packet, job->job, 8);
	buffer_append_le(packet, job->hash.size, 1);
	buffer_append(packet, job->hash);
	buffer_append_le(packet, job->password.size, 2);
	buffer_append(packet, job->password);
	buffer_append_le(packet, job->costs_count, 1);
	for (unsigned i = 0; i < job->costs_count; i++) {
		buffer_append_le(packet, job->costs[i].kind, 1);
		buffer_append_le(packet, job->costs[i].memory_kib, 4);
		buffer_append_le(packet, job->costs[i].passes, 4);
	}
	return !packet->overflow;
}

bool hasher_job_decode(struct slice packet, struct hasher_job *job)
{
	struct cursor cursor = cursor_over(packet);
	job->job = cursor_take_u64le(&cursor);
	job->hash = cursor_take(&cursor, cursor_take_u8(&cursor));
	job->password = cursor_take(&cursor, cursor_take_u16le(&cursor));
	job->costs_count = cursor_take_u8(&cursor);
	if (job->costs_count > LIMIT_HASH_COSTS)
		return false;
	for (unsigned i = 0; i < job->costs_count; i++) {
		job->costs[i].kind = cursor_take_u8(&cursor);
		job->costs[i].memory_kib = cursor_take_u32le(&cursor);
		job->costs[i].passes = cursor_take_u32le(&cursor);
	}
	return cursor_ok(&cursor) && cursor.rest.size == 0 && job->hash.size < LIMIT_HASH_TEXT_BYTES &&
	       job->password.size <= LIMIT_PASSWORD_BYTES;
}

void hasher_answer_encode(uint8_t packet[HASHER_ANSWER_BYTES], const struct hasher_answer *answer)
{
	store_le(packet, answer->job, 8);
	packet[8] = (uint8_t)answer->verdict;
}

bool hasher_answer_decode(struct slice packet, struct hasher_answer *answer)
{
	struct cursor cursor = cursor_over(packet);
	answer->job = cursor_take_u64le(&cursor);
	uint8_t verdict = cursor_take_u8(&cursor);
	answer->verdict = verdict;
	return cursor_ok(&cursor) && cursor.rest.size == 0 && verdict <= PASSWORD_NO_MEMORY;
}
