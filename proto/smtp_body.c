/* Message text as it comes in; see smtp_body.h.
 *
 * Most of a message needs no thought and goes by in stretches (smtp_body_scan.h); only what a stretch stops at, a dot at the
 * start of a line or a byte that may not be there, is stepped over one by one. What is kept is accounted for: its size,
 * the length of its lines, and in front of the first empty line its header fields.
 *
 * Bare LF that is normalised becomes CRLF in the text, and that is all: the line after it does not start where a dot is
 * special, so it neither ends the message nor loses a dot. A program that sends bare LF doesn't know lines, so it has not
 * stuffed them. */
#include "proto/smtp_body.h"

#include "core/base/limits.h"
#include "proto/smtp_body_scan.h"

enum body_state {
	BODY_LINE_START, /* behind CRLF, or at the very start */
	BODY_TEXT,
	BODY_CR,
	BODY_DOT,    /* a dot at the start of a line, not kept yet */
	BODY_DOT_CR, /* and CR behind it, not kept either */
	BODY_END,
};

enum header_state {
	HEADER_FIRST_LINE, /* at the very start */
	HEADER_LINE_START,
	HEADER_NAME,
	HEADER_NAME_BLANK, /* obsolete white space between name and colon (RFC 5322 §4.5) */
	HEADER_VALUE,
	HEADER_EMPTY_LINE, /* CR at a line's start */
	HEADER_OVER,
};

/* So short a stretch can't hide a line that is too long: it would have to reach over its start or its end. */
enum { STRETCH_BYTES = 64 * 1024 };
_Static_assert((int)STRETCH_BYTES < (int)LIMIT_BODY_LINE_BYTES, "a stretch is shorter than the longest line");

/* Where kept text goes. */
struct text_writer {
	uint8_t *text;
	size_t size;
};

static void set_fault(struct smtp_body *body, enum smtp_body_fault fault)
{
	if (body->fault == BODY_FINE)
		body->fault = fault;
}

/* --- header fields --- */

static void note_field(struct smtp_body *body, struct slice name)
{
	switch (name.size) {
	case 4:
		if (slice_equal_nocase(name, SLICE_LITERAL("Date")))
			body->fields |= BODY_HAS_DATE;
		else if (slice_equal_nocase(name, SLICE_LITERAL("From")))
			body->fields |= BODY_HAS_FROM;
		break;
	case 8:
		if (slice_equal_nocase(name, SLICE_LITERAL("Received")) && ++body->hops > LIMIT_HOPS)
			set_fault(body, BODY_LOOP);
		break;
	case 10:
		if (slice_equal_nocase(name, SLICE_LITERAL("Message-ID")))
			body->fields |= BODY_HAS_MESSAGE_ID;
		break;
	}
}

static void end_header(struct smtp_body *body)
{
	body->header = HEADER_OVER;
	body->line_size = 0;
}

/* A line that is no field: the body starts with it, as most software reads such a message. */
static void end_header_early(struct smtp_body *body, bool first_line)
{
	body->header = HEADER_OVER;
	if (first_line)
		body->fields |= BODY_NO_HEADER;
}

/* Whether the line's field is the first thing in the message: nothing before it was counted. */
static bool on_first_line(const struct smtp_body *body)
{
	return body->header_size == body->line_size;
}

/* What may be in a field's name (RFC 5322 §3.6.8). */
static bool is_name_byte(uint8_t byte)
{
	return byte > ' ' && byte < 0x7f && byte != ':';
}

static void step_line_start(struct smtp_body *body, uint8_t byte)
{
	if (byte == '\r')
		body->header = HEADER_EMPTY_LINE;
	else if ((byte == ' ' || byte == '\t') && body->header == HEADER_LINE_START)
		body->header = HEADER_VALUE;
	else
		end_header_early(body, body->header == HEADER_FIRST_LINE);
}

static void step_name(struct smtp_body *body, uint8_t byte)
{
	if (byte == ':') {
		body->header = HEADER_VALUE;
		note_field(body, slice_of(body->name, body->name_size));
	} else if (byte == ' ' || byte == '\t') {
		body->header = HEADER_NAME_BLANK;
	} else {
		end_header_early(body, on_first_line(body));
	}
}

