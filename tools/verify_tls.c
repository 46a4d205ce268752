/* Checks of TLS: what is said before it, which versions and ciphers it takes, which certificate it shows. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/verify.h"
#include "tools/verify_hello.h"

enum { LEAST_BITS = 128 }; /* RFC 9325 §4.1 wants no cipher with less */

/* --- before TLS --- */

/* False: the connection is gone, or was told to be no good. */
static bool take_greeting(struct verify *at, const struct verify_case *what, struct verify_reply *greeting)
{
	struct probe probe;
	struct error error = { "" };
	if (!verify_connect(at, &probe, &at->target, &error)) {
		verify_tell(at, VERIFY_FAILED, what, "%s", error.text);
		return false;
	}
	bool came = probe_await(&probe, &error);
	verify_take_reply(&probe, came, &error, greeting);
	probe_close(&probe);
	at->turned_away = greeting->code >= 400;
	if (greeting->code != 220)
		verify_tell(at, VERIFY_FAILED, what, "greeting: %s", greeting->text);
	return greeting->code == 220;
}

/* Behind the code comes the name (RFC 5321 §4.2, §4.1.1.1). */
static bool has_name(const struct verify_reply *reply, const char *name)
{
	const char *text = reply->text + strcspn(reply->text, " ");
	text += strspn(text, " ");
	struct slice word = slice_of(text, strcspn(text, " "));
	return slice_equal_nocase(word, slice_from_text(name));
}

void verify_greeting(struct verify *at)
{
	char expected[VERIFY_TEXT_BYTES], rule[VERIFY_TEXT_BYTES];
	struct verify_case what = { "connecting, and EHLO", expected, rule };
	struct error error = { "" };
	struct probe probe;
	struct verify_reply greeting, reply;
	const char *name = at->server ? at->server->hostname : NULL;
	verify_rule(at, rule, "RFC 5321 §3.1, §4.1.1.1", "hostname", at->server ? at->server->line : 0);
	snprintf(expected, sizeof expected, "220 and 250%s%.255s%s%s", name ? " by the name of " : "", name ? name : "",
		 at->target.security == PROBE_STARTTLS ? ", STARTTLS is offered and done" : "",
		 at->target.security == PROBE_TLS ? ", inside TLS" : "");
	if (!take_greeting(at, &what, &greeting) || !verify_begin(at, &probe, &at->target, false, &what))
		return;
	verify_take_reply(&probe, true, &error, &reply);
	bool named = !name || (has_name(&greeting, name) && has_name(&reply, name));
	verify_tell(at, named ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s%.300s; %.300s",
		    named ? "" : "another name, and so another server: ", greeting.text, reply.text);
	probe_close(&probe);
}

/* --- versions and ciphers, by a hello that our own library would not send --- */

/* Sends the hello and reads what the server makes of it. */
static bool try_hello(struct verify *at, const struct verify_hello *hello, struct verify_hello_answer *answer,
		      const struct verify_case *what)
{
	struct probe_target target = at->target;
	struct probe probe;
	struct error error = { "" };
	struct verify_reply reply = { .code = 220 };
	target.security = PROBE_PLAIN;
	if (!verify_connect(at, &probe, &target, &error)) {
		verify_tell(at, VERIFY_FAILED, what, "%s", error.text);
		return false;
	}
	if (at->target.security == PROBE_STARTTLS) {
		if (probe_introduce(&probe, &error))
			verify_ask(&probe, "STARTTLS", &reply);
		else
			verify_take_reply(&probe, false, &error, &reply);
	}
	bool ready = reply.code == 220;
	if (ready)
		verify_hello_exchange(probe.fd, hello, answer);
	else
		verify_tell(at, VERIFY_FAILED, what, "%s", reply.text);
	shutdown(probe.fd, SHUT_RDWR); /* QUIT would be no TLS */
	probe_close(&probe);
	return ready;
}

static void expect_refusal(struct verify *at, const struct verify_hello *hello, const struct verify_case *what)
{
	struct verify_hello_answer answer;
	if (!try_hello(at, hello, &answer, what))
		return;
	verify_tell(at, answer.accepted ? VERIFY_FAILED : VERIFY_PASSED, what, "%s", answer.text);
}

