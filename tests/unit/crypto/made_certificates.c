/* Certificates for the TLS tests; see made_certificates.h. */
#include "tests/unit/crypto/made_certificates.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "tests/unit/crypto/tls_pair.h"

enum { SECONDS_PER_DAY = 24 * 60 * 60, RSA_KEY_BITS = 2048 };

static FILE *file_of(const char *name, const char *end, const char *mode)
{
	char text[64];
	snprintf(text, sizeof text, "%s.%s", name, end);
	FILE *file = fopen(folder_path(text), mode);
	ASSERT(file);
	return file;
}

static EVP_PKEY *make_key(bool rsa)
{
	EVP_PKEY *key = EVP_PKEY_new();
	EC_KEY *curve = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	RSA *numbers = RSA_new();
	BIGNUM *exponent = BN_new();
	bool done = rsa ? BN_set_word(exponent, RSA_F4) && RSA_generate_key_ex(numbers, RSA_KEY_BITS, exponent, NULL) &&
				    EVP_PKEY_set1_RSA(key, numbers)
			: EC_KEY_generate_key(curve) && EVP_PKEY_set1_EC_KEY(key, curve);
	ASSERT(done);
	EC_KEY_free(curve);
	RSA_free(numbers);
	BN_free(exponent);
	return key;
}

static void add(X509 *certificate, int kind, const char *value)
{
	X509_EXTENSION *extension = value ? X509V3_EXT_nconf_nid(NULL, NULL, kind, value) : NULL;
	ASSERT(!value || (extension && X509_add_ext(certificate, extension, -1)));
	X509_EXTENSION_free(extension);
}

static void sign(X509 *certificate, EVP_PKEY *key, const struct made_certificate *wanted)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options;
	ASSERT(EVP_DigestSignInit(context, &options, wanted->hash ? wanted->hash : EVP_sha256(), NULL, key));
	ASSERT(!wanted->pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) &&
				EVP_PKEY_CTX_set_rsa_pss_saltlen(options, -1)));
	ASSERT(X509_sign_ctx(certificate, context));
	EVP_MD_CTX_free(context);
}

struct issuer {
	X509 *certificate;
	EVP_PKEY *key;
};

static struct issuer read_issuer(const char *ca)
{
	FILE *pem = file_of(ca, "pem", "r"), *key = file_of(ca, "key", "r");
	struct issuer issuer = { PEM_read_X509(pem, NULL, NULL, NULL), PEM_read_PrivateKey(key, NULL, NULL, NULL) };
	fclose(pem);
	fclose(key);
	ASSERT(issuer.certificate && issuer.key);
	return issuer;
}

static void write_out(const char *name, X509 *certificate, EVP_PKEY *key)
{
	FILE *pem = file_of(name, "pem", "w"), *private = file_of(name, "key", "w");
	ASSERT(PEM_write_X509(pem, certificate));
	ASSERT(PEM_write_PKCS8PrivateKey(private, key, NULL, NULL, 0, NULL, NULL));
	fclose(pem);
	fclose(private);
}

void make_certificate(const struct made_certificate *wanted)
{
	EVP_PKEY *key = make_key(wanted->pss);
	X509 *certificate = X509_new();
	struct issuer issuer = read_issuer(wanted->ca);
	X509_NAME *subject = X509_get_subject_name(certificate);
	const uint8_t *name = (const uint8_t *)wanted->name;
	ASSERT(X509_set_version(certificate, X509_VERSION_3) && X509_set_pubkey(certificate, key) &&
	       ASN1_INTEGER_set(X509_get_serialNumber(certificate), wanted->serial) &&
	       X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, name, -1, -1, 0) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), (long)wanted->begins_days * SECONDS_PER_DAY) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), (long)wanted->ends_days * SECONDS_PER_DAY) &&
	       X509_set_issuer_name(certificate, wanted->pss ? subject : X509_get_subject_name(issuer.certificate)));
	add(certificate, NID_subject_alt_name, wanted->alternative_names);
	add(certificate, NID_ext_key_usage, wanted->usage);
	sign(certificate, wanted->pss ? key : issuer.key, wanted);
	write_out(wanted->name, certificate, key);
	X509_free(issuer.certificate);
	EVP_PKEY_free(issuer.key);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

void make_revocation_list(const char *ca, const char *file, const long *serials, size_t count)
{
	struct issuer issuer = read_issuer(ca);
	X509_CRL *list = X509_CRL_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, -1), *next = X509_gmtime_adj(NULL, SECONDS_PER_DAY);
	ASSERT(X509_CRL_set_version(list, X509_CRL_VERSION_2) &&
	       X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer.certificate)) &&
	       X509_CRL_set1_lastUpdate(list, now) && X509_CRL_set1_nextUpdate(list, next));
	for (size_t i = 0; i < count; i++) {
		X509_REVOKED *revoked = X509_REVOKED_new();
		ASN1_INTEGER *serial = ASN1_INTEGER_new();
		ASSERT(ASN1_INTEGER_set(serial, serials[i]) && X509_REVOKED_set_serialNumber(revoked, serial) &&
		       X509_REVOKED_set_revocationDate(revoked, now) && X509_CRL_add0_revoked(list, revoked));
		ASN1_INTEGER_free(serial);
	}
	ASSERT(X509_CRL_sort(list) && X509_CRL_sign(list, issuer.key, EVP_sha256()));
	FILE *to = fopen(folder_path(file), "w");
	ASSERT(to && PEM_write_X509_CRL(to, list));
	fclose(to);
	X509_CRL_free(list);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	X509_free(issuer.certificate);
	EVP_PKEY_free(issuer.key);
}