/* One byte that is neither of a name nor of a value. */
static void step_header(struct smtp_body *body, uint8_t byte)
{
	body->header_size++;
	body->line_size++;
	if (body->header == HEADER_FIRST_LINE || body->header == HEADER_LINE_START)
		step_line_start(body, byte);
	else if (body->header == HEADER_NAME || body->header == HEADER_NAME_BLANK)
		step_name(body, byte);
	else if (body->header == HEADER_EMPTY_LINE)
		end_header(body);
}

/* The part of a field's name that is there. Answers how much that was. */
static size_t take_name(struct smtp_body *body, struct slice text)
{
	size_t size = 0;
	while (size < text.size && is_name_byte(text.data[size]))
		size++;
	size_t kept = sizeof body->name - body->name_size;
	if (kept > size)
		kept = size;
	memcpy(body->name + body->name_size, text.data, kept);
	body->name_size += (uint8_t)kept;
	body->header_size += (uint32_t)size;
	body->line_size += (uint32_t)size;
	return size;
}

/* A field's text up to the end of its line, which is not looked at. Answers how much that was. */
static size_t take_value(struct smtp_body *body, struct slice text)
{
	size_t size = slice_find(text, '\n');
	bool ends = size < text.size;
	size += ends;
	body->header_size += (uint32_t)size;
	body->line_size += (uint32_t)size;
	if (body->line_size > LIMIT_TEXT_LINE_BYTES)
		set_fault(body, BODY_LINE_TOO_LONG);
	if (ends) {
		body->header = HEADER_LINE_START;
		body->line_size = 0;
	}
	return size;
}

/* A field's first line that is here as a whole, as most are: what the steps below do with it, in one go. Answers its size, or 0
 * where it takes steps. */
static size_t take_line(struct smtp_body *body, struct slice text)
{
	size_t name_size = 0;
	while (name_size < text.size && is_name_byte(text.data[name_size]))
		name_size++;
	struct slice rest = slice_skip(text, name_size);
	if (name_size == 0 || rest.size == 0 || rest.data[0] != ':')
		return 0;
	size_t rest_size = slice_find(rest, '\n');
	if (rest_size == rest.size)
		return 0;
	size_t size = name_size + rest_size + 1;
	note_field(body, slice_first(text, name_size));
	if (size > LIMIT_TEXT_LINE_BYTES)
		set_fault(body, BODY_LINE_TOO_LONG);
	body->header_size += (uint32_t)size;
	body->header = HEADER_LINE_START;
	return size;
}

/* Answers what of the text is behind the header. */
static struct slice account_header(struct smtp_body *body, struct slice text)
{
	while (text.size && body->header != HEADER_OVER) {
		size_t size = 0;
		bool starts = body->header == HEADER_FIRST_LINE || body->header == HEADER_LINE_START;
		if (starts)
			size = take_line(body, text);
		if (size == 0 && starts && is_name_byte(text.data[0])) {
			body->header = HEADER_NAME;
			body->name_size = 0;
		}
		if (size == 0 && body->header == HEADER_VALUE)
			size = take_value(body, text);
		else if (size == 0 && body->header == HEADER_NAME)
			size = take_name(body, text);
		if (size == 0) {
			step_header(body, text.data[0]);
			size = 1;
		}
		text = slice_skip(text, size);
		if (body->header_size > LIMIT_HEADER_BYTES)
			set_fault(body, BODY_HEADER_TOO_LONG);
	}
	return text;
}

/* --- what is kept --- */

static void account_lines(struct smtp_body *body, struct slice text)
{
	const uint8_t *last = memrchr(text.data, '\n', text.size);
	if (body->line_size + text.size > LIMIT_BODY_LINE_BYTES) {
		size_t first = slice_find(text, '\n');
		if (body->line_size + first + (last != NULL) > LIMIT_BODY_LINE_BYTES)
			set_fault(body, BODY_LINE_TOO_LONG);
	}
	body->line_size = last ? (uint32_t)(text.data + text.size - last - 1) : body->line_size + (uint32_t)text.size;
}

