/* Checks of relay: nobody from outside may have mail sent on, however the address is dressed up; who has signed in may. No
 * probe sends a text: each transaction ends after RCPT. */
#include <stdio.h>
#include <string.h>

#include "tools/policy_case.h"
#include "tools/policy_situation.h"
#include "tools/verify.h"

enum { PROBES_A_SESSION = 5 }; /* servers send away who makes many errors */

/* %s is the server's host name. */
static const struct relay_probe {
	const char *sender, *recipient, *what;
} relay_probes[] = {
	{ "", "postern-verify@example.com", "as it is" },
	{ "postern-verify@example.net", "postern-verify@example.com", "a foreign sender" },
	{ "postmaster@%s", "postern-verify@example.com", "a sender of the server's own" },
	{ "postern-verify@example.com", "postern-verify@example.com", "to oneself" },
	{ "postern-verify@localhost", "postern-verify@example.com", "a sender at localhost" },
	{ "", "\"postern-verify@example.com\"", "quoted, without a domain" },
	{ "", "\"postern-verify@example.com\"@%s", "quoted, at the server" },
	{ "", "postern-verify%%example.com@%s", "the percent sign" },
	{ "", "example.com!postern-verify", "a bang path" },
	{ "", "example.com!postern-verify@%s", "a bang path at the server" },
	{ "", "@%s:postern-verify@example.com", "a source route through the server" },
	{ "", "postern-verify@example.com@%s", "two domains" },
	{ "", "postern-verify@[192.0.2.1]", "an address instead of a domain" },
};

/* The commands of one probe. */
struct relay_try {
	const struct relay_probe *probe;
	char sender[512], recipient[512];
};

