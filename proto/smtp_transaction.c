/* MAIL, RCPT, DATA, BDAT and the message; see smtp_session_private.h.
 *
 * A BDAT's bytes come whether it is in order or not (RFC 3030 §2), so one that is refused is a running chunk as well: its
 * bytes are dropped, then its reply is written. A refused chunk fails the message; what BDATs come behind it are refused
 * too, up to the one that says LAST, or RSET. */
#include "proto/address.h"
#include "proto/smtp_parameters.h"
#include "proto/smtp_session_private.h"

/* The reply that a message with this fault gets. */
static const uint8_t fault_status[] = {
	[BODY_FINE] = SMTP_OK,
	[BODY_BARE_CR] = SMTP_BARE_CR,
	[BODY_BARE_LF] = SMTP_BARE_LF,
	[BODY_NUL] = SMTP_NUL,
	[BODY_LINE_TOO_LONG] = SMTP_TEXT_LINE_TOO_LONG,
	[BODY_HEADER_TOO_LONG] = SMTP_HEADER_TOO_LONG,
	[BODY_LOOP] = SMTP_MAIL_LOOP,
	[BODY_TOO_LARGE] = SMTP_MESSAGE_TOO_LARGE,
};

/* --- MAIL and RCPT --- */

/* Takes "FROM:" or "TO:" off; a blank behind it is let pass, because devices send it and it can mean nothing else. */
static bool skip_keyword(struct slice *argument, struct slice keyword)
{
	if (argument->size < keyword.size || !slice_equal_nocase(slice_first(*argument, keyword.size), keyword))
		return false;
	*argument = slice_skip(*argument, keyword.size);
	if (argument->size && argument->data[0] == ' ')
		*argument = slice_skip(*argument, 1);
	return true;
}

static void set_path(struct smtp_session *session, const struct address *address)
{
	session->path = address->text;
	session->path_local_size = (uint8_t)address->local.size;
}

static enum smtp_status parse_mail(struct smtp_session *session, struct slice argument)
{
	struct address address;
	size_t size;
	if (!skip_keyword(&argument, SLICE_LITERAL("FROM:")))
		return SMTP_BAD_ARGUMENT;
	enum address_status parsed = address_parse_path(argument, true, false, true, &address, &size);
	if (parsed != ADDRESS_OK)
		return parsed == ADDRESS_TOO_LONG ? SMTP_SENDER_TOO_LONG : SMTP_BAD_SENDER;
	enum smtp_status status = smtp_parameters_mail(session, slice_skip(argument, size));
	if (status != SMTP_OK)
		return status;
	set_path(session, &address);
	return address.needs_utf8 && !session->transaction.smtputf8 ? SMTP_ADDRESS_NEEDS_SMTPUTF8 : SMTP_OK;
}

enum smtp_action smtp_run_mail(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	smtp_session_forget_transaction(session);
	enum smtp_status status = parse_mail(session, argument);
	if (status == SMTP_OK)
		return smtp_session_ask(session, SMTP_CHECK_SENDER);
	smtp_session_forget_transaction(session);
	return smtp_session_reply(session, status, SMTP_CONTINUE, out);
}

static enum smtp_status parse_rcpt(struct smtp_session *session, struct slice argument)
{
	const struct smtp_profile *profile = session->profile;
	struct address address;
	size_t size;
	if (!skip_keyword(&argument, SLICE_LITERAL("TO:")))
		return SMTP_BAD_ARGUMENT;
	switch (address_parse_path(argument, false, true, session->transaction.smtputf8, &address, &size)) {
	case ADDRESS_OK:
		break;
	case ADDRESS_MALFORMED:
		return SMTP_BAD_RECIPIENT;
	case ADDRESS_TOO_LONG:
		return SMTP_RECIPIENT_TOO_LONG;
	case ADDRESS_NEEDS_UTF8:
		return SMTP_ADDRESS_NEEDS_SMTPUTF8;
	}
	enum smtp_status status = smtp_parameters_rcpt(slice_skip(argument, size));
	if (status != SMTP_OK)
		return status;
	set_path(session, &address);
	if (profile->recipients && session->transaction.recipients >= profile->recipients)
		return SMTP_TOO_MANY_RECIPIENTS;
	return SMTP_OK;
}

enum smtp_action smtp_run_rcpt(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	enum smtp_status status = parse_rcpt(session, argument);
	if (status == SMTP_OK)
		return smtp_session_ask(session, SMTP_CHECK_RECIPIENT);
	return smtp_session_reply(session, status, SMTP_CONTINUE, out);
}

