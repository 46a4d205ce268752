/* What a server has shown to a client session; see tls.h. */
#include "crypto/tls_internal.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pool.h>

bool tls_session_peer_certificates(const struct tls_session *session, struct buffer *pem)
{
	const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(session->library);
	BIO *bio = BIO_new(BIO_s_mem());
	size_t count = chain ? sk_CRYPTO_BUFFER_num(chain) : 0, size = 0;
	const uint8_t *data = NULL;
	bool done = bio && count > 0;
	for (size_t i = 0; done && i < count; i++) {
		const CRYPTO_BUFFER *one = sk_CRYPTO_BUFFER_value(chain, i);
		done = PEM_write_bio(bio, PEM_STRING_X509, "", CRYPTO_BUFFER_data(one), (long)CRYPTO_BUFFER_len(one)) >
		       0;
	}
	done = done && BIO_mem_contents(bio, &data, &size) && buffer_append(pem, slice_of(data, size));
	BIO_free(bio);
	ERR_clear_error();
	return done;
}
