/* Making a private CA and a server certificate; see certificate.h.
 *
 * Whatever a crash leaves behind, calling again goes on from there: keys that exist are used, never replaced. */
#include "crypto/certificate.h"

#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "crypto/certificate_issue.h"
#include "crypto/certificate_issue_parts.h"
#include "crypto/key_pair.h"
#include "crypto/secret.h"

enum { COMMON_NAME_MOST = 64 }; /* RFC 5280 ub-common-name */

/* The key that is in the file, or a new one that is then in the file. */
static bool read_or_make_key(struct key_pair *pair, const char *file, struct error *error)
{
	if (access(file, F_OK) == 0)
		return key_pair_read_key(pair, file, error);
	pair->key = certificate_key_make(KEY_P256);
	return pair->key ? certificate_write_key(pair->key, file, error) : certificate_fail(error, file);
}

static bool make_ca_certificate(struct key_pair *ca, const char *file, struct error *error)
{
	/* Two CAs on one machine must not look alike to a client that trusts one of them. */
	char name[sizeof "Postern private CA " + 8] = "Postern private CA ";
	secret_random_text(name + strlen(name), 8);
	const struct certificate_subject subject = { .common_name = name };
	X509 *certificate = certificate_issue_ca(ca->key, &subject, CERTIFICATE_CA_DAYS, error);
	if (!certificate)
		return false;
	ca->chain = sk_X509_new_null();
	if (!ca->chain || !sk_X509_push(ca->chain, certificate)) {
		X509_free(certificate);
		return certificate_fail(error, file);
	}
	X509 *const all[] = { certificate, NULL };
	return certificate_write(all, file, DURABLE_FILE_REPLACE, error);
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

static bool issue_server(const struct key_pair *ca, const struct certificate_leaf *leaf, const char *file,
			 struct error *error)
{
	X509 *issuer = sk_X509_value(ca->chain, 0);
	X509 *made = certificate_issue_leaf(leaf, issuer, ca->key, error);
	X509 *const all[] = { made, issuer, NULL };
	bool done = made && certificate_write(all, file, DURABLE_FILE_REPLACE, error);
	X509_free(made);
	return done;
}

static bool make_server_certificate(const struct key_pair *ca, EVP_PKEY *key, const struct certificate_files *files,
				    const char *const *names, unsigned days, struct error *error)
{
	/* A name too long for a common name is still an alternative name. */
	const struct certificate_subject subject = {
		.common_name = strlen(names[0]) <= COMMON_NAME_MOST ? names[0] : NULL,
	};
	GENERAL_NAMES *list = certificate_names_make(names, error);
	X509_NAME *name = list ? X509_NAME_new() : NULL;
	struct certificate_leaf leaf = { .key = key, .subject = name, .names = list, .days = days };
	bool done = list && (name || certificate_fail(error, files->certificate)) &&
		    certificate_set_subject(name, &subject, error) &&
		    issue_server(ca, &leaf, files->certificate, error);
	X509_NAME_free(name);
	GENERAL_NAMES_free(list);
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
