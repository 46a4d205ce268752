/* The commands of SMTP, one row each: when a command is in order, and what does it.
 *
 * May it is apart from do it: smtp_command_may() asks the row and the session and changes nothing; the row's functions are
 * called only after it, and need not ask again. */
#ifndef POSTERN_PROTO_SMTP_COMMAND_H
#define POSTERN_PROTO_SMTP_COMMAND_H

#include "core/base/error.h"
#include "proto/smtp_session.h"

enum {
	COMMAND_NEEDS_GREETING = 1, /* EHLO or HELO */
	COMMAND_NEEDS_EHLO = 2,
	COMMAND_NEEDS_SIGN_IN = 4, /* where the profile requires it at all */
	COMMAND_NEEDS_ARGUMENT = 8,
	COMMAND_HAS_NO_ARGUMENT = 16,
	COMMAND_LONG_LINE = 32, /* LIMIT_AUTH_LINE_BYTES */
	COMMAND_IN_GROUP = 64, /* its reply may wait for those of what comes behind it (RFC 2920 §3.2, RFC 3030 §4.2) */
};

typedef enum smtp_action smtp_command_run(struct smtp_session *session, struct slice argument, struct buffer *out);
typedef enum smtp_action smtp_command_refuse(struct smtp_session *session, struct slice argument,
					     enum smtp_status refusal, struct buffer *out);

struct smtp_command {
	uint64_t verb; /* in capitals, its first letter in the lowest byte */
	uint8_t flags;
	uint8_t out_of_order; /* enum smtp_status of a state that is not among … */
	uint16_t states;      /* … these bits of enum smtp_state */
	smtp_command_run *run;
	smtp_command_refuse *refuse; /* NULL: a reply is all */
};

/* NULL for a verb that nobody knows. */
const struct smtp_command *smtp_command_find(struct slice verb);

/* SMTP_OK, or the reply that says why not now. */
MUST_USE enum smtp_status smtp_command_may(const struct smtp_command *command, const struct smtp_session *session,
					   struct slice argument);

/* Verb and argument of a line that ends with CRLF. Blanks around the argument don't count (RFC 5321 §4.1.1). */
void smtp_command_split(struct slice line, struct slice *verb, struct slice *argument);

/* SASL_… bits of the mechanisms that may be used in the session as it is now. */
unsigned smtp_command_mechanisms(const struct smtp_session *session);

#endif
