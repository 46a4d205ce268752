/* Signing certificates: by their own key, as a small private CA for a site, or by that CA from a request. Files in PEM.
 *
 * What a request asks for beyond its key, subject and names is not heard: extensions and lifetime are the CA's. */
#ifndef POSTERN_CRYPTO_CERTIFICATE_ISSUE_H
#define POSTERN_CRYPTO_CERTIFICATE_ISSUE_H

#include "crypto/certificate_request.h"

enum {
	CERTIFICATE_SERVER_DAYS = 397, /* what clients accept of any CA: Apple's and the CA/B Forum's limit is 398 */
	CERTIFICATE_CLIENT_DAYS = 397,
	CERTIFICATE_DAYS_MOST = 825, /* what Apple's clients accept of a private CA; more only makes trouble */
	CERTIFICATE_CA_DAYS = 3650,
	CERTIFICATE_CA_DAYS_MOST = 7300,
	CERTIFICATE_SERIAL_TEXT_BYTES = 2 * 20 + 1,
};

/* A certificate for the key in `key_file` that it signs itself. */
MUST_USE bool certificate_self_sign(const char *key_file, const char *certificate_file,
				    const struct certificate_subject *subject, const char *const *names, unsigned days,
				    struct error *error);

/* A CA's key and certificate, both in new files. It signs leaves only (path length 0). */
MUST_USE bool certificate_ca_create(enum key_kind kind, const char *key_file, const char *certificate_file,
				    const struct certificate_subject *subject, unsigned days, struct error *error);

struct certificate_signing {
	const char *ca_certificate_file, *ca_key_file;
	const char *request_file;
	const char *certificate_file; /* written: the leaf, then the CA's; one that is there is an error */
	const char *const *names;     /* NULL-ended; NULL: those of the request */
	unsigned days;
	bool for_client; /* to sign in with, instead of for a server */
};

/* Checks the request's signature and key. False as well when the CA ends before the certificate would. Fills `serial` in hex. */
MUST_USE bool certificate_sign(const struct certificate_signing *signing, char serial[CERTIFICATE_SERIAL_TEXT_BYTES],
			       struct error *error);

#endif
