/* A session's replies: in the order of the commands, however long the disk takes for one of them.
 *
 * A turn's replies gather in the worker's buffer and leave in one send. While messages wait for the disk, what comes behind
 * them gathers in a buffer of the session's instead, and each of them knows how much of that is behind it. Replies of the
 * group that the oldest one was part of (RFC 2920) are held ahead of it, and leave with its own: the client has said all
 * of it, and one send and one TLS record cost as much as a message does. */
#include "core/server/session_parts.h"

struct buffer *session_out(struct session *session)
{
	return list_is_empty(&session->commits) ? &session->worker->replies : &session->behind;
}

static struct transaction *newest_commit(const struct session *session)
{
	return CONTAINER_OF(session->commits.previous, struct transaction, link);
}

/* What was replied since the newest message that waits belongs behind that one. */
static void count_behind(struct session *session)
{
	if (!list_is_empty(&session->commits))
		newest_commit(session)->replies_behind += (uint32_t)(session->behind.size - session->behind_counted);
	session->behind_counted = (uint32_t)session->behind.size;
}

/* Nothing waits for the disk yet. Without memory there is no room, and work rests until the disk is done. */
static void begin_behind(struct session *session)
{
	struct worker *worker = session->worker;
	void *storage = pool_take(&worker->buffers.small);
	buffer_init(&session->behind, storage, storage ? LIMIT_SMALL_BUFFER_BYTES : 0);
	session->held_ahead = 0;
	if (!storage || worker->replies_due || worker->replies.size > LIMIT_REPLIES_AHEAD_BYTES)
		return;
	bool whole = buffer_append(&session->behind, buffer_slice(&worker->replies));
	ASSERT(whole);
	session->held_ahead = (uint32_t)worker->replies.size;
	session->behind_counted = session->held_ahead;
	buffer_clear(&worker->replies);
}

void session_wait_for_commit(struct session *session, struct transaction *transaction)
{
	if (list_is_empty(&session->commits))
		begin_behind(session);
	else
		count_behind(session);
	list_append(&session->commits, &transaction->link);
	if (++session->waiting_commits >= LIMIT_SESSION_COMMITS)
		session->blocked |= SESSION_BLOCK_COMMIT;
}

static void give_behind(struct session *session)
{
	struct stream_buffers *buffers = &session->worker->buffers;
	pool_give(session->behind_large ? &buffers->large : &buffers->small, session->behind.data);
}

void session_free_behind(struct session *session)
{
	give_behind(session);
	session->behind = (struct buffer){ NULL, 0, 0, false };
	session->behind_counted = 0;
	session->behind_large = false;
}

/* For a client that sends many messages at once. No larger than what the worker's buffer takes behind one more reply: all of it may
 * belong to one message. False: it has grown already, or there is no memory. */
static bool grow_behind(struct session *session)
{
	void *storage = session->behind_large ? NULL : pool_take(&session->worker->buffers.large);
	struct buffer larger;
	if (!storage)
		return false;
	buffer_init(&larger, storage, LIMIT_TURN_REPLY_BYTES - LIMIT_REPLY_BYTES);
	bool whole = buffer_append(&larger, buffer_slice(&session->behind));
	ASSERT(whole);
	give_behind(session);
	session->behind = larger;
	session->behind_large = true;
	return true;
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
	if (grow_behind(session))
		return true;
	session->blocked |= SESSION_BLOCK_COMMIT;
	return false;
}

void session_send_replies(struct session *session)
{
	struct buffer *replies = &session->worker->replies;
	session->worker->replies_due = false;
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

/* `held`: the replies that were not taken yet. */
static void take_held(struct session *session, struct slice *held, uint32_t size)
{
	bool whole = buffer_append(&session->worker->replies, slice_first(*held, size));
	ASSERT(whole);
	*held = slice_skip(*held, size);
}

static void answer(struct session *session, struct transaction *transaction, struct slice *held)
{
	char id[SPOOL_ID_TEXT_BYTES];
	spool_id_format(transaction->id, id);
	log_outcome(session, transaction, id);
	take_held(session, held, session->held_ahead);
	session->held_ahead = 0;
	smtp_reply_write(&session->worker->replies, transaction->outcome, slice_of(id, sizeof id - 1));
	take_held(session, held, transaction->replies_behind);
	session->worker->replies_due = true;
	if (transaction->outcome == SMTP_QUEUED)
		count_message(session);
	else
		session_give_quota_back(session, transaction->recipients);
	session->waiting_commits--;
	transaction_end(transaction);
}

static bool may_answer(struct session *session, const struct transaction *transaction)
{
	uint32_t held = session->held_ahead + transaction->replies_behind;
	if (buffer_room(&session->worker->replies) < LIMIT_REPLY_BYTES + held)
		session_send_replies(session);
	if (stream_room(&session->stream) >= LIMIT_TURN_REPLY_BYTES)
		return true;
	session->blocked |= SESSION_BLOCK_OUTPUT;
	return false;
}

void session_answer_commits(struct session *session)
{
	if (list_is_empty(&session->commits))
		return;
	count_behind(session);
	struct slice held = buffer_slice(&session->behind);
	for (struct list *first; (first = list_first(&session->commits));) {
		struct transaction *transaction = CONTAINER_OF(first, struct transaction, link);
		if (transaction->state != TRANSACTION_ENDED || !may_answer(session, transaction))
			break;
		answer(session, transaction, &held);
		session->blocked &= (uint8_t)~SESSION_BLOCK_COMMIT;
	}
	if (list_is_empty(&session->commits)) {
		session_free_behind(session);
		return;
	}
	buffer_consume(&session->behind, session->behind.size - held.size);
	session->behind_counted = (uint32_t)session->behind.size;
}
