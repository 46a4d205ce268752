/* A server's replies, read as their bytes come; see smtp_client.h. */
#include "proto/base64.h"
#include "proto/sasl.h"
#include "proto/smtp_client.h"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Takes the next word off, without the blanks around it. */
static struct slice take_word(struct slice *text)
{
	while (text->size && text->data[0] == ' ')
		*text = slice_skip(*text, 1);
	struct slice word = slice_first(*text, slice_find(*text, ' '));
	*text = slice_skip(*text, word.size);
	return word;
}

/* --- what EHLO offers --- */

static void read_size(struct smtp_client_reply *reply, struct slice text)
{
	uint64_t size;
	if (slice_parse_number(take_word(&text), UINT64_MAX, &size))
		reply->message_size_bytes = size;
}

static void read_auth(struct smtp_client_reply *reply, struct slice text)
{
	for (struct slice word = take_word(&text); word.size; word = take_word(&text))
		reply->mechanisms |= (uint16_t)sasl_mechanism_find(word);
}

static void read_limits(struct smtp_client_reply *reply, struct slice text)
{
	static const struct slice name = { (const uint8_t *)"RCPTMAX=", 8 };
	uint64_t most;
	for (struct slice word = take_word(&text); word.size; word = take_word(&text))
		if (word.size > name.size && slice_equal_nocase(slice_first(word, name.size), name) &&
		    slice_parse_number(slice_skip(word, name.size), UINT32_MAX, &most))
			reply->recipients = (uint32_t)most;
}

struct extension {
	const char *name;
	uint16_t bit;
	void (*take)(struct smtp_client_reply *reply, struct slice text);
};

static const struct extension known_extensions[] = {
	{ "STARTTLS", SMTP_EXTENSION_STARTTLS, NULL },
	{ "AUTH", SMTP_EXTENSION_AUTH, read_auth },
	{ "PIPELINING", SMTP_EXTENSION_PIPELINING, NULL },
	{ "SIZE", SMTP_EXTENSION_SIZE, read_size },
	{ "8BITMIME", SMTP_EXTENSION_8BITMIME, NULL },
	{ "SMTPUTF8", SMTP_EXTENSION_SMTPUTF8, NULL },
	{ "CHUNKING", SMTP_EXTENSION_CHUNKING, NULL },
	{ "ENHANCEDSTATUSCODES", SMTP_EXTENSION_ENHANCEDSTATUSCODES, NULL },
	{ "LIMITS", SMTP_EXTENSION_LIMITS, read_limits },
};

static void read_extension(struct smtp_client_reply *reply, struct slice text)
{
	struct slice name = take_word(&text);
	for (size_t i = 0; i < sizeof known_extensions / sizeof known_extensions[0]; i++) {
		const struct extension *extension = &known_extensions[i];
		if (!slice_equal_nocase(name, slice_from_text(extension->name)))
			continue;
		reply->extensions |= extension->bit;
		if (extension->take)
			extension->take(reply, text);
	}
}

/* --- lines --- */

/* One number of up to three digits and the byte behind it, where that is `end` or, for a blank, the text's end. */
static bool take_number(struct slice *text, uint8_t end, uint16_t *number)
{
	uint64_t value;
	size_t size = slice_find(*text, end);
	if (size > 3 || (size == text->size && end != ' ') ||
	    !slice_parse_number(slice_first(*text, size), 999, &value))
		return false;
	*number = (uint16_t)value;
	*text = slice_skip(*text, size < text->size ? size + 1 : size);
	return true;
}

/* "5.7.8 " in front of the text; it has to agree with the code (RFC 2034 §4). */
static void take_enhanced(struct smtp_client_reply *reply, struct slice *text)
{
	struct slice rest = *text;
	uint16_t numbers[3];
	if (!take_number(&rest, '.', &numbers[0]) || !take_number(&rest, '.', &numbers[1]) ||
	    !take_number(&rest, ' ', &numbers[2]) || numbers[0] != reply->code / 100)
		return;
	reply->enhanced_class = numbers[0];
	reply->enhanced_subject = numbers[1];
	reply->enhanced_detail = numbers[2];
	*text = rest;
}

