/* Gathering a message and committing it; see transaction.h. */
#include "core/server/transaction.h"

#include <stdlib.h>

#include "core/base/log.h"
#include "core/server/session.h"
#include "core/spool/envelope.h"

static const uint16_t next_states[] = {
	[TRANSACTION_ENVELOPE] = 1 << TRANSACTION_TEXT,
	[TRANSACTION_TEXT] = 1 << TRANSACTION_FLUSHING | 1 << TRANSACTION_FINISHING | 1 << TRANSACTION_COMMITTING |
			     1 << TRANSACTION_DROPPING,
	[TRANSACTION_FLUSHING] = 1 << TRANSACTION_TEXT | 1 << TRANSACTION_DROPPING,
	[TRANSACTION_FINISHING] = 1 << TRANSACTION_COMMITTING | 1 << TRANSACTION_DROPPING | 1 << TRANSACTION_ENDED,
	[TRANSACTION_COMMITTING] = 1 << TRANSACTION_ENDED | 1 << TRANSACTION_DROPPING,
};

static void enter(struct transaction *transaction, enum transaction_state state)
{
	ASSERT(transaction->state < TRANSACTION_DROPPING);
	ASSERT(next_states[transaction->state] & 1 << state);
	transaction->state = state;
}

/* --- memory --- */

/* A part starts at the unused end of the last block. */
static struct iovec *open_part(struct transaction *transaction)
{
	ASSERT(transaction->part_count < TRANSACTION_PARTS);
	struct iovec *part = &transaction->parts[transaction->part_count++];
	part->iov_base = transaction->blocks[transaction->block_count - 1] + transaction->block_used;
	part->iov_len = 0;
	return part;
}

static bool add_block(struct transaction *transaction)
{
	if (transaction->block_count == TRANSACTION_BLOCKS)
		return false;
	uint8_t *block = pool_take(&transaction->worker->blocks);
	if (!block)
		return false;
	transaction->blocks[transaction->block_count++] = block;
	transaction->block_used = 0;
	open_part(transaction);
	return true;
}

static void take(struct transaction *transaction, size_t size)
{
	ASSERT(size <= LIMIT_BODY_BLOCK_BYTES - transaction->block_used);
	transaction->block_used += (uint32_t)size;
	transaction->parts[transaction->part_count - 1].iov_len += size;
}

static void free_blocks(struct transaction *transaction)
{
	while (transaction->block_count)
		pool_give(&transaction->worker->blocks, transaction->blocks[--transaction->block_count]);
}

static void destroy(struct transaction *transaction)
{
	list_remove(&transaction->link);
	free_blocks(transaction);
	pool_give(&transaction->worker->transactions, transaction);
}

/* --- envelope --- */

static struct buffer block_rest(struct transaction *transaction)
{
	struct buffer rest;
	buffer_init(&rest, transaction->blocks[transaction->block_count - 1] + transaction->block_used,
		    LIMIT_BODY_BLOCK_BYTES - transaction->block_used);
	return rest;
}

struct transaction *transaction_create(struct worker *worker, struct session *session, unsigned envelope_flags,
				       struct slice login, struct slice client, struct slice reverse_path)
{
	struct transaction *transaction = pool_take(&worker->transactions);
	if (!transaction)
		return NULL;
	/* All but the two text areas at the end, which are written before they are read. */
	memset(transaction, 0, offsetof(struct transaction, trace_storage));
	list_init(&transaction->link);
	transaction->worker = worker;
	transaction->session = session;
	transaction->state = TRANSACTION_ENVELOPE;
	transaction->held = true;
	transaction->flags = envelope_flags;
	buffer_init(&transaction->trace, transaction->trace_storage, sizeof transaction->trace_storage);
	buffer_init(&transaction->tail, transaction->tail_storage, sizeof transaction->tail_storage);
	if (add_block(transaction)) {
		struct buffer rest = block_rest(transaction);
		if (envelope_begin(&rest, envelope_flags, login, client, reverse_path)) {
			take(transaction, rest.size);
			return transaction;
		}
	}
	destroy(transaction);
	return NULL;
}

bool transaction_add_recipient(struct transaction *transaction, struct slice path, bool held)
{
	ASSERT(transaction->state == TRANSACTION_ENVELOPE);
	struct buffer rest = block_rest(transaction);
	if (!envelope_add_recipient(&rest, path)) {
		if (!add_block(transaction))
			return false;
		rest = block_rest(transaction);
		if (!envelope_add_recipient(&rest, path))
			return false;
	}
	take(transaction, rest.size);
	transaction->recipients++;
	transaction->held &= held;
	return true;
}

/* --- text --- */

