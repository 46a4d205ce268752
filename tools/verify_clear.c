/* Checks of what a server hears outside TLS: sign-ins, mail, and commands that come in one packet with STARTTLS. */
#include <stdio.h>
#include <string.h>

#include "proto/sasl.h"
#include "tools/prove.h"
#include "tools/verify.h"

static bool connect_plainly(struct verify *at, struct probe *probe, struct probe_target *target,
			    const struct verify_case *what)
{
	*target = at->target;
	target->security = PROBE_PLAIN;
	return verify_begin(at, probe, target, false, what);
}

/* --- sign-ins --- */

/* One try; true: it was heard, whatever was thought of it. */
static bool is_heard(struct probe *probe, unsigned mechanism, struct verify_reply *reply)
{
	char command[64];
	struct verify_reply cancelled;
	snprintf(command, sizeof command, "AUTH %s%s", sasl_mechanism_name(mechanism),
		 mechanism == SASL_PLAIN ? " AHBvc3Rlcm4AdmVyaWZ5" : "");
	verify_ask(probe, command, reply);
	if (reply->code == 334)
		verify_ask(probe, "*", &cancelled);
	return reply->code == 235 || reply->code == 535 || reply->code == 454 || reply->code / 100 == 3;
}

static void try_in_clear(struct verify *at, unsigned mechanism, const char *rule)
{
	char tried[VERIFY_TEXT_BYTES];
	const struct verify_case what = { tried, "refused before anything is looked at", rule };
	struct probe_target target;
	struct probe probe;
	struct verify_reply reply;
	snprintf(tried, sizeof tried, "AUTH %s outside TLS%s", sasl_mechanism_name(mechanism),
		 mechanism == SASL_PLAIN ? ", with made-up words" : "");
	if (!connect_plainly(at, &probe, &target, &what))
		return;
	bool heard = is_heard(&probe, mechanism, &reply);
	verify_tell(at, heard ? VERIFY_FAILED : VERIFY_PASSED, &what, "%s", reply.text);
	probe_close(&probe);
}

static void look_for_offer(struct verify *at, const char *rule)
{
	const struct verify_case what = { "EHLO outside TLS", "AUTH is not offered", rule };
	struct probe_target target;
	struct probe probe;
	if (!connect_plainly(at, &probe, &target, &what))
		return;
	bool offered = probe.reply.extensions & SMTP_EXTENSION_AUTH;
	verify_tell(at, offered ? VERIFY_FAILED : VERIFY_PASSED, &what, "AUTH is %soffered", offered ? "" : "not ");
	probe_close(&probe);
}

/* Those that show the password, and those that the configuration has beside them. */
void verify_auth_in_clear(struct verify *at)
{
	char rule[VERIFY_TEXT_BYTES];
	unsigned mechanisms = SASL_PLAIN | SASL_LOGIN | (at->server ? at->server->mechanisms : 0);
	bool said = at->server && at->server->plaintext_sign_in;
	verify_rule(at, rule, "RFC 4954 §4, RFC 8314 §3.3",
		    said ? "auth { plaintext = yes } says otherwise" : "auth { plaintext = no }",
		    at->server ? at->server->auth_line : 0);
	look_for_offer(at, rule);
	for (unsigned left = mechanisms; left; left &= left - 1)
		try_in_clear(at, left & -left, rule);
}

/* --- mail --- */

/* What the configuration says of mail in the clear at this listener. */
struct said {
	bool refused;                    /* whoever sends it */
	const struct prove_clear *clear; /* who may send it else; NULL: nobody */
	const char *setting;
	int line;
};

static struct said ask_configuration(const struct verify *at)
{
	const struct config_tls *tls = &at->server->tls;
	bool said = tls->require_line, by_passwords = !said && !at->policy->tls_required;
	bool plain = at->target.security == PROBE_PLAIN;
	const struct prove_clear *clear = plain ? &at->proof->plain : &at->proof->starttls;
	return (struct said){
		.refused = !plain && at->policy->tls_required,
		.clear = clear->classes ? clear : NULL,
		.setting = plain          ? "listen"
			   : by_passwords ? "auth { plaintext = yes } asks for no TLS"
			   : said         ? "tls { require }"
					  : "tls { require = yes }",
		.line = plain          ? at->listener->line
			: by_passwords ? at->server->auth_line
				       : tls->require_line,
	};
}

