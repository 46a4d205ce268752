/* Building certificates in memory; private to crypto/. */
#ifndef POSTERN_CRYPTO_CERTIFICATE_ISSUE_PARTS_H
#define POSTERN_CRYPTO_CERTIFICATE_ISSUE_PARTS_H

#include "crypto/certificate_parts.h"

/* NULL and `error` when it can't be made. The caller frees. */
X509 *certificate_issue_ca(EVP_PKEY *key, const struct certificate_subject *subject, unsigned days,
			   struct error *error);

struct certificate_leaf {
	EVP_PKEY *key;
	X509_NAME *subject;
	GENERAL_NAMES *names;
	unsigned days;
	bool for_client;
};

/* Signed by the issuer; `issuer` NULL: by itself with `issuer_key`, which is its own. */
X509 *certificate_issue_leaf(const struct certificate_leaf *leaf, X509 *issuer, EVP_PKEY *issuer_key,
			     struct error *error);

#endif
