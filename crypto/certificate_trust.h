/* Whether a chain leads to a CA that clients know. Dates and names are others' business. Private to crypto/. */
#ifndef POSTERN_CRYPTO_CERTIFICATE_TRUST_H
#define POSTERN_CRYPTO_CERTIFICATE_TRUST_H

#include <openssl/x509.h>

enum trust_outcome {
	TRUST_KNOWN,
	TRUST_PRIVATE,    /* ends in one that signed itself and that is not known; `name` is its subject */
	TRUST_INCOMPLETE, /* an issuer is missing; `name` is it */
	TRUST_NO_ROOTS,   /* the file of known CAs can't be read */
	TRUST_BROKEN,     /* a signature or an extension is wrong; `name` says what */
};

struct certificate_trust {
	enum trust_outcome outcome;
	char name[256];
};

/* `chain` has the leaf first. With no known CA that can be read, only TRUST_NO_ROOTS can be said. */
void certificate_trust_find(STACK_OF(X509) * chain, const char *roots_file, struct certificate_trust *trust);

#endif
