/* Certificates with their keys, as TLS contexts show them.
 *
 * BoringSSL sends chains as buffers that hold the encoded certificates; nothing decoded is kept. */
#include "crypto/tls_internal.h"

#include <stdlib.h>

#include <openssl/ec_key.h>
#include <openssl/nid.h>
#include <openssl/pool.h>

#include "crypto/key_pair.h"
#include "crypto/library_error.h"

static bool set_chain(SSL_CTX *library, const struct key_pair *pair, struct tls_end_point *end_point)
{
	size_t count = sk_X509_num(pair->chain);
	CRYPTO_BUFFER **buffers = calloc(count, sizeof(CRYPTO_BUFFER *));
	size_t made = 0;
	for (; buffers && made < count; made++) {
		uint8_t *encoded = NULL;
		int size = i2d_X509(sk_X509_value(pair->chain, made), &encoded);
		buffers[made] = size > 0 ? CRYPTO_BUFFER_new(encoded, (size_t)size, NULL) : NULL;
		OPENSSL_free(encoded);
		if (!buffers[made])
			break;
	}
	bool done = made == count && SSL_CTX_set_chain_and_key(library, buffers, count, pair->key, NULL) &&
		    tls_end_point_compute(end_point, buffers[0]);
	while (made-- > 0)
		CRYPTO_BUFFER_free(buffers[made]);
	free(buffers);
	return done;
}

/* What a client must have said that it can check. */
static uint16_t signature_of(const EVP_PKEY *key)
{
	if (EVP_PKEY_id(key) == EVP_PKEY_ED25519)
		return SSL_SIGN_ED25519;
	if (EVP_PKEY_id(key) != EVP_PKEY_EC)
		return 0;
	switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)))) {
	case NID_secp384r1:
		return SSL_SIGN_ECDSA_SECP384R1_SHA384;
	case NID_secp521r1:
		return SSL_SIGN_ECDSA_SECP521R1_SHA512;
	default:
		return SSL_SIGN_ECDSA_SECP256R1_SHA256;
	}
}

bool tls_identity_read(struct tls_identity *identity, const char *certificate_file, const char *key_file,
		       struct error *error)
{
	struct key_pair pair = { NULL, NULL };
	bool done = key_pair_read(&pair, certificate_file, key_file, error);
	if (done && !set_chain(identity->library, &pair, &identity->end_point)) {
		char reason[LIBRARY_ERROR_TEXT_BYTES];
		library_error_take(reason, "out of memory");
		done = error_set(error, "%s: %s", certificate_file, reason);
	}
	if (done)
		identity->signature = signature_of(pair.key);
	key_pair_finish(&pair);
	return done;
}

void tls_identity_finish(struct tls_identity *identity)
{
	if (identity->alternative)
		tls_identity_finish(identity->alternative);
	free(identity->alternative);
	SSL_CTX_free(identity->library);
}
