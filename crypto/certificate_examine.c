/* What clients would say of a certificate; see certificate_examine.h. One function a question, and a table of them. */
#include "crypto/certificate_examine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/sha.h>

#include "crypto/certificate_issue.h"
#include "crypto/certificate_parts.h"
#include "crypto/certificate_trust.h"
#include "crypto/host_name.h"
#include "crypto/key_pair.h"

struct examination {
	const struct certificate_question *question;
	struct certificate_report *report;
	struct key_pair pair;
	X509 *leaf;
	EVP_PKEY *public_key; /* the leaf's, or NULL when it can't be read */
};

static void find(struct examination *at, enum certificate_severity severity, const char *name, const char *format, ...)
	PRINTF_LIKE(4, 5);
static void find(struct examination *at, enum certificate_severity severity, const char *name, const char *format, ...)
{
	struct certificate_report *report = at->report;
	if (report->count == CERTIFICATE_FINDINGS)
		return;
	struct certificate_finding *finding = &report->findings[report->count++];
	finding->severity = severity;
	finding->name = name;
	va_list args;
	va_start(args, format);
	vsnprintf(finding->text, sizeof finding->text, format, args);
	va_end(args);
}

/* --- what it is --- */

static int64_t unix_time(const ASN1_TIME *when)
{
	int days = 0, seconds = 0;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	if (!epoch || !ASN1_TIME_diff(&days, &seconds, epoch, when))
		days = seconds = 0;
	ASN1_TIME_free(epoch);
	ERR_clear_error();
	return (int64_t)days * SECONDS_PER_DAY + seconds;
}

/* What a name holds is the maker's of the certificate: only what is printable gets onto a terminal. */
static void append_name(char names[CERTIFICATE_NAMES_BYTES], struct slice name)
{
	size_t used = strlen(names);
	if (name.size == 0 || used + name.size + 2 > CERTIFICATE_NAMES_BYTES)
		return;
	if (used)
		names[used++] = ' ';
	for (size_t i = 0; i < name.size; i++)
		names[used++] = name.data[i] > ' ' && name.data[i] <= '~' ? (char)name.data[i] : '?';
	names[used] = 0;
}

static void append_general_name(char names[CERTIFICATE_NAMES_BYTES], const GENERAL_NAME *name)
{
	char text[INET6_ADDRSTRLEN] = "";
	if (name->type == GEN_DNS || name->type == GEN_EMAIL) {
		append_name(names,
			    slice_of(ASN1_STRING_get0_data(name->d.ia5), (size_t)ASN1_STRING_length(name->d.ia5)));
	} else if (name->type == GEN_IPADD) {
		int family = ASN1_STRING_length(name->d.ip) == 4 ? AF_INET : AF_INET6;
		if (family == AF_INET || ASN1_STRING_length(name->d.ip) == 16)
			inet_ntop(family, ASN1_STRING_get0_data(name->d.ip), text, sizeof text);
		append_name(names, slice_from_text(text));
	}
}

static void describe_names(struct examination *at)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(at->leaf, NID_subject_alt_name, NULL, NULL);
	for (size_t i = 0; i < sk_GENERAL_NAME_num(names); i++)
		append_general_name(at->report->names, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	ERR_clear_error();
}

static void describe_fingerprint(struct examination *at)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	unsigned size;
	if (!X509_digest(at->leaf, EVP_sha256(), digest, &size))
		return;
	for (size_t i = 0; i < sizeof digest; i++)
		snprintf(at->report->fingerprint + 2 * i, 3, "%02x", digest[i]);
}

static void describe(struct examination *at)
{
	struct certificate_report *report = at->report;
	report->chain = sk_X509_num(at->pair.chain);
	certificate_name_text(X509_get_subject_name(at->leaf), report->subject, sizeof report->subject);
	certificate_name_text(X509_get_issuer_name(at->leaf), report->issuer, sizeof report->issuer);
	if (at->public_key)
		certificate_key_text(at->public_key, report->key);
	report->begins_unix = unix_time(X509_get0_notBefore(at->leaf));
	report->ends_unix = unix_time(X509_get0_notAfter(at->leaf));
	int64_t left = report->ends_unix - at->question->unix_now;
	report->days_left = left >= 0 ? left / SECONDS_PER_DAY : -((-left + SECONDS_PER_DAY - 1) / SECONDS_PER_DAY);
	describe_names(at);
	describe_fingerprint(at);
}

/* --- the checks --- */

