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

static void destroy(struct transaction *transaction)
{
	list_remove(&transaction->link);
	text_destroy(transaction->text);
	pool_give(&transaction->worker->transactions, transaction);
}

/* --- envelope --- */

struct transaction *transaction_create(struct worker *worker, struct session *session, unsigned envelope_flags,
				       struct slice login, struct slice client, struct slice reverse_path)
{
	struct transaction *transaction = pool_take(&worker->transactions);
	if (!transaction)
		return NULL;
	/* All but the entry, which is written before it is read. */
	memset(transaction, 0, offsetof(struct transaction, entry));
	list_init(&transaction->link);
	transaction->worker = worker;
	transaction->session = session;
	transaction->state = TRANSACTION_ENVELOPE;
	transaction->held = true;
	transaction->flags = envelope_flags;
	transaction->text = text_create(worker, transaction);
	if (transaction->text) {
		struct buffer rest = text_rest(transaction->text);
		if (envelope_begin(&rest, envelope_flags, login, client, reverse_path)) {
			text_take(transaction->text, rest.size);
			return transaction;
		}
	}
	destroy(transaction);
	return NULL;
}

/* Its beginning is in one block. */
struct slice transaction_reverse_path(const struct transaction *transaction)
{
	struct envelope envelope;
	const struct iovec *first = &transaction->text->parts[0];
	bool whole = envelope_read(&envelope, slice_of(first->iov_base, first->iov_len));
	ASSERT(whole);
	return envelope.reverse_path;
}

bool transaction_add_recipient(struct transaction *transaction, struct slice path, bool held)
{
	ASSERT(transaction->state == TRANSACTION_ENVELOPE);
	struct buffer rest = text_rest(transaction->text);
	if (!envelope_add_recipient(&rest, path)) {
		if (!text_add_block(transaction->text))
			return false;
		rest = text_rest(transaction->text);
		if (!envelope_add_recipient(&rest, path))
			return false;
	}
	text_take(transaction->text, rest.size);
	transaction->text->last_recipient = slice_skip(buffer_slice(&rest), rest.size - path.size);
	transaction->recipients++;
	transaction->held &= held;
	return true;
}

/* --- text --- */

bool transaction_begin_text(struct transaction *transaction)
{
	enter(transaction, TRANSACTION_TEXT);
	transaction->envelope_size = text_begin(transaction->text);
	return transaction->envelope_size > 0;
}

uint8_t *transaction_text_room(struct transaction *transaction, size_t *room)
{
	ASSERT(transaction->state == TRANSACTION_TEXT);
	return text_room(transaction->text, room);
}

static enum smtp_status reply_status(enum spool_status status)
{
	return status == SPOOL_OK ? SMTP_QUEUED : status == SPOOL_FULL ? SMTP_STORAGE_FULL : SMTP_STORAGE_ERROR;
}

static struct transaction *owner_of(struct spool_large *file)
{
	return CONTAINER_OF(file, struct transaction_text, file)->owner;
}

static void file_abandoned(struct spool_large *file, enum spool_status status)
{
	(void)status; /* recovery removes what could not be removed now */
	struct transaction *transaction = owner_of(file);
	transaction->worker->commits--;
	destroy(transaction);
}

static void abandon_file(struct transaction *transaction)
{
	enter(transaction, TRANSACTION_DROPPING);
	transaction->worker->commits++;
	spool_large_abandon(&transaction->text->file, file_abandoned);
}

static void text_flushed(struct spool_large *file, enum spool_status status)
{
	struct transaction *transaction = owner_of(file);
	transaction->worker->commits--;
	if (transaction->drop_when_idle) {
		abandon_file(transaction);
		return;
	}
	text_forget(transaction->text);
	enter(transaction, TRANSACTION_TEXT);
	session_text_flushed(transaction->session, reply_status(status));
}

static void write_text(struct transaction *transaction, spool_large_done *done)
{
	struct transaction_text *text = transaction->text;
	spool_large_write(&text->file, &text->parts[text->text_part], text->part_count - text->text_part, done);
}

