/* What the server puts in front of a message; see message_trace.h.
 *
 *   Received: from client.example ([192.0.2.1])
 *           (using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128 bits))
 *           by mail.example.org with ESMTPSA id 0K3J8Q2M4N5P6
 *           for <user@example.net>;
 *           Tue, 24 Nov 2026 10:11:12 +0000
 *
 * The client chose its name and the recipient: neither has a byte that means anything in a header. The name is looked at
 * here, as EHLO takes more than the grammar does; the recipient was when RCPT came. */
#include "proto/message_trace.h"

#include <time.h>

#include "core/base/limits.h"
#include "proto/address.h"

/* --- dates --- */

static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};

static bool append_two_digits(struct buffer *out, int number)
{
	buffer_append_byte(out, (uint8_t)('0' + number / 10));
	return buffer_append_byte(out, (uint8_t)('0' + number % 10));
}

bool message_date_write(struct buffer *out, int64_t unix_us)
{
	time_t seconds = unix_us / 1000000 - (unix_us % 1000000 < 0);
	struct tm date;
	if (!gmtime_r(&seconds, &date) || date.tm_year < -1900)
		return false;
	buffer_append_text(out, weekdays[date.tm_wday]);
	buffer_append_text(out, ", ");
	buffer_append_number(out, (uint64_t)date.tm_mday);
	buffer_append_byte(out, ' ');
	buffer_append_text(out, months[date.tm_mon]);
	buffer_append_byte(out, ' ');
	buffer_append_number(out, (uint64_t)date.tm_year + 1900);
	buffer_append_byte(out, ' ');
	append_two_digits(out, date.tm_hour);
	buffer_append_byte(out, ':');
	append_two_digits(out, date.tm_min);
	buffer_append_byte(out, ':');
	append_two_digits(out, date.tm_sec);
	buffer_append_text(out, " +0000");
	return !out->overflow;
}

/* --- Received --- */

/* A host name as people give to machines: letters, digits, dots, hyphens, and the underscore that no domain has. */
static bool is_host_name(struct slice name)
{
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = ascii_lower(name.data[i]);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
			return false;
	}
	return name.size > 0;
}

static void write_from(struct buffer *out, const struct message_trace *trace)
{
	struct slice name = trace->client_name;
	if (!is_host_name(name) && !address_domain_is_strict(name, trace->smtputf8))
		name = SLICE_LITERAL("unknown");
	buffer_append_text(out, "from ");
	buffer_append(out, name);
	buffer_append_text(out, " ([");
	buffer_append(out, trace->client_address);
	buffer_append_text(out, "])\r\n\t");
}

static void write_tls(struct buffer *out, const struct message_trace *trace)
{
	buffer_append_text(out, "(using ");
	buffer_append_text(out, trace->tls_version);
	buffer_append_text(out, " with cipher ");
	buffer_append_text(out, trace->tls_cipher ? trace->tls_cipher : "unknown");
	buffer_append_text(out, " (");
	buffer_append_number(out, trace->tls_bits);
	buffer_append_text(out, " bits))\r\n\t");
}

/* RFC 3848; RFC 6531 §4.3. Both letters stand behind the extended protocols only. */
static void write_protocol(struct buffer *out, const struct message_trace *trace)
{
	buffer_append_text(out, trace->smtputf8 ? "UTF8SMTP" : trace->esmtp ? "ESMTP" : "SMTP");
	if (!trace->smtputf8 && !trace->esmtp)
		return;
	if (trace->tls)
		buffer_append_byte(out, 'S');
	if (trace->signed_in)
		buffer_append_byte(out, 'A');
}

static void write_recipient(struct buffer *out, const struct message_trace *trace)
{
	/* Not <postmaster>, which has no domain: "for" names a mailbox. */
	if (slice_find(trace->recipient, '@') == trace->recipient.size)
		return;
	buffer_append_text(out, "\r\n\tfor <");
	buffer_append(out, trace->recipient);
	buffer_append_byte(out, '>');
}

bool message_trace_write_start(struct buffer *out, const struct message_trace *trace)
{
	buffer_append_text(out, "Received: ");
	if (trace->client_address.size)
		write_from(out, trace);
	if (trace->tls_version)
		write_tls(out, trace);
	buffer_append_text(out, "by ");
	buffer_append(out, trace->hostname);
	buffer_append_text(out, " with ");
	write_protocol(out, trace);
	return buffer_append_text(out, " id ");
}

static void write_received(struct buffer *out, const struct message_trace *trace)
{
	if (trace->start.size)
		buffer_append(out, trace->start);
	else if (!message_trace_write_start(out, trace))
		return;
	buffer_append(out, trace->id);
	write_recipient(out, trace);
	buffer_append_text(out, ";\r\n\t");
	buffer_append(out, trace->date);
	buffer_append_text(out, "\r\n");
}

bool message_trace_write(struct buffer *out, const struct message_trace *trace)
{
	write_received(out, trace);
	if (trace->add_date) {
		buffer_append_text(out, "Date: ");
		buffer_append(out, trace->date);
		buffer_append_text(out, "\r\n");
	}
	if (trace->add_message_id) {
		buffer_append_text(out, "Message-ID: <");
		buffer_append(out, trace->id);
		buffer_append_byte(out, '@');
		buffer_append(out, trace->hostname);
		buffer_append_text(out, ">\r\n");
	}
	if (trace->add_empty_line)
		buffer_append_text(out, "\r\n");
	return !out->overflow;
}
