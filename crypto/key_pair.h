/* A certificate chain and its private key, read from PEM files: what TLS contexts serve and certificate checks look at. */
#ifndef POSTERN_CRYPTO_KEY_PAIR_H
#define POSTERN_CRYPTO_KEY_PAIR_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "core/base/error.h"
#include "core/base/slice.h"

struct key_pair {
	STACK_OF(X509) * chain; /* the leaf first; at least one, at most LIMIT_CERTIFICATE_CHAIN */
	EVP_PKEY *key;
};

/* Each fills its part. `error` names the file and what to do. The pair must be finished in any case. */
MUST_USE bool key_pair_read_chain(struct key_pair *pair, const char *certificate_file, struct error *error);
MUST_USE bool key_pair_read_key(struct key_pair *pair, const char *key_file, struct error *error);

/* As key_pair_read_chain() from memory; `what` is its name in texts. */
MUST_USE bool key_pair_parse_chain(struct key_pair *pair, struct slice pem, const char *what, struct error *error);

/* Both, and that they belong together. */
MUST_USE bool key_pair_read(struct key_pair *pair, const char *certificate_file, const char *key_file,
			    struct error *error);

/* Frees what is there; a zeroed pair is fine. */
void key_pair_finish(struct key_pair *pair);

#endif
