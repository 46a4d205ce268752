/* The session that shows what `postern prove` says; see prove_print.h. */
#include <stdio.h>

#include "tools/prove_print.h"

static bool offers_starttls(const struct config_server *server)
{
	for (size_t i = 0; i < server->listener_count; i++)
		if (server->listeners[i].mode == LISTENER_STARTTLS)
			return true;
	return false;
}

/* From the greeting to MAIL; answers the count of lines. */
static size_t write_introduction(const struct prove_subject *subject, const struct policy_facts *facts,
				 char lines[PROVE_SESSION_LINES][PROVE_SESSION_LINE_BYTES])
{
	size_t count = 0;
	char reply[LIMIT_REPLY_BYTES];
	snprintf(lines[count++], PROVE_SESSION_LINE_BYTES, "C: EHLO client.example");
	if (facts->tls_bits && offers_starttls(subject->server)) {
		snprintf(lines[count++], PROVE_SESSION_LINE_BYTES, "C: STARTTLS");
		policy_reply_format(SMTP_READY_FOR_TLS, SLICE_LITERAL(""), "", reply);
		snprintf(lines[count++], PROVE_SESSION_LINE_BYTES, "S: %s", reply);
		snprintf(lines[count++], PROVE_SESSION_LINE_BYTES, "C: EHLO client.example");
	}
	if (facts->signed_in)
		snprintf(lines[count++], PROVE_SESSION_LINE_BYTES, "C: AUTH PLAIN <the password, in base64>");
	snprintf(lines[count++], PROVE_SESSION_LINE_BYTES, "C: MAIL FROM:<>");
	return count;
}

size_t prove_write_session(const struct prove_subject *subject, const struct policy_facts *facts,
			   const struct policy_steps *steps, char lines[PROVE_SESSION_LINES][PROVE_SESSION_LINE_BYTES])
{
	size_t count = 0;
	for (size_t i = 0; i < steps->count; i++) {
		if (i == 1)
			count += write_introduction(subject, facts, lines + count);
		if (i == 2)
			snprintf(lines[count++], PROVE_SESSION_LINE_BYTES, "C: RCPT TO:<%s>", subject->report.foreign);
		snprintf(lines[count++], PROVE_SESSION_LINE_BYTES, "S: %s", steps->list[i].reply);
	}
	return count;
}
