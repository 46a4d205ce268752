/* Making a private CA and a server certificate; see certificate.h.
 *
 * Whatever a crash leaves behind, calling again goes on from there: keys that exist are used, never replaced. */
#include "crypto/certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/base/slice.h"
#include "crypto/durable_file.h"
#include "crypto/key_pair.h"
#include "crypto/library_error.h"
#include "crypto/secret.h"

enum {
	SECONDS_PER_DAY = 24 * 60 * 60,
	CA_DAYS = 3650,
	BACKDATE_SECONDS = 60 * 60, /* clients whose clock is a little late */
	SERIAL_BYTES = 16,          /* at most 20, at least 64 random bits (CA/B Forum) */
	COMMON_NAME_MOST = 64,      /* RFC 5280 ub-common-name */
	DNS_NAME_MOST = 253,
	DNS_LABEL_MOST = 63,
};

struct extension {
	int nid;
	const char *value;
};

/* pathlen 0: this CA signs servers, no further CA. */
static const struct extension ca_extensions[] = {
	{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
	{ NID_key_usage, "critical,keyCertSign,cRLSign" },
	{ NID_subject_key_identifier, "hash" },
};
static const struct extension server_extensions[] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_key_usage, "critical,digitalSignature" },
	{ NID_ext_key_usage, "serverAuth" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid:always" },
};

/* --- keys and PEM --- */

static bool fail(struct error *error, const char *what)
{
	char reason[LIBRARY_ERROR_TEXT_BYTES];
	library_error_take(reason, "out of memory");
	return error_set(error, "%s: %s", what, reason);
}

static EVP_PKEY *make_key(void)
{
	EC_KEY *curve_key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	EVP_PKEY *key = EVP_PKEY_new();
	bool done = curve_key && key && EC_KEY_generate_key(curve_key) && EVP_PKEY_set1_EC_KEY(key, curve_key);
	EC_KEY_free(curve_key);
	if (done)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static bool write_bio(BIO *pem, const char *file, mode_t mode, enum durable_file_existing existing, struct error *error)
{
	const uint8_t *data;
	size_t size;
	return BIO_mem_contents(pem, &data, &size)
		       ? durable_file_write(file, mode, slice_of(data, size), existing, error)
		       : fail(error, file);
}

static bool write_key(EVP_PKEY *key, const char *file, struct error *error)
{
	BIO *pem = BIO_new(BIO_s_mem());
	bool done = pem && PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	done = done ? write_bio(pem, file, 0600, DURABLE_FILE_KEEP, error) : fail(error, file);
	BIO_free(pem); /* BoringSSL wipes what it frees */
	return done;
}

/* `issuer` may be NULL. */
static bool write_certificates(X509 *first, X509 *issuer, const char *file, struct error *error)
{
	BIO *pem = BIO_new(BIO_s_mem());
	bool done = pem && PEM_write_bio_X509(pem, first) && (!issuer || PEM_write_bio_X509(pem, issuer));
	done = done ? write_bio(pem, file, 0644, DURABLE_FILE_REPLACE, error) : fail(error, file);
	BIO_free(pem);
	return done;
}

/* The key that is in the file, or a new one that is then in the file. */
static bool read_or_make_key(struct key_pair *pair, const char *file, struct error *error)
{
	if (access(file, F_OK) == 0)
		return key_pair_read_key(pair, file, error);
	pair->key = make_key();
	return pair->key ? write_key(pair->key, file, error) : fail(error, file);
}

/* --- the certificate itself --- */

static bool set_serial(X509 *certificate)
{
	uint8_t bytes[SERIAL_BYTES];
	secret_random(bytes, sizeof bytes);
	bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and no leading zero */
	BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
	bool done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
	BN_free(number);
	return done;
}

static bool set_common_name(X509 *certificate, const char *name)
{
	return strlen(name) > COMMON_NAME_MOST ||
	       X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
					  (const uint8_t *)name, -1, -1, 0);
}

static bool add_extensions(X509 *certificate, X509 *issuer, const struct extension *extensions, size_t count)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	for (size_t i = 0; i < count; i++) {
		X509_EXTENSION *extension =
			X509V3_EXT_nconf_nid(NULL, &context, extensions[i].nid, extensions[i].value);
		bool done = extension && X509_add_ext(certificate, extension, -1);
		X509_EXTENSION_free(extension);
		if (!done)
			return false;
	}
	return true;
}

/* All that CA and server have in common; the issuer is itself for a CA. */
static bool fill(X509 *certificate, X509 *issuer, EVP_PKEY *key, const char *common_name, unsigned days)
{
	return X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
	       set_common_name(certificate, common_name) &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -BACKDATE_SECONDS) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * SECONDS_PER_DAY) &&
	       X509_set_pubkey(certificate, key);
}

/* --- the names that a server's certificate is for --- */