static void file_opened(struct spool_large *file, enum spool_status status)
{
	struct transaction *transaction = owner_of(file);
	if (status != SPOOL_OK || transaction->drop_when_idle)
		text_flushed(file, status);
	else
		write_text(transaction, text_flushed);
}

static void flush_text(struct transaction *transaction)
{
	enter(transaction, TRANSACTION_FLUSHING);
	transaction->worker->commits++;
	if (transaction->large) {
		write_text(transaction, text_flushed);
		return;
	}
	transaction->large = true;
	transaction->id = spool_new_id(transaction->worker->spool);
	spool_large_open(transaction->worker->spool, &transaction->text->file, transaction->id, file_opened);
}

bool transaction_add_text(struct transaction *transaction, size_t size, bool last)
{
	text_take(transaction->text, size);
	transaction->text_size += size;
	if (last || text_waiting(transaction->text) + LIMIT_BODY_BLOCK_BYTES <= LIMIT_INLINE_MESSAGE_BYTES)
		return true;
	flush_text(transaction);
	return false;
}

/* --- the end --- */

static void free_text(struct transaction *transaction)
{
	text_destroy(transaction->text);
	transaction->text = NULL;
}

static void settle(struct transaction *transaction, enum smtp_status outcome)
{
	transaction->outcome = outcome;
	transaction->worker->commits--;
	enter(transaction, TRANSACTION_ENDED);
	free_text(transaction);
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
		.size_bytes = transaction->stored_size,
		.accepted_unix_us = transaction->accepted_unix_us,
		.recipients = transaction->recipients,
		.held = transaction->held,
		.large = transaction->large,
	};
	queue_add(transaction->worker->queue, &message);
}

static void file_removed_after_failure(struct spool_large *file, enum spool_status status)
{
	(void)status;
	struct transaction *transaction = owner_of(file);
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
	spool_large_abandon(&transaction->text->file, file_removed_after_failure);
}

static void append(struct transaction *transaction)
{
	struct transaction_text *text = transaction->text;
	enter(transaction, TRANSACTION_COMMITTING);
	spool_append_message(transaction->worker->spool, &transaction->entry, transaction->id, text->parts,
			     transaction->large ? text->text_part : text->part_count, transaction->envelope_size,
			     transaction->stored_size, transaction->held, transaction->large, committed);
	/* A large message's file may have to go, if the record can't be written. */
	if (!transaction->entry.parts && !transaction->large)
		free_text(transaction);
}

static void file_finished(struct spool_large *file, enum spool_status status)
{
	struct transaction *transaction = owner_of(file);
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
	struct transaction_text *text = transaction->text;
	char id[SPOOL_ID_TEXT_BYTES];
	spool_id_format(transaction->id, id);
	trace->id = slice_of(id, sizeof id - 1);
	if (name_recipient && transaction->recipients == 1)
		trace->recipient = text->last_recipient;
	text_write_trace(text, trace);
	transaction->stored_size = transaction->text_size + text->parts[text->text_part - 1].iov_len;
}

void transaction_commit(struct transaction *transaction, struct message_trace *trace, bool name_recipient)
{
	ASSERT(transaction->state == TRANSACTION_TEXT);
	struct transaction_text *text = transaction->text;
	if (!transaction->large)
		transaction->id = spool_new_id(transaction->worker->spool);
	transaction->accepted_unix_us = loop_now(transaction->worker->loop)->unix_us;
	envelope_finish(text->parts[0].iov_base, transaction->flags, transaction->recipients,
			transaction->accepted_unix_us);
	transaction->worker->commits++;
	write_trace(transaction, trace, name_recipient);
	if (!transaction->large) {
		append(transaction);
		return;
	}
	enter(transaction, TRANSACTION_FINISHING);
	if (text_waiting(text) == 0)
		spool_large_finish(&text->file, file_finished);
	else
		write_text(transaction, last_text_written);
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