bool transaction_begin_text(struct transaction *transaction)
{
	for (uint32_t i = 0; i < transaction->part_count; i++)
		transaction->envelope_size += (uint32_t)transaction->parts[i].iov_len;
	enter(transaction, TRANSACTION_TEXT);
	transaction->part_count++; /* the trace, known at the end */
	transaction->text_part = transaction->part_count;
	if (LIMIT_BODY_BLOCK_BYTES - transaction->block_used < TRANSACTION_ROOM_LEAST)
		return add_block(transaction);
	open_part(transaction);
	return true;
}

uint8_t *transaction_text_room(struct transaction *transaction, size_t *room)
{
	ASSERT(transaction->state == TRANSACTION_TEXT);
	if (transaction->block_count == 0 || LIMIT_BODY_BLOCK_BYTES - transaction->block_used < TRANSACTION_ROOM_LEAST)
		if (!add_block(transaction))
			return NULL;
	*room = LIMIT_BODY_BLOCK_BYTES - transaction->block_used;
	return transaction->blocks[transaction->block_count - 1] + transaction->block_used;
}

/* What was written to the large file need not stay; the envelope does, in the first blocks. */
static void forget_text_blocks(struct transaction *transaction)
{
	const struct iovec *first = &transaction->parts[transaction->text_part];
	while (transaction->block_count) {
		uint8_t *last = transaction->blocks[transaction->block_count - 1];
		if ((uint8_t *)first->iov_base > last && (uint8_t *)first->iov_base < last + LIMIT_BODY_BLOCK_BYTES) {
			/* The block that the envelope ends in: its rest is used again. */
			transaction->block_used = (uint32_t)((uint8_t *)first->iov_base - last);
			break;
		}
		bool envelope_only = false;
		for (uint32_t i = 0; i + 1 < transaction->text_part; i++)
			envelope_only |= transaction->parts[i].iov_base == last;
		if (envelope_only) {
			transaction->block_used = LIMIT_BODY_BLOCK_BYTES;
			break;
		}
		pool_give(&transaction->worker->blocks, last);
		transaction->block_count--;
	}
	transaction->part_count = transaction->text_part;
	if (transaction->block_used < LIMIT_BODY_BLOCK_BYTES)
		open_part(transaction);
}

static enum smtp_status reply_status(enum spool_status status)
{
	return status == SPOOL_OK ? SMTP_QUEUED : status == SPOOL_FULL ? SMTP_STORAGE_FULL : SMTP_STORAGE_ERROR;
}

static void file_abandoned(struct spool_large *file, enum spool_status status)
{
	(void)status; /* recovery removes what could not be removed now */
	struct transaction *transaction = CONTAINER_OF(file, struct transaction, file);
	transaction->worker->commits--;
	destroy(transaction);
}

static void abandon_file(struct transaction *transaction)
{
	enter(transaction, TRANSACTION_DROPPING);
	free_blocks(transaction);
	transaction->worker->commits++;
	spool_large_abandon(&transaction->file, file_abandoned);
}

static void text_flushed(struct spool_large *file, enum spool_status status)
{
	struct transaction *transaction = CONTAINER_OF(file, struct transaction, file);
	transaction->worker->commits--;
	if (transaction->drop_when_idle) {
		abandon_file(transaction);
		return;
	}
	forget_text_blocks(transaction);
	enter(transaction, TRANSACTION_TEXT);
	session_text_flushed(transaction->session, reply_status(status));
}

static void write_text(struct transaction *transaction)
{
	spool_large_write(&transaction->file, &transaction->parts[transaction->text_part],
			  transaction->part_count - transaction->text_part, text_flushed);
}

static void file_opened(struct spool_large *file, enum spool_status status)
{
	struct transaction *transaction = CONTAINER_OF(file, struct transaction, file);
	if (status != SPOOL_OK || transaction->drop_when_idle)
		text_flushed(file, status);
	else
		write_text(transaction);
}

static void flush_text(struct transaction *transaction)
{
	enter(transaction, TRANSACTION_FLUSHING);
	transaction->worker->commits++;
	if (transaction->large) {
		write_text(transaction);
		return;
	}
	transaction->large = true;
	transaction->id = spool_new_id(transaction->worker->spool);
	spool_large_open(transaction->worker->spool, &transaction->file, transaction->id, file_opened);
}

static uint64_t text_waiting(const struct transaction *transaction)
{
	uint64_t waiting = 0;
	for (uint32_t i = transaction->text_part; i < transaction->part_count; i++)
		waiting += transaction->parts[i].iov_len;
	return waiting;
}

bool transaction_add_text(struct transaction *transaction, size_t size, bool last)
{
	take(transaction, size);
	transaction->text_size += size;
	if (last || text_waiting(transaction) + LIMIT_BODY_BLOCK_BYTES <= LIMIT_INLINE_MESSAGE_BYTES)
		return true;
	flush_text(transaction);
	return false;
}

/* --- the end --- */

