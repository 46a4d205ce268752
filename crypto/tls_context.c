/* TLS contexts: what all sessions of a server or of a client have in common.
 *
 * Sessions run without BoringSSL's X.509 code (TLS_with_buffers_method): chains are sent and kept as the bytes they are, and a
 * client's check of them is ours (tls_verify.c). Not supported on purpose: compression, renegotiation, early data (a replayed MAIL is mail
 * twice), ALPN, TLS below 1.2. Which certificate is shown is chosen in tls_names.c, ciphers and groups are in tls_policy.c. */
#include "crypto/tls_internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/pool.h>

#include "crypto/library_error.h"

enum {
	/* How long a client may offer one; the default, and what is most for TLS 1.2: a resumed TLS 1.3
	 *  session has fresh keys, one of 1.2 does not. */
	TICKET_LIFETIME_S = 24 * 60 * 60,
	TICKET_LIFETIME_1_2_S = 2 * 60 * 60,
};

/* Tickets are bound to this service; the same in all processes. */
static const uint8_t session_id_context[] = "postern";

bool tls_context_fail(struct error *error)
{
	char reason[LIBRARY_ERROR_TEXT_BYTES];
	library_error_take(reason, "out of memory");
	return error_set(error, "TLS settings: %s", reason);
}

bool tls_identity_create(struct tls_identity *identity, struct tls_context *context)
{
	SSL_CTX *library = SSL_CTX_new(TLS_with_buffers_method());
	identity->context = context;
	identity->library = library;
	if (!library || !SSL_CTX_set_min_proto_version(library, context->min_version) ||
	    !SSL_CTX_set_max_proto_version(library, context->max_version) || !SSL_CTX_set_app_data(library, identity) ||
	    !SSL_CTX_set_session_id_context(library, session_id_context, sizeof session_id_context))
		return false;
	SSL_CTX_set_options(library, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(library, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(library, SSL_SESS_CACHE_OFF);
	return tls_policy_apply(&context->policy, library);
}

static struct tls_context *context_create(uint16_t min_version, uint16_t max_version, const struct tls_policy *policy,
					  struct error *error)
{
	ASSERT(min_version >= TLS_VERSION_1_2 && min_version <= max_version && max_version <= TLS_VERSION_1_3);
	struct tls_context *context = calloc(1, sizeof *context);
	if (!context) {
		error_set(error, "TLS settings: out of memory");
		return NULL;
	}
	context->holders = 1;
	context->min_version = min_version;
	context->max_version = max_version;
	context->window_bio = tls_window_bio_create();
	if (context->window_bio && tls_policy_copy(&context->policy, policy) &&
	    tls_identity_create(&context->own, context))
		return context;
	tls_context_fail(error);
	tls_context_destroy(context);
	return NULL;
}

/* --- server --- */

static bool server_prepare(struct tls_context *context, const struct tls_server_settings *settings, struct error *error)
{
	SSL_CTX *library = context->own.library;
	context->is_server = true;
	if (!tls_identity_read(&context->own, settings->certificate_file, settings->key_file, error) ||
	    !tls_client_name_prepare(context, settings, error))
		return false;
	uint32_t lifetime_s = settings->ticket_lifetime_s ? settings->ticket_lifetime_s : TICKET_LIFETIME_S;
	context->ticket_keys = tls_ticket_keys_create(settings->ticket_secret, lifetime_s);
	secret_random(context->name_hash_key, sizeof context->name_hash_key);
	if (!context->ticket_keys || !map_init(&context->names, 0))
		return error_set(error, "TLS settings: out of memory");
	SSL_CTX_set_ticket_aead_method(library, &tls_ticket_method);
	SSL_CTX_set_timeout(library, lifetime_s < TICKET_LIFETIME_1_2_S ? lifetime_s : TICKET_LIFETIME_1_2_S);
	SSL_CTX_set_session_psk_dhe_timeout(library, lifetime_s);
	tls_names_choose(context);
	return true;
}

struct tls_context *tls_server_context_create(const struct tls_server_settings *settings, struct error *error)
{
	struct tls_policy policy = { (char *)settings->ciphers, (char *)settings->groups, settings->min_bits };
	struct tls_context *context = context_create(settings->min_version, settings->max_version, &policy, error);
	if (context && !server_prepare(context, settings, error)) {
		tls_context_destroy(context);
		return NULL;
	}
	return context;
}

/* --- client --- */

static int ticket_arrived(SSL *ssl, SSL_SESSION *ticket)
{
	struct tls_session *session = tls_window_bio_session(SSL_get_rbio(ssl));
	if (!session || !SSL_SESSION_is_resumable(ticket))
		return 0;
	return tls_context_keep_ticket(session->context, ticket, session->host_name);
}

/* What clients of today know, of one kind. */
static bool limit_signatures(SSL_CTX *library, enum tls_signatures signatures)
{
	static const uint16_t ecdsa[] = { SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ECDSA_SECP384R1_SHA384 };
	static const uint16_t rsa[] = { SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384,
					SSL_SIGN_RSA_PSS_RSAE_SHA512, SSL_SIGN_RSA_PKCS1_SHA256,
					SSL_SIGN_RSA_PKCS1_SHA384,    SSL_SIGN_RSA_PKCS1_SHA512 };
	switch (signatures) {
	case TLS_SIGNATURES_ALL:
		break;
	case TLS_SIGNATURES_ECDSA:
		return SSL_CTX_set_verify_algorithm_prefs(library, ecdsa, sizeof ecdsa / sizeof *ecdsa);
	case TLS_SIGNATURES_RSA:
		return SSL_CTX_set_verify_algorithm_prefs(library, rsa, sizeof rsa / sizeof *rsa);
	}
	return true;
}

static bool client_prepare(struct tls_context *context, const struct tls_client_settings *settings, struct error *error)
{
	SSL_CTX *library = context->own.library;
	context->resumes = settings->resume;
	if (context->resumes) {
		SSL_CTX_set_session_cache_mode(library, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(library, ticket_arrived);
	}
	/* The certificates of one server are all the same: they are kept once, whatever the number of sessions. */
	context->certificates = CRYPTO_BUFFER_POOL_new();
	if (!context->certificates || !limit_signatures(library, settings->signatures))
		return error_set(error, "TLS settings: out of memory");
	SSL_CTX_set0_buffer_pool(library, context->certificates);
	if (settings->certificate_file &&
	    !tls_identity_read(&context->own, settings->certificate_file, settings->key_file, error))
		return false;
	if (tls_verify_prepare(context, settings->ca_file))
		return true;
	char reason[LIBRARY_ERROR_TEXT_BYTES];
	library_error_take(reason, "out of memory");
	return error_set(error, "CA certificates %s: %s; a readable PEM file is needed", settings->ca_file, reason);
}

struct tls_context *tls_client_context_create(const struct tls_client_settings *settings, struct error *error)
{
	struct tls_policy policy = { (char *)settings->ciphers, NULL, 0 };
	struct tls_context *context = context_create(settings->min_version, settings->max_version, &policy, error);
	if (context && !client_prepare(context, settings, error)) {
		tls_context_destroy(context);
		return NULL;
	}
	return context;
}

bool tls_context_keep_ticket(struct tls_context *context, SSL_SESSION *ticket, const char *host_name)
{
	if (!tls_context_ticket_for(context, host_name)) {
		char *host = host_name ? strdup(host_name) : NULL;
		if (host_name && !host)
			return false;
		free(context->ticket_host);
		context->ticket_host = host;
	}
	SSL_SESSION_free(context->ticket);
	context->ticket = ticket;
	return true;
}

SSL_SESSION *tls_context_ticket_for(const struct tls_context *context, const char *host_name)
{
	const char *owner = context->ticket_host;
	bool same = host_name && owner ? strcmp(host_name, owner) == 0 : host_name == owner;
	return same ? context->ticket : NULL;
}

/* --- both --- */

void tls_context_hold(struct tls_context *context)
{
	context->holders++;
}

void tls_context_destroy(struct tls_context *context)
{
	if (!context || --context->holders > 0)
		return;
	SSL_SESSION_free(context->ticket);
	free(context->ticket_host);
	tls_names_destroy(context);
	tls_identity_finish(&context->own);
	tls_policy_finish(&context->policy);
	CRYPTO_BUFFER_POOL_free(context->certificates);
	BIO_free(context->window_bio);
	X509_STORE_free(context->trusted);
	tls_ticket_keys_destroy(context->ticket_keys);
	free(context);
}
