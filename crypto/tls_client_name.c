/* Who a client is by its certificate; see tls_session_client_name() in tls.h.
 *
 * Clients are asked for a certificate and may go without. Nothing about it breaks a handshake: a certificate that does not count
 * leaves the client without a name. It is looked at when the handshake is over, and again in a resumed session, whose ticket carries
 * it: what has expired or been revoked since then does not count any more. */
#include "crypto/tls_internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pool.h>
#include <openssl/x509v3.h>

#include "core/base/limits.h"
#include "crypto/library_error.h"

static const char user_principal_name[] = "1.3.6.1.4.1.311.20.2.3";

/* --- the context --- */

static enum ssl_verify_result_t look_later(SSL *ssl, uint8_t *alert)
{
	(void)ssl, (void)alert;
	return ssl_verify_ok;
}

/* False when memory has run out. */
static bool add_subject(STACK_OF(CRYPTO_BUFFER) * names, X509 *certificate)
{
	uint8_t *encoded = NULL;
	int size = i2d_X509_NAME(X509_get_subject_name(certificate), &encoded);
	CRYPTO_BUFFER *name = size > 0 ? CRYPTO_BUFFER_new(encoded, (size_t)size, NULL) : NULL;
	OPENSSL_free(encoded);
	if (name && sk_CRYPTO_BUFFER_push(names, name))
		return true;
	CRYPTO_BUFFER_free(name);
	return false;
}

bool tls_client_name_ask(const struct tls_context *context, SSL_CTX *library)
{
	if (!context->trusted)
		return true;
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(context->trusted);
	STACK_OF(CRYPTO_BUFFER) *names = sk_CRYPTO_BUFFER_new_null();
	for (size_t i = 0; names && i < sk_X509_OBJECT_num(objects); i++) {
		X509 *certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
		if (!certificate || add_subject(names, certificate))
			continue;
		sk_CRYPTO_BUFFER_pop_free(names, CRYPTO_BUFFER_free);
		names = NULL;
	}
	if (!names)
		return false;
	SSL_CTX_set0_client_CAs(library, names);
	return true;
}

static bool add_revoked(X509_STORE *store, const char *file)
{
	X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
	return lookup && X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) > 0 &&
	       X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
}

static X509_STORE *read_authorities(const char *ca_file, const char *crl_file, struct error *error)
{
	char reason[LIBRARY_ERROR_TEXT_BYTES];
	X509_STORE *store = tls_verify_read_store(ca_file);
	if (store && (!crl_file || add_revoked(store, crl_file)))
		return store;
	library_error_take(reason, "out of memory");
	if (store)
		error_set(error, "revocation list %s: %s; a readable PEM file (BEGIN X509 CRL) is needed", crl_file,
			  reason);
	else
		error_set(error, "CA certificates %s: %s; a readable PEM file is needed", ca_file, reason);
	X509_STORE_free(store);
	return NULL;
}

bool tls_client_authorities_check(const char *ca_file, const char *crl_file, struct error *error)
{
	X509_STORE *store = read_authorities(ca_file, crl_file, error);
	X509_STORE_free(store);
	return store != NULL;
}

bool tls_client_name_prepare(struct tls_context *context, const struct tls_server_settings *settings,
			     struct error *error)
{
	if (!settings->client_ca_file)
		return true;
	context->trusted = read_authorities(settings->client_ca_file, settings->client_crl_file, error);
	if (!context->trusted)
		return false;
	if (!tls_client_name_ask(context, context->own.library))
		return error_set(error, "TLS settings: out of memory");
	SSL_CTX_set_custom_verify(context->own.library, SSL_VERIFY_PEER, look_later);
	return true;
}

/* --- a session --- */

/* The text of a subject alternative name of this kind; NULL when it is of another. */
static const ASN1_STRING *text_of(const GENERAL_NAME *name, int kind)
{
	char type[sizeof user_principal_name];
	if (name->type != kind)
		return NULL;
	if (kind == GEN_EMAIL || kind == GEN_DNS)
		return name->d.ia5;
	const ASN1_TYPE *value = name->d.otherName->value;
	if (OBJ_obj2txt(type, sizeof type, name->d.otherName->type_id, 1) != sizeof type - 1 ||
	    strcmp(type, user_principal_name) != 0 || value->type != V_ASN1_UTF8STRING)
		return NULL;
	return value->value.utf8string;
}

/* Nothing but what a login can be made of: no NUL that cuts it, no control characters. */
static bool is_usable(const ASN1_STRING *text)
{
	const uint8_t *bytes = ASN1_STRING_get0_data(text);
	int size = ASN1_STRING_length(text);
	if (size < 1 || size > LIMIT_LOGIN_NAME_BYTES)
		return false;
	for (int i = 0; i < size; i++)
		if (bytes[i] <= ' ' || bytes[i] == 0x7f)
			return false;
	return true;
}

static const ASN1_STRING *find_text(const GENERAL_NAMES *names)
{
	static const int kinds[] = { GEN_EMAIL, GEN_OTHERNAME, GEN_DNS };
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		for (size_t i = 0; i < sk_GENERAL_NAME_num(names); i++) {
			const ASN1_STRING *text = text_of(sk_GENERAL_NAME_value(names, i), kinds[k]);
			if (text && is_usable(text))
				return text;
		}
	}
	return NULL;
}

/* False when memory has run out. */
static bool take_name(struct tls_session *session, const X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const ASN1_STRING *text = names ? find_text(names) : NULL;
	bool done = true;
	if (text) {
		session->client_name =
			strndup((const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
		done = session->client_name != NULL;
	} else {
		session->client_problem = "the certificate has no mail address, principal or DNS name";
	}
	GENERAL_NAMES_free(names);
	return done;
}

bool tls_client_name_take(struct tls_session *session)
{
	const STACK_OF(CRYPTO_BUFFER) *encoded =
		session->context->trusted ? SSL_get0_peer_certificates(session->library) : NULL;
	if (sk_CRYPTO_BUFFER_num(encoded) == 0 || session->client_name || session->client_problem)
		return true;
	STACK_OF(X509) *chain = tls_verify_decode(encoded);
	bool done = true;
	int outcome = chain ? tls_verify_chain(session, chain, "ssl_client", NULL) : X509_V_OK;
	if (!chain)
		session->client_problem = "the certificate can't be read";
	else if (outcome != X509_V_OK)
		session->client_problem = X509_verify_cert_error_string(outcome);
	else
		done = take_name(session, sk_X509_value(chain, 0));
	sk_X509_pop_free(chain, X509_free);
	ERR_clear_error();
	return done;
}

bool tls_session_client_name(const struct tls_session *session, struct slice *name, const char **problem)
{
	*problem = session->client_problem;
	if (!session->client_name)
		return false;
	*name = slice_from_text(session->client_name);
	return true;
}