static void keep_text(struct smtp_client_reply *reply, struct slice text)
{
	size_t size = text.size < sizeof reply->text ? text.size : sizeof reply->text;
	for (size_t i = 0; i < size; i++)
		reply->text[i] = text.data[i] < ' ' || text.data[i] == 0x7f ? '?' : text.data[i];
	reply->text_size = (uint16_t)size;
}

/* A line without its end: "250-text", "250 text" or "250". */
static enum smtp_client_status read_line(struct smtp_client_reply *reply, struct slice line)
{
	uint64_t code;
	if (line.size < 3 || !is_digit(line.data[0]) || !slice_parse_number(slice_first(line, 3), 599, &code) ||
	    code < 200 || (reply->lines && code != reply->code))
		return SMTP_CLIENT_MALFORMED;
	uint8_t separator = line.size > 3 ? line.data[3] : ' ';
	if (separator != ' ' && separator != '-')
		return SMTP_CLIENT_MALFORMED;
	struct slice text = slice_skip(line, line.size > 3 ? 4 : 3);

	reply->code = (uint16_t)code;
	if (reply->lines++ == 0) {
		take_enhanced(reply, &text);
		keep_text(reply, text);
	} else if (code == 250) {
		read_extension(reply, text);
	}
	if (separator == ' ')
		return SMTP_CLIENT_REPLY;
	return reply->lines < LIMIT_CLIENT_REPLY_LINES ? SMTP_CLIENT_NEED_MORE : SMTP_CLIENT_MALFORMED;
}

/* Gathers up to an LF or the end of the input; a line's bytes past the bound are counted but not kept. */
static bool gather_line(struct smtp_client_reply *reply, struct slice *input)
{
	size_t size = slice_find(*input, '\n');
	bool ended = size < input->size;
	size_t room = sizeof reply->line - reply->line_size;
	size_t kept = size < room ? size : room;
	if (kept)
		memcpy(reply->line + reply->line_size, input->data, kept);
	reply->line_size = (uint16_t)(reply->line_size + kept);
	*input = slice_skip(*input, ended ? size + 1 : size);
	return ended;
}

enum smtp_client_status smtp_client_read(struct smtp_client_reply *reply, struct slice input, size_t *consumed)
{
	struct slice rest = input;
	enum smtp_client_status status = SMTP_CLIENT_NEED_MORE;
	if (reply->complete)
		*reply = (struct smtp_client_reply){ 0 };
	while (rest.size && status == SMTP_CLIENT_NEED_MORE) {
		if (!gather_line(reply, &rest))
			break;
		struct slice line = slice_of(reply->line, reply->line_size);
		if (line.size && line.data[line.size - 1] == '\r')
			line.size--;
		status = read_line(reply, line);
		reply->last_line_size = (uint16_t)line.size;
		reply->line_size = 0;
	}
	*consumed = input.size - rest.size;
	reply->size_bytes += (uint32_t)(*consumed < LIMIT_CLIENT_REPLY_BYTES ? *consumed : LIMIT_CLIENT_REPLY_BYTES);
	if (reply->size_bytes > LIMIT_CLIENT_REPLY_BYTES)
		status = SMTP_CLIENT_MALFORMED;
	reply->complete = status == SMTP_CLIENT_REPLY;
	return status;
}

bool smtp_client_challenge(const struct smtp_client_reply *reply, struct buffer *challenge)
{
	static const size_t words = sizeof "334 " - 1;
	if (reply->code != 334 || reply->lines != 1 || reply->last_line_size == sizeof reply->line)
		return false;
	struct slice text = slice_of(reply->line, reply->last_line_size);
	return base64_decode(challenge, slice_skip(text, text.size < words ? text.size : words)) == BASE64_OK;
}
