/* `postern verify`: real sessions against a server that runs, each with what was tried, what was expected, what happened, and the
 * rule. One table of checks; one function a check.
 *
 * A check speaks through tools/probe.h and tells one line or more; it decides by replies alone, so that any server can be asked. */
#ifndef POSTERN_TOOLS_VERIFY_H
#define POSTERN_TOOLS_VERIFY_H

#include "core/policy/policy.h"
#include "core/server/config.h"
#include "tools/policy_case.h"
#include "tools/probe.h"
#include "tools/prove.h"

enum {
	VERIFY_TEXT_BYTES = 640,
	VERIFY_WHERE_BYTES = 128,
	VERIFY_CAPTURE_BYTES = 256 * 1024,
	VERIFY_WAIT_MS = 20000,  /* for a reply; tar pits hold one up for some seconds */
	VERIFY_SILENCE_MS = 800, /* after which nothing more is expected */
	VERIFY_TAKING_MS = 1500, /* in which a server that took a text for ended has said so */
};

/* Where the recipient of mail that would have to be sent on lives; nobody there gets any, since no probe sends a text. */
#define VERIFY_FOREIGN "postern-verify@example.com"
enum { VERIFY_FOREIGN_BYTES = LIMIT_PATH_BYTES };

#define VERIFY_CLIENT_NAME "postern-verify.example"

enum verify_outcome { VERIFY_PASSED, VERIFY_FAILED, VERIFY_NOT_TRIED, VERIFY_OUTCOMES };

struct verify_line {
	enum verify_outcome outcome;
	const char *check;
	char where[VERIFY_WHERE_BYTES];
	char tried[VERIFY_TEXT_BYTES], expected[VERIFY_TEXT_BYTES], happened[VERIFY_TEXT_BYTES],
		rule[VERIFY_TEXT_BYTES];
};

struct verify_report {
	struct verify_line *lines; /* malloc'ed */
	size_t count;
	size_t outcomes[VERIFY_OUTCOMES];
	bool lost; /* there was no memory for a line */
};

struct verify_request {
	const char *config_file, *server, *to, *name, *security, *ca, *user, *recipient;
	bool password_stdin, json, html;
};

/* Whom a connection comes as. */
struct verify_guise {
	char address[NET_ADDRESS_TEXT_BYTES]; /* empty: as it comes */
	char proxy_header[LIMIT_PROXY_LINE_BYTES + 1];
};

/* What a check knows. */
struct verify {
	const struct verify_request *request;
	struct verify_report *report;
	struct slice password; /* with request->user */
	/* The configuration's; NULL with --to. */
	const struct config *config;
	const struct config_server *server;
	const struct config_listener *listener;
	const struct policy *policy;
	const struct prove_report *proof; /* of the policy */
	char foreign
		[VERIFY_FOREIGN_BYTES]; /* VERIFY_FOREIGN, or who else lives elsewhere where that is delivered here */
	/* The listener. */
	struct probe_target target;
	char where[VERIFY_WHERE_BYTES];
	bool proxied;     /* this machine may say whose connection it is */
	bool turned_away; /* the greeting was a refusal */
	int64_t paced_ms; /* when the connections so far would have come at the limit's rate */
	/* The row of the table. */
	const char *check;
};

struct verify_case {
	const char *tried, *expected, *rule;
};

/* Adds a line. */
void verify_tell(struct verify *at, enum verify_outcome outcome, const struct verify_case *what, const char *format,
		 ...) PRINTF_LIKE(4, 5);

/* "RFC 4954; auth (postern.conf:12)": the rule, with the configuration's line where there is one. */
const char *verify_rule(const struct verify *at, char text[VERIFY_TEXT_BYTES], const char *rule, const char *key,
			int line);

/* The reply in words; where the last wait brought none, the error. */
struct verify_reply {
	unsigned code; /* 0: none came */
	char text[VERIFY_TEXT_BYTES];
};
void verify_take_reply(const struct probe *probe, bool came, const struct error *error, struct verify_reply *reply);

