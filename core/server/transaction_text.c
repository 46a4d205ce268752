/* Blocks and parts of a message; see transaction_text.h. */
#include "core/server/transaction_text.h"

/* --- blocks --- */

/* A part starts at the unused end of the last block. */
static void open_part(struct transaction_text *text)
{
	ASSERT(text->part_count < TEXT_PARTS);
	text->parts[text->part_count++] = (struct iovec){ text->blocks[text->block_count - 1] + text->block_used, 0 };
}

bool text_add_block(struct transaction_text *text)
{
	if (text->block_count == TEXT_BLOCKS)
		return false;
	uint8_t *block = pool_take(&text->worker->blocks);
	if (!block)
		return false;
	text->blocks[text->block_count++] = block;
	text->block_used = 0;
	open_part(text);
	return true;
}

void text_take(struct transaction_text *text, size_t size)
{
	ASSERT(size <= LIMIT_BODY_BLOCK_BYTES - text->block_used);
	text->block_used += (uint32_t)size;
	text->parts[text->part_count - 1].iov_len += size;
}

/* --- life --- */

struct transaction_text *text_create(struct worker *worker, struct transaction *owner)
{
	struct transaction_text *text = pool_take(&worker->texts);
	if (!text)
		return NULL;
	/* The arrays are written before they are read. */
	text->worker = worker;
	text->owner = owner;
	text->block_count = text->block_used = text->part_count = text->text_part = 0;
	if (text_add_block(text))
		return text;
	pool_give(&worker->texts, text);
	return NULL;
}

void text_destroy(struct transaction_text *text)
{
	if (!text)
		return;
	while (text->block_count)
		pool_give(&text->worker->blocks, text->blocks[--text->block_count]);
	pool_give(&text->worker->texts, text);
}

/* --- envelope, text, trace --- */

struct buffer text_rest(struct transaction_text *text)
{
	struct buffer rest;
	buffer_init(&rest, text->blocks[text->block_count - 1] + text->block_used,
		    LIMIT_BODY_BLOCK_BYTES - text->block_used);
	return rest;
}

uint32_t text_begin(struct transaction_text *text)
{
	uint32_t size = 0;
	for (uint32_t i = 0; i < text->part_count; i++)
		size += (uint32_t)text->parts[i].iov_len;
	if (LIMIT_BODY_BLOCK_BYTES - text->block_used < MESSAGE_TRACE_BYTES + TEXT_ROOM_LEAST && !text_add_block(text))
		return 0;
	open_part(text);
	text->block_used += MESSAGE_TRACE_BYTES;
	text->text_part = text->part_count;
	open_part(text);
	return size;
}

uint8_t *text_room(struct transaction_text *text, size_t *room)
{
	if (text->block_count == 0 || LIMIT_BODY_BLOCK_BYTES - text->block_used < TEXT_ROOM_LEAST)
		if (!text_add_block(text))
			return NULL;
	*room = LIMIT_BODY_BLOCK_BYTES - text->block_used;
	return text->blocks[text->block_count - 1] + text->block_used;
}

static void shift(struct iovec *part, size_t by)
{
	uint8_t *from = part->iov_base;
	part->iov_base = memmove(from + by, from, part->iov_len);
}

/* The trace goes to where the text begins, and the envelope to where the trace begins, if it is all before it. */
static void close_gap(struct transaction_text *text, size_t gap)
{
	struct iovec *trace = &text->parts[text->text_part - 1], *envelope = trace - 1;
	bool whole = text->text_part == 2 && (uint8_t *)envelope->iov_base + envelope->iov_len == trace->iov_base;
	shift(trace, gap);
	if (whole)
		shift(envelope, gap);
}

void text_write_trace(struct transaction_text *text, const struct message_trace *trace)
{
	struct iovec *part = &text->parts[text->text_part - 1];
	struct buffer out;
	buffer_init(&out, part->iov_base, MESSAGE_TRACE_BYTES);
	bool whole = message_trace_write(&out, trace);
	ASSERT(whole);
	part->iov_len = out.size;
	close_gap(text, MESSAGE_TRACE_BYTES - out.size);
}

uint64_t text_waiting(const struct transaction_text *text)
{
	uint64_t waiting = 0;
	for (uint32_t i = text->text_part; i < text->part_count; i++)
		waiting += text->parts[i].iov_len;
	return waiting;
}

/* The envelope is in the first blocks; the rest of the one that it ends in is used again. */
void text_forget(struct transaction_text *text)
{
	const struct iovec *first = &text->parts[text->text_part];
	while (text->block_count) {
		uint8_t *last = text->blocks[text->block_count - 1];
		if ((uint8_t *)first->iov_base > last && (uint8_t *)first->iov_base < last + LIMIT_BODY_BLOCK_BYTES) {
			text->block_used = (uint32_t)((uint8_t *)first->iov_base - last);
			break;
		}
		bool envelope_only = false;
		for (uint32_t i = 0; i + 1 < text->text_part; i++)
			envelope_only |= text->parts[i].iov_base == last;
		if (envelope_only) {
			text->block_used = LIMIT_BODY_BLOCK_BYTES;
			break;
		}
		pool_give(&text->worker->blocks, last);
		text->block_count--;
	}
	text->part_count = text->text_part;
	if (text->block_used < LIMIT_BODY_BLOCK_BYTES)
		open_part(text);
}
