/* Making requests; see certificate_request.h. */
#include "crypto/certificate_request.h"

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pem.h>

#include "crypto/certificate_parts.h"
#include "crypto/key_pair.h"

/* The names are the one extension that is asked for: the CA decides about all others. */
static bool add_names(X509_REQ *request, const char *const *names, struct error *error)
{
	GENERAL_NAMES *list = certificate_names_make(names, error);
	if (!list)
		return false;
	STACK_OF(X509_EXTENSION) *extensions = NULL;
	bool done = X509V3_add1_i2d(&extensions, NID_subject_alt_name, list, 0, X509V3_ADD_DEFAULT) == 1 &&
		    X509_REQ_add_extensions(request, extensions);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	GENERAL_NAMES_free(list);
	return done || certificate_fail(error, "request");
}

static bool fill(X509_REQ *request, EVP_PKEY *key, const struct certificate_subject *subject, const char *const *names,
		 struct error *error)
{
	if (!X509_REQ_set_version(request, X509_REQ_VERSION_1) || !X509_REQ_set_pubkey(request, key))
		return certificate_fail(error, "request");
	if (!certificate_set_subject(X509_REQ_get_subject_name(request), subject, error) ||
	    !add_names(request, names, error))
		return false;
	return X509_REQ_sign(request, key, certificate_digest(key)) || certificate_fail(error, "request");
}

static bool write_request(X509_REQ *request, const char *file, struct error *error)
{
	BIO *pem = BIO_new(BIO_s_mem());
	bool done = pem && PEM_write_bio_X509_REQ(pem, request)
			    ? certificate_write_bio(pem, file, 0644, DURABLE_FILE_REPLACE, error)
			    : certificate_fail(error, file);
	BIO_free(pem);
	return done;
}

bool certificate_request_make(const char *key_file, const char *request_file, const struct certificate_subject *subject,
			      const char *const *names, struct error *error)
{
	struct key_pair pair = { NULL, NULL };
	X509_REQ *request = X509_REQ_new();
	bool done = request != NULL || certificate_fail(error, "request");
	done = done && key_pair_read_key(&pair, key_file, error) && fill(request, pair.key, subject, names, error) &&
	       write_request(request, request_file, error);
	X509_REQ_free(request);
	key_pair_finish(&pair);
	ERR_clear_error();
	return done;
}
