/* TLS contexts: what all sessions of a server or of a client have in common.
 *
 * Sessions run without BoringSSL's X.509 code (TLS_with_buffers_method): chains are sent and kept as the bytes they are, and a
 * client's check of them is ours (tls_verify.c). Not supported on purpose: compression, renegotiation, early data (a replayed MAIL is mail
 * twice), ALPN, TLS below 1.2, and in 1.2 everything but ECDHE with an AEAD. */
#include "crypto/tls_internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pool.h>

#include "core/base/list.h"
#include "crypto/library_error.h"

enum {
	/* Tickets open for one to two days (tls_ticket.c). A resumed TLS 1.3 session has fresh keys, one of 1.2 does not. */
	TICKET_LIFETIME_S = 24 * 60 * 60,
	TICKET_LIFETIME_1_2_S = 2 * 60 * 60,
};

/* TLS 1.2 only: 1.3's suites can't be chosen. In brackets the client has the choice: it knows if it has AES in hardware. */
static const char ciphers_1_2[] = "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"
				  "ECDHE-ECDSA-AES256-GCM-SHA384:"
				  "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
				  "ECDHE-RSA-AES256-GCM-SHA384";

/* Tickets are bound to this service; the same in all processes. */
static const uint8_t session_id_context[] = "postern";

struct tls_name {
	struct map_node node;
	struct tls_identity shown; /* its library is used for the certificate alone */
	char text[];               /* small letters; may begin with "*." */
};

