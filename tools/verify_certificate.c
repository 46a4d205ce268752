/* Checks of the certificates that a server shows: as a careful client sees them, and against the configuration's files. A name that has
 * two, one with an EC and one with an RSA key, is asked for both: a client shows by the signatures that it knows which one it wants. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/certificate_examine.h"
#include "tools/verify.h"

enum { NAME_BYTES = 300 };

/* How a certificate is asked for. */
struct wish {
	const char *name;
	enum tls_signatures signatures;
	int line; /* of the configuration; 0: there is none */
};

static const char *const knows[] = {
	[TLS_SIGNATURES_ALL] = "",
	[TLS_SIGNATURES_ECDSA] = " by a client that knows EC keys alone",
	[TLS_SIGNATURES_RSA] = " by a client that knows RSA keys alone",
};

static uint8_t pem_storage[128 * 1024];

/* What the server shows. False: nothing, and `error` says why. */
static bool fetch(struct verify *at, const struct wish *wish, struct buffer *pem, struct error *error)
{
	const struct tls_client_settings settings = { .min_version = TLS_VERSION_1_2,
						      .max_version = TLS_VERSION_1_3,
						      .signatures = wish->signatures };
	struct probe_target target = at->target;
	struct probe probe;
	bool done = false;
	buffer_init(pem, pem_storage, sizeof pem_storage);
	target.name = wish->name;
	target.context = tls_client_context_create(&settings, error);
	if (!target.context)
		return false;
	if (verify_connect(at, &probe, &target, error)) {
		done = probe_introduce(&probe, error);
		if (done && !tls_session_peer_certificates(probe.tls, pem))
			done = error_set(error, "no certificate was sent");
		probe_close(&probe);
	}
	tls_context_destroy(target.context);
	return done;
}

/* No client is set up with "*.example.org": a name below it stands for all. */
static void choose_name(const struct verify *at, const struct config_certificate *certificate, char name[NAME_BYTES])
{
	const char *text = certificate->name ? certificate->name : at->target.name;
	snprintf(name, NAME_BYTES, "%s%s", text[0] == '*' ? "postern-verify" : "", text[0] == '*' ? text + 1 : text);
}

/* One of two for the same name can be had only so. */
static enum tls_signatures choose_signatures(const struct config_server *server, size_t number)
{
	static struct certificate_report file;
	const struct config_certificate *certificate = &server->certificates[number];
	struct certificate_question question = { .certificate_file = certificate->certificate,
						 .unix_now = (int64_t)time(NULL) };
	const char *name = certificate->name ? certificate->name : "";
	size_t same = 0;
	for (size_t i = 0; i < server->certificate_count; i++)
		same += strcmp(server->certificates[i].name ? server->certificates[i].name : "", name) == 0;
	if (same < 2 || !certificate->certificate)
		return TLS_SIGNATURES_ALL;
	certificate_examine(&question, &file);
	return strncmp(file.key, "RSA", 3) == 0 ? TLS_SIGNATURES_RSA : TLS_SIGNATURES_ECDSA;
}

/* --- as a client sees it --- */

static struct certificate_report judged, on_disk;

/* Those that clients come with, unless others are named: then a CA of the site's own is none that they know. */
static const char *roots_of(const struct verify *at)
{
	if (at->request->ca)
		return at->request->ca;
	return access(CERTIFICATE_SYSTEM_ROOTS, R_OK) == 0 ? CERTIFICATE_SYSTEM_ROOTS : NULL;
}

static bool is_about_cas(const char *finding)
{
	return strcmp(finding, "private-ca") == 0 || strcmp(finding, "self-signed") == 0 ||
	       strcmp(finding, "incomplete-chain") == 0;
}

static void tell_findings(struct verify *at, const struct verify_case *what)
{
	bool refused = certificate_worst(&judged) == CERTIFICATE_FAULT;
	for (size_t i = 0; i < judged.count; i++)
		if (!refused || judged.findings[i].severity == CERTIFICATE_FAULT)
			verify_tell(at, refused ? VERIFY_FAILED : VERIFY_PASSED, what, "%s: %s%s",
				    judged.findings[i].name, judged.findings[i].text,
				    at->request->ca || !is_about_cas(judged.findings[i].name)
					    ? ""
					    : "; --ca FILE says which CAs clients know");
	if (judged.count == 0)
		verify_tell(at, VERIFY_PASSED, what, "%s, %s, %lld days left", judged.subject, judged.key,
			    (long long)judged.days_left);
}

static void judge(struct verify *at, const struct wish *wish, struct slice pem, const struct verify_case *what)
{
	const char *const hosts[] = { wish->name, NULL };
	struct certificate_question question = { .certificate_file = "what was sent",
						 .pem = pem,
						 .host_names = hosts,
						 .roots_file = roots_of(at),
						 .unix_now = (int64_t)time(NULL) };
	certificate_examine(&question, &judged);
	tell_findings(at, what);
}

