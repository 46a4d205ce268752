/* Checks of relay: nobody from outside may have mail sent on, however the address is dressed up; who has signed in may. No
 * probe sends a text: each transaction ends after RCPT. */
#include <stdio.h>
#include <string.h>

#include "tools/policy_situation.h"
#include "tools/verify.h"

enum { PROBES_A_SESSION = 5 }; /* servers send away who makes many errors */

/* %h is the server's host name, %a its address, %d a domain whose mail it delivers, if one is known, %f a domain of
 * somewhere else, %% the sign. */
static const struct relay_probe {
	const char *sender, *recipient, *what;
} relay_probes[] = {
	{ "", "postern-verify@%f", "as it is" },
	{ "postern-verify@example.net", "postern-verify@%f", "a foreign sender" },
	{ "postmaster@%h", "postern-verify@%f", "a sender of the server's own" },
	{ "postmaster@%a", "postern-verify@%f", "a sender at the server's address" },
	{ "postern-verify@%d", "postern-verify@%f", "a sender of a domain that is here" },
	{ "postern-verify@%f", "postern-verify@%f", "to oneself" },
	{ "postern-verify@localhost", "postern-verify@%f", "a sender at localhost" },
	{ "postern-verify", "postern-verify@%f", "a sender without a domain" },
	{ "", "\"postern-verify@%f\"", "quoted, without a domain" },
	{ "", "\"postern-verify@%f\"@%h", "quoted, at the server" },
	{ "", "postern-verify%%%f@%h", "the percent sign" },
	{ "", "postern-verify%%%f@%a", "the percent sign, at the server's address" },
	{ "", "postern-verify%%%f@%d", "the percent sign, at a domain that is here" },
	{ "", "%f!postern-verify", "a bang path" },
	{ "", "%f!postern-verify@%h", "a bang path at the server" },
	{ "", "%f!postern-verify@%a", "a bang path at the server's address" },
	{ "", "@%h:postern-verify@%f", "a source route through the server" },
	{ "", "@%a:postern-verify@%f", "a source route through the server's address" },
	{ "", "postern-verify@%f@%h", "two domains" },
	{ "", "postern-verify@[192.0.2.1]", "an address instead of a domain" },
};

/* The commands of one probe. */
struct relay_try {
	const struct relay_probe *probe;
	char sender[512], recipient[512];
};

static void write_address(const struct verify *at, struct buffer *out)
{
	struct net_address address;
	struct error error;
	bool numeric = net_address_parse(slice_from_text(at->target.host), &address, &error);
	buffer_append_text(out, numeric && address.family == 6 ? "[IPv6:" : "[");
	buffer_append_text(out, at->target.host);
	buffer_append_text(out, "]");
}

static void write_domain(const struct verify *at, struct buffer *out)
{
	char domain[LIMIT_PATH_BYTES];
	const char *recipient = verify_recipient(at);
	const char *sign = recipient ? strrchr(recipient, '@') : NULL;
	if (at->config && prove_find_domain(&at->config->routes, true, domain))
		buffer_append_text(out, domain);
	else
		buffer_append_text(out, sign ? sign + 1 : at->target.name);
}

/* Too long a name is cut: the address is then a wrong one, and refused. */
static void expand(const struct verify *at, const char *format, char *text, size_t capacity)
{
	struct buffer out;
	buffer_init(&out, (uint8_t *)text, capacity - 1);
	for (const char *c = format; *c; c++) {
		if (*c != '%')
			buffer_append_byte(&out, (uint8_t)*c);
		else if (*++c == 'h')
			buffer_append_text(&out, at->target.name);
		else if (*c == 'a')
			write_address(at, &out);
		else if (*c == 'd')
			write_domain(at, &out);
		else if (*c == 'f')
			buffer_append_text(&out, strchr(at->foreign, '@') + 1);
		else
			buffer_append_byte(&out, '%');
	}
	text[out.size] = 0;
}

static void prepare(const struct verify *at, const struct relay_probe *probe, struct relay_try *try)
{
	try->probe = probe;
	expand(at, probe->sender, try->sender, sizeof try->sender);
	expand(at, probe->recipient, try->recipient, sizeof try->recipient);
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
	const char *recipient = try->recipient, *route = recipient[0] == '@' ? strchr(recipient, ':') : NULL;
	if (route) /* is not looked at (RFC 5321 §4.1.1.3) */
		recipient = route + 1;
	if (!at->server || !strchr(recipient, '@'))
		return false;
	policy_set_recipient(&facts, slice_from_text(recipient), at->server, &at->config->routes);
	return facts.local;
}

static void tell_relay(struct verify *at, const struct relay_try *try, const struct verify_guise *guise,
		       const struct verify_reply *reply, const char *rule)
{
	char text[VERIFY_TEXT_BYTES];
	struct verify_case what = { text, "refused: nobody from outside may have mail sent on", rule };
	snprintf(text, sizeof text, "MAIL FROM:<%.200s> and RCPT TO:<%.200s> without signing in%s%s (%s)", try->sender,
		 try->recipient, guise->address[0] ? ", from " : "", guise->address, try->probe->what);
	bool refused = reply->code == 0 || reply->code >= 400, local = !refused && is_local(at, try);
	verify_tell(at, refused || local ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s%s", reply->text,
		    local ? ": it is delivered here" : "");
}

/* One session has room for some errors only. A server that sends the client away is asked once more, anew. */
static void try_all(struct verify *at, const struct verify_guise *guise, const struct verify_case *what)
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
		tell_relay(at, &try, guise, &reply, what->rule);
	}
	probe_close(&probe);
}

/* Who is on this machine may be an insider: then somebody else is asked for, if it can be. Where
 * nobody is an outsider it does not matter who asks. */
void verify_relay_outside(struct verify *at)
{
	char rule[VERIFY_TEXT_BYTES];
	struct verify_guise guise = { .address = "" };
	const struct probe_target before = at->target;
	verify_rule(at, rule, "RFC 6409 §3.2", "relay", at->server ? at->server->relay.line : 0);
	const struct verify_case what = { "a session without signing in", "mail for elsewhere is refused", rule };
	bool outside = at->server && verify_come_as_outsider(at, &guise);
	if (at->server && !outside && verify_knows_outsiders(at))
		verify_tell(at, VERIFY_NOT_TRIED, &what,
			    "all clients on this machine may relay; proxy_protocol = 127.0.0.1 "
			    "would let others be tried");
	else
		try_all(at, &guise, &what);
	at->target = before;
}

void verify_relay_inside(struct verify *at)
{
	char rule[VERIFY_TEXT_BYTES];
	bool may = !at->server || at->server->relay.authenticated.value;
	verify_rule(at, rule, "RFC 6409 §3.2", "relay { authenticated }",
		    at->server ? at->server->relay.authenticated.line : 0);
	char tried[VERIFY_TEXT_BYTES];
	const struct verify_case what = { tried, may ? "250: who has signed in may send" : "refused", rule };
	struct probe probe;
	struct verify_reply reply;
	char command[VERIFY_TEXT_BYTES];
	snprintf(tried, sizeof tried, "MAIL and RCPT TO:<%.300s> after signing in", at->foreign);
	if (!verify_begin(at, &probe, &at->target, true, &what))
		return;
	snprintf(command, sizeof command, "MAIL FROM:<%s>", strchr(at->request->user, '@') ? at->request->user : "");
	verify_ask(&probe, command, &reply);
	if (reply.code == 250)
		verify_ask_recipient(&probe, at->foreign, &reply);
	verify_tell(at, (reply.code == 250) == may ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s", reply.text);
	probe_close(&probe);
}