static SSL_CTX *library_create(struct tls_identity *identity, uint16_t min_version, uint16_t max_version,
			       struct error *error)
{
	SSL_CTX *library = SSL_CTX_new(TLS_with_buffers_method());
	if (library && SSL_CTX_set_min_proto_version(library, min_version) &&
	    SSL_CTX_set_max_proto_version(library, max_version) &&
	    SSL_CTX_set_strict_cipher_list(library, ciphers_1_2) && SSL_CTX_set_app_data(library, identity)) {
		SSL_CTX_set_options(library, SSL_OP_CIPHER_SERVER_PREFERENCE);
		SSL_CTX_set_mode(library, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		SSL_CTX_set_session_cache_mode(library, SSL_SESS_CACHE_OFF);
		return library;
	}
	char reason[LIBRARY_ERROR_TEXT_BYTES];
	library_error_take(reason, "out of memory");
	error_set(error, "TLS settings: %s", reason);
	SSL_CTX_free(library);
	return NULL;
}

static struct tls_context *context_create(uint16_t min_version, uint16_t max_version, struct error *error)
{
	ASSERT(min_version >= TLS_VERSION_1_2 && min_version <= max_version && max_version <= TLS_VERSION_1_3);
	struct tls_context *context = calloc(1, sizeof *context);
	if (!context) {
		error_set(error, "TLS settings: out of memory");
		return NULL;
	}
	context->holders = 1;
	context->own.context = context;
	context->own.library = library_create(&context->own, min_version, max_version, error);
	context->window_bio = tls_window_bio_create();
	if (context->own.library && context->window_bio)
		return context;
	if (context->own.library)
		error_set(error, "TLS settings: out of memory");
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
	context->ticket_keys = tls_ticket_keys_create(settings->ticket_secret);
	secret_random(context->name_hash_key, sizeof context->name_hash_key);
	if (!context->ticket_keys || !map_init(&context->names, 0) ||
	    !SSL_CTX_set_session_id_context(library, session_id_context, sizeof session_id_context))
		return error_set(error, "TLS settings: out of memory");
	SSL_CTX_set_ticket_aead_method(library, &tls_ticket_method);
	SSL_CTX_set_timeout(library, TICKET_LIFETIME_1_2_S);
	SSL_CTX_set_session_psk_dhe_timeout(library, TICKET_LIFETIME_S);
	return true;
}

struct tls_context *tls_server_context_create(const struct tls_server_settings *settings, struct error *error)
{
	struct tls_context *context = context_create(settings->min_version, settings->max_version, error);
	if (context && !server_prepare(context, settings, error)) {
		tls_context_destroy(context);
		return NULL;
	}
	return context;
}

static struct tls_name *find_exactly(const struct tls_context *context, struct slice text)
{
	uint64_t hash = secret_short_hash(context->name_hash_key, text);
	for (struct map_node *node = map_find(&context->names, hash); node; node = map_find_next(node)) {
		struct tls_name *name = CONTAINER_OF(node, struct tls_name, node);
		if (slice_equal(text, slice_from_text(name->text)))
			return name;
	}
	return NULL;
}

/* The name itself, else the wildcard that stands for its first label. */
static struct tls_name *find_name(const struct tls_context *context, const char *text)
{
	uint8_t lower[TLSEXT_MAXLEN_host_name];
	size_t size = strlen(text);
	if (size > sizeof lower)
		return NULL;
	for (size_t i = 0; i < size; i++)
		lower[i] = ascii_lower((uint8_t)text[i]);
	struct slice whole = slice_of(lower, size);
	struct tls_name *name = find_exactly(context, whole);
	size_t dot = slice_find(whole, '.');
	if (name || dot == 0 || dot == size)
		return name;
	lower[dot - 1] = '*';
	return find_exactly(context, slice_skip(whole, dot - 1));
}

static int choose_certificate(SSL *ssl, int *alert, void *argument)
{
	(void)alert;
	const char *text = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct tls_name *name = text ? find_name(argument, text) : NULL;
	if (!name)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_set_SSL_CTX(ssl, name->shown.library) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool name_prepare(struct tls_context *context, struct tls_name *name, const char *certificate_file,
			 const char *key_file, struct error *error)
{
	name->shown.context = context;
	name->shown.library = library_create(&name->shown, TLS_VERSION_1_2, TLS_VERSION_1_3, error);
	if (!name->shown.library || !tls_identity_read(&name->shown, certificate_file, key_file, error))
		return false;
	if (!SSL_CTX_set_session_id_context(name->shown.library, session_id_context, sizeof session_id_context) ||
	    !tls_client_name_ask(context, name->shown.library))
		return error_set(error, "TLS settings: out of memory");
	return true;
}

bool tls_context_add_name(struct tls_context *context, const char *name, const char *certificate_file,
			  const char *key_file, struct error *error)
{
	ASSERT(context->is_server);
	size_t size = strlen(name);
	if (size == 0 || size > TLSEXT_MAXLEN_host_name)
		return error_set(error, "TLS name \"%s\": 1 to %d characters are possible", name,
				 TLSEXT_MAXLEN_host_name);
	struct tls_name *added = calloc(1, sizeof *added + size + 1);
	if (!added)
		return error_set(error, "TLS name %s: out of memory", name);
	for (size_t i = 0; i < size; i++)
		added->text[i] = (char)ascii_lower((uint8_t)name[i]);
	struct slice text = slice_from_text(added->text);
	bool done = find_exactly(context, text) ? error_set(error, "TLS name %s is given twice", name)
						: name_prepare(context, added, certificate_file, key_file, error);
	if (!done) {
		SSL_CTX_free(added->shown.library);
		free(added);
		return false;
	}
	map_insert(&context->names, &added->node, secret_short_hash(context->name_hash_key, text));
	SSL_CTX_set_tlsext_servername_callback(context->own.library, choose_certificate);
	SSL_CTX_set_tlsext_servername_arg(context->own.library, context);
	return true;
}

static void names_destroy(struct tls_context *context)
{
	struct map_node *node = map_walk(&context->names, NULL);
	while (node) {
		struct map_node *next = map_walk(&context->names, node);
		struct tls_name *name = CONTAINER_OF(node, struct tls_name, node);
		map_remove(&context->names, node);
		SSL_CTX_free(name->shown.library);
		free(name);
		node = next;
	}
	map_finish(&context->names);
}

/* --- client --- */

static int ticket_arrived(SSL *ssl, SSL_SESSION *ticket)
{
	struct tls_session *session = tls_window_bio_session(SSL_get_rbio(ssl));
	if (!session || !SSL_SESSION_is_resumable(ticket))
		return 0;
	return tls_context_keep_ticket(session->context, ticket, session->host_name);
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
	if (!context->certificates)
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
	struct tls_context *context = context_create(settings->min_version, settings->max_version, error);
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
	names_destroy(context);
	SSL_CTX_free(context->own.library);
	CRYPTO_BUFFER_POOL_free(context->certificates);
	BIO_free(context->window_bio);
	X509_STORE_free(context->trusted);
	tls_ticket_keys_destroy(context->ticket_keys);
	free(context);
}