/* By our own library, with less than it knows. */
static void expect_no_session(struct verify *at, const struct tls_client_settings *settings,
			      const struct verify_case *what)
{
	struct error error = { "" };
	struct probe probe;
	struct probe_target target = at->target;
	target.context = tls_client_context_create(settings, &error);
	if (target.context && verify_connect(at, &probe, &target, &error)) {
		bool came = probe_introduce(&probe, &error);
		verify_tell(at, came ? VERIFY_FAILED : VERIFY_PASSED, what, "%s", came ? "accepted" : error.text);
		probe_close(&probe);
	} else {
		verify_tell(at, target.context ? VERIFY_PASSED : VERIFY_NOT_TRIED, what, "%s", error.text);
	}
	tls_context_destroy(target.context);
}

/* Where the configuration wants 1.3, 1.2 must not do. */
static void expect_no_1_2(struct verify *at, const char *rule)
{
	struct verify_case what = { "a handshake with TLS 1.2 at most", "refused", rule };
	const struct tls_client_settings settings = { .min_version = TLS_VERSION_1_2, .max_version = TLS_VERSION_1_2 };
	expect_no_session(at, &settings, &what);
}

void verify_tls_floor(struct verify *at)
{
	char rule[VERIFY_TEXT_BYTES];
	verify_rule(at, rule, "RFC 8996", "tls { min_version }",
		    at->server && at->server->certificate_count ? at->server->certificates[0].line : 0);
	const struct verify_case old = { "a handshake with TLS 1.0 at most", "refused", rule };
	const struct verify_case older = { "a handshake with TLS 1.1 at most", "refused", rule };
	expect_refusal(at, &verify_hello_1_0, &old);
	expect_refusal(at, &verify_hello_1_1, &older);
	if (at->server && at->server->tls_min_version > TLS_VERSION_1_2)
		expect_no_1_2(at, rule);
}

void verify_tls_ciphers(struct verify *at)
{
	static const struct verify_case broken = {
		"TLS 1.2 with ciphers that are broken or encrypt nothing: NULL, EXPORT, RC4, "
		"DES, 3DES, without authentication",
		"refused", "RFC 9325 §4.1"
	};
	static const struct verify_case forward = {
		"TLS 1.2 with ciphers without forward secrecy only (RSA key exchange)",
		"refused: who gets the key later must not read what was sent before", "RFC 9325 §4.1"
	};
	expect_refusal(at, &verify_hello_broken, &broken);
	expect_refusal(at, &verify_hello_no_forward_secrecy, &forward);
}

/* Where more is asked for than what every cipher has, fewer bits must not do. */
static void expect_no_128(struct verify *at, const char *rule)
{
	struct verify_case what = { "a handshake with TLS 1.2 at most and ciphers of 128 bits alone", "refused", rule };
	const struct tls_client_settings settings = { .min_version = TLS_VERSION_1_2,
						      .max_version = TLS_VERSION_1_2,
						      .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:"
								 "ECDHE-RSA-AES128-GCM-SHA256" };
	expect_no_session(at, &settings, &what);
}

void verify_tls_strength(struct verify *at)
{
	char expected[VERIFY_TEXT_BYTES], rule[VERIFY_TEXT_BYTES];
	struct verify_case what = { "a handshake as clients do it today", expected, rule };
	unsigned asked = at->policy ? at->policy->min_bits : 0, least = asked > LEAST_BITS ? asked : LEAST_BITS;
	struct probe probe;
	struct tls_facts facts;
	verify_rule(at, rule, "RFC 9325 §3, §4", "tls { min_bits }", at->server ? at->server->tls.min_bits_line : 0);
	snprintf(expected, sizeof expected, "TLS 1.2 or 1.3 with at least %u bits", least);
	if (!verify_begin(at, &probe, &at->target, false, &what))
		return;
	tls_session_facts(probe.tls, &facts);
	bool asks = !at->policy || asked >= LEAST_BITS;
	verify_tell(at, facts.bits >= least && asks ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s, %s, %u bits%s",
		    facts.version, facts.cipher, facts.bits,
		    asks ? "" : "; but the configuration would do with fewer than 128");
	probe_close(&probe);
	if (asked > LEAST_BITS)
		expect_no_128(at, rule);
}
