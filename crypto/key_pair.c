/* Reading certificate chains and keys from PEM files; see key_pair.h. */
#include "crypto/key_pair.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "core/base/limits.h"
#include "crypto/library_error.h"

static BIO *open_file(const char *file, const char *what, struct error *error)
{
	FILE *stream = fopen(file, "re");
	if (!stream) {
		error_set_errno(error, errno, "cannot read %s %s", what, file);
		return NULL;
	}
	BIO *bio = BIO_new_fp(stream, BIO_CLOSE);
	if (!bio) {
		fclose(stream);
		error_set(error, "cannot read %s %s: out of memory", what, file);
	}
	return bio;
}

/* Nobody is there to type a password: keys under one are refused, with a text of their own. */
static int no_password(char *text, int capacity, int writing, void *was_asked)
{
	(void)text, (void)capacity, (void)writing;
	*(bool *)was_asked = true;
	return 0;
}

/* True at the end of a file: PEM's reader calls it an error that there is no further block. */
static bool is_end_of_file(void)
{
	uint32_t code = ERR_peek_last_error();
	return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static bool read_certificates(BIO *bio, STACK_OF(X509) * chain, const char *file, struct error *error)
{
	X509 *certificate;
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (sk_X509_num(chain) >= LIMIT_CERTIFICATE_CHAIN || !sk_X509_push(chain, certificate)) {
			X509_free(certificate);
			return error_set(error, "certificate %s: the chain is longer than %d", file,
					 LIMIT_CERTIFICATE_CHAIN);
		}
	}
	size_t count = sk_X509_num(chain);
	bool whole = is_end_of_file();
	char reason[LIBRARY_ERROR_TEXT_BYTES];
	library_error_take(reason, "unknown form");
	if (!whole)
		return error_set(error, "certificate %s: number %zu in it is damaged (%s)", file, count + 1, reason);
	if (count == 0)
		return error_set(error, "certificate %s: no certificate in it; PEM (BEGIN CERTIFICATE) is needed",
				 file);
	return true;
}

bool key_pair_parse_chain(struct key_pair *pair, struct slice pem, const char *what, struct error *error)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	pair->chain = sk_X509_new_null();
	bool done = bio && pair->chain ? read_certificates(bio, pair->chain, what, error)
				       : error_set(error, "certificate %s: out of memory", what);
	BIO_free(bio);
	return done;
}

bool key_pair_read_chain(struct key_pair *pair, const char *certificate_file, struct error *error)
{
	BIO *bio = open_file(certificate_file, "certificate", error);
	if (!bio)
		return false;
	pair->chain = sk_X509_new_null();
	bool done = pair->chain ? read_certificates(bio, pair->chain, certificate_file, error)
				: error_set(error, "certificate %s: out of memory", certificate_file);
	BIO_free(bio);
	return done;
}

bool key_pair_read_key(struct key_pair *pair, const char *key_file, struct error *error)
{
	BIO *bio = open_file(key_file, "key", error);
	if (!bio)
		return false;
	bool was_asked = false;
	pair->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &was_asked);
	bool empty = !pair->key && is_end_of_file();
	char reason[LIBRARY_ERROR_TEXT_BYTES];
	library_error_take(reason, "unknown form");
	BIO_free(bio);
	if (was_asked)
		return error_set(error, "key %s: it is under a password; store it without one, mode 0600", key_file);
	if (empty)
		return error_set(error, "key %s: no private key in it; PEM (BEGIN PRIVATE KEY) is needed", key_file);
	if (!pair->key)
		return error_set(error, "key %s: it is damaged (%s)", key_file, reason);
	int kind = EVP_PKEY_id(pair->key);
	if (kind != EVP_PKEY_EC && kind != EVP_PKEY_RSA && kind != EVP_PKEY_ED25519)
		return error_set(error, "key %s: neither an EC, an RSA nor an Ed25519 key", key_file);
	return true;
}

bool key_pair_read(struct key_pair *pair, const char *certificate_file, const char *key_file, struct error *error)
{
	if (!key_pair_read_chain(pair, certificate_file, error) || !key_pair_read_key(pair, key_file, error))
		return false;
	bool match = X509_check_private_key(sk_X509_value(pair->chain, 0), pair->key);
	ERR_clear_error();
	if (!match)
		return error_set(error,
				 "key %s does not belong to the certificate %s: its first certificate must be "
				 "the one made for this key",
				 key_file, certificate_file);
	return true;
}

void key_pair_finish(struct key_pair *pair)
{
	sk_X509_pop_free(pair->chain, X509_free);
	EVP_PKEY_free(pair->key);
	*pair = (struct key_pair){ NULL, NULL };
}