static void tell_mail(struct verify *at, const struct verify_case *what, const struct said *said,
		      const struct verify_reply *reply)
{
	char example[NET_ADDRESS_TEXT_BYTES];
	if (reply->code < 500) {
		verify_tell(at, VERIFY_FAILED, what, "%s%s", reply->text,
			    !at->server     ? ""
			    : said->refused ? "; that is not what the configuration says"
					    : "; so the configuration says");
	} else if (said->clear) {
		net_address_format(&said->clear->facts.client, example);
		verify_tell(at, VERIFY_FAILED, what,
			    "%s; but the configuration takes it from %llu other classes of clients, one at %s",
			    reply->text, (unsigned long long)said->clear->classes, example);
	} else if (at->server && !said->refused && at->target.security == PROBE_STARTTLS) {
		verify_tell(at, VERIFY_FAILED, what,
			    "%s; but not for want of TLS: by the configuration whoever may send may do so in the clear",
			    reply->text);
	} else if (said->refused && reply->code != 530) {
		verify_tell(at, VERIFY_FAILED, what, "%s; by the configuration it is 530, whoever sends", reply->text);
	} else {
		verify_tell(at, VERIFY_PASSED, what, "%s", reply->text);
	}
}

void verify_tls_required(struct verify *at)
{
	char rule[VERIFY_TEXT_BYTES];
	const struct said said = at->server ? ask_configuration(at) : (struct said){ .setting = "" };
	struct verify_case what = { "MAIL outside TLS",
				    said.refused ? "530: no mail is taken in the clear"
						 : "5xx: no mail is taken in the clear",
				    verify_rule(at, rule, "RFC 8314 §3.3", said.setting, said.line) };
	struct probe_target target;
	struct probe probe;
	struct verify_reply reply;
	if (!connect_plainly(at, &probe, &target, &what))
		return;
	verify_ask(&probe, "MAIL FROM:<>", &reply);
	tell_mail(at, &what, &said, &reply);
	probe_close(&probe);
}

/* --- STARTTLS --- */

/* Answers whether something came; what, in `reply`. */
static bool hears(struct probe *probe, struct probe_target *target, struct verify_reply *reply)
{
	struct error error = { "" };
	target->timeout_ms = VERIFY_SILENCE_MS;
	bool came = probe_await(probe, &error);
	verify_take_reply(probe, came, &error, reply);
	target->timeout_ms = VERIFY_WAIT_MS;
	return came;
}

void verify_starttls_injection(struct verify *at)
{
	struct verify_case what = { "STARTTLS with another command behind it in the same packet",
				    "what came in the clear is not answered inside TLS",
				    "RFC 3207 §4.2 (CVE-2011-0411)" };
	struct probe_target target;
	struct probe probe;
	struct verify_reply reply;
	struct error error = { "" };
	if (!connect_plainly(at, &probe, &target, &what))
		return;
	bool good = probe_send(&probe, SLICE_LITERAL("STARTTLS\r\nNOOP\r\n"), &error) && probe_await(&probe, &error);
	verify_take_reply(&probe, good, &error, &reply);
	if (reply.code == 220 && probe_start_tls(&probe, &error)) {
		bool came = hears(&probe, &target, &reply);
		verify_tell(at, came ? VERIFY_FAILED : VERIFY_PASSED, &what, "%s%s",
			    came ? "answered inside TLS: " : "nothing was answered inside TLS", came ? reply.text : "");
	} else {
		verify_tell(at, VERIFY_PASSED, &what, "%s", reply.code == 220 ? error.text : reply.text);
	}
	probe_close(&probe);
}
