/* Whom a client believes: the server's chain must lead to a CA of the context, and its leaf must be for the host.
 *
 * BoringSSL would do the same by itself, but would then keep the decoded certificates with every session, 8 KB of them.
 * Here they live as long as the check. A resumed session is not checked again: its ticket came from a session that was,
 * to the same host. */
#include "crypto/tls_internal.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include "crypto/host_name.h"

STACK_OF(X509) * tls_verify_decode(const STACK_OF(CRYPTO_BUFFER) * encoded)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	for (size_t i = 0; chain && i < sk_CRYPTO_BUFFER_num(encoded); i++) {
		X509 *certificate = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(encoded, i));
		if (certificate && sk_X509_push(chain, certificate))
			continue;
		X509_free(certificate);
		sk_X509_pop_free(chain, X509_free);
		chain = NULL;
	}
	return chain;
}

static bool expect_host(X509_STORE_CTX *check, const char *host_name)
{
	X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(check);
	X509_VERIFY_PARAM_set_hostflags(parameters, HOST_NAME_CHECK_FLAGS);
	return host_name_is_address(host_name) ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host_name)
					       : X509_VERIFY_PARAM_set1_host(parameters, host_name, strlen(host_name));
}

int tls_verify_chain(const struct tls_session *session, STACK_OF(X509) * chain, const char *purpose,
		     const char *host_name)
{
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	int outcome = X509_V_ERR_OUT_OF_MEM;
	if (check && X509_STORE_CTX_init(check, session->context->trusted, sk_X509_value(chain, 0), chain) &&
	    X509_STORE_CTX_set_default(check, purpose) && (!host_name || expect_host(check, host_name))) {
		bool valid = X509_verify_cert(check) == 1;
		outcome = X509_STORE_CTX_get_error(check);
		if (!valid && outcome == X509_V_OK)
			outcome = X509_V_ERR_UNSPECIFIED;
	}
	X509_STORE_CTX_free(check);
	return outcome;
}

static enum ssl_verify_result_t verify_server(SSL *ssl, uint8_t *alert)
{
	struct tls_session *session = tls_window_bio_session(SSL_get_rbio(ssl));
	STACK_OF(X509) *chain = tls_verify_decode(SSL_get0_peer_certificates(ssl));
	int outcome =
		chain ? tls_verify_chain(session, chain, "ssl_server", session->host_name) : X509_V_ERR_UNSPECIFIED;
	sk_X509_pop_free(chain, X509_free);
	ERR_clear_error();
	if (outcome == X509_V_OK)
		return ssl_verify_ok;
	session->objection = X509_verify_cert_error_string(outcome);
	*alert = (uint8_t)SSL_alert_from_verify_result(outcome);
	return ssl_verify_invalid;
}

static enum ssl_verify_result_t believe_server(SSL *ssl, uint8_t *alert)
{
	(void)ssl, (void)alert;
	return ssl_verify_ok;
}

/* BoringSSL decodes a certificate's extensions at first use, and remembers for ever if memory ran out then: now is better. */
static void decode_extensions(X509_STORE *store)
{
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
	for (size_t i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509 *certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
		if (certificate)
			X509_get_extension_flags(certificate);
	}
	ERR_clear_error();
}

X509_STORE *tls_verify_read_store(const char *file)
{
	X509_STORE *store = X509_STORE_new();
	if (store && X509_STORE_load_locations(store, file, NULL)) {
		decode_extensions(store);
		return store;
	}
	X509_STORE_free(store);
	return NULL;
}

bool tls_verify_prepare(struct tls_context *context, const char *ca_file)
{
	if (!ca_file) {
		SSL_CTX_set_custom_verify(context->own.library, SSL_VERIFY_NONE, believe_server);
		return true;
	}
	SSL_CTX_set_custom_verify(context->own.library, SSL_VERIFY_PEER, verify_server);
	context->trusted = tls_verify_read_store(ca_file);
	return context->trusted != NULL;
}
