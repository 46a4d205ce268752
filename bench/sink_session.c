/* The sink's view of SMTP: see sink_session.h. One table of verbs; whatever is not in it is answered with yes. */
#include "bench/sink_session.h"

/* Far above any message that a load sends. */
enum { SINK_CHUNK_MOST_BYTES = 1 << 30 };

/* How much of CRLF.CRLF has been seen. Message text begins as if a line had just ended. */
enum { MARK_NONE, MARK_CR, MARK_LINE_START, MARK_DOT, MARK_DOT_CR };

struct sink_verb {
	struct slice name;
	struct slice reply;
	enum sink_action action;
	enum sink_action (*then)(struct sink_session *session, struct buffer *out);
};

static enum sink_action answer_ehlo(struct sink_session *session, struct buffer *out)
{
	buffer_append_text(out, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n");
	if (session->starttls)
		buffer_append_text(out, "250-STARTTLS\r\n");
	buffer_append_text(out, "250 AUTH PLAIN LOGIN\r\n");
	return SINK_CONTINUE;
}

static enum sink_action begin_text(struct sink_session *session, struct buffer *out)
{
	(void)out;
	session->state = SINK_TEXT;
	session->mark = MARK_LINE_START;
	return SINK_CONTINUE;
}

static struct slice kept_line(const struct sink_session *session)
{
	return slice_of(session->line, session->line_size);
}

/* Takes one word off the line, and the blank behind it. */
static struct slice take_word(struct slice *line)
{
	struct slice word = slice_first(*line, slice_find(*line, ' '));
	*line = slice_skip(*line, word.size < line->size ? word.size + 1 : word.size);
	return word;
}

/* With an initial response the sign-in is done (PLAIN) or half done (LOGIN). */
static enum sink_action begin_auth(struct sink_session *session, struct buffer *out)
{
	struct slice line = kept_line(session);
	take_word(&line);
	bool login = slice_equal_nocase(take_word(&line), SLICE_LITERAL("LOGIN"));
	bool initial = line.size > 0;
	if (initial && !login) {
		buffer_append_text(out, "235 2.7.0 ok\r\n");
		return SINK_CONTINUE;
	}
	buffer_append_text(out, !login ? "334 \r\n" : initial ? "334 UGFzc3dvcmQ6\r\n" : "334 VXNlcm5hbWU6\r\n");
	session->state = login && !initial ? SINK_AUTH_NAME : SINK_AUTH_PASSWORD;
	return SINK_CONTINUE;
}

static enum sink_action begin_chunk(struct sink_session *session, struct buffer *out)
{
	struct slice line = kept_line(session);
	take_word(&line);
	if (!slice_parse_number(take_word(&line), SINK_CHUNK_MOST_BYTES, &session->chunk_left)) {
		buffer_append_text(out, "501 5.5.4 size\r\n");
		return SINK_CONTINUE;
	}
	if (session->chunk_left)
		session->state = SINK_CHUNK;
	else
		buffer_append_text(out, "250 2.0.0 ok\r\n");
	return SINK_CONTINUE;
}

/* Offered once, on a connection that is plain and has a certificate. */
static enum sink_action begin_tls(struct sink_session *session, struct buffer *out)
{
	bool offered = session->starttls;
	session->starttls = false;
	buffer_append_text(out, offered ? "220 2.0.0 go on\r\n" : "502 5.5.1 no\r\n");
	return offered ? SINK_START_TLS : SINK_CONTINUE;
}

static const struct sink_verb verbs[] = {
	{ SLICE_LITERAL("MAIL"), SLICE_LITERAL("250 2.1.0 ok\r\n"), SINK_CONTINUE, NULL },
	{ SLICE_LITERAL("RCPT"), SLICE_LITERAL("250 2.1.5 ok\r\n"), SINK_CONTINUE, NULL },
	{ SLICE_LITERAL("BDAT"), { NULL, 0 }, SINK_CONTINUE, begin_chunk },
	{ SLICE_LITERAL("DATA"), SLICE_LITERAL("354 go on\r\n"), SINK_CONTINUE, begin_text },
	{ SLICE_LITERAL("EHLO"), { NULL, 0 }, SINK_CONTINUE, answer_ehlo },
	{ SLICE_LITERAL("AUTH"), { NULL, 0 }, SINK_CONTINUE, begin_auth },
	{ SLICE_LITERAL("QUIT"), SLICE_LITERAL("221 2.0.0 bye\r\n"), SINK_CLOSE, NULL },
	{ SLICE_LITERAL("STARTTLS"), { NULL, 0 }, SINK_CONTINUE, begin_tls },
};

static enum sink_action run_command(struct sink_session *session, struct buffer *out)
{
	struct slice line = kept_line(session);
	struct slice name = take_word(&line);
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		const struct sink_verb *verb = &verbs[i];
		if (!slice_equal_nocase(verb->name, name))
			continue;
		buffer_append(out, verb->reply);
		return verb->then ? verb->then(session, out) : verb->action;
	}
	buffer_append_text(out, "250 2.0.0 ok\r\n");
	return SINK_CONTINUE;
}