static bool is_dns_label(struct slice label)
{
	if (label.size == 0 || label.size > DNS_LABEL_MOST)
		return false;
	for (size_t i = 0; i < label.size; i++) {
		uint8_t c = ascii_lower(label.data[i]);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return true;
}

/* A first label of "*" is a wildcard, where another one follows. */
static bool is_dns_name(const char *text)
{
	struct slice rest = slice_from_text(text);
	if (rest.size > DNS_NAME_MOST)
		return false;
	if (slice_starts_with(rest, SLICE_LITERAL("*.")))
		rest = slice_skip(rest, 2);
	size_t dot;
	while ((dot = slice_find(rest, '.')) < rest.size) {
		if (!is_dns_label(slice_first(rest, dot)))
			return false;
		rest = slice_skip(rest, dot + 1);
	}
	return is_dns_label(rest);
}

static size_t parse_address(const char *text, uint8_t bytes[16])
{
	if (inet_pton(AF_INET, text, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
}

static bool push_name(GENERAL_NAMES *names, int type, const void *data, size_t size)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();
	if (!name || !value || !ASN1_STRING_set(value, data, (int)size)) {
		GENERAL_NAME_free(name);
		ASN1_STRING_free(value);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(names, name))
		return true;
	GENERAL_NAME_free(name);
	return false;
}

static bool collect_names(GENERAL_NAMES *list, const char *const *names, struct error *error)
{
	for (size_t i = 0; names[i]; i++) {
		uint8_t address[16];
		size_t size = parse_address(names[i], address);
		if (size == 0 && !is_dns_name(names[i]))
			return error_set(error,
					 "\"%s\" is neither a DNS name nor an address; international names are "
					 "written in their xn-- form",
					 names[i]);
		if (!(size ? push_name(list, GEN_IPADD, address, size)
			   : push_name(list, GEN_DNS, names[i], strlen(names[i]))))
			return fail(error, names[i]);
	}
	return sk_GENERAL_NAME_num(list) > 0 || error_set(error, "a certificate needs at least one name");
}

static bool add_names(X509 *certificate, const char *const *names, struct error *error)
{
	GENERAL_NAMES *list = GENERAL_NAMES_new();
	bool done = list ? collect_names(list, names, error) : fail(error, "certificate");
	if (done && !X509_add1_ext_i2d(certificate, NID_subject_alt_name, list, 0, 0))
		done = fail(error, "certificate");
	GENERAL_NAMES_free(list);
	return done;
}

/* --- CA and server --- */

static bool make_ca_certificate(struct key_pair *ca, const char *file, struct error *error)
{
	/* Two CAs on one machine must not look alike to a client that trusts one of them. */
	char name[sizeof "Postern private CA " + 8] = "Postern private CA ";
	secret_random_text(name + strlen(name), 8);
	X509 *certificate = X509_new();
	ca->chain = sk_X509_new_null();
	if (!certificate || !ca->chain || !sk_X509_push(ca->chain, certificate)) {
		X509_free(certificate);
		return fail(error, file);
	}
	size_t count = sizeof ca_extensions / sizeof *ca_extensions;
	if (!fill(certificate, certificate, ca->key, name, CA_DAYS) ||
	    !add_extensions(certificate, certificate, ca_extensions, count) ||
	    !X509_sign(certificate, ca->key, EVP_sha256()))
		return fail(error, file);
	return write_certificates(certificate, NULL, file, error);
}

static bool read_or_make_ca(struct key_pair *ca, const struct certificate_files *files, struct error *error)
{
	bool has_certificate = access(files->ca_certificate, F_OK) == 0;
	bool has_key = access(files->ca_key, F_OK) == 0;
	if (has_certificate && !has_key)
		return error_set(error,
				 "CA certificate %s is there but its key %s is not: put the key back, or move the "
				 "certificate away for a new CA",
				 files->ca_certificate, files->ca_key);
	if (!has_certificate)
		return read_or_make_key(ca, files->ca_key, error) &&
		       make_ca_certificate(ca, files->ca_certificate, error);
	if (!key_pair_read(ca, files->ca_certificate, files->ca_key, error))
		return false;
	return X509_check_ca(sk_X509_value(ca->chain, 0)) ||
	       error_set(error, "%s is not the certificate of a CA", files->ca_certificate);
}

static bool make_server_certificate(const struct key_pair *ca, EVP_PKEY *key, const struct certificate_files *files,
				    const char *const *names, unsigned days, struct error *error)
{
	X509 *issuer = sk_X509_value(ca->chain, 0);
	X509 *certificate = X509_new();
	size_t count = sizeof server_extensions / sizeof *server_extensions;
	bool done = certificate && names[0] && fill(certificate, issuer, key, names[0], days) &&
		    add_extensions(certificate, issuer, server_extensions, count);
	if (!done)
		fail(error, files->certificate);
	done = done && add_names(certificate, names, error);
	if (done && !X509_sign(certificate, ca->key, EVP_sha256()))
		done = fail(error, files->certificate);
	done = done && write_certificates(certificate, issuer, files->certificate, error);
	X509_free(certificate);
	return done;
}

bool certificate_make_private(const struct certificate_files *files, const char *const *names, unsigned days,
			      struct error *error)
{
	ASSERT(names[0] && days > 0);
	struct key_pair ca = { NULL, NULL }, server = { NULL, NULL };
	bool done = read_or_make_ca(&ca, files, error) && read_or_make_key(&server, files->key, error) &&
		    make_server_certificate(&ca, server.key, files, names, days, error);
	key_pair_finish(&server);
	key_pair_finish(&ca);
	ERR_clear_error();
	return done;
}
