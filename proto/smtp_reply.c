/* The one table of replies; see smtp_reply.h. */
#include "proto/smtp_reply.h"

#include "core/base/limits.h"

struct reply_row {
	uint16_t code;
	const char *enhanced; /* "" where RFC 2034 §4 wants none: greeting, HELO, EHLO, 3xx */
	const char *text;     /* "%" stands for the detail */
};

static const struct reply_row rows[SMTP_STATUS_COUNT] = {
	[SMTP_OK] = { 250, "2.0.0", "OK" },
	[SMTP_SENDER_OK] = { 250, "2.1.0", "Sender OK" },
	[SMTP_RECIPIENT_OK] = { 250, "2.1.5", "Recipient OK" },
	[SMTP_QUEUED] = { 250, "2.0.0", "OK, queued as %" },
	[SMTP_SIGN_IN_OK] = { 235, "2.7.0", "Signed in" },
	[SMTP_SIGN_IN_WRONG] = { 535, "5.7.8", "User name or password is wrong" },
	[SMTP_SIGN_IN_UNAVAILABLE] = { 454, "4.7.0", "Temporary authentication failure, try again later" },
	[SMTP_SIGN_IN_REQUIRED] = { 530, "5.7.0", "Sign in first" },
	[SMTP_RELAY_DENIED] = { 550, "5.7.1", "Unable to relay" },
	[SMTP_MAILBOX_UNKNOWN] = { 550, "5.1.1", "No such mailbox here" },
	[SMTP_STORAGE_FULL] = { 452, "4.3.1", "No space for mail now, try again later" },
	[SMTP_STORAGE_ERROR] = { 451, "4.3.0", "The message could not be stored, try again later" },
	[SMTP_MEMORY_SHORT] = { 451, "4.3.0", "No memory for it now, try again later" },
	[SMTP_SHUTDOWN] = { 421, "4.3.2", "The server is shutting down, try again later" },
	[SMTP_TOO_MANY_CONNECTIONS] = { 421, "4.7.0", "Too many connections, try again later" },
	[SMTP_TIME_OUT] = { 421, "4.4.2", "Timed out, closing" },
	[SMTP_TOO_SLOW] = { 421, "4.4.2", "The message comes in too slowly, closing" },
	[SMTP_TLS_UNAVAILABLE] = { 454, "4.7.0", "TLS is not available now" },

	[SMTP_GREETING] = { 220, "", "% ESMTP Postern" },
	[SMTP_HELLO] = { 250, "", "%" },
	[SMTP_CLOSING] = { 221, "2.0.0", "Goodbye" },
	[SMTP_READY_FOR_TLS] = { 220, "2.0.0", "Start TLS now" },
	[SMTP_HELP] = { 214, "2.0.0", "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT: see RFC 5321 and 6409" },
	[SMTP_CANNOT_VERIFY] = { 252, "2.5.0", "Addresses are not verified, send the message and see" },
	[SMTP_START_MAIL_INPUT] = { 354, "", "Send the message, end it with <CRLF>.<CRLF>" },
	[SMTP_CHUNK_OK] = { 250, "2.0.0", "% bytes received" },
	[SMTP_SIGN_IN_CANCELLED] = { 501, "5.0.0", "Sign-in cancelled" },
	[SMTP_SIGN_IN_BAD_ENCODING] = { 501, "5.5.2", "That is not base64" },
	[SMTP_SIGN_IN_MALFORMED] = { 501, "5.5.2", "That is not what the mechanism expects" },
	[SMTP_SIGN_IN_TOO_LONG] = { 500, "5.5.6", "Authentication exchange line is too long" },
	[SMTP_SIGN_IN_NEEDS_TLS] = { 538, "5.7.11", "This mechanism is possible inside TLS only" },
	[SMTP_SIGN_IN_DONE] = { 503, "5.5.1", "Signed in already" },
	[SMTP_MECHANISM_UNKNOWN] = { 504, "5.5.4", "This mechanism is not offered" },
	[SMTP_NEEDS_TLS] = { 530, "5.7.0", "Start TLS and sign in first" },
	[SMTP_TLS_RUNS] = { 503, "5.5.1", "TLS runs already" },
	[SMTP_UNKNOWN_COMMAND] = { 500, "5.5.1", "No such command" },
	[SMTP_NOT_IMPLEMENTED] = { 502, "5.5.1", "This command is not offered" },
	[SMTP_MALFORMED_LINE] = { 500, "5.5.2", "A line ends with CRLF and holds no CR, LF or NUL" },
	[SMTP_LINE_TOO_LONG] = { 500, "5.5.2", "Line too long" },
	[SMTP_NO_ARGUMENT_ALLOWED] = { 501, "5.5.4", "This command takes no argument" },
	[SMTP_ARGUMENT_MISSING] = { 501, "5.5.4", "This command needs an argument" },
	[SMTP_BAD_ARGUMENT] = { 501, "5.5.4", "The argument is wrong" },
	[SMTP_BAD_PARAMETER] = { 501, "5.5.4", "A parameter is wrong" },
	[SMTP_PARAMETER_TWICE] = { 501, "5.5.4", "A parameter is given twice" },
	[SMTP_UNKNOWN_PARAMETER] = { 555, "5.5.4", "A parameter is not known here" },
	[SMTP_BAD_SENDER] = { 501, "5.1.7", "The sender address is wrong" },
	[SMTP_BAD_RECIPIENT] = { 501, "5.1.3", "The recipient address is wrong" },
	[SMTP_SENDER_TOO_LONG] = { 501, "5.1.7", "The sender address is too long" },
	[SMTP_RECIPIENT_TOO_LONG] = { 501, "5.1.3", "The recipient address is too long" },
	[SMTP_ADDRESS_NEEDS_SMTPUTF8] = { 553, "5.6.7", "An address beyond ASCII needs SMTPUTF8 with MAIL" },
	[SMTP_NEEDS_GREETING] = { 503, "5.5.1", "Say EHLO first" },
	[SMTP_NEEDS_EHLO] = { 503, "5.5.1", "This needs EHLO, not HELO" },
	[SMTP_NEEDS_SENDER] = { 503, "5.5.1", "MAIL comes first" },
	[SMTP_NEEDS_RECIPIENT] = { 503, "5.5.1", "RCPT comes first, and one recipient must be accepted" },
	[SMTP_IN_TRANSACTION] = { 503, "5.5.1", "Not inside a mail transaction" },
	[SMTP_IN_CHUNKS] = { 503, "5.5.1", "BDAT has begun: only BDAT or RSET may follow" },
	[SMTP_CHUNK_FAILED_BEFORE] = { 503, "5.5.1", "A BDAT before this one was refused: RSET comes first" },
	[SMTP_TOO_MANY_RECIPIENTS] = { 452, "4.5.3", "Too many recipients" },
	[SMTP_MESSAGE_TOO_LARGE] = { 552, "5.3.4", "The message is too large" },
	[SMTP_BARE_CR] = { 554, "5.6.0", "The message has a CR without LF" },
	[SMTP_BARE_LF] = { 554, "5.6.0", "The message has an LF without CR" },
	[SMTP_NUL] = { 554, "5.6.0", "The message has a NUL byte" },
	[SMTP_TEXT_LINE_TOO_LONG] = { 554, "5.6.0", "The message has a line that is too long" },
	[SMTP_HEADER_TOO_LONG] = { 554, "5.6.0", "The message's header is too long" },
	[SMTP_MAIL_LOOP] = { 554, "5.4.6", "The message has passed too many servers: a loop" },
	[SMTP_CHUNK_SIZE_UNKNOWN] = { 421, "4.5.0", "Where the next command starts can't be known, closing" },
	[SMTP_TOO_MANY_ERRORS] = { 421, "4.7.0", "Too many errors, closing" },
	[SMTP_TOO_MANY_SIGN_INS] = { 421, "4.7.0", "Too many failed sign-ins, closing" },
	[SMTP_FOREIGN_PROTOCOL] = { 421, "4.7.0", "This is a mail server, closing" },
};

