/* Finding the From field, and reading it; see header_from.h. */
#include "proto/header_from.h"

#include "proto/address.h"

enum state {
	STATE_LINE_START,
	STATE_NAME,
	STATE_NAME_BLANK, /* obsolete white space between name and colon */
	STATE_VALUE,
	STATE_OVER,
};

/* --- the field --- */

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static void begin_value(struct header_from *from, struct buffer *value)
{
	from->begun = true;
	from->state = STATE_VALUE;
	from->wanted = from->name_size == 4 && slice_equal_nocase(slice_of(from->name, 4), SLICE_LITERAL("From"));
	if (!from->wanted)
		return;
	/* A second field makes the list longer, should somebody read it all the same. */
	if (from->fields)
		buffer_append_byte(value, ',');
	unsigned fields = from->fields + (from->broken ? 2U : 1U);
	from->fields = fields < UINT8_MAX ? (uint8_t)fields : UINT8_MAX;
}

/* A line that is no field. As the first one it is where the text begins, as whoever stores it puts an empty line before it.
 * Later it is that to some who read the message, and to others a line to pass over. */
static void take_no_field(struct header_from *from)
{
	from->broken = true;
	from->wanted = false;
	from->state = from->begun ? STATE_VALUE : STATE_OVER;
}

/* Answers whether the byte was taken. */
static bool step_line_start(struct header_from *from, uint8_t byte, struct buffer *value)
{
	if (is_blank(byte) && from->begun) {
		from->state = STATE_VALUE;
		if (from->wanted)
			buffer_append_byte(value, byte);
		return true;
	}
	bool is_name = byte > ' ' && byte < 0x7f && byte != ':';
	from->state = is_name ? STATE_NAME : STATE_OVER;
	from->name_size = 0;
	if (!is_name && byte != '\r')
		take_no_field(from);
	return false;
}

static void step_name(struct header_from *from, uint8_t byte, struct buffer *value)
{
	if (byte == ':')
		begin_value(from, value);
	else if (is_blank(byte))
		from->state = STATE_NAME_BLANK;
	else if (from->state == STATE_NAME_BLANK || byte <= ' ' || byte >= 0x7f)
		take_no_field(from);
	else if (from->name_size < sizeof from->name)
		from->name[from->name_size++] = byte;
}

/* Up to the end of its line. Answers how much that was. */
static size_t take_value(struct header_from *from, struct slice text, struct buffer *value)
{
	size_t end = slice_find(text, '\n');
	struct slice line = slice_first(text, end);
	if (end < text.size)
		from->state = STATE_LINE_START;
	/* The CR may have come with an earlier piece; a blank reads the same. */
	for (size_t i = 0; from->wanted && i < line.size; i++)
		buffer_append_byte(value, line.data[i] == '\r' ? ' ' : line.data[i]);
	return end < text.size ? end + 1 : end;
}

void header_from_take(struct header_from *from, struct slice text, struct buffer *value)
{
	while (text.size > 0 && from->state != STATE_OVER) {
		size_t taken = 1;
		if (from->state == STATE_VALUE)
			taken = take_value(from, text, value);
		else if (from->state == STATE_LINE_START)
			taken = step_line_start(from, text.data[0], value);
		else
			step_name(from, text.data[0], value);
		text = slice_skip(text, taken);
	}
}

bool header_from_is_over(const struct header_from *from)
{
	return from->state == STATE_OVER;
}

/* --- the addresses --- */

/* Behind a comment, a quoted string or a domain literal that begins here; 0: it has no end. */
static size_t behind_enclosed(struct slice text, uint8_t open, uint8_t close)
{
	size_t depth = 1;
	for (size_t at = 1; at < text.size; at++) {
		uint8_t byte = text.data[at];
		if (byte == '\\')
			at++;
		else if (byte == close && --depth == 0)
			return at + 1;
		else if (byte == open && open != close)
			depth++;
	}
	return 0;
}