static enum sink_action run_line(struct sink_session *session, struct buffer *out)
{
	enum sink_action action = SINK_CONTINUE;
	if (session->state == SINK_AUTH_NAME) {
		buffer_append_text(out, "334 UGFzc3dvcmQ6\r\n");
		session->state = SINK_AUTH_PASSWORD;
	} else if (session->state == SINK_AUTH_PASSWORD) {
		buffer_append_text(out, "235 2.7.0 ok\r\n");
		session->state = SINK_COMMAND;
	} else {
		action = run_command(session, out);
	}
	session->line_size = 0;
	return action;
}

/* Keeps the beginning of the line that is coming in, without its CRLF. */
static void keep(struct sink_session *session, struct slice part)
{
	size_t room = SINK_LINE_BYTES - session->line_size;
	size_t size = part.size < room ? part.size : room;
	if (size)
		memcpy(session->line + session->line_size, part.data, size);
	session->line_size += (uint8_t)size;
}

static enum sink_action take_line(struct sink_session *session, struct slice *input, struct buffer *out)
{
	size_t end = slice_find(*input, '\n');
	keep(session, slice_first(*input, end));
	if (end == input->size) {
		*input = slice_skip(*input, end);
		return SINK_CONTINUE;
	}
	*input = slice_skip(*input, end + 1);
	if (session->line_size && session->line[session->line_size - 1] == '\r')
		session->line_size--;
	return run_line(session, out);
}

static uint8_t next_mark(uint8_t mark, uint8_t byte)
{
	if (byte == '\r')
		return mark == MARK_DOT ? MARK_DOT_CR : MARK_CR;
	if (byte == '\n' && mark == MARK_CR)
		return MARK_LINE_START;
	return byte == '.' && mark == MARK_LINE_START ? MARK_DOT : MARK_NONE;
}

/* Jumps from CR to CR; between a CR and what ends its meaning goes byte by byte. */
static void take_text(struct sink_session *session, struct slice *input, struct buffer *out)
{
	while (input->size) {
		if (session->mark == MARK_NONE) {
			*input = slice_skip(*input, slice_find(*input, '\r'));
			if (input->size == 0)
				return;
		}
		uint8_t byte = input->data[0];
		*input = slice_skip(*input, 1);
		if (session->mark == MARK_DOT_CR && byte == '\n') {
			session->state = SINK_COMMAND;
			buffer_append_text(out, "250 2.0.0 ok\r\n");
			return;
		}
		session->mark = next_mark(session->mark, byte);
	}
}

static void take_chunk(struct sink_session *session, struct slice *input, struct buffer *out)
{
	uint64_t size = input->size < session->chunk_left ? input->size : session->chunk_left;
	*input = slice_skip(*input, size);
	session->chunk_left -= size;
	if (session->chunk_left)
		return;
	session->state = SINK_COMMAND;
	buffer_append_text(out, "250 2.0.0 ok\r\n");
}

void sink_session_start(struct sink_session *session, bool starttls, struct buffer *out)
{
	*session = (struct sink_session){ .starttls = starttls, .greeted = true };
	buffer_append_text(out, "220 sink ESMTP\r\n");
}

enum sink_action sink_session_feed(struct sink_session *session, struct slice *input, struct buffer *out)
{
	enum sink_action action = SINK_CONTINUE;
	while (input->size && action == SINK_CONTINUE) {
		if (buffer_room(out) < SINK_REPLY_BYTES)
			return SINK_FULL;
		if (session->state == SINK_TEXT)
			take_text(session, input, out);
		else if (session->state == SINK_CHUNK)
			take_chunk(session, input, out);
		else
			action = take_line(session, input, out);
	}
	return action;
}
