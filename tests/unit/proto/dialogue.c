/* The shell's part for tests; see dialogue.h. */
#include "tests/unit/proto/dialogue.h"

void dialogue_start(struct dialogue *dialogue, const struct smtp_profile *profile, bool tls)
{
	memset(dialogue, 0, offsetof(struct dialogue, storage));
	dialogue->envelope_size = 0;
	buffer_init(&dialogue->codes, dialogue->storage[0], DIALOGUE_TEXT_BYTES);
	buffer_init(&dialogue->replies, dialogue->storage[1], DIALOGUE_TEXT_BYTES);
	buffer_init(&dialogue->gathered, dialogue->storage[2], DIALOGUE_TEXT_BYTES);
	buffer_init(&dialogue->accepted, dialogue->storage[3], DIALOGUE_TEXT_BYTES);
	smtp_session_start(&dialogue->session, profile, tls, &dialogue->replies);
	dialogue->replies.size = 0; /* the greeting is the same in all */
}

/* Notes code and enhanced status of a reply's last line. */
static void note_code(struct dialogue *dialogue, struct slice line)
{
	ASSERT(line.size >= 6 && line.size <= 512);
	ASSERT(slice_find(line, '\r') == line.size - 2);
	if (line.data[3] == '-')
		return;
	ASSERT(line.data[3] == ' ');
	bool enhanced = line.data[5] == '.';
	size_t size = enhanced ? 4 + slice_find(slice_skip(line, 4), ' ') : 3;
	if (dialogue->codes.size)
		buffer_append_text(&dialogue->codes, " | ");
	buffer_append(&dialogue->codes, slice_first(line, size));
}

static void note_replies(struct dialogue *dialogue, struct buffer *out)
{
	ASSERT(!out->overflow);
	struct slice rest = buffer_slice(out);
	while (rest.size) {
		size_t size = slice_find(rest, '\n') + 1;
		note_code(dialogue, slice_first(rest, size));
		rest = slice_skip(rest, size);
	}
	buffer_append(&dialogue->replies, buffer_slice(out));
}

static void add_to_envelope(struct dialogue *dialogue, char mark, struct slice path)
{
	struct buffer envelope = { dialogue->envelope, dialogue->envelope_size, sizeof dialogue->envelope, false };
	if (mark)
		buffer_append_byte(&envelope, (uint8_t)mark);
	buffer_append(&envelope, path);
	dialogue->envelope_size = envelope.size;
}

static void drop_gathered(struct dialogue *dialogue)
{
	buffer_clear(&dialogue->gathered);
	dialogue->envelope_size = 0;
}

static bool path_starts_with(const struct dialogue *dialogue, const char *text)
{
	return slice_starts_with(dialogue->session.path, slice_from_text(text));
}

static enum smtp_action check_path(struct dialogue *dialogue, bool sender, struct buffer *out)
{
	enum smtp_status status = sender ? SMTP_SENDER_OK : SMTP_RECIPIENT_OK;
	if (path_starts_with(dialogue, sender ? "bad" : "relay"))
		status = SMTP_SENDER_REFUSED;
	else if (!sender && path_starts_with(dialogue, "no"))
		status = SMTP_MAILBOX_UNKNOWN;
	else if (sender)
		add_to_envelope(dialogue, 0, dialogue->session.path);
	else
		add_to_envelope(dialogue, dialogue->session.transaction.recipients ? ',' : '>', dialogue->session.path);
	return smtp_session_path_checked(&dialogue->session, status, SLICE_LITERAL("here"), out);
}

/* A mechanism of which only the words are known: "more" is challenged, "ok" is right. The one that has the server begin is
 * challenged first. */
static enum smtp_action step(struct dialogue *dialogue, struct buffer *out)
{
	const struct sasl_exchange *exchange = &dialogue->exchange;
	struct slice response = buffer_slice(&exchange->response);
	if (!exchange->has_response || slice_equal(response, SLICE_LITERAL("more"))) {
		bool fits = smtp_session_challenge(&dialogue->session, SLICE_LITERAL("go on"), out);
		ASSERT(fits);
		return SMTP_CONTINUE;
	}
	bool right = slice_equal(response, SLICE_LITERAL("ok"));
	return smtp_session_sign_in_end(&dialogue->session, right ? SMTP_SIGN_IN_OK : SMTP_SIGN_IN_WRONG, out);
}

static enum smtp_action verify(struct dialogue *dialogue, struct buffer *out)
{
	if (!(dialogue->exchange.mechanism & SASL_WITH_PASSWORD))
		return step(dialogue, out);
	struct slice name = sasl_name(&dialogue->exchange);
	enum smtp_status status = SMTP_SIGN_IN_WRONG;
	if (slice_equal(name, SLICE_LITERAL("slow")))
		status = SMTP_SIGN_IN_UNAVAILABLE;
	else if (slice_equal(name, SLICE_LITERAL("user")) &&
		 slice_equal(sasl_password(&dialogue->exchange), SLICE_LITERAL("secret")))
		status = SMTP_SIGN_IN_OK;
	return smtp_session_sign_in_end(&dialogue->session, status, out);
}

static void complete(struct dialogue *dialogue, struct buffer *out)
{
	char id[16];
	struct buffer number;
	buffer_init(&number, id, sizeof id);
	buffer_append_number(&number, ++dialogue->messages);
	smtp_reply_write(out, SMTP_QUEUED, buffer_slice(&number));
	buffer_append(&dialogue->accepted, slice_of(dialogue->envelope, dialogue->envelope_size));
	buffer_append_byte(&dialogue->accepted, ':');
	buffer_append(&dialogue->accepted, buffer_slice(&dialogue->gathered));
	drop_gathered(dialogue);
}

