/* Signing certificates; see certificate_issue.h. */
#include "crypto/certificate_issue.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pem.h>

#include "crypto/certificate_issue_parts.h"
#include "crypto/key_pair.h"

/* pathlen 0: this CA signs leaves, no further CA. */
static const struct certificate_extension ca_extensions[] = {
	{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
	{ NID_key_usage, "critical,keyCertSign,cRLSign" },
	{ NID_subject_key_identifier, "hash" },
};
/* What servers and clients have alike; TLS 1.3 and ECDHE need nothing but signatures from a key. */
static const struct certificate_extension leaf_extensions[] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_key_usage, "critical,digitalSignature" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid:always" },
};
static const struct certificate_extension for_servers = { NID_ext_key_usage, "serverAuth" };
static const struct certificate_extension for_clients = { NID_ext_key_usage, "clientAuth" };

#define COUNT(array) (sizeof(array) / sizeof *(array))

X509 *certificate_issue_ca(EVP_PKEY *key, const struct certificate_subject *subject, unsigned days, struct error *error)
{
	X509 *certificate = X509_new();
	bool done = certificate ? certificate_set_subject(X509_get_subject_name(certificate), subject, error)
				: certificate_fail(error, "certificate");
	if (done && certificate_fill(certificate, certificate, key, days) &&
	    certificate_add_extensions(certificate, certificate, ca_extensions, COUNT(ca_extensions)) &&
	    X509_sign(certificate, key, certificate_digest(key)))
		return certificate;
	if (done)
		certificate_fail(error, "certificate");
	X509_free(certificate);
	return NULL;
}

/* A certificate without a subject must say by this that its names are all that counts (RFC 5280 §4.2.1.6). */
static bool add_names(X509 *certificate, GENERAL_NAMES *names)
{
	bool critical = X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0;
	return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, critical, 0);
}

X509 *certificate_issue_leaf(const struct certificate_leaf *leaf, X509 *issuer, EVP_PKEY *issuer_key,
			     struct error *error)
{
	X509 *made = X509_new();
	const struct certificate_extension *use = leaf->for_client ? &for_clients : &for_servers;
	if (made && X509_set_subject_name(made, leaf->subject) &&
	    certificate_fill(made, issuer ? issuer : made, leaf->key, leaf->days) &&
	    certificate_add_extensions(made, issuer ? issuer : made, leaf_extensions, COUNT(leaf_extensions)) &&
	    certificate_add_extensions(made, made, use, 1) && add_names(made, leaf->names) &&
	    X509_sign(made, issuer_key, certificate_digest(issuer_key)))
		return made;
	certificate_fail(error, "certificate");
	X509_free(made);
	return NULL;
}

/* --- by itself --- */

static bool self_sign(EVP_PKEY *key, const char *certificate_file, X509_NAME *subject, GENERAL_NAMES *names,
		      unsigned days, struct error *error)
{
	struct certificate_leaf leaf = { .key = key, .subject = subject, .names = names, .days = days };
	X509 *made = certificate_issue_leaf(&leaf, NULL, key, error);
	X509 *const all[] = { made, NULL };
	bool done = made && certificate_write(all, certificate_file, DURABLE_FILE_KEEP, error);
	X509_free(made);
	return done;
}

bool certificate_self_sign(const char *key_file, const char *certificate_file,
			   const struct certificate_subject *subject, const char *const *names, unsigned days,
			   struct error *error)
{
	struct key_pair pair = { NULL, NULL };
	X509_NAME *name = X509_NAME_new();
	GENERAL_NAMES *list = certificate_names_make(names, error);
	bool done = list && (name || certificate_fail(error, "certificate")) &&
		    certificate_set_subject(name, subject, error) && key_pair_read_key(&pair, key_file, error) &&
		    self_sign(pair.key, certificate_file, name, list, days, error);
	GENERAL_NAMES_free(list);
	X509_NAME_free(name);
	key_pair_finish(&pair);
	ERR_clear_error();
	return done;
}

/* --- the CA --- */

bool certificate_ca_create(enum key_kind kind, const char *key_file, const char *certificate_file,
			   const struct certificate_subject *subject, unsigned days, struct error *error)
{
	EVP_PKEY *key = certificate_key_make(kind);
	X509 *made = key ? certificate_issue_ca(key, subject, days, error) : NULL;
	X509 *const all[] = { made, NULL };
	if (!key)
		certificate_fail(error, key_file);
	bool done = made && certificate_write_key(key, key_file, error) &&
		    certificate_write(all, certificate_file, DURABLE_FILE_KEEP, error);
	X509_free(made);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return done;
}