static void check_key(struct examination *at)
{
	const char *file = at->question->key_file;
	struct error error;
	struct stat status;
	if (!file)
		return;
	if (!key_pair_read_key(&at->pair, file, &error)) {
		find(at, CERTIFICATE_FAULT, "key-unreadable", "%s", error.text);
		return;
	}
	if (!X509_check_private_key(at->leaf, at->pair.key))
		find(at, CERTIFICATE_FAULT, "key-mismatch",
		     "key %s does not belong to the first certificate of %s: that must be the one made for this key",
		     file, at->question->certificate_file);
	if (stat(file, &status) == 0 && (status.st_mode & 077))
		find(at, status.st_mode & 07 ? CERTIFICATE_WARNING : CERTIFICATE_NOTE, "key-open",
		     "key %s may be read by others (mode %04o); whoever has it can be this server: chmod 600", file,
		     (unsigned)status.st_mode & 07777);
	ERR_clear_error();
}

static void check_dates_of(struct examination *at, size_t number, X509 *certificate)
{
	int64_t begins = unix_time(X509_get0_notBefore(certificate));
	int64_t ends = unix_time(X509_get0_notAfter(certificate)), now = at->question->unix_now;
	if (begins > now)
		find(at, CERTIFICATE_FAULT, "not-yet-valid",
		     "certificate %zu is not valid yet, for another %lld days; look at this machine's clock", number,
		     (long long)((begins - now) / SECONDS_PER_DAY));
	else if (ends < now)
		find(at, CERTIFICATE_FAULT, "expired", "certificate %zu expired %lld days ago; renew it", number,
		     (long long)((now - ends) / SECONDS_PER_DAY));
	else if (ends - now < (int64_t)CERTIFICATE_SOON_DAYS * SECONDS_PER_DAY)
		find(at, CERTIFICATE_WARNING, "expires-soon", "certificate %zu expires in %lld days; renew it", number,
		     (long long)((ends - now) / SECONDS_PER_DAY));
}

static void check_dates(struct examination *at)
{
	for (size_t i = 0; i < at->report->chain; i++)
		check_dates_of(at, i + 1, sk_X509_value(at->pair.chain, i));
}

static void check_lifetime(struct examination *at)
{
	int64_t days = (at->report->ends_unix - at->report->begins_unix) / SECONDS_PER_DAY;
	if (days > CERTIFICATE_DAYS_MOST)
		find(at, CERTIFICATE_WARNING, "long-lived",
		     "it is valid for %lld days; Apple's clients refuse more than %d", (long long)days,
		     CERTIFICATE_DAYS_MOST);
}

static void check_names(struct examination *at)
{
	if (!at->report->names[0])
		find(at, CERTIFICATE_FAULT, "no-names",
		     "it has no subject alternative names; clients look at nothing else");
	for (const char *const *host = at->question->host_names; host && *host; host++)
		if (!host_name_is_covered(at->leaf, *host))
			find(at, CERTIFICATE_FAULT, "wrong-name", "it is not for %s, only for: %s", *host,
			     at->report->names[0] ? at->report->names : "nothing");
	ERR_clear_error();
}

/* What it may be used for, as it says itself. */
static void check_use(struct examination *at)
{
	uint32_t flags = X509_get_extension_flags(at->leaf);
	if (flags & EXFLAG_INVALID)
		find(at, CERTIFICATE_FAULT, "damaged", "its extensions can't be read");
	if (X509_check_ca(at->leaf))
		find(at, CERTIFICATE_WARNING, "is-a-ca",
		     "it is the certificate of a CA; a server's own is made for it alone, so that a lost key is no "
		     "lost CA");
	if (!(X509_get_extended_key_usage(at->leaf) & (XKU_SSL_SERVER | XKU_ANYEKU)))
		find(at, CERTIFICATE_FAULT, "not-for-servers",
		     "it is not for servers (extended key usage lacks serverAuth)");
	if (!(X509_get_key_usage(at->leaf) & KU_DIGITAL_SIGNATURE))
		find(at, CERTIFICATE_FAULT, "may-not-sign",
		     "its key may not sign (key usage lacks digitalSignature), which each handshake needs");
	ERR_clear_error();
}

