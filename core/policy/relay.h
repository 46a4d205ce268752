/* Who may send, and to whom: facts in, verdict out. Pure; the same function serves the server and, later, explain and
 * prove. */
#ifndef POSTERN_POLICY_RELAY_H
#define POSTERN_POLICY_RELAY_H

#include <stdbool.h>

/* A server block's relay rules. */
struct relay_rules {
	bool authenticated; /* who is signed in may send anywhere */
	bool everybody;     /* the default: so may all others (an open relay) */
};

struct relay_facts {
	bool signed_in;
	bool has_route;   /* some route takes the recipient's domain */
	bool has_mailbox; /* the route can make a safe place of the recipient (always true for routes that send on) */
};

enum relay_verdict {
	RELAY_ALLOWED,
	RELAY_NEEDS_SIGN_IN, /* it would be allowed to somebody signed in */
	RELAY_DENIED,
	RELAY_NO_ROUTE,
	RELAY_NO_MAILBOX,
};

/* May this client start a transaction at all? */
enum relay_verdict relay_judge_sender(const struct relay_rules *rules, const struct relay_facts *facts);

enum relay_verdict relay_judge_recipient(const struct relay_rules *rules, const struct relay_facts *facts);

#endif
