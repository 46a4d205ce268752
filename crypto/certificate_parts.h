/* What certificates and requests for one are made of: keys, subjects, names, extensions, PEM. Private to crypto/.
 *
 * Functions that fill `error` name the file or the value, and what to do; those without one leave BoringSSL's error in its queue. */
#ifndef POSTERN_CRYPTO_CERTIFICATE_PARTS_H
#define POSTERN_CRYPTO_CERTIFICATE_PARTS_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/certificate_request.h"
#include "crypto/durable_file.h"

enum { SECONDS_PER_DAY = 24 * 60 * 60 };

struct certificate_extension {
	int nid;
	const char *value; /* as openssl.cnf writes it */
};

/* "WHAT: BoringSSL's reason"; false. */
bool certificate_fail(struct error *error, const char *what);

/* --- keys --- */

/* NULL when it can't be made. */
EVP_PKEY *certificate_key_make(enum key_kind kind);

/* The digest that signatures with this key have; NULL for Ed25519, which has its own. */
const EVP_MD *certificate_digest(const EVP_PKEY *key);

/* "P-256", "RSA 2048", "Ed25519", … */
void certificate_key_text(const EVP_PKEY *key, char text[KEY_TEXT_BYTES]);

/* NULL: clients accept it. Otherwise what is wrong with it, static. */
const char *certificate_key_weakness(const EVP_PKEY *key);

/* --- PEM --- */

/* The key to a new file, 0600; one that is there stays and is an error. */
MUST_USE bool certificate_write_key(EVP_PKEY *key, const char *file, struct error *error);

/* Certificates one behind the other, the first NULL ends the array; 0644. */
MUST_USE bool certificate_write(X509 *const *certificates, const char *file, enum durable_file_existing existing,
				struct error *error);

/* Gives a BIO's bytes to a file. */
MUST_USE bool certificate_write_bio(BIO *pem, const char *file, mode_t mode, enum durable_file_existing existing,
				    struct error *error);

/* --- the certificate --- */

/* Fills an empty subject; what is NULL or empty is left out. */
MUST_USE bool certificate_set_subject(X509_NAME *to, const struct certificate_subject *subject, struct error *error);

/* NULL-ended names: addresses become IP names, what has an @ a mailbox, all else DNS names. NULL when one is none of these, or
 * there is none. The caller frees. */
GENERAL_NAMES *certificate_names_make(const char *const *names, struct error *error);

/* Version, random serial, dates from an hour ago on, the key, the issuer's name. */
bool certificate_fill(X509 *certificate, X509 *issuer, EVP_PKEY *key, unsigned days);

/* `issuer` is the certificate itself where it signs itself. */
bool certificate_add_extensions(X509 *certificate, X509 *issuer, const struct certificate_extension *extensions,
				size_t count);

/* A name for people: "CN=mail.example.org,O=Example". */
void certificate_name_text(const X509_NAME *name, char *text, size_t capacity);

#endif