static void check_strength_of(struct examination *at, size_t number, X509 *certificate)
{
	EVP_PKEY *key = X509_get_pubkey(certificate);
	const char *weakness = key ? certificate_key_weakness(key) : "its key can't be read";
	char text[KEY_TEXT_BYTES] = "unknown";
	if (key)
		certificate_key_text(key, text);
	if (weakness)
		find(at, CERTIFICATE_FAULT, "weak-key", "certificate %zu has a weak key (%s): %s", number, text,
		     weakness);
	EVP_PKEY_free(key);
	int signature = X509_get_signature_nid(certificate);
	bool own = X509_check_issued(certificate, certificate) == X509_V_OK; /* nobody looks at a root's */
	if (!own && (signature == NID_sha1WithRSAEncryption || signature == NID_ecdsa_with_SHA1 ||
		     signature == NID_md5WithRSAEncryption || signature == NID_sha1WithRSA))
		find(at, CERTIFICATE_FAULT, "weak-signature",
		     "certificate %zu is signed with SHA-1 or MD5, which clients refuse", number);
	ERR_clear_error();
}

static void check_strength(struct examination *at)
{
	for (size_t i = 0; i < at->report->chain; i++)
		check_strength_of(at, i + 1, sk_X509_value(at->pair.chain, i));
	if (at->public_key && EVP_PKEY_id(at->public_key) == EVP_PKEY_ED25519)
		find(at, CERTIFICATE_WARNING, "rare-key", "Ed25519: %s", key_kind_warning(KEY_ED25519));
}

static void check_order(struct examination *at)
{
	for (size_t i = 0; i + 1 < at->report->chain; i++) {
		X509 *below = sk_X509_value(at->pair.chain, i), *above = sk_X509_value(at->pair.chain, i + 1);
		if (X509_check_issued(above, below) == X509_V_OK)
			continue;
		find(at, CERTIFICATE_FAULT, "wrong-order",
		     "certificate %zu did not issue number %zu: the server's own comes first, then its issuer, then "
		     "the issuer's; `postern cert install` puts them in order",
		     i + 2, i + 1);
		return;
	}
	ERR_clear_error();
}

static void check_trust(struct examination *at)
{
	struct certificate_trust trust;
	const char *roots = at->question->roots_file;
	certificate_trust_find(at->pair.chain, roots ? roots : CERTIFICATE_SYSTEM_ROOTS, &trust);
	switch (trust.outcome) {
	case TRUST_KNOWN:
		return;
	case TRUST_PRIVATE:
		find(at, roots ? CERTIFICATE_FAULT : CERTIFICATE_WARNING,
		     at->report->chain == 1 ? "self-signed" : "private-ca",
		     "no CA that clients know stands behind it (\"%s\" signed itself); each client must be given %s",
		     trust.name, at->report->chain == 1 ? "this certificate" : "that CA's certificate");
		return;
	case TRUST_INCOMPLETE:
		find(at, CERTIFICATE_FAULT, "incomplete-chain",
		     "the issuer \"%s\" of the last certificate is neither in the file nor known to clients; put its "
		     "certificate (the CA's \"intermediate\" or \"chain\" file) behind it",
		     trust.name);
		return;
	case TRUST_NO_ROOTS:
		find(at, roots ? CERTIFICATE_FAULT : CERTIFICATE_NOTE, "no-roots",
		     "%s can't be read, so it is not known which CAs clients know",
		     roots ? roots : CERTIFICATE_SYSTEM_ROOTS);
		return;
	case TRUST_BROKEN:
		find(at, CERTIFICATE_FAULT, "not-trusted", "clients would refuse the chain: %s", trust.name);
	}
}

static void (*const checks[])(struct examination *at) = {
	check_key, check_dates, check_lifetime, check_names, check_use, check_strength, check_order, check_trust,
};

/* --- all --- */

void certificate_examine(const struct certificate_question *question, struct certificate_report *report)
{
	struct error error;
	*report = (struct certificate_report){ .readable = false };
	struct examination at = { .question = question, .report = report };
	report->readable = question->pem.size
				   ? key_pair_parse_chain(&at.pair, question->pem, question->certificate_file, &error)
				   : key_pair_read_chain(&at.pair, question->certificate_file, &error);
	if (!report->readable) {
		find(&at, CERTIFICATE_FAULT, "unreadable", "%s", error.text);
	} else {
		at.leaf = sk_X509_value(at.pair.chain, 0);
		at.public_key = X509_get_pubkey(at.leaf);
		describe(&at);
		for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
			checks[i](&at);
	}
	EVP_PKEY_free(at.public_key);
	key_pair_finish(&at.pair);
	ERR_clear_error();
}

enum certificate_severity certificate_worst(const struct certificate_report *report)
{
	enum certificate_severity worst = CERTIFICATE_NOTE;
	for (size_t i = 0; i < report->count; i++)
		if (report->findings[i].severity > worst)
			worst = report->findings[i].severity;
	return worst;
}