static void settle(struct transaction *transaction, enum smtp_status outcome)
{
	transaction->outcome = outcome;
	transaction->worker->commits--;
	enter(transaction, TRANSACTION_ENDED);
	free_blocks(transaction);
	if (transaction->session)
		session_committed(transaction->session);
	else
		destroy(transaction);
}

static void add_to_queue(struct transaction *transaction)
{
	struct spool_message message = {
		.id = transaction->id,
		.place = transaction->entry.place,
		.envelope = slice_first(transaction->entry.payload, transaction->envelope_size),
		.size_bytes = transaction->text_size + transaction->trace.size,
		.accepted_unix_us = transaction->accepted_unix_us,
		.held = transaction->held,
		.large = transaction->large,
	};
	queue_add(transaction->worker->queue, &message);
}

static void file_removed_after_failure(struct spool_large *file, enum spool_status status)
{
	(void)status;
	struct transaction *transaction = CONTAINER_OF(file, struct transaction, file);
	settle(transaction, transaction->outcome);
}

static void committed(struct spool_entry *entry, enum spool_status status)
{
	struct transaction *transaction = CONTAINER_OF(entry, struct transaction, entry);
	if (status == SPOOL_OK) {
		add_to_queue(transaction);
		settle(transaction, SMTP_QUEUED);
		return;
	}
	log_message(LOG_ERROR, "commit-failed", "a message could not be stored: %s",
		    status == SPOOL_FULL ? "no space" : "write error");
	if (!transaction->large) {
		settle(transaction, reply_status(status));
		return;
	}
	transaction->outcome = reply_status(status);
	spool_large_abandon(&transaction->file, file_removed_after_failure);
}

static void append(struct transaction *transaction)
{
	enter(transaction, TRANSACTION_COMMITTING);
	spool_append_message(transaction->worker->spool, &transaction->entry, transaction->id, transaction->parts,
			     transaction->large ? transaction->text_part : transaction->part_count,
			     transaction->envelope_size, transaction->text_size + transaction->trace.size,
			     transaction->held, transaction->large, committed);
	if (!transaction->entry.parts)
		free_blocks(transaction);
}

static void file_finished(struct spool_large *file, enum spool_status status)
{
	struct transaction *transaction = CONTAINER_OF(file, struct transaction, file);
	if (status == SPOOL_OK) {
		append(transaction);
		return;
	}
	transaction->outcome = reply_status(status);
	spool_large_abandon(file, file_removed_after_failure);
}

static void last_text_written(struct spool_large *file, enum spool_status status)
{
	if (status == SPOOL_OK)
		spool_large_finish(file, file_finished);
	else
		file_finished(file, status);
}

static void write_trace(struct transaction *transaction, struct message_trace *trace, bool name_recipient)
{
	char id[SPOOL_ID_TEXT_BYTES];
	spool_id_format(transaction->id, id);
	trace->id = slice_from_text(id);
	if (name_recipient && transaction->recipients == 1) {
		struct envelope envelope;
		struct slice path;
		if (envelope_read(&envelope, slice_of(transaction->parts[0].iov_base, transaction->parts[0].iov_len)) &&
		    envelope_next(&envelope, &path))
			trace->recipient = path;
	}
	bool whole = message_trace_write(&transaction->trace, trace);
	ASSERT(whole);
	transaction->parts[transaction->text_part - 1] =
		(struct iovec){ transaction->trace.data, transaction->trace.size };
}

void transaction_commit(struct transaction *transaction, struct message_trace *trace, bool name_recipient)
{
	ASSERT(transaction->state == TRANSACTION_TEXT);
	if (!transaction->large)
		transaction->id = spool_new_id(transaction->worker->spool);
	transaction->accepted_unix_us = loop_now(transaction->worker->loop)->unix_us;
	envelope_finish(transaction->parts[0].iov_base, transaction->flags, transaction->recipients,
			transaction->accepted_unix_us);
	write_trace(transaction, trace, name_recipient);
	transaction->worker->commits++;
	if (!transaction->large) {
		append(transaction);
		return;
	}
	enter(transaction, TRANSACTION_FINISHING);
	if (text_waiting(transaction) == 0)
		spool_large_finish(&transaction->file, file_finished);
	else
		spool_large_write(&transaction->file, &transaction->parts[transaction->text_part],
				  transaction->part_count - transaction->text_part, last_text_written);
}

void transaction_drop(struct transaction *transaction)
{
	ASSERT(transaction->state <= TRANSACTION_FLUSHING);
	transaction->session = NULL;
	if (transaction->state == TRANSACTION_FLUSHING)
		transaction->drop_when_idle = true;
	else if (transaction->large)
		abandon_file(transaction);
	else
		destroy(transaction);
}

void transaction_end(struct transaction *transaction)
{
	ASSERT(transaction->state == TRANSACTION_ENDED);
	destroy(transaction);
}