/* Does what the action asks and answers the one that follows from it. */
static enum smtp_action act(struct dialogue *dialogue, enum smtp_action action, struct slice line, struct buffer *out)
{
	struct smtp_session *session = &dialogue->session;
	switch (action) {
	case SMTP_CONTINUE:
	case SMTP_RECEIVE:
		break;
	case SMTP_START_TLS:
		smtp_session_tls_started(session);
		break;
	case SMTP_BEGIN_SIGN_IN:
		memset(&dialogue->exchange, 0, sizeof dialogue->exchange);
		buffer_init(&dialogue->exchange.response, dialogue->response, sizeof dialogue->response);
		return smtp_session_sign_in_begin(session, &dialogue->exchange, line, out);
	case SMTP_VERIFY_SIGN_IN:
		return verify(dialogue, out);
	case SMTP_CHECK_SENDER:
		return check_path(dialogue, true, out);
	case SMTP_CHECK_RECIPIENT:
		return check_path(dialogue, false, out);
	case SMTP_MESSAGE_COMPLETE:
		complete(dialogue, out);
		break;
	case SMTP_MESSAGE_REFUSED:
	case SMTP_RESET:
		drop_gathered(dialogue);
		break;
	case SMTP_CLOSE:
		dialogue->closed = true;
		break;
	}
	return SMTP_CONTINUE;
}

static size_t take_text(struct dialogue *dialogue, struct slice input, enum smtp_action *action, struct buffer *out)
{
	static uint8_t raw[DIALOGUE_INPUT_BYTES];
	static uint8_t text[2 * DIALOGUE_INPUT_BYTES];
	size_t kept, consumed;
	memcpy(raw, input.data, input.size);
	bool elsewhere = dialogue->session.profile->bare_lf_normalised;
	uint8_t *to = elsewhere ? text : raw;
	*action = smtp_session_body(&dialogue->session, raw, input.size, to, &kept, &consumed, out);
	ASSERT(kept <= (elsewhere ? 2 : 1) * consumed);
	buffer_append(&dialogue->gathered, slice_of(to, kept));
	return consumed;
}

static size_t take_line(struct dialogue *dialogue, struct slice input, enum smtp_action *action, struct buffer *out)
{
	size_t end = slice_find(input, '\n');
	size_t limit = smtp_session_line_limit(&dialogue->session);
	*action = SMTP_CONTINUE;
	if (end == input.size && input.size < limit)
		return 0;
	bool skipping = dialogue->skipping_line;
	dialogue->skipping_line = end == input.size;
	if (skipping)
		return end == input.size ? end : end + 1;
	dialogue->commands++;
	if (end == input.size || end + 1 > limit) {
		*action = smtp_session_line_too_long(&dialogue->session, out);
		return end == input.size ? end : end + 1;
	}
	*action = smtp_session_line(&dialogue->session, slice_first(input, end + 1), out);
	return end + 1;
}

/* Takes one line or what text there is. Answers how much that was; 0: more is needed. */
static size_t take(struct dialogue *dialogue, struct slice input)
{
	uint8_t storage[2 * LIMIT_REPLY_BYTES];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	enum smtp_action action = SMTP_CONTINUE;
	bool text = smtp_session_in_body(&dialogue->session);
	size_t taken = text ? take_text(dialogue, input, &action, &out) : take_line(dialogue, input, &action, &out);
	while (action != SMTP_CONTINUE)
		action = act(dialogue, action, slice_first(input, taken), &out);
	note_replies(dialogue, &out);
	return taken;
}

void dialogue_feed(struct dialogue *dialogue, struct slice bytes)
{
	while (bytes.size && !dialogue->closed) {
		size_t room = sizeof dialogue->input - dialogue->input_size;
		size_t count = bytes.size < room ? bytes.size : room;
		memcpy(dialogue->input + dialogue->input_size, bytes.data, count);
		dialogue->input_size += count;
		bytes = slice_skip(bytes, count);

		struct slice input = slice_of(dialogue->input, dialogue->input_size);
		for (size_t taken = 1; taken && input.size && !dialogue->closed; input = slice_skip(input, taken))
			taken = take(dialogue, input);
		memmove(dialogue->input, input.data, input.size);
		dialogue->input_size = input.size;
	}
}

void dialogue_run_cut(struct dialogue *dialogue, const struct smtp_profile *profile, bool tls, struct slice text,
		      size_t at)
{
	dialogue_start(dialogue, profile, tls);
	dialogue_feed(dialogue, slice_first(text, at));
	dialogue_feed(dialogue, slice_skip(text, at));
}

void dialogue_run_bytes(struct dialogue *dialogue, const struct smtp_profile *profile, bool tls, struct slice text)
{
	dialogue_start(dialogue, profile, tls);
	for (size_t i = 0; i < text.size; i++)
		dialogue_feed(dialogue, slice_of(text.data + i, 1));
}

struct smtp_profile dialogue_profile(void)
{
	return (struct smtp_profile){
		.hostname = SLICE_LITERAL("mail.example.org"),
		.mechanisms = SASL_PLAIN | SASL_LOGIN,
		.starttls = true,
		.message_size_bytes = 10000,
		.recipients = 3,
		.errors = 20,
	};
}
