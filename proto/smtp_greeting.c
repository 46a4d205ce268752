/* EHLO, HELO, STARTTLS and the commands that do next to nothing; see smtp_session_private.h. */
#include "proto/address.h"
#include "proto/smtp_session_private.h"
#include "proto/utf8.h"

/* What a new greeting ends: the transaction, not the sign-in (RFC 5321 §4.1.4). False: the name is no name. */
static bool greet(struct smtp_session *session, struct slice name, bool esmtp)
{
	if (!address_domain_is_valid(name, true))
		return false;
	struct slice kept = utf8_cut(name, sizeof session->client_name);
	memcpy(session->client_name, kept.data, kept.size);
	session->client_name_size = (uint8_t)kept.size;
	session->esmtp = esmtp;
	smtp_session_forget_transaction(session);
	smtp_session_enter(session, SMTP_READY);
	return true;
}

static void write_extension(struct buffer *out, const char *name, uint64_t number)
{
	buffer_append_text(out, "250-");
	buffer_append_text(out, name);
	buffer_append_number(out, number);
	buffer_append_text(out, "\r\n");
}

/* STARTTLS and AUTH are in the middle: a known client does not see what stands in the last line. */
static void write_extensions(const struct smtp_session *session, struct buffer *out)
{
	const struct smtp_profile *profile = session->profile;
	buffer_append_text(out, "250-");
	buffer_append(out, profile->hostname);
	buffer_append_text(out, "\r\n250-PIPELINING\r\n");
	write_extension(out, "SIZE ", profile->message_size_bytes);
	if (profile->starttls && !session->tls)
		buffer_append_text(out, "250-STARTTLS\r\n");
	unsigned mechanisms = smtp_command_mechanisms(session);
	if (mechanisms) {
		buffer_append_text(out, "250-AUTH");
		(void)sasl_mechanisms_write(out, mechanisms);
		buffer_append_text(out, "\r\n");
	}
	buffer_append_text(out, "250-8BITMIME\r\n"
				"250-SMTPUTF8\r\n"
				"250-CHUNKING\r\n"
				"250-ENHANCEDSTATUSCODES\r\n");
	if (profile->recipients)
		write_extension(out, "LIMITS RCPTMAX=", profile->recipients);
	buffer_append_text(out, "250 HELP\r\n");
}

enum smtp_action smtp_run_ehlo(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	if (!greet(session, argument, true))
		return smtp_session_reply(session, SMTP_BAD_ARGUMENT, SMTP_CONTINUE, out);
	write_extensions(session, out);
	return SMTP_RESET;
}

enum smtp_action smtp_run_helo(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	if (!greet(session, argument, false))
		return smtp_session_reply(session, SMTP_BAD_ARGUMENT, SMTP_CONTINUE, out);
	return smtp_session_reply(session, SMTP_HELLO, SMTP_RESET, out);
}

enum smtp_action smtp_run_starttls(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	(void)argument;
	if (session->tls)
		return smtp_session_reply(session, SMTP_TLS_RUNS, SMTP_CONTINUE, out);
	if (!session->profile->starttls)
		return smtp_session_reply(session, SMTP_NOT_IMPLEMENTED, SMTP_CONTINUE, out);
	return smtp_session_reply(session, SMTP_READY_FOR_TLS, smtp_session_ask(session, SMTP_START_TLS), out);
}

enum smtp_action smtp_run_rset(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	(void)argument;
	smtp_session_forget_transaction(session);
	if (session->state != SMTP_START)
		smtp_session_enter(session, SMTP_READY);
	return smtp_session_reply(session, SMTP_OK, SMTP_RESET, out);
}

enum smtp_action smtp_run_noop(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	(void)argument;
	return smtp_session_reply(session, SMTP_OK, SMTP_CONTINUE, out);
}

enum smtp_action smtp_run_quit(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	(void)argument;
	return smtp_session_reply(session, SMTP_CLOSING, SMTP_CLOSE, out);
}

enum smtp_action smtp_run_vrfy(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	(void)argument;
	return smtp_session_reply(session, SMTP_CANNOT_VERIFY, SMTP_CONTINUE, out);
}

enum smtp_action smtp_run_help(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	(void)argument;
	return smtp_session_reply(session, SMTP_HELP, SMTP_CONTINUE, out);
}

enum smtp_action smtp_run_not_offered(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	(void)argument;
	return smtp_session_reply(session, SMTP_NOT_IMPLEMENTED, SMTP_CONTINUE, out);
}

enum smtp_action smtp_run_foreign(struct smtp_session *session, struct slice argument, struct buffer *out)
{
	(void)argument;
	return smtp_session_reply(session, SMTP_FOREIGN_PROTOCOL, SMTP_CLOSE, out);
}