static void describe_wish(const struct verify *at, const struct wish *wish, struct verify_case *what,
			  char tried[VERIFY_TEXT_BYTES], char rule[VERIFY_TEXT_BYTES])
{
	snprintf(tried, VERIFY_TEXT_BYTES,
		 "a handshake for the name %s%s, and its certificate as a careful client sees it", wish->name,
		 knows[wish->signatures]);
	verify_rule(at, rule, "RFC 5280, RFC 6125", "tls { certificate }", wish->line);
	*what = (struct verify_case){ tried,
				      "valid, for this name, of a CA that clients know, with a whole chain and a "
				      "strong key",
				      rule };
}

static void judge_wish(struct verify *at, const struct wish *wish)
{
	char tried[VERIFY_TEXT_BYTES], rule[VERIFY_TEXT_BYTES];
	struct verify_case what;
	struct buffer pem;
	struct error error = { "" };
	describe_wish(at, wish, &what, tried, rule);
	if (fetch(at, wish, &pem, &error))
		judge(at, wish, buffer_slice(&pem), &what);
	else
		verify_tell(at, VERIFY_FAILED, &what, "%s", error.text);
}

/* From outside it is not known whether there is a second one: it is looked for, and judged where there is. */
static void judge_other(struct verify *at, enum tls_signatures signatures, const char *fingerprint)
{
	char tried[VERIFY_TEXT_BYTES], rule[VERIFY_TEXT_BYTES];
	const struct wish wish = { at->target.name, signatures, 0 };
	struct verify_case what;
	struct buffer pem;
	struct error error = { "" };
	struct certificate_question question = { .certificate_file = "what was sent", .unix_now = (int64_t)time(NULL) };
	if (!fetch(at, &wish, &pem, &error))
		return;
	question.pem = buffer_slice(&pem);
	certificate_examine(&question, &judged);
	if (strcmp(judged.fingerprint, fingerprint) == 0)
		return;
	describe_wish(at, &wish, &what, tried, rule);
	judge(at, &wish, buffer_slice(&pem), &what);
}

void verify_certificate(struct verify *at)
{
	char name[NAME_BYTES], fingerprint[CERTIFICATE_FINGERPRINT_BYTES];
	struct wish wish = { at->target.name, TLS_SIGNATURES_ALL, 0 };
	if (!at->server || at->server->certificate_count == 0) {
		judged.fingerprint[0] = 0;
		judge_wish(at, &wish);
		memcpy(fingerprint, judged.fingerprint, sizeof fingerprint);
		judge_other(at, TLS_SIGNATURES_ECDSA, fingerprint);
		judge_other(at, TLS_SIGNATURES_RSA, fingerprint);
		return;
	}
	wish.name = name;
	for (size_t i = 0; i < at->server->certificate_count; i++) {
		choose_name(at, &at->server->certificates[i], name);
		wish.signatures = choose_signatures(at->server, i);
		wish.line = at->server->certificates[i].line;
		judge_wish(at, &wish);
	}
}

/* --- as it is in the file --- */

/* That it was renewed does not help where the old one is still served. */
static void compare_served(struct verify *at, const struct config_certificate *certificate, const struct wish *wish)
{
	char tried[VERIFY_TEXT_BYTES], rule[VERIFY_TEXT_BYTES];
	snprintf(tried, sizeof tried, "a handshake for the name %s%s, compared with %s", wish->name,
		 knows[wish->signatures], certificate->certificate);
	verify_rule(at, rule, "", "tls { certificate }", certificate->line);
	const struct verify_case what = { tried, "what is in the file is what is served", rule };
	struct certificate_question question = { .certificate_file = certificate->certificate,
						 .unix_now = (int64_t)time(NULL) };
	struct buffer pem;
	struct error error = { "" };
	certificate_examine(&question, &on_disk);
	if (!on_disk.readable) {
		verify_tell(at, VERIFY_FAILED, &what, "%s", on_disk.findings[0].text);
		return;
	}
	if (!fetch(at, wish, &pem, &error)) {
		verify_tell(at, VERIFY_FAILED, &what, "%s", error.text);
		return;
	}
	question.pem = buffer_slice(&pem);
	certificate_examine(&question, &judged);
	bool same = strcmp(judged.fingerprint, on_disk.fingerprint) == 0 && judged.chain == on_disk.chain;
	verify_tell(at, same ? VERIFY_PASSED : VERIFY_FAILED, &what,
		    "%s; %s, SHA-256 %.16s…, chain of %zu is served, %s, %.16s…, chain of %zu is in the file",
		    same ? "the same" : "another one", judged.key, judged.fingerprint, judged.chain, on_disk.key,
		    on_disk.fingerprint, on_disk.chain);
}

void verify_certificate_served(struct verify *at)
{
	char name[NAME_BYTES];
	for (size_t i = 0; i < at->server->certificate_count; i++) {
		const struct config_certificate *certificate = &at->server->certificates[i];
		if (!certificate->certificate)
			continue;
		choose_name(at, certificate, name);
		const struct wish wish = { name, choose_signatures(at->server, i), certificate->line };
		compare_served(at, certificate, &wish);
	}
}
