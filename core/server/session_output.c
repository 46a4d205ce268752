/* A session's replies: in the order of the commands, however long the disk takes for one of them.
 *
 * A turn's replies gather in the worker's buffer and leave in one send. While messages wait for the disk, what
 * comes behind them gathers in the newest one's tail instead. */
#include "core/server/session_parts.h"

struct buffer *session_out(struct session *session)
{
	if (list_is_empty(&session->commits))
		return &session->worker->replies;
	return &CONTAINER_OF(session->commits.previous, struct transaction, link)->tail;
}

bool session_may_reply(struct session *session)
{
	if (stream_room(&session->stream) < LIMIT_TURN_REPLY_BYTES) {
		session->blocked |= SESSION_BLOCK_OUTPUT;
		return false;
	}
	if (buffer_room(session_out(session)) >= LIMIT_REPLY_BYTES)
		return true;
	if (list_is_empty(&session->commits)) {
		session_send_replies(session);
		return session_may_reply(session);
	}
	session->blocked |= SESSION_BLOCK_COMMIT;
	return false;
}

void session_send_replies(struct session *session)
{
	struct buffer *replies = &session->worker->replies;
	if (replies->size == 0)
		return;
	if (!stream_write(&session->stream, buffer_slice(replies)))
		session_abort(session);
	buffer_clear(replies);
}

static void log_outcome(struct session *session, const struct transaction *transaction, const char *id)
{
	struct log_line line;
	bool accepted = transaction->outcome == SMTP_QUEUED;
	if (!session_log(session, &line, accepted ? LOG_INFO : LOG_WARN, accepted ? "accepted" : "not-stored"))
		return;
	log_text(&line, "id", id);
	if (session->login)
		log_text(&line, "login", session->login);
	log_number(&line, "size", (int64_t)transaction->text_size);
	log_number(&line, "recipients", transaction->recipients);
	log_end(&line);
}

/* A session that hands in mail may go on: its limit starts anew. */
static void count_message(struct session *session)
{
	uint64_t limit = session->server->config->limits.session;
	session->messages++;
	if (limit)
		session->hard_due_ms = session_now_ms(session) + limit;
}

static void answer(struct session *session, struct transaction *transaction)
{
	char id[SPOOL_ID_TEXT_BYTES];
	spool_id_format(transaction->id, id);
	log_outcome(session, transaction, id);
	struct buffer *replies = &session->worker->replies;
	smtp_reply_write(replies, transaction->outcome, slice_from_text(id));
	bool whole = buffer_append(replies, buffer_slice(&transaction->tail));
	ASSERT(whole && !replies->overflow);
	if (transaction->outcome == SMTP_QUEUED)
		count_message(session);
	session->waiting_commits--;
	transaction_end(transaction);
}

void session_answer_commits(struct session *session)
{
	struct list *first;
	while ((first = list_first(&session->commits))) {
		struct transaction *transaction = CONTAINER_OF(first, struct transaction, link);
		if (transaction->state != TRANSACTION_ENDED)
			return;
		if (buffer_room(&session->worker->replies) < LIMIT_REPLY_BYTES + TRANSACTION_TAIL_BYTES)
			session_send_replies(session);
		if (stream_room(&session->stream) < LIMIT_TURN_REPLY_BYTES) {
			session->blocked |= SESSION_BLOCK_OUTPUT;
			return;
		}
		answer(session, transaction);
		session->blocked &= (uint8_t)~SESSION_BLOCK_COMMIT;
	}
}
