/* Checks of TLS: what is said before it, which versions and ciphers it takes, which certificate it shows. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/certificate_examine.h"
#include "tools/verify.h"
#include "tools/verify_hello.h"

static bool connect_plainly(struct verify *at, struct probe *probe, struct probe_target *target,
			    const struct verify_case *what)
{
	*target = at->target;
	target->security = PROBE_PLAIN;
	return verify_begin(at, probe, target, false, what);
}

/* --- before TLS --- */

void verify_greeting(struct verify *at)
{
	char expected[VERIFY_TEXT_BYTES];
	struct verify_case what = { "connecting, and EHLO", expected, "RFC 5321 §3.1, §4.1.1.1" };
	struct error error = { "" };
	struct probe probe;
	struct verify_reply reply;
	snprintf(expected, sizeof expected, "220 and 250%s%s",
		 at->target.security == PROBE_STARTTLS ? ", STARTTLS is offered and done" : "",
		 at->target.security == PROBE_TLS ? ", inside TLS" : "");
	if (!verify_begin(at, &probe, &at->target, false, &what))
		return;
	verify_take_reply(&probe, true, &error, &reply);
	verify_tell(at, VERIFY_PASSED, &what, "%s", reply.text);
	probe_close(&probe);
}

void verify_auth_in_clear(struct verify *at)
{
	char rule[VERIFY_TEXT_BYTES];
	struct verify_case what = { "EHLO outside TLS, then AUTH PLAIN with made-up words",
				    "AUTH is not offered, and refused before anything is looked at", rule };
	struct probe_target target;
	struct probe probe;
	struct verify_reply reply;
	verify_rule(at, rule, "RFC 4954 §4, RFC 8314 §3.3", "auth { plaintext = no }",
		    at->server ? at->server->auth_line : 0);
	if (!connect_plainly(at, &probe, &target, &what))
		return;
	bool offered = probe.reply.extensions & SMTP_EXTENSION_AUTH;
	verify_ask(&probe, "AUTH PLAIN AHBvc3Rlcm4AdmVyaWZ5", &reply);
	bool heard = reply.code == 235 || reply.code == 535 || (reply.code >= 300 && reply.code < 400);
	verify_tell(at, offered || heard ? VERIFY_FAILED : VERIFY_PASSED, &what, "AUTH is %soffered; %s",
		    offered ? "" : "not ", reply.text);
	probe_close(&probe);
}

