/* Whether a chain leads to a CA that clients know; see certificate_trust.h. */
#include "crypto/certificate_trust.h"

#include <stdio.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto/certificate_parts.h"

static int forgive_dates(int valid, X509_STORE_CTX *check)
{
	int reason = X509_STORE_CTX_get_error(check);
	return valid || reason == X509_V_ERR_CERT_HAS_EXPIRED || reason == X509_V_ERR_CERT_NOT_YET_VALID;
}

static void judge(X509_STORE_CTX *check, struct certificate_trust *trust)
{
	X509 *at = X509_STORE_CTX_get_current_cert(check);
	int reason = X509_STORE_CTX_get_error(check);
	switch (reason) {
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		trust->outcome = TRUST_PRIVATE;
		certificate_name_text(X509_get_subject_name(at), trust->name, sizeof trust->name);
		return;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		trust->outcome = TRUST_INCOMPLETE;
		certificate_name_text(X509_get_issuer_name(at), trust->name, sizeof trust->name);
		return;
	default:
		trust->outcome = TRUST_BROKEN;
		snprintf(trust->name, sizeof trust->name, "%s", X509_verify_cert_error_string(reason));
	}
}

void certificate_trust_find(STACK_OF(X509) * chain, const char *roots_file, struct certificate_trust *trust)
{
	*trust = (struct certificate_trust){ .outcome = TRUST_NO_ROOTS };
	X509_STORE *roots = X509_STORE_new();
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	if (roots && check && X509_STORE_load_locations(roots, roots_file, NULL) &&
	    X509_STORE_CTX_init(check, roots, sk_X509_value(chain, 0), chain)) {
		X509_STORE_CTX_set_verify_cb(check, forgive_dates);
		if (X509_verify_cert(check) == 1)
			trust->outcome = TRUST_KNOWN;
		else
			judge(check, trust);
	}
	X509_STORE_CTX_free(check);
	X509_STORE_free(roots);
	ERR_clear_error();
}