static X509_REQ *read_request(const char *file, struct error *error)
{
	FILE *stream = fopen(file, "re");
	if (!stream) {
		error_set_errno(error, errno, "cannot read request %s", file);
		return NULL;
	}
	X509_REQ *request = PEM_read_X509_REQ(stream, NULL, NULL, NULL);
	fclose(stream);
	ERR_clear_error();
	if (!request)
		error_set(error, "request %s: no request in it; PEM (BEGIN CERTIFICATE REQUEST) is needed", file);
	return request;
}

/* The names that it asks for; what is neither DNS name, address nor mailbox is not signed. */
static GENERAL_NAMES *names_of(X509_REQ *request, const char *file, struct error *error)
{
	STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
	GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	ERR_clear_error();
	bool good = names && sk_GENERAL_NAME_num(names) > 0;
	for (size_t i = 0; good && i < sk_GENERAL_NAME_num(names); i++) {
		int type = sk_GENERAL_NAME_value(names, i)->type;
		good = type == GEN_DNS || type == GEN_IPADD || type == GEN_EMAIL;
	}
	if (good)
		return names;
	error_set(error, "request %s: %s; say which with --name", file,
		  names ? "it asks for names that are neither DNS names, addresses nor mailboxes"
			: "it asks for no names (subject alternative names), and clients look at nothing else");
	GENERAL_NAMES_free(names);
	return NULL;
}

/* Whoever made the request has its key, and clients will accept that. */
static bool request_is_good(X509_REQ *request, EVP_PKEY *key, const char *file, struct error *error)
{
	if (!key || !X509_REQ_verify(request, key)) {
		ERR_clear_error();
		return error_set(error, "request %s: its signature is wrong; it was changed after it was made", file);
	}
	const char *weakness = certificate_key_weakness(key);
	char text[KEY_TEXT_BYTES];
	certificate_key_text(key, text);
	return !weakness || error_set(error, "request %s: its key is weak (%s): %s", file, text, weakness);
}

static bool ca_is_good(const struct key_pair *ca, const struct certificate_signing *signing, struct error *error)
{
	X509 *certificate = sk_X509_value(ca->chain, 0);
	if (!X509_check_ca(certificate))
		return error_set(error, "%s is not the certificate of a CA", signing->ca_certificate_file);
	time_t end = time(NULL) + (time_t)signing->days * SECONDS_PER_DAY;
	if (X509_cmp_time(X509_get0_notAfter(certificate), &end) < 0)
		return error_set(error, "the CA %s ends before %u days are over; sign for fewer days, or make a new CA",
				 signing->ca_certificate_file, signing->days);
	return true;
}

static void serial_text(const X509 *certificate, char serial[CERTIFICATE_SERIAL_TEXT_BYTES])
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;
	snprintf(serial, CERTIFICATE_SERIAL_TEXT_BYTES, "%s", hex ? hex : "");
	for (char *c = serial; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	OPENSSL_free(hex);
	BN_free(number);
}

static bool sign(const struct key_pair *ca, const struct certificate_leaf *leaf,
		 const struct certificate_signing *signing, char serial[CERTIFICATE_SERIAL_TEXT_BYTES],
		 struct error *error)
{
	X509 *issuer = sk_X509_value(ca->chain, 0);
	X509 *made = certificate_issue_leaf(leaf, issuer, ca->key, error);
	X509 *const all[] = { made, issuer, NULL };
	bool done = made && certificate_write(all, signing->certificate_file, DURABLE_FILE_KEEP, error);
	if (done)
		serial_text(made, serial);
	X509_free(made);
	return done;
}

bool certificate_sign(const struct certificate_signing *signing, char serial[CERTIFICATE_SERIAL_TEXT_BYTES],
		      struct error *error)
{
	struct key_pair ca = { NULL, NULL };
	X509_REQ *request = read_request(signing->request_file, error);
	EVP_PKEY *key = request ? X509_REQ_get_pubkey(request) : NULL;
	bool done = request && request_is_good(request, key, signing->request_file, error);
	GENERAL_NAMES *names = NULL;
	if (done)
		names = signing->names ? certificate_names_make(signing->names, error)
				       : names_of(request, signing->request_file, error);
	done = names && key_pair_read(&ca, signing->ca_certificate_file, signing->ca_key_file, error) &&
	       ca_is_good(&ca, signing, error);
	if (done) {
		struct certificate_leaf leaf = { key, X509_REQ_get_subject_name(request), names, signing->days,
						 signing->for_client };
		done = sign(&ca, &leaf, signing, serial, error);
	}
	key_pair_finish(&ca);
	GENERAL_NAMES_free(names);
	EVP_PKEY_free(key);
	X509_REQ_free(request);
	ERR_clear_error();
	return done;
}
