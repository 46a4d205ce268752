/* Channel bindings: what ties a sign-in to one TLS session; see tls.h.
 *
 * The server's own certificate is hashed when it is read: after the handshake BoringSSL has dropped what it sent. */
#include "crypto/tls_internal.h"

#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pool.h>

enum { EXPORTER_BYTES = 32 };
_Static_assert((int)TLS_BINDING_MOST_BYTES == EVP_MAX_MD_SIZE, "every hash fits");

/* --- the server's end point --- */

/* Of RSASSA-PSS (RFC 4055 §3.1): absent parameters mean SHA-1. */
static int pss_hash(const X509_ALGOR *algorithm)
{
	int hash = NID_sha1;
	RSA_PSS_PARAMS *parameters = NULL;
	if (algorithm->parameter && algorithm->parameter->type == V_ASN1_SEQUENCE)
		parameters = ASN1_item_unpack(algorithm->parameter->value.sequence, ASN1_ITEM_rptr(RSA_PSS_PARAMS));
	if (parameters && parameters->hashAlgorithm)
		hash = OBJ_obj2nid(parameters->hashAlgorithm->algorithm);
	RSA_PSS_PARAMS_free(parameters);
	return hash;
}

/* NULL when the signature names no hash. MD5 and SHA-1 count as SHA-256 (RFC 5929 §4.1). */
static const EVP_MD *hash_of_signature(const X509 *certificate)
{
	const ASN1_BIT_STRING *signature;
	const X509_ALGOR *algorithm;
	int hash = NID_undef;
	X509_get0_signature(&signature, &algorithm, certificate);
	int kind = OBJ_obj2nid(algorithm->algorithm);
	if (kind == NID_rsassaPss)
		hash = pss_hash(algorithm);
	else if (!OBJ_find_sigid_algs(kind, &hash, NULL))
		return NULL;
	return hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
}

bool tls_end_point_compute(struct tls_end_point *end_point, const CRYPTO_BUFFER *certificate)
{
	X509 *decoded = X509_parse_from_buffer((CRYPTO_BUFFER *)certificate);
	end_point->size = 0;
	if (!decoded)
		return false;
	const EVP_MD *hash = hash_of_signature(decoded);
	unsigned size = 0;
	bool done = !hash || EVP_Digest(CRYPTO_BUFFER_data(certificate), CRYPTO_BUFFER_len(certificate),
					end_point->bytes, &size, hash, NULL);
	end_point->size = done ? (uint8_t)size : 0;
	X509_free(decoded);
	ERR_clear_error();
	return done;
}

const struct tls_end_point *tls_session_end_point(const struct tls_session *session)
{
	const struct tls_identity *identity = SSL_CTX_get_app_data(SSL_get_SSL_CTX(session->library));
	bool resumed = session->resumed_from && SSL_session_reused(session->library);
	return resumed ? session->resumed_from : &identity->end_point;
}

static bool end_point_of_peer(const SSL *ssl, struct tls_end_point *end_point)
{
	const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);
	return sk_CRYPTO_BUFFER_num(chain) > 0 && tls_end_point_compute(end_point, sk_CRYPTO_BUFFER_value(chain, 0));
}

static bool bind_end_point(const struct tls_session *session, uint8_t out[TLS_BINDING_MOST_BYTES], size_t *size)
{
	struct tls_end_point found = { 0 };
	if (session->context->is_server)
		found = *tls_session_end_point(session);
	else if (!end_point_of_peer(session->library, &found))
		return false;
	memcpy(out, found.bytes, found.size);
	*size = found.size;
	return found.size > 0;
}

/* --- the session itself --- */

static bool bind_exporter(const struct tls_session *session, uint8_t out[TLS_BINDING_MOST_BYTES], size_t *size)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	*size = EXPORTER_BYTES;
	return SSL_get_extms_support(session->library) &&
	       SSL_export_keying_material(session->library, out, EXPORTER_BYTES, label, sizeof label - 1, NULL, 0, 1);
}

static bool bind_unique(const struct tls_session *session, uint8_t out[TLS_BINDING_MOST_BYTES], size_t *size)
{
	return SSL_version(session->library) == TLS_VERSION_1_2 && SSL_get_extms_support(session->library) &&
	       SSL_get_tls_unique(session->library, out, size, TLS_BINDING_MOST_BYTES);
}

bool tls_session_binding(const struct tls_session *session, enum tls_binding kind, uint8_t out[TLS_BINDING_MOST_BYTES],
			 size_t *size)
{
	*size = 0;
	if (SSL_in_init(session->library))
		return false;
	bool done = kind == TLS_BINDING_EXPORTER ? bind_exporter(session, out, size)
		    : kind == TLS_BINDING_UNIQUE ? bind_unique(session, out, size)
						 : bind_end_point(session, out, size);
	ERR_clear_error();
	if (!done)
		*size = 0;
	return done;
}
