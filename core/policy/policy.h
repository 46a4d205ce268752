/* Who may do what: facts in, verdict out. Pure: the same functions serve the server, `postern explain`, `postern prove` and
 * the tests of policies.
 *
 * A client passes three stages: the connection, the sender of a message (may it begin one without signing in?), and each
 * recipient (does the message go on to somewhere else, is that relayed for this client?). A verdict says what happens, with
 * which reply, and which rule made it so. Where it depends on the client's name and nobody asked for it yet, the verdict is
 * that the name is needed, and only then. Local recipients, whose mail is delivered here, are no relay. */
#ifndef POSTERN_POLICY_POLICY_H
#define POSTERN_POLICY_POLICY_H

#include "core/policy/rules.h"
#include "proto/smtp_reply.h"

enum policy_stage { POLICY_CONNECTION, POLICY_SENDER, POLICY_RECIPIENT, POLICY_STAGES };

/* Settings that decide, as rules; the first ones are in rules.h. */
#define POLICY_BY_SIGN_IN   0x80000002u /* who has signed in may send */
#define POLICY_BY_ANONYMOUS 0x80000003u /* so may others, to who is here */
#define POLICY_BY_LOCAL     0x80000004u /* the recipient's mail is delivered here */
#define POLICY_BY_ROUTE     0x80000005u /* there is no route for it */
#define POLICY_BY_MAILBOX   0x80000006u /* there is no mailbox for it */
#define POLICY_BY_TLS       0x80000007u /* mail is taken inside TLS alone */
#define POLICY_BY_MIN_BITS  0x80000008u /* and with a cipher that is strong enough */

struct policy {
	struct policy_rules connect;
	struct policy_rules relay;
	bool authenticated;     /* who has signed in may relay */
	bool anonymous;         /* who has not may send to local recipients */
	bool can_sign_in;       /* there are mechanisms */
	bool plaintext_sign_in; /* outside TLS too */
	bool tls_required;      /* mail from who could start TLS is taken inside it alone */
	unsigned min_bits;      /* of the cipher, where there is TLS; 0: any */
	/* Where that is written; line 0: it is not, and the default holds. */
	const char *server; /* name of the block */
	const char *file;
	int line;
	struct {
		int connect_default, unknown_name, relay_default, authenticated, anonymous, tls_required, min_bits;
	} lines;
};

void policy_finish(struct policy *policy);

struct policy_facts {
	struct net_address client;
	enum policy_name name_state;
	struct slice name;  /* with POLICY_NAME_KNOWN */
	unsigned tls_bits;  /* of the cipher; 0: no TLS */
	bool can_start_tls; /* the listener has STARTTLS */
	bool signed_in;
	/* of a recipient */
	bool has_route;   /* some route takes its domain */
	bool local;       /* and delivers here */
	bool has_mailbox; /* and can make a safe place of it; true for routes that send on */
};

enum policy_outcome {
	POLICY_ALLOW,
	POLICY_REFUSE,     /* for good */
	POLICY_DEFER,      /* the client may come again: its name could not be found out now */
	POLICY_NEEDS_NAME, /* ask, and judge again */
};

struct policy_verdict {
	uint8_t outcome; /* enum policy_outcome */
	uint8_t stage;   /* enum policy_stage */
	uint8_t status;  /* enum smtp_status: the reply; SMTP_OK: none of its own */
	uint32_t rule;   /* that decided; none for POLICY_NEEDS_NAME */
};

/* When TLS is there: is its cipher strong enough for the client to stay? */
struct policy_verdict policy_judge_strength(const struct policy *policy, const struct policy_facts *facts);

/* At the greeting; of a client inside TLS its strength, too. */
struct policy_verdict policy_judge_connection(const struct policy *policy, const struct policy_facts *facts);

/* At MAIL, of a client that may connect: is there the TLS that mail needs, and may it send as it is? */
struct policy_verdict policy_judge_sender(const struct policy *policy, const struct policy_facts *facts);

/* At RCPT, of a client that may send. */
struct policy_verdict policy_judge_recipient(const struct policy *policy, const struct policy_facts *facts);

/* Is there a client that may send without signing in? */
bool policy_takes_outsiders(const struct policy *policy);

/* The rule for people. */
struct policy_reason {
	const char *file;
	int line; /* 0: it is not written anywhere, but the default */
	char text[320];
};
void policy_explain(const struct policy *policy, const struct policy_verdict *verdict, struct policy_reason *reason);

/* "connection", "sender", "recipient"; "allow", "refuse", "defer", "needs the name". */
const char *policy_stage_name(enum policy_stage stage);
const char *policy_outcome_name(enum policy_outcome outcome);

#endif
