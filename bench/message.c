/* Preparing the message and its envelope: see message.h. */
#include "bench/message.h"

#include <stdlib.h>

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "proto/smtp_client.h"

enum {
	MESSAGE_COMMAND_BYTES = LIMIT_PATH_BYTES + 64, /* room for one MAIL, RCPT, DATA or BDAT */
	MESSAGE_HEADER_BYTES = 1024,                   /* two addresses and the fixed fields below */
	MESSAGE_LINE_BYTES = 76,                       /* of text, with CRLF; as mail clients wrap */
};

static bool write_header(struct buffer *header, const struct options *options)
{
	buffer_append_format(header, "From: <%s>\r\nTo: <%s>\r\nSubject: postern-bench\r\n", options->from,
			     options->recipient);
	return buffer_append_text(header, "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
					  "Message-ID: <postern-bench@example.org>\r\n\r\n");
}

/* Lines of text up to exactly `size` bytes more; the last one ends with CRLF too, where there is room for it. */
static void write_lines(struct buffer *out, size_t size)
{
	static const struct slice alphabet =
		SLICE_LITERAL("The quick brown fox jumps over the lazy dog, and the door stays shut. ");
	size_t end = out->size + size, column = 0;
	for (size_t letter = 0; out->size < end;) {
		bool full = column + 2 >= MESSAGE_LINE_BYTES || end - out->size == 2;
		if (full && end - out->size >= 2) {
			buffer_append_text(out, "\r\n");
			column = 0;
		} else {
			buffer_append_byte(out, alphabet.data[letter++ % alphabet.size]);
			column++;
		}
	}
}

/* Exactly `size` bytes; a message that is smaller than the header is a part of it. */
static bool write_text(struct buffer *out, size_t size, const struct options *options)
{
	uint8_t storage[MESSAGE_HEADER_BYTES];
	struct buffer header;
	buffer_init(&header, storage, sizeof storage);
	if (!write_header(&header, options))
		return false;
	struct slice fields = slice_first(buffer_slice(&header), header.size < size ? header.size : size);
	buffer_append(out, fields);
	write_lines(out, size - fields.size);
	return !out->overflow;
}

/* local@domain for the first, then local+2@domain, … */
static bool write_rcpt(struct buffer *out, const char *first, uint32_t number)
{
	uint8_t storage[MESSAGE_COMMAND_BYTES];
	struct buffer path;
	buffer_init(&path, storage, sizeof storage);
	struct slice whole = slice_from_text(first);
	size_t at = slice_find(whole, '@');
	buffer_append(&path, slice_first(whole, at));
	if (number > 1)
		buffer_append_format(&path, "+%u", number);
	buffer_append(&path, slice_skip(whole, at));
	return !path.overflow && path.size <= LIMIT_PATH_BYTES && smtp_client_rcpt(out, buffer_slice(&path));
}

static bool write_mail(struct buffer *out, const struct options *options)
{
	struct smtp_client_mail mail = { .reverse_path = slice_from_text(options->from) };
	return mail.reverse_path.size <= LIMIT_PATH_BYTES && smtp_client_mail(out, &mail);
}

/* What was appended behind `start`. */
static struct slice since(const struct buffer *buffer, size_t start)
{
	return slice_skip(buffer_slice(buffer), start);
}

static bool write_envelope(struct message *message, struct buffer *out, const struct options *options)
{
	size_t start = out->size;
	if (!write_mail(out, options))
		return false;
	message->mail = since(out, start);
	size_t mail_end = out->size;
	for (uint32_t i = 1; i <= message->recipients; i++) {
		if (!write_rcpt(out, options->recipient, i))
			return false;
	}
	message->rcpts = since(out, mail_end);
	message->envelope = since(out, start);
	return true;
}

/* One behind the other: the text as it is, the chunk, envelope and DATA, the stuffed text. */
static bool write_all(struct message *message, struct buffer *out, const struct options *options)
{
	if (!write_text(out, message->size_bytes, options))
		return false;
	struct slice text = buffer_slice(out);
	size_t start = out->size;
	if (!write_envelope(message, out, options) || !smtp_client_bdat(out, text.size, true) ||
	    !buffer_append(out, text))
		return false;
	message->chunk = since(out, start);
	start = out->size;
	if (!write_envelope(message, out, options) || !smtp_client_command(out, "DATA"))
		return false;
	message->envelope = since(out, start);
	start = out->size;
	if (!smtp_client_whole_text(out, text))
		return false;
	message->text = since(out, start);
	return true;
}

bool message_init(struct message *message, const struct options *options, struct error *error)
{
	*message = (struct message){ .recipients = (uint32_t)options->recipients, .size_bytes = options->size_bytes };
	/* The message three times, once stuffed (at most a dot a line), and two envelopes. */
	size_t capacity = 4 * options->size_bytes + 2 * (options->recipients + 4) * MESSAGE_COMMAND_BYTES;
	message->storage = malloc(capacity);
	if (!message->storage)
		return error_set(error, "out of memory");
	struct buffer out;
	buffer_init(&out, message->storage, capacity);
	return write_all(message, &out, options) ||
	       error_set(error, "--from or --rcpt is not an address that can be sent");
}

void message_finish(struct message *message)
{
	free(message->storage);
	*message = (struct message){ 0 };
}