enum smtp_action smtp_session_path_checked(struct smtp_session *session, enum smtp_status status, struct slice detail,
					   struct buffer *out)
{
	bool sender = session->awaits == SMTP_CHECK_SENDER;
	smtp_session_answered(session, sender ? SMTP_CHECK_SENDER : SMTP_CHECK_RECIPIENT);
	bool accepted = smtp_reply_code(status) < 400;
	session->path = (struct slice){ NULL, 0 };
	if (accepted && sender) {
		smtp_session_enter(session, SMTP_MAIL);
	} else if (accepted) {
		session->transaction.recipients++;
		smtp_session_enter(session, SMTP_RCPT);
	} else if (sender) {
		smtp_session_forget_transaction(session);
	}
	return smtp_session_reply_about(session, status, detail, SMTP_CONTINUE, out);
}

/* --- the message's end --- */

/* Its transaction stays readable until the next call. */
static enum smtp_action end_message(struct smtp_session *session, enum smtp_status status, struct buffer *out)
{
	session->transaction.ended = true;
	smtp_session_enter(session, SMTP_READY);
	if (status == SMTP_OK)
		return SMTP_MESSAGE_COMPLETE;
	return smtp_session_reply(session, status, SMTP_MESSAGE_REFUSED, out);
}

void smtp_session_refuse_message(struct smtp_session *session, enum smtp_status status)
{
	ASSERT(smtp_reply_code(status) >= 400);
	ASSERT(session->state >= SMTP_MAIL && session->state <= SMTP_CHUNKING);
	if (session->transaction.refusal == SMTP_OK)
		session->transaction.refusal = (uint8_t)status;
}

enum smtp_action smtp_run_data(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	(void)argument;
	if (session->transaction.refusal != SMTP_OK)
		return end_message(session, (enum smtp_status)session->transaction.refusal, out);
	smtp_session_enter(session, SMTP_DATA);
	return smtp_session_reply(session, SMTP_START_MAIL_INPUT, SMTP_RECEIVE, out);
}

/* --- BDAT --- */

/* "1234" or "1234 LAST". False: how many bytes follow can't be known. */
static bool parse_chunk(struct slice argument, struct smtp_chunk *chunk, bool *sound)
{
	size_t blank = slice_find(argument, ' ');
	if (!slice_parse_number(slice_first(argument, blank), INT64_MAX, &chunk->size))
		return false;
	struct slice word = slice_skip(argument, blank);
	while (word.size && word.data[0] == ' ')
		word = slice_skip(word, 1);
	chunk->last = slice_equal_nocase(word, SLICE_LITERAL("LAST"));
	chunk->left = chunk->size;
	*sound = chunk->last || word.size == 0;
	return true;
}

static enum smtp_status check_chunk(const struct smtp_session *session, const struct smtp_chunk *chunk)
{
	uint64_t most = session->profile->message_size_bytes;
	if (session->transaction.failed)
		return SMTP_CHUNK_FAILED_BEFORE;
	if (most && (chunk->size > most || session->transaction.body.size > most - chunk->size))
		return SMTP_MESSAGE_TOO_LARGE;
	return SMTP_OK;
}

static enum smtp_action write_chunk_ok(uint64_t size, struct buffer *out)
{
	uint8_t digits[20];
	struct buffer number;
	buffer_init(&number, digits, sizeof digits);
	buffer_append_number(&number, size);
	smtp_reply_write(out, SMTP_CHUNK_OK, buffer_slice(&number));
	return SMTP_CONTINUE;
}

/* All bytes of the chunk have come. */
static enum smtp_action end_chunk(struct smtp_session *session, struct buffer *out)
{
	struct smtp_transaction *transaction = &session->transaction;
	uint64_t size = session->chunk.size;
	enum smtp_state resume = (enum smtp_state)session->chunk.resume;
	enum smtp_status refusal = (enum smtp_status)session->chunk.refusal;
	bool last = session->chunk.last;
	session->chunk = (struct smtp_chunk){ 0 };
	if (resume == SMTP_START || resume == SMTP_READY) {
		smtp_session_enter(session, resume);
		return smtp_session_reply(session, refusal, SMTP_CONTINUE, out);
	}
	enum smtp_status status = refusal ? refusal : (enum smtp_status)transaction->refusal;
	if (last)
		return end_message(session, status, out);
	smtp_session_enter(session, SMTP_CHUNKING);
	if (status == SMTP_OK)
		return write_chunk_ok(size, out);
	bool first = !transaction->failed;
	transaction->failed = true;
	return smtp_session_reply(session, status, first ? SMTP_MESSAGE_REFUSED : SMTP_CONTINUE, out);
}