static void write_detail(struct buffer *out, struct slice detail)
{
	if (detail.size > LIMIT_REPLY_DETAIL_BYTES)
		detail = slice_first(detail, LIMIT_REPLY_DETAIL_BYTES);
	for (size_t i = 0; i < detail.size; i++) {
		uint8_t c = detail.data[i];
		buffer_append_byte(out, c >= ' ' && c <= '~' ? c : '?');
	}
}

void smtp_reply_write(struct buffer *out, enum smtp_status status, struct slice detail)
{
	ASSERT(status < SMTP_STATUS_COUNT);
	const struct reply_row *row = &rows[status];
	buffer_append_number(out, row->code);
	buffer_append_byte(out, ' ');
	if (row->enhanced[0]) {
		buffer_append_text(out, row->enhanced);
		buffer_append_byte(out, ' ');
	}
	struct slice text = slice_from_text(row->text);
	size_t at = slice_find(text, '%');
	buffer_append(out, slice_first(text, at));
	if (at < text.size) {
		write_detail(out, detail);
		buffer_append(out, slice_skip(text, at + 1));
	}
	buffer_append_text(out, "\r\n");
}

unsigned smtp_reply_code(enum smtp_status status)
{
	ASSERT(status < SMTP_STATUS_COUNT);
	return rows[status].code;
}