/* Says a command and takes the reply. */
void verify_ask(struct probe *probe, const char *command, struct verify_reply *reply);

/* probe_connect() no faster than the configuration lets clients come; not for whom other addresses are chosen one by one. */
MUST_USE bool verify_connect(struct verify *at, struct probe *probe, const struct probe_target *target,
			     struct error *error);

/* How many connections the configuration lets a client have, up to `most`. */
size_t verify_connections(const struct verify *at, size_t most);

/* Is there a login, and by the configuration a mechanism that it is good for? */
bool verify_has_login(const struct verify *at);

int64_t verify_now_ms(void); /* of a clock that is never set */

/* RCPT for that address. */
void verify_ask_recipient(struct probe *probe, const char *address, struct verify_reply *reply);

/* Connects, greets, starts TLS where the target has it, and signs in where `sign_in` and there is a login. False: told as a failure
 * of `what`. */
MUST_USE bool verify_begin(struct verify *at, struct probe *probe, const struct probe_target *target, bool sign_in,
			   const struct verify_case *what);

/* Signs in as who is asked for: by the mechanism, or with 0 by the strongest with a password that is offered. */
MUST_USE bool verify_log_in(struct verify *at, struct probe *probe, unsigned mechanism, struct error *error);

/* --- verify_client.c: with a configuration, whom a probe comes as --- */

/* Can a connection come from there, or say so? */
bool verify_can_come_from(const struct verify *at, const struct net_address *address);

/* From now on `target` does; the guise outlives that. */
void verify_come_from(struct verify *at, const struct net_address *client, struct verify_guise *guise);

/* What the configuration says of who is not signed in, and hands in mail for `foreign`. */
void verify_judge(const struct verify *at, const struct net_address *client, struct policy_steps *steps);

/* As somebody who may connect; as somebody who may not relay, too. False: nobody here is one, and nothing has changed but the guise. */
MUST_USE bool verify_come_as_client(struct verify *at, struct verify_guise *guise);
MUST_USE bool verify_come_as_outsider(struct verify *at, struct verify_guise *guise);

/* As somebody of a network that nobody else is in, for what a guard counts against the network. False: it isn't counted, or nobody here can
 * come from there; and nothing has changed. */
MUST_USE bool verify_come_as_nobody(struct verify *at, struct verify_guise *guise);

/* Sets `foreign`: where mail for the usual stranger is delivered here, somebody is taken whose mail is not, if there is anybody. */
void verify_choose_foreign(struct verify *at);

/* Is somebody an outsider by the configuration, whether he can be asked as or not? */
bool verify_knows_outsiders(const struct verify *at);

/* A recipient that takes mail, or NULL: --recipient, else --user where that is an address. */
const char *verify_recipient(const struct verify *at);

/* --- the checks --- */
void verify_configuration(struct verify *at);
void verify_running(struct verify *at);
void verify_relay_rules(struct verify *at);
void verify_guessing(struct verify *at);
void verify_greeting(struct verify *at);
void verify_auth_in_clear(struct verify *at);
void verify_tls_required(struct verify *at);
void verify_starttls_injection(struct verify *at);
void verify_tls_floor(struct verify *at);
void verify_tls_ciphers(struct verify *at);
void verify_tls_strength(struct verify *at);
void verify_certificate(struct verify *at);
void verify_certificate_served(struct verify *at);
void verify_mechanisms(struct verify *at);
void verify_wrong_password(struct verify *at);
void verify_sign_in(struct verify *at);
void verify_wire(struct verify *at);
void verify_relay_outside(struct verify *at);
void verify_relay_inside(struct verify *at);
void verify_rule_edges(struct verify *at);
void verify_smuggling(struct verify *at);
void verify_command_ends(struct verify *at);

/* --- the report --- */
void verify_print_text(const struct verify_report *report, const char *subject);
void verify_print_json(const struct verify_report *report, const char *subject);
void verify_print_html(const struct verify_report *report, const char *subject);

#endif
