/* A refusal and all that led to it, as a record of fixed size, and the reply that it makes.
 *
 * Each has an id that the client is told, that the log tells, and that `postern explain ID` finds the record by. A worker keeps
 * the last LIMIT_REFUSALS of its own in the file `refusals` of its lane (refusal_file.h). */
#ifndef POSTERN_SERVER_REFUSAL_H
#define POSTERN_SERVER_REFUSAL_H

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "core/policy/policy.h"

/* Texts end with NUL; what is longer is cut. As the machine has numbers: the file stays on it. */
struct refusal {
	uint64_t id; /* worker in the uppermost byte, as of messages; 0: no record is here */
	int64_t unix_us;
	uint32_t format; /* REFUSAL_FORMAT */
	uint32_t line;   /* of the rule; 0: it is written nowhere */
	uint16_t tls_bits;
	uint8_t stage;      /* enum policy_stage or refusal_stage */
	uint8_t outcome;    /* enum policy_outcome */
	uint8_t status;     /* enum smtp_status */
	uint8_t name_state; /* enum policy_name */
	uint8_t family;     /* of the client's address: 4, 6 */
	uint8_t signed_in : 1, has_route : 1, local : 1, has_mailbox : 1;
	uint8_t address[16];
	char server[48];
	char rule[160];
	char file[160]; /* of the rule */
	char name[128]; /* of the client's host, confirmed */
	char login[128];
	char sender[176];
	char recipient[176];
};

enum { REFUSAL_FORMAT = 2, REFUSAL_BYTES = 1024 };
_Static_assert(sizeof(struct refusal) == REFUSAL_BYTES, "records lie at multiples of their size");

/* Stages that have settings, and no rules. */
enum refusal_stage {
	REFUSAL_SIGN_IN = POLICY_STAGES,
	REFUSAL_MESSAGE, /* all of it is there */
	REFUSAL_STAGES,
};

/* "connection", "sender", "recipient", "sign-in", "message". */
const char *refusal_stage_name(unsigned stage);

/* What was judged, beside the facts. */
struct refusal_context {
	const char *login; /* NULL: nobody has signed in; with REFUSAL_SIGN_IN who was tried */
	struct slice sender;
	struct slice recipient;
};

/* Fills all but id and time. */
void refusal_fill(struct refusal *refusal, const struct policy *policy, const struct policy_facts *facts,
		  const struct policy_verdict *verdict, const struct refusal_context *context);

/* What has refused where it is no rule: a limit, a quota, a ban. */
struct refusal_setting {
	unsigned stage; /* enum policy_stage or refusal_stage */
	enum smtp_status status;
	const char *file;
	int line; /* 0: it is not written */
	char text[160];
};

/* The same for one of these, of that server block. */
void refusal_fill_setting(struct refusal *refusal, const char *server, const struct policy_facts *facts,
			  const struct refusal_setting *setting, const struct refusal_context *context);

/* What stands in the reply's text beside that of its status: the recipient where it is about one, and the id, if there is any. */
void refusal_write_detail(struct buffer *out, enum smtp_status status, struct slice recipient, const char *id);

#endif