void verify_tls_required(struct verify *at)
{
	struct verify_case what = { "MAIL outside TLS", "5xx: no mail is taken in the clear", "RFC 8314 §3.3" };
	struct probe_target target;
	struct probe probe;
	struct verify_reply reply;
	if (!connect_plainly(at, &probe, &target, &what))
		return;
	verify_ask(&probe, "MAIL FROM:<>", &reply);
	verify_tell(at, reply.code >= 500 ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s", reply.text);
	probe_close(&probe);
}

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
	if (!probe_connect(&probe, &target, &error)) {
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

/* Where the configuration wants 1.3, 1.2 must not do. */
static void expect_no_1_2(struct verify *at, const char *rule)
{
	struct verify_case what = { "a handshake with TLS 1.2 at most", "refused", rule };
	const struct tls_client_settings settings = { .min_version = TLS_VERSION_1_2, .max_version = TLS_VERSION_1_2 };
	struct error error = { "" };
	struct probe probe;
	struct probe_target target = at->target;
	target.context = tls_client_context_create(&settings, &error);
	if (target.context && probe_connect(&probe, &target, &error)) {
		bool came = probe_introduce(&probe, &error);
		verify_tell(at, came ? VERIFY_FAILED : VERIFY_PASSED, &what, "%s", came ? "accepted" : error.text);
		probe_close(&probe);
	} else {
		verify_tell(at, target.context ? VERIFY_PASSED : VERIFY_NOT_TRIED, &what, "%s", error.text);
	}
	tls_context_destroy(target.context);
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

void verify_tls_strength(struct verify *at)
{
	static const struct verify_case what = { "a handshake as clients do it today",
						 "TLS 1.2 or 1.3 with at least 128 bits", "RFC 9325 §3, §4" };
	struct probe probe;
	struct tls_facts facts;
	if (!verify_begin(at, &probe, &at->target, false, &what))
		return;
	tls_session_facts(probe.tls, &facts);
	verify_tell(at, facts.bits >= 128 ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s, %s, %u bits", facts.version,
		    facts.cipher, facts.bits);
	probe_close(&probe);
}

/* --- certificates --- */

static uint8_t pem_storage[128 * 1024];

static bool take_certificates(struct verify *at, const char *name, struct buffer *pem, const struct verify_case *what)
{
	struct probe_target target = at->target;
	struct probe probe;
	target.name = name;
	buffer_init(pem, pem_storage, sizeof pem_storage);
	if (!verify_begin(at, &probe, &target, false, what))
		return false;
	bool done = tls_session_peer_certificates(probe.tls, pem);
	if (!done)
		verify_tell(at, VERIFY_FAILED, what, "no certificate was sent");
	probe_close(&probe);
	return done;
}

static struct certificate_report judged, on_disk;

static void judge_certificate(struct verify *at, const char *name, int line)
{
	char tried[VERIFY_TEXT_BYTES], rule[VERIFY_TEXT_BYTES];
	snprintf(tried, sizeof tried, "a handshake for the name %s, and its certificate as a careful client sees it",
		 name);
	verify_rule(at, rule, "RFC 5280, RFC 6125", "tls { certificate }", line);
	const struct verify_case what = { tried, "valid, for this name, with a whole chain and a strong key", rule };
	const char *const hosts[] = { name, NULL };
	struct buffer pem;
	if (!take_certificates(at, name, &pem, &what))
		return;
	struct certificate_question question = { .certificate_file = "what was sent",
						 .pem = buffer_slice(&pem),
						 .host_names = hosts,
						 .roots_file = at->request->ca,
						 .unix_now = (int64_t)time(NULL) };
	certificate_examine(&question, &judged);
	bool refused = certificate_worst(&judged) == CERTIFICATE_FAULT;
	for (size_t i = 0; i < judged.count; i++)
		if (!refused || judged.findings[i].severity == CERTIFICATE_FAULT)
			verify_tell(at, refused ? VERIFY_FAILED : VERIFY_PASSED, &what, "%s: %s",
				    judged.findings[i].name, judged.findings[i].text);
	if (judged.count == 0)
		verify_tell(at, VERIFY_PASSED, &what, "%s, %s, %lld days left", judged.subject, judged.key,
			    (long long)judged.days_left);
}

void verify_certificate(struct verify *at)
{
	if (!at->server || at->server->certificate_count == 0) {
		judge_certificate(at, at->target.name, 0);
		return;
	}
	for (size_t i = 0; i < at->server->certificate_count; i++) {
		const struct config_certificate *certificate = &at->server->certificates[i];
		const char *name = certificate->name ? certificate->name : at->target.name;
		if (name[0] != '*') /* no client is set up with that */
			judge_certificate(at, name, certificate->line);
	}
}

/* That it was renewed does not help where the old one is still served. */
static void compare_served(struct verify *at, const struct config_certificate *certificate)
{
	char tried[VERIFY_TEXT_BYTES], rule[VERIFY_TEXT_BYTES];
	const char *name = certificate->name ? certificate->name : at->target.name;
	snprintf(tried, sizeof tried, "a handshake for the name %s, compared with %s", name, certificate->certificate);
	verify_rule(at, rule, "", "tls { certificate }", certificate->line);
	const struct verify_case what = { tried, "what is in the file is what is served", rule };
	struct certificate_question question = { .certificate_file = certificate->certificate,
						 .unix_now = (int64_t)time(NULL) };
	struct buffer pem;
	certificate_examine(&question, &on_disk);
	if (!on_disk.readable) {
		verify_tell(at, VERIFY_FAILED, &what, "%s", on_disk.findings[0].text);
		return;
	}
	if (!take_certificates(at, name, &pem, &what))
		return;
	question.pem = buffer_slice(&pem);
	certificate_examine(&question, &judged);
	bool same = strcmp(judged.fingerprint, on_disk.fingerprint) == 0;
	verify_tell(at, same ? VERIFY_PASSED : VERIFY_FAILED, &what,
		    "%s; SHA-256 %.16s… is served, %.16s… is in the file", same ? "the same" : "another one",
		    judged.fingerprint, on_disk.fingerprint);
}

void verify_certificate_served(struct verify *at)
{
	for (size_t i = 0; i < at->server->certificate_count; i++) {
		const struct config_certificate *certificate = &at->server->certificates[i];
		if (certificate->certificate && (!certificate->name || certificate->name[0] != '*'))
			compare_served(at, certificate);
	}
}
