/* Certificates and revocation lists for the TLS tests that certificate_make_private() has no need to make. Files go into tls_pair.h's
 * folder; any failure ends the test. */
#ifndef POSTERN_TESTS_MADE_CERTIFICATES_H
#define POSTERN_TESTS_MADE_CERTIFICATES_H

#include <openssl/digest.h>

#include "core/base/slice.h"

struct made_certificate {
	const char *ca;   /* "ca": signed by ca.pem's key */
	const char *name; /* "anna": anna.pem and anna.key, P-256 */
	const char
		*alternative_names; /* as OpenSSL's configuration writes them: "email:anna@example.org"; NULL: none */
	const char *usage;          /* extended key usage; NULL: none is said */
	int begins_days;            /* from now; may be negative */
	int ends_days;
	const EVP_MD *hash; /* of the signature; NULL: SHA-256 */
	bool pss;           /* by an RSA key that is made for it, itself the issuer */
	long serial;
};
void make_certificate(const struct made_certificate *wanted);

/* Writes the CA's list of these serial numbers. */
void make_revocation_list(const char *ca, const char *file, const long *serials, size_t count);

#endif
