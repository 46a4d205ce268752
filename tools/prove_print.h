/* What `postern prove` prints of a server block: the parts of it that have files of their own. */
#ifndef POSTERN_TOOLS_PROVE_PRINT_H
#define POSTERN_TOOLS_PROVE_PRINT_H

#include <jansson.h>

#include "tools/policy_case.h"
#include "tools/prove.h"

/* All that is printed of a server block. */
struct prove_subject {
	const struct config *config;
	const struct config_server *server;
	const struct policy *policy;
	struct prove_report report;
};

enum { PROVE_SESSION_LINES = 12, PROVE_SESSION_LINE_BYTES = LIMIT_REPLY_BYTES + 8 };

/* prove_session.c: what the two say to each other, up to the last step; answers the count of lines. */
size_t prove_write_session(const struct prove_subject *subject, const struct policy_facts *facts,
			   const struct policy_steps *steps, char lines[PROVE_SESSION_LINES][PROVE_SESSION_LINE_BYTES]);

/* prove_clear.c: what can cross a net in the clear, as text, and as a list. */
void prove_print_clear_passwords(const struct prove_subject *subject);
void prove_print_clear_mail(const struct prove_subject *subject);
json_t *prove_clear_passwords_json(const struct prove_subject *subject);
json_t *prove_clear_mail_json(const struct prove_subject *subject);

#endif
