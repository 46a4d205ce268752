/* Keys and certificate signing requests (PKCS #10, RFC 2986), as files in PEM. */
#ifndef POSTERN_CRYPTO_CERTIFICATE_REQUEST_H
#define POSTERN_CRYPTO_CERTIFICATE_REQUEST_H

#include "core/base/error.h"

enum { KEY_TEXT_BYTES = 32 };

enum key_kind { KEY_P256, KEY_P384, KEY_RSA_2048, KEY_RSA_3072, KEY_RSA_4096, KEY_ED25519, KEY_KINDS };

/* "p256", "p384", "rsa2048", "rsa3072", "rsa4096", "ed25519". */
const char *key_kind_name(enum key_kind kind);

/* By name without case; "P-256" and "rsa-2048" are fine. False for one that there is not. */
MUST_USE bool key_kind_find(const char *name, enum key_kind *kind);

/* What speaks against a kind, static; NULL: nothing. */
const char *key_kind_warning(enum key_kind kind);

/* Who it is for. Texts are UTF-8; NULL or empty: not in it. */
struct certificate_subject {
	const char *common_name, *organisation, *unit, *city, *state;
	const char *country; /* two letters, ISO 3166 */
};

/* False when a text is over what RFC 5280 lets it be, is not UTF-8, or the country has not two letters. */
MUST_USE bool certificate_subject_check(const struct certificate_subject *subject, struct error *error);

/* True for what may stand in a certificate: a DNS name (one-label wildcards too), an address, a mailbox. */
MUST_USE bool certificate_name_check(const char *name, struct error *error);

/* Makes a key in a new file, 0600, never overwriting one. */
MUST_USE bool certificate_key_create(enum key_kind kind, const char *key_file, struct error *error);

/* Writes a request for the key in `key_file`, with the names as subject alternative names (NULL-ended, at least one). A request file
 * that is there is replaced: it holds nothing that can't be made again. */
MUST_USE bool certificate_request_make(const char *key_file, const char *request_file,
				       const struct certificate_subject *subject, const char *const *names,
				       struct error *error);

#endif