/* Behind whatever encloses other text and begins here: 1 for any other byte; 0: it has no end. */
static size_t behind_token(struct slice text)
{
	switch (text.data[0]) {
	case '(':
		return behind_enclosed(text, '(', ')');
	case '"':
		return behind_enclosed(text, '"', '"');
	case '[':
		return behind_enclosed(text, '[', ']');
	default:
		return 1;
	}
}

static struct slice trim(struct slice text)
{
	while (text.size > 0 && is_blank(text.data[0]))
		text = slice_skip(text, 1);
	while (text.size > 0 && is_blank(text.data[text.size - 1]))
		text.size--;
	return text;
}

/* What of an entry of the list was found so far. */
struct entry {
	const uint8_t *from; /* of bare text; NULL: there was none */
	const uint8_t *to;
	bool has_at;        /* an @ in the bare text, in no quotes */
	struct slice angle; /* what stands in <>; data NULL: there were none */
};

static struct slice bare_text(const struct entry *entry)
{
	return slice_of(entry->from, (size_t)(entry->to - entry->from));
}

/* Takes "<…>". An obsolete route before the address is dropped: "<@a.example,@b.example:user@host.example>". */
static size_t take_angle(struct slice text, struct entry *entry)
{
	size_t at = 1;
	while (at < text.size && text.data[at] != '>') {
		size_t size = behind_token(slice_skip(text, at));
		if (size == 0)
			return 0;
		at += size;
	}
	if (at >= text.size || entry->angle.data)
		return 0;
	entry->angle = trim(slice_of(text.data + 1, at - 1));
	size_t colon = slice_find(entry->angle, ':');
	if (entry->angle.size > 0 && entry->angle.data[0] == '@' && colon < entry->angle.size)
		entry->angle = trim(slice_skip(entry->angle, colon + 1));
	/* A name is no address, unless it is in quotes: some would take it for the one that counts. */
	if (entry->has_at && !slice_equal_nocase(bare_text(entry), entry->angle))
		return 0;
	entry->from = NULL;
	entry->has_at = false;
	return at + 1;
}

static enum header_from_status end_entry(const struct entry *entry, struct slice *address)
{
	struct address parsed;
	if (entry->angle.data && entry->from)
		return HEADER_FROM_WRONG; /* text behind the > */
	*address = entry->angle;
	if (!entry->angle.data)
		*address = bare_text(entry);
	return address_parse(*address, true, &parsed) == ADDRESS_OK ? HEADER_FROM_ADDRESS : HEADER_FROM_WRONG;
}

/* Answers how much one token of the entry is; 0: it is wrong. */
static size_t take_token(struct slice text, struct entry *entry)
{
	uint8_t byte = text.data[0];
	if (byte == '<')
		return take_angle(text, entry);
	size_t size = behind_token(text);
	if (size == 0 || byte == '(' || is_blank(byte))
		return size;
	if (byte == ':') { /* what came before is a group's name, and no address */
		bool is_name = !entry->angle.data && !entry->has_at;
		*entry = (struct entry){ 0 };
		return is_name ? size : 0;
	}
	if (!entry->from)
		entry->from = text.data;
	entry->to = text.data + size;
	entry->has_at |= byte == '@';
	return size;
}

enum header_from_status header_from_next(struct slice *value, struct slice *address)
{
	struct entry entry = { 0 };
	while (value->size > 0) {
		uint8_t byte = value->data[0];
		bool ends = byte == ',' || byte == ';';
		size_t size = ends ? 1 : take_token(*value, &entry);
		if (size == 0)
			return HEADER_FROM_WRONG;
		*value = slice_skip(*value, size);
		if (ends && (entry.from || entry.angle.data))
			return end_entry(&entry, address);
	}
	return entry.from || entry.angle.data ? end_entry(&entry, address) : HEADER_FROM_END;
}