static void prepare(const struct verify *at, const struct relay_probe *probe, struct relay_try *try)
{
	try->probe = probe;
	/* Both formats are the table's own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(try->sender, sizeof try->sender, probe->sender, at->target.name);
	snprintf(try->recipient, sizeof try->recipient, probe->recipient, at->target.name);
#pragma GCC diagnostic pop
}

/* MAIL and RCPT; the reply that decides. */
static void try_relay(struct probe *probe, const struct relay_try *try, struct verify_reply *reply)
{
	char command[1200];
	struct verify_reply reset;
	snprintf(command, sizeof command, "MAIL FROM:<%s>", try->sender);
	verify_ask(probe, command, reply);
	if (reply->code != 250)
		return;
	snprintf(command, sizeof command, "RCPT TO:<%s>", try->recipient);
	verify_ask(probe, command, reply);
	verify_ask(probe, "RSET", &reset);
}

/* Is there a mailbox of that strange name here, as far as the configuration knows? Then taking its mail is no relay. */
static bool is_local(const struct verify *at, const struct relay_try *try)
{
	struct policy_facts facts = { .tls_bits = 0 };
	if (!at->server || !strchr(try->recipient, '@') || try->recipient[0] == '@')
		return false;
	policy_set_recipient(&facts, slice_from_text(try->recipient), at->server, &at->config->routes);
	return facts.local;
}

static void tell_relay(struct verify *at, const struct relay_try *try, const struct verify_reply *reply,
		       const char *rule)
{
	char text[VERIFY_TEXT_BYTES];
	struct verify_case what = { text, "refused: nobody from outside may have mail sent on", rule };
	snprintf(text, sizeof text, "MAIL FROM:<%.200s> and RCPT TO:<%.200s> without signing in%s%s (%s)", try->sender,
		 try->recipient, at->target.source ? ", from " : "", at->target.source ? at->target.source : "",
		 try->probe->what);
	bool refused = reply->code == 0 || reply->code >= 400, local = !refused && is_local(at, try);
	verify_tell(at, refused || local ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s%s", reply->text,
		    local ? ": it is delivered here" : "");
}

/* One session has room for some errors only. A server that sends the client away is asked once more, anew. */
static void try_all(struct verify *at, const struct verify_case *what)
{
	struct probe probe;
	struct relay_try try;
	for (size_t i = 0; i < sizeof relay_probes / sizeof *relay_probes; i++) {
		struct verify_reply reply = { .code = 0 };
		if (i % PROBES_A_SESSION == 0) {
			if (i > 0)
				probe_close(&probe);
			if (!verify_begin(at, &probe, &at->target, false, what))
				return;
		}
		prepare(at, &relay_probes[i], &try);
		try_relay(&probe, &try, &reply);
		if (reply.code == 0 || reply.code == 421) {
			probe_close(&probe);
			if (!verify_begin(at, &probe, &at->target, false, what))
				return;
			try_relay(&probe, &try, &reply);
		}
		tell_relay(at, &try, &reply, what->rule);
	}
	probe_close(&probe);
}

/* May a client there have mail sent on, by the configuration? */
static bool is_outsider(const struct verify *at, const char *address)
{
	struct policy_case asked = { .facts = { .tls_bits = POLICY_BITS_USUAL },
				     .recipient = SLICE_LITERAL(VERIFY_FOREIGN) };
	struct policy_steps steps;
	struct error error;
	if (!net_address_parse(slice_from_text(address), &asked.facts.client, &error))
		return false;
	policy_case_judge(&asked, at->policy, at->server, &at->config->routes, "ID", &steps);
	const struct policy_step *last = &steps.list[steps.count - 1];
	return last->verdict.outcome != POLICY_ALLOW && last->verdict.stage != POLICY_CONNECTION;
}

static const char *find_outsider(const struct verify *at, const char *const addresses[3])
{
	for (size_t i = 0; i < 3; i++)
		if (is_outsider(at, addresses[i]))
			return addresses[i];
	return NULL;
}

/* Who is on this machine may be an insider: then somebody else is asked for, if it can be. Where nobody is an outsider it does
 * not matter who asks. */
void verify_relay_outside(struct verify *at)
{
	static const char *const loopback[] = { "127.0.0.1", "127.254.254.254", "127.1.2.3" };
	static const char *const proxied[] = { "203.0.113.77", "198.51.100.77", "192.0.2.77" };
	char rule[VERIFY_TEXT_BYTES], header[LIMIT_PROXY_LINE_BYTES + 1];
	const struct probe_target before = at->target;
	verify_rule(at, rule, "RFC 6409 §3.2", "relay", at->server ? at->server->relay.line : 0);
	const struct verify_case what = { "a session without signing in", "mail for elsewhere is refused", rule };
	const char *here = at->server ? find_outsider(at, at->proxied ? proxied : loopback) : NULL;
	if (here && at->proxied) {
		snprintf(header, sizeof header, "PROXY TCP4 %s 192.0.2.1 40000 587\r\n", here);
		at->target.proxy_header = slice_from_text(header);
	} else if (here && strncmp(at->target.host, "127.", 4) == 0) {
		at->target.source = here;
	}
	if (at->server && !here && find_outsider(at, proxied))
		verify_tell(at, VERIFY_NOT_TRIED, &what,
			    "all clients on this machine may relay; proxy_protocol = 127.0.0.1 "
			    "would let others be tried");
	else
		try_all(at, &what);
	at->target = before;
}

void verify_relay_inside(struct verify *at)
{
	char rule[VERIFY_TEXT_BYTES];
	bool may = !at->server || at->server->relay.authenticated.value;
	verify_rule(at, rule, "RFC 6409 §3.2", "relay { authenticated }",
		    at->server ? at->server->relay.authenticated.line : 0);
	const struct verify_case what = { "MAIL and RCPT TO:<" VERIFY_FOREIGN "> after signing in",
					  may ? "250: who has signed in may send" : "refused", rule };
	struct probe probe;
	struct verify_reply reply;
	char command[VERIFY_TEXT_BYTES];
	if (!verify_begin(at, &probe, &at->target, true, &what))
		return;
	snprintf(command, sizeof command, "MAIL FROM:<%s>", strchr(at->request->user, '@') ? at->request->user : "");
	verify_ask(&probe, command, &reply);
	if (reply.code == 250)
		verify_ask(&probe, "RCPT TO:<" VERIFY_FOREIGN ">", &reply);
	verify_tell(at, (reply.code == 250) == may ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s", reply.text);
	probe_close(&probe);
}