static void keep(struct smtp_body *body, const struct smtp_body_rules *rules, struct text_writer *writer,
		 struct slice text)
{
	if (body->fault != BODY_FINE)
		return;
	uint8_t *to = writer->text + writer->size;
	if (to != text.data)
		memmove(to, text.data, text.size);
	writer->size += text.size;
	body->size += text.size;

	struct slice kept = slice_of(to, text.size);
	if (body->header != HEADER_OVER)
		kept = account_header(body, kept);
	if (kept.size)
		account_lines(body, kept);
	if (rules->most_bytes && body->size > rules->most_bytes)
		set_fault(body, BODY_TOO_LARGE);
}

/* --- bytes --- */

static uint8_t byte_before(const struct smtp_body *body)
{
	return body->state == BODY_LINE_START ? '\n' : body->state == BODY_CR ? '\r' : 'x';
}

static uint8_t state_behind(uint8_t byte)
{
	return byte == '\n' ? BODY_LINE_START : byte == '\r' ? BODY_CR : BODY_TEXT;
}

/* A byte that no stretch takes, in a state with nothing held back. */
static void step_odd(struct smtp_body *body, const struct smtp_body_rules *rules, struct text_writer *writer,
		     uint8_t byte)
{
	if (body->state == BODY_LINE_START && byte == '.' && rules->dots) {
		body->state = BODY_DOT;
		return;
	}
	if (body->state == BODY_CR && byte != '\n')
		set_fault(body, BODY_BARE_CR);
	if (byte == 0)
		set_fault(body, BODY_NUL);
	if (byte == '\n' && body->state != BODY_CR) {
		body->state = BODY_TEXT;
		if (rules->bare_lf_normalised)
			keep(body, rules, writer, SLICE_LITERAL("\r\n"));
		else
			set_fault(body, BODY_BARE_LF);
		return;
	}
	body->state = state_behind(byte);
	keep(body, rules, writer, slice_of(&byte, 1));
}

static void step(struct smtp_body *body, const struct smtp_body_rules *rules, struct text_writer *writer, uint8_t byte)
{
	if (body->state == BODY_DOT && byte == '\r') {
		body->state = BODY_DOT_CR;
	} else if (body->state == BODY_DOT_CR && byte == '\n') {
		body->state = BODY_END;
	} else if (body->state == BODY_DOT_CR) {
		body->state = BODY_CR;
		step_odd(body, rules, writer, byte);
	} else {
		if (body->state == BODY_DOT)
			body->state = BODY_TEXT; /* the dot was stuffing */
		step_odd(body, rules, writer, byte);
	}
}

/* Takes what can go by in one piece. */
static size_t take_stretch(struct smtp_body *body, const struct smtp_body_rules *rules, struct text_writer *writer,
			   struct slice rest)
{
	if (body->state > BODY_CR)
		return 0;
	if (rest.size > STRETCH_BYTES)
		rest.size = STRETCH_BYTES;
	size_t clean = smtp_body_scan(rest, byte_before(body), rules->dots);
	if (clean) {
		body->state = state_behind(rest.data[clean - 1]);
		keep(body, rules, writer, slice_first(rest, clean));
	}
	return clean;
}

bool smtp_body_take(struct smtp_body *body, const struct smtp_body_rules *rules, uint8_t *bytes, size_t size,
		    uint8_t *text, size_t *kept, size_t *consumed)
{
	ASSERT(body->state != BODY_END);
	struct text_writer writer = { text, 0 };
	struct slice rest = slice_of(bytes, size);
	while (rest.size && body->state != BODY_END) {
		size_t clean = take_stretch(body, rules, &writer, rest);
		if (clean == 0) {
			step(body, rules, &writer, rest.data[0]);
			clean = 1;
		}
		rest = slice_skip(rest, clean);
	}
	*kept = writer.size;
	*consumed = size - rest.size;
	return body->state == BODY_END;
}

void smtp_body_finish(struct smtp_body *body)
{
	if (body->state == BODY_CR)
		set_fault(body, BODY_BARE_CR);
}
