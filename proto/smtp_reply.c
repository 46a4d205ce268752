/* The one table of replies; see smtp_reply.h. */
#include "proto/smtp_reply.h"

#include "core/base/limits.h"

struct reply_row {
	uint16_t code;
	bool has_detail;
	struct slice line; /* up to the detail */
	struct slice rest; /* behind it */
};

/* The enhanced status is "" where RFC 2034 §4 wants none: greeting, HELO, EHLO, 3xx; else a blank stands behind it. The
 * compiler puts each line together, so that writing one is a copy. */
#define REPLY(code, enhanced, text)                                                                                    \
	{                                                                                                              \
		(code), false, LITERAL(#code " " enhanced text "\r\n"),                                                \
		{                                                                                                      \
			NULL, 0                                                                                        \
		}                                                                                                      \
	}
#define AROUND(code, enhanced, before, behind)                                                                         \
	{                                                                                                              \
		(code), true, LITERAL(#code " " enhanced before), LITERAL(behind "\r\n")                               \
	}
#define LITERAL(text)                                                                                                  \
	{                                                                                                              \
		(const uint8_t *)(text), sizeof(text) - 1                                                              \
	}

static const struct reply_row rows[SMTP_STATUS_COUNT] = {
	[SMTP_OK] = REPLY(250, "2.0.0 ", "OK"),
	[SMTP_SENDER_OK] = REPLY(250, "2.1.0 ", "Sender OK"),
	[SMTP_RECIPIENT_OK] = REPLY(250, "2.1.5 ", "Recipient OK"),
	[SMTP_QUEUED] = AROUND(250, "2.0.0 ", "OK, queued as ", ""),
	[SMTP_SIGN_IN_OK] = REPLY(235, "2.7.0 ", "Signed in"),
	[SMTP_SIGN_IN_WRONG] = REPLY(535, "5.7.8 ", "User name or password is wrong"),
	[SMTP_SIGN_IN_UNAVAILABLE] = REPLY(454, "4.7.0 ", "Temporary authentication failure, try again later"),
	[SMTP_SIGN_IN_BANNED] =
		AROUND(421, "4.7.0 ", "Signing in from your network is refused for now, try again later ", ""),
	[SMTP_SIGN_IN_REQUIRED] = REPLY(530, "5.7.0 ", "Sign in first"),
	[SMTP_FROM_NOT_OWN] =
		AROUND(550, "5.7.1 ", "The From field names an address that your login may not send as ", ""),
	[SMTP_QUOTA_USED] = AROUND(451, "4.7.1 ", "You have sent as much as you may for now, try again later ", ""),
	[SMTP_SENDER_NOT_OWN] = AROUND(550, "5.7.1 ", "Your login may not send as that address ", ""),
	[SMTP_MAILBOX_UNKNOWN] = AROUND(550, "5.1.1 ", "No such mailbox here ", ""),
	[SMTP_STORAGE_FULL] = REPLY(452, "4.3.1 ", "No space for mail now, try again later"),
	[SMTP_STORAGE_ERROR] = REPLY(451, "4.3.0 ", "The message could not be stored, try again later"),
	[SMTP_MEMORY_SHORT] = REPLY(451, "4.3.0 ", "No memory for it now, try again later"),
	[SMTP_SHUTDOWN] = REPLY(421, "4.3.2 ", "The server is shutting down, try again later"),
	[SMTP_SETTINGS_CHANGED] = REPLY(421, "4.3.2 ", "The server's settings have changed, connect again"),
	[SMTP_PAUSED] = AROUND(421, "4.3.2 ", "The server takes no new sessions now, try again later ", ""),
	[SMTP_ADDRESS_FULL] = AROUND(421, "4.7.0 ", "Too many connections from your address, try again later ", ""),
	[SMTP_NETWORK_FULL] = AROUND(421, "4.7.0 ", "Too many connections from your network, try again later ", ""),
	[SMTP_CONNECTS_TOO_FAST] = AROUND(421, "4.7.0 ", "You connect too often, try again later ", ""),
	[SMTP_TOO_MANY_CONNECTIONS] = AROUND(421, "4.7.0 ", "Too many connections, try again later ", ""),
	[SMTP_CLIENT_REFUSED] = AROUND(554, "5.7.1 ", "Connection refused ", ""),
	[SMTP_CLIENT_DEFERRED] =
		AROUND(421, "4.4.3 ", "The name of your host can't be found out now, try again later ", ""),
	[SMTP_NAME_DEFERRED] =
		AROUND(451, "4.4.3 ", "The name of your host can't be found out now, try again later ", ""),
	[SMTP_OUTSIDER_REFUSED] = AROUND(530, "5.7.0 ", "Sign in first ", ""),
	[SMTP_OUTSIDER_NEEDS_TLS] = AROUND(530, "5.7.0 ", "Start TLS and sign in first ", ""),
	[SMTP_SENDER_REFUSED] = AROUND(550, "5.7.1 ", "You may not send mail here ", ""),
	[SMTP_RELAY_REFUSED] = AROUND(550, "5.7.1 ", "Unable to relay for ", ""),
	[SMTP_TIME_OUT] = REPLY(421, "4.4.2 ", "Timed out, closing"),
	[SMTP_TOO_SLOW] = REPLY(421, "4.4.2 ", "The message comes in too slowly, closing"),
	[SMTP_TLS_UNAVAILABLE] = REPLY(454, "4.7.0 ", "TLS is not available now"),

	[SMTP_GREETING] = AROUND(220, "", "", " ESMTP Postern"),
	[SMTP_HELLO] = AROUND(250, "", "", ""),
	[SMTP_CLOSING] = REPLY(221, "2.0.0 ", "Goodbye"),
	[SMTP_READY_FOR_TLS] = REPLY(220, "2.0.0 ", "Start TLS now"),
	[SMTP_HELP] =
		REPLY(214, "2.0.0 ", "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT: see RFC 5321 and 6409"),
	[SMTP_CANNOT_VERIFY] = REPLY(252, "2.5.0 ", "Addresses are not verified, send the message and see"),
	[SMTP_START_MAIL_INPUT] = REPLY(354, "", "Send the message, end it with <CRLF>.<CRLF>"),
	[SMTP_CHUNK_OK] = AROUND(250, "2.0.0 ", "", " bytes received"),
	[SMTP_SIGN_IN_CANCELLED] = REPLY(501, "5.0.0 ", "Sign-in cancelled"),
	[SMTP_SIGN_IN_BAD_ENCODING] = REPLY(501, "5.5.2 ", "That is not base64"),
	[SMTP_SIGN_IN_MALFORMED] = REPLY(501, "5.5.2 ", "That is not what the mechanism expects"),
	[SMTP_SIGN_IN_TOO_LONG] = REPLY(500, "5.5.6 ", "Authentication exchange line is too long"),
	[SMTP_SIGN_IN_NEEDS_TLS] = REPLY(538, "5.7.11 ", "This mechanism is possible inside TLS only"),
	[SMTP_SIGN_IN_DONE] = REPLY(503, "5.5.1 ", "Signed in already"),
	[SMTP_MECHANISM_UNKNOWN] = REPLY(504, "5.5.4 ", "This mechanism is not offered"),
	[SMTP_TLS_REQUIRED] = AROUND(530, "5.7.0 ", "Start TLS first ", ""),
	[SMTP_CIPHER_TOO_WEAK] = AROUND(554, "5.7.10 ", "The encryption is too weak ", ""),
	[SMTP_NEEDS_TLS] = REPLY(530, "5.7.0 ", "Start TLS and sign in first"),
	[SMTP_TLS_RUNS] = REPLY(503, "5.5.1 ", "TLS runs already"),
	[SMTP_UNKNOWN_COMMAND] = REPLY(500, "5.5.1 ", "No such command"),
	[SMTP_NOT_IMPLEMENTED] = REPLY(502, "5.5.1 ", "This command is not offered"),
	[SMTP_MALFORMED_LINE] = REPLY(500, "5.5.2 ", "A line ends with CRLF and holds no CR, LF or NUL"),
	[SMTP_LINE_TOO_LONG] = REPLY(500, "5.5.2 ", "Line too long"),
	[SMTP_NO_ARGUMENT_ALLOWED] = REPLY(501, "5.5.4 ", "This command takes no argument"),
	[SMTP_ARGUMENT_MISSING] = REPLY(501, "5.5.4 ", "This command needs an argument"),
	[SMTP_BAD_ARGUMENT] = REPLY(501, "5.5.4 ", "The argument is wrong"),
	[SMTP_BAD_PARAMETER] = REPLY(501, "5.5.4 ", "A parameter is wrong"),
	[SMTP_PARAMETER_TWICE] = REPLY(501, "5.5.4 ", "A parameter is given twice"),
	[SMTP_UNKNOWN_PARAMETER] = REPLY(555, "5.5.4 ", "A parameter is not known here"),
	[SMTP_BAD_SENDER] = REPLY(501, "5.1.7 ", "The sender address is wrong"),
	[SMTP_BAD_RECIPIENT] = REPLY(501, "5.1.3 ", "The recipient address is wrong"),
	[SMTP_SENDER_TOO_LONG] = REPLY(501, "5.1.7 ", "The sender address is too long"),
	[SMTP_RECIPIENT_TOO_LONG] = REPLY(501, "5.1.3 ", "The recipient address is too long"),
	[SMTP_ADDRESS_NEEDS_SMTPUTF8] = REPLY(553, "5.6.7 ", "An address beyond ASCII needs SMTPUTF8 with MAIL"),
	[SMTP_NEEDS_GREETING] = REPLY(503, "5.5.1 ", "Say EHLO first"),
	[SMTP_NEEDS_EHLO] = REPLY(503, "5.5.1 ", "This needs EHLO, not HELO"),
	[SMTP_NEEDS_SENDER] = REPLY(503, "5.5.1 ", "MAIL comes first"),
	[SMTP_NEEDS_RECIPIENT] = REPLY(503, "5.5.1 ", "RCPT comes first, and one recipient must be accepted"),
	[SMTP_IN_TRANSACTION] = REPLY(503, "5.5.1 ", "Not inside a mail transaction"),
	[SMTP_IN_CHUNKS] = REPLY(503, "5.5.1 ", "BDAT has begun: only BDAT or RSET may follow"),
	[SMTP_CHUNK_FAILED_BEFORE] = REPLY(503, "5.5.1 ", "A BDAT before this one was refused: RSET comes first"),
	[SMTP_TOO_MANY_RECIPIENTS] = REPLY(452, "4.5.3 ", "Too many recipients"),
	[SMTP_MESSAGE_TOO_LARGE] = REPLY(552, "5.3.4 ", "The message is too large"),
	[SMTP_BARE_CR] = REPLY(554, "5.6.0 ", "The message has a CR without LF"),
	[SMTP_BARE_LF] = REPLY(554, "5.6.0 ", "The message has an LF without CR"),
	[SMTP_NUL] = REPLY(554, "5.6.0 ", "The message has a NUL byte"),
	[SMTP_TEXT_LINE_TOO_LONG] = REPLY(554, "5.6.0 ", "The message has a line that is too long"),
	[SMTP_HEADER_TOO_LONG] = REPLY(554, "5.6.0 ", "The message's header is too long"),
	[SMTP_MAIL_LOOP] = REPLY(554, "5.4.6 ", "The message has passed too many servers: a loop"),
	[SMTP_CHUNK_SIZE_UNKNOWN] = REPLY(421, "4.5.0 ", "Where the next command starts can't be known, closing"),
	[SMTP_TOO_MANY_ERRORS] = REPLY(421, "4.7.0 ", "Too many errors, closing"),
	[SMTP_TOO_MANY_SIGN_INS] = REPLY(421, "4.7.0 ", "Too many failed sign-ins, closing"),
	[SMTP_FOREIGN_PROTOCOL] = REPLY(421, "4.7.0 ", "This is a mail server, closing"),
};

static void write_detail(struct buffer *out, struct slice detail)
{
	if (detail.size > LIMIT_REPLY_DETAIL_BYTES)
		detail = slice_first(detail, LIMIT_REPLY_DETAIL_BYTES);
	if (detail.size > buffer_room(out)) {
		out->overflow = true;
		return;
	}
	uint8_t *to = out->data + out->size;
	for (size_t i = 0; i < detail.size; i++)
		to[i] = detail.data[i] < ' ' || detail.data[i] > '~' ? '?' : detail.data[i];
	out->size += detail.size;
}

void smtp_reply_write(struct buffer *out, enum smtp_status status, struct slice detail)
{
	ASSERT(status < SMTP_STATUS_COUNT);
	const struct reply_row *row = &rows[status];
	buffer_append(out, row->line);
	if (!row->has_detail)
		return;
	write_detail(out, detail);
	buffer_append(out, row->rest);
}

unsigned smtp_reply_code(enum smtp_status status)
{
	ASSERT(status < SMTP_STATUS_COUNT);
	return rows[status].code;
}
