/* The client side of SMTP; see smtp_client.h. Replies are in smtp_client_reply.c. */
#include "proto/smtp_client.h"

#include "proto/base64.h"

/* A builder's work so far counts only as a whole. */
static bool commit(struct buffer *out, size_t start, bool overflow_before)
{
	if (out->overflow && !overflow_before) {
		out->size = start;
		return false;
	}
	return !out->overflow;
}

/* Whether a word of a command may hold these bytes: none that ends it, or the line. */
static bool is_word(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] <= ' ' || text.data[i] == 0x7f)
			return false;
	return true;
}

/* A path may have blanks and brackets, but only inside a quoted local part. */
static bool is_path(struct slice path)
{
	bool quoted = false;
	bool escaped = false;
	for (size_t i = 0; i < path.size; i++) {
		uint8_t c = path.data[i];
		if (c < ' ' || c == 0x7f || (!quoted && (c == ' ' || c == '<' || c == '>')))
			return false;
		if (escaped)
			escaped = false;
		else if (c == '\\')
			escaped = quoted;
		else if (c == '"')
			quoted = !quoted;
	}
	return !quoted;
}

bool smtp_client_command(struct buffer *out, const char *verb)
{
	size_t start = out->size;
	bool overflow = out->overflow;
	buffer_append_text(out, verb);
	buffer_append_text(out, "\r\n");
	return commit(out, start, overflow);
}

bool smtp_client_ehlo(struct buffer *out, struct slice name)
{
	size_t start = out->size;
	bool overflow = out->overflow;
	if (name.size == 0 || !is_word(name))
		return false;
	buffer_append_text(out, "EHLO ");
	buffer_append(out, name);
	buffer_append_text(out, "\r\n");
	return commit(out, start, overflow);
}

/* --- sign-in --- */

bool smtp_client_auth(struct buffer *out, const char *mechanism, const struct slice *initial)
{
	size_t start = out->size;
	bool overflow = out->overflow;
	buffer_append_text(out, "AUTH ");
	buffer_append_text(out, mechanism);
	if (initial)
		buffer_append_byte(out, ' ');
	/* An empty one is written so (RFC 4954 §4). */
	if (initial && initial->size == 0)
		buffer_append_byte(out, '=');
	else if (initial && !base64_encode(out, *initial))
		out->overflow = true;
	buffer_append_text(out, "\r\n");
	return commit(out, start, overflow);
}

bool smtp_client_response(struct buffer *out, struct slice response)
{
	size_t start = out->size;
	bool overflow = out->overflow;
	if (!base64_encode(out, response))
		out->overflow = true;
	buffer_append_text(out, "\r\n");
	return commit(out, start, overflow);
}

/* --- the transaction --- */

bool smtp_client_mail(struct buffer *out, const struct smtp_client_mail *mail)
{
	size_t start = out->size;
	bool overflow = out->overflow;
	if (!is_path(mail->reverse_path))
		return false;
	buffer_append_text(out, "MAIL FROM:<");
	buffer_append(out, mail->reverse_path);
	buffer_append_byte(out, '>');
	if (mail->size_bytes) {
		buffer_append_text(out, " SIZE=");
		buffer_append_number(out, mail->size_bytes);
	}
	if (mail->body_8bitmime)
		buffer_append_text(out, " BODY=8BITMIME");
	if (mail->smtputf8)
		buffer_append_text(out, " SMTPUTF8");
	buffer_append_text(out, "\r\n");
	return commit(out, start, overflow);
}

bool smtp_client_rcpt(struct buffer *out, struct slice forward_path)
{
	size_t start = out->size;
	bool overflow = out->overflow;
	if (forward_path.size == 0 || !is_path(forward_path))
		return false;
	buffer_append_text(out, "RCPT TO:<");
	buffer_append(out, forward_path);
	buffer_append_text(out, ">\r\n");
	return commit(out, start, overflow);
}

bool smtp_client_bdat(struct buffer *out, uint64_t size_bytes, bool last)
{
	size_t start = out->size;
	bool overflow = out->overflow;
	buffer_append_text(out, "BDAT ");
	buffer_append_number(out, size_bytes);
	buffer_append_text(out, last ? " LAST\r\n" : "\r\n");
	return commit(out, start, overflow);
}

/* --- message text --- */

enum { TEXT_LINE_START, TEXT_IN_LINE, TEXT_CR };

static uint8_t text_state_behind(struct slice text, uint8_t before)
{
	uint8_t last = text.data[text.size - 1];
	bool behind_cr = text.size > 1 ? text.data[text.size - 2] == '\r' : before == TEXT_CR;
	if (last == '\n' && behind_cr)
		return TEXT_LINE_START;
	return last == '\r' ? TEXT_CR : TEXT_IN_LINE;
}

/* How much goes as it is: to the end of this line, or of what is here. */
static size_t line_size(struct slice text)
{
	size_t size = slice_find(text, '\n');
	return size < text.size ? size + 1 : size;
}

bool smtp_client_text(struct smtp_client_text *state, struct buffer *out, struct slice text, size_t *consumed)
{
	struct slice rest = text;
	while (rest.size) {
		bool stuff = state->in_line == TEXT_LINE_START && rest.data[0] == '.';
		size_t size = line_size(rest);
		size_t room = buffer_room(out);
		if (room <= stuff)
			break;
		if (size > room - stuff)
			size = room - stuff;
		if (stuff)
			buffer_append_byte(out, '.');
		buffer_append(out, slice_first(rest, size));
		state->in_line = text_state_behind(slice_first(rest, size), state->in_line);
		rest = slice_skip(rest, size);
	}
	*consumed = text.size - rest.size;
	return rest.size == 0;
}

bool smtp_client_text_end(struct smtp_client_text *state, struct buffer *out)
{
	return buffer_append_text(out, state->in_line == TEXT_LINE_START ? ".\r\n" : "\r\n.\r\n");
}

size_t smtp_client_whole_text_size(struct slice text)
{
	size_t size = text.size;
	uint8_t state = TEXT_LINE_START;
	while (text.size) {
		size_t line = line_size(text);
		size += state == TEXT_LINE_START && text.data[0] == '.';
		state = text_state_behind(slice_first(text, line), state);
		text = slice_skip(text, line);
	}
	return size + (state == TEXT_LINE_START ? 3 : 5);
}

bool smtp_client_whole_text(struct buffer *out, struct slice text)
{
	struct smtp_client_text state = { 0 };
	size_t consumed;
	if (smtp_client_whole_text_size(text) > buffer_room(out)) {
		out->overflow = true;
		return false;
	}
	return smtp_client_text(&state, out, text, &consumed) && smtp_client_text_end(&state, out);
}
