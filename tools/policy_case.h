/* One client and what it wants, judged through all stages as the server would: what `postern explain` and `postern policy`
 * share. */
#ifndef POSTERN_TOOLS_POLICY_CASE_H
#define POSTERN_TOOLS_POLICY_CASE_H

#include "core/base/limits.h"
#include "core/policy/policy.h"
#include "core/server/config.h"

struct policy_case {
	struct policy_facts facts; /* client, name, TLS, signed in; the recipient's part is filled in here */
	struct slice recipient;    /* "local@domain"; empty: only up to the sender */
};

/* A stage that was judged. */
struct policy_step {
	struct policy_verdict verdict;
	struct policy_reason reason;
	bool without_name;             /* it depends on a name that was not told: judged as if there were none */
	char reply[LIMIT_REPLY_BYTES]; /* without its CRLF */
};

struct policy_steps {
	struct policy_step list[POLICY_STAGES];
	size_t count; /* the last one is the first that is no allow, if any */
};

/* `id` is what stands for a refusal's id in replies. */
void policy_case_judge(const struct policy_case *asked, const struct policy *policy, const struct config_server *server,
		       const struct route_table *routes, const char *id, struct policy_steps *steps);

/* Prints the reply as refusal.h has it. */
void policy_reply_format(enum smtp_status status, struct slice recipient, const char *id,
			 char reply[LIMIT_REPLY_BYTES]);

/* The server block of that name, or the only one where `name` is NULL. NULL, told on standard error as from `command`. */
const struct config_server *policy_find_server(const struct config *config, const char *name, const char *command);

/* Reads a client's name as it is told to a command: "" is none. */
MUST_USE bool policy_read_name(const char *text, struct policy_facts *facts, struct error *error);

#endif