/* What no bound allows to wait for, or to know the end of, ends the session. */
static enum smtp_action give_up(struct smtp_session *session, enum smtp_status status, struct buffer *out)
{
	if (smtp_session_reply(session, status, SMTP_CONTINUE, out) == SMTP_CLOSE)
		return SMTP_CLOSE;
	return smtp_session_reply(session, SMTP_CHUNK_SIZE_UNKNOWN, SMTP_CLOSE, out);
}

static void check_text_end(struct smtp_session *session)
{
	struct smtp_transaction *transaction = &session->transaction;
	if (!session->chunk.last || session->chunk.left || session->chunk.refusal || transaction->refusal)
		return;
	smtp_body_finish(&transaction->body);
	transaction->refusal = fault_status[transaction->body.fault];
}

static enum smtp_action begin_chunk(struct smtp_session *session, struct slice argument, enum smtp_status refusal,
				    struct buffer *out)
{
	struct smtp_chunk chunk = { .resume = session->state };
	bool sound;
	if (argument.size == 0)
		return smtp_session_reply(session, refusal, SMTP_CONTINUE, out);
	if (!parse_chunk(argument, &chunk, &sound))
		return give_up(session, SMTP_BAD_ARGUMENT, out);
	if (refusal == SMTP_OK)
		refusal = sound ? check_chunk(session, &chunk) : SMTP_BAD_ARGUMENT;
	if (refusal != SMTP_OK && chunk.size > LIMIT_CHUNK_SWALLOW_BYTES)
		return give_up(session, refusal, out);
	chunk.refusal = (uint8_t)refusal;
	session->chunk = chunk;
	smtp_session_enter(session, SMTP_CHUNK);
	if (chunk.left == 0) {
		check_text_end(session);
		return end_chunk(session, out);
	}
	return smtp_session_is_refusing(session) ? SMTP_CONTINUE : SMTP_RECEIVE;
}

enum smtp_action smtp_run_bdat(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	return begin_chunk(session, argument, SMTP_OK, out);
}

enum smtp_action smtp_refuse_bdat(struct smtp_session *session, struct slice argument, enum smtp_status refusal,
				  struct buffer *out)
{
	return begin_chunk(session, argument, refusal, out);
}

/* --- message bytes --- */

struct body_bytes {
	uint8_t *bytes;
	size_t size;
	uint8_t *text;
	size_t *kept;
	size_t *consumed;
};

/* Feeds the message; true: its end mark was found. */
static bool take_text(struct smtp_session *session, const struct body_bytes *in, bool dots)
{
	struct smtp_transaction *transaction = &session->transaction;
	struct smtp_body_rules rules = { session->profile->message_size_bytes, dots,
					 session->profile->bare_lf_normalised };
	bool ended = smtp_body_take(&transaction->body, &rules, in->bytes, in->size, in->text, in->kept, in->consumed);
	if (transaction->refusal == SMTP_OK)
		transaction->refusal = fault_status[transaction->body.fault];
	if (transaction->refusal != SMTP_OK)
		*in->kept = 0;
	return ended;
}

static enum smtp_action take_chunk(struct smtp_session *session, struct body_bytes *in, struct buffer *out)
{
	struct smtp_chunk *chunk = &session->chunk;
	if (in->size > chunk->left)
		in->size = (size_t)chunk->left;
	*in->kept = 0;
	*in->consumed = in->size;
	if (!smtp_session_is_refusing(session))
		(void)take_text(session, in, false);
	chunk->left -= in->size;
	if (chunk->left)
		return SMTP_RECEIVE;
	check_text_end(session);
	if (smtp_session_is_refusing(session))
		*in->kept = 0;
	return end_chunk(session, out);
}

enum smtp_action smtp_session_body(struct smtp_session *session, uint8_t *bytes, size_t size, uint8_t *text,
				   size_t *kept, size_t *consumed, struct buffer *out)
{
	struct body_bytes in = { bytes, size, text, kept, consumed };
	ASSERT(smtp_session_in_body(session));
	ASSERT(buffer_room(out) >= LIMIT_REPLY_BYTES);
	if (session->state == SMTP_CHUNK)
		return take_chunk(session, &in, out);
	if (!take_text(session, &in, true))
		return SMTP_RECEIVE;
	return end_message(session, (enum smtp_status)session->transaction.refusal, out);
}
