/* Filling in and writing certificates; see certificate_parts.h. Keys are in certificate_key.c, names in certificate_names.c. */
#include "crypto/certificate_parts.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/library_error.h"
#include "crypto/secret.h"

enum {
	BACKDATE_SECONDS = 60 * 60, /* clients whose clock is a little late */
	SERIAL_BYTES = 16,          /* at most 20, at least 64 random bits (CA/B Forum) */
};

bool certificate_fail(struct error *error, const char *what)
{
	char reason[LIBRARY_ERROR_TEXT_BYTES];
	library_error_take(reason, "out of memory");
	return error_set(error, "%s: %s", what, reason);
}

bool certificate_write_bio(BIO *pem, const char *file, mode_t mode, enum durable_file_existing existing,
			   struct error *error)
{
	const uint8_t *data;
	size_t size;
	return BIO_mem_contents(pem, &data, &size)
		       ? durable_file_write(file, mode, slice_of(data, size), existing, error)
		       : certificate_fail(error, file);
}

bool certificate_write(X509 *const *certificates, const char *file, enum durable_file_existing existing,
		       struct error *error)
{
	BIO *pem = BIO_new(BIO_s_mem());
	bool done = pem != NULL;
	for (; done && *certificates; certificates++)
		done = PEM_write_bio_X509(pem, *certificates);
	done = done ? certificate_write_bio(pem, file, 0644, existing, error) : certificate_fail(error, file);
	BIO_free(pem);
	return done;
}

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

bool certificate_fill(X509 *certificate, X509 *issuer, EVP_PKEY *key, unsigned days)
{
	return X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -BACKDATE_SECONDS) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * SECONDS_PER_DAY) &&
	       X509_set_pubkey(certificate, key);
}

bool certificate_add_extensions(X509 *certificate, X509 *issuer, const struct certificate_extension *extensions,
				size_t count)
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
