/* TLS sessions: handshake, reading, writing and closing over the window of each call; see tls.h.
 *
 * After the handshake BoringSSL drops what only that needed (shed_handshake_config), and its record buffers live only
 * while they hold something, so an idle session is small. BoringSSL's error queue is empty after every call. */
#include "crypto/tls_internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "crypto/host_name.h"
#include "crypto/library_error.h"
#include "crypto/secret.h"

/* --- making and ending --- */

static struct tls_session *session_create(struct tls_context *context)
{
	struct tls_session *session = calloc(1, sizeof *session);
	if (!session)
		return NULL;
	session->library = SSL_new(context->own.library);
	if (!session->library) {
		ERR_clear_error();
		free(session);
		return NULL;
	}
	tls_context_hold(context);
	session->context = context;
	BIO_up_ref(context->window_bio);
	SSL_set_bio(session->library, context->window_bio, context->window_bio);
	SSL_set_shed_handshake_config(session->library, 1);
	return session;
}

struct tls_session *tls_accept_create(struct tls_context *context)
{
	ASSERT(context->is_server);
	struct tls_session *session = session_create(context);
	if (session) {
		SSL_set_accept_state(session->library);
		session->has_secrets = true;
	}
	return session;
}

/* SNI is for names only (RFC 6066 §3). */
static bool set_host(struct tls_session *session, const char *host_name)
{
	if (!host_name_is_address(host_name) && !SSL_set_tlsext_host_name(session->library, host_name))
		return false;
	if (!session->context->trusted && !session->context->resumes)
		return true;
	session->host_name = strdup(host_name);
	return session->host_name != NULL;
}

static bool offer_ticket(struct tls_session *session)
{
	SSL_SESSION *ticket = tls_context_ticket_for(session->context, session->host_name);
	return !ticket || SSL_set_session(session->library, ticket);
}

struct tls_session *tls_connect_create(struct tls_context *context, const char *host_name)
{
	ASSERT(!context->is_server && (host_name || !context->trusted));
	struct tls_session *session = session_create(context);
	if (!session)
		return NULL;
	SSL_set_connect_state(session->library);
	if ((host_name && !set_host(session, host_name)) || !offer_ticket(session)) {
		tls_session_destroy(session);
		ERR_clear_error();
		return NULL;
	}
	return session;
}

void tls_session_destroy(struct tls_session *session)
{
	if (!session)
		return;
	SSL_free(session->library);
	tls_context_destroy(session->context);
	free(session->host_name);
	free(session->failure);
	free(session->client_name);
	free(session->resumed_from);
	free(session);
}

/* --- one call into BoringSSL --- */

static void enter(struct tls_session *session, struct tls_window *window)
{
	session->window = window;
	tls_window_bio_attach(session->context->window_bio, session);
}

static void leave(struct tls_session *session)
{
	session->window = NULL;
	tls_window_bio_attach(session->context->window_bio, NULL);
}

/* Takes the error out of the queue; the first failure of a session is the one that counts. */
static void keep_error(struct tls_session *session)
{
	char reason[LIBRARY_ERROR_TEXT_BYTES];
	library_error_take(reason, "connection broken");
	if (session->failure)
		return;
	session->failure = malloc(sizeof *session->failure);
	if (session->objection)
		error_set(session->failure, "%s: %s", reason, session->objection);
	else
		error_set(session->failure, "%s", reason);
}

static enum tls_status status_of(struct tls_session *session, int result)
{
	switch (SSL_get_error(session->library, result)) {
	case SSL_ERROR_NONE:
		return TLS_OK;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_INPUT;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_OUTPUT;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		keep_error(session);
		return TLS_FAILED;
	}
}

/* --- the four things a session does --- */

/* A TLS 1.3 server's tickets are made at the end of the handshake but kept back until the first write, so that they
 * share its packet. We don't write first (the client may be waiting for its turn, or stay idle with the tickets in our
 * memory), so we ask for them with a write of nothing. That may take several calls, like any flight. */
static enum tls_status flush_tickets(struct tls_session *session)
{
	int result = SSL_write(session->library, "", 0);
	return result >= 0 ? TLS_OK : status_of(session, result);
}

enum tls_status tls_handshake(struct tls_session *session, struct tls_window *window)
{
	enter(session, window);
	enum tls_status status = status_of(session, SSL_do_handshake(session->library));
	if (status == TLS_OK && session->context->is_server)
		status = flush_tickets(session);
	if (status == TLS_OK && session->context->is_server && !tls_client_name_take(session)) {
		keep_error(session);
		status = TLS_FAILED;
	}
	leave(session);
	return status;
}

void tls_session_end_secrets(struct tls_session *session)
{
	session->has_secrets = false;
}

/* A record is decrypted in its buffer, which is then freed as it is. What is allocated next of that size is that buffer, so it is
 * wiped as ours. How much larger than the record it was is for BoringSSL to say: sizes are tried, what it mostly is first,
 * until one is where the record was. */
static void wipe_freed_record(const struct tls_session *session)
{
	static const uint8_t larger[] = { 7, 0, 16, 32 };
	enum { PIECES = sizeof larger };
	void *pieces[PIECES];
	size_t count = 0;
	for (bool found = false; count < PIECES && !found; count++) {
		size_t size = session->record_bytes + larger[count];
		pieces[count] = malloc(size);
		found = (uintptr_t)session->record_at - (uintptr_t)pieces[count] < size;
		if (pieces[count])
			secret_wipe(pieces[count], session->record_bytes);
	}
	while (count > 0)
		free(pieces[--count]);
}

enum tls_status tls_read(struct tls_session *session, struct tls_window *window, uint8_t *to, size_t capacity,
			 size_t *got)
{
	int most = capacity < TLS_WRITE_MOST_BYTES ? (int)capacity : TLS_WRITE_MOST_BYTES;
	*got = 0;
	enter(session, window);
	size_t before = window->input.size;
	int result = SSL_read(session->library, to, most);
	enum tls_status status = status_of(session, result);
	leave(session);
	session->record_bytes += before - window->input.size;
	if (status != TLS_OK)
		return status;
	*got = (size_t)result;
	if (SSL_pending(session->library) > 0)
		return status;
	if (session->has_secrets)
		wipe_freed_record(session);
	session->record_bytes = 0;
	return status;
}

/* Once a record is sealed it must go out, so the room is checked first: for the record (29 bytes more at most, TLS 1.2's
 * AES-GCM), and for the answer to a key update that may wait to go before it (27 bytes). */
enum tls_status tls_write(struct tls_session *session, struct tls_window *window, struct slice bytes)
{
	ASSERT(bytes.size <= TLS_WRITE_MOST_BYTES);
	if (bytes.size == 0)
		return TLS_OK;
	if (buffer_room(window->output) < bytes.size + TLS_WRITE_OVERHEAD_BYTES)
		return TLS_WANT_OUTPUT;
	enter(session, window);
	enum tls_status status = status_of(session, SSL_write(session->library, bytes.data, (int)bytes.size));
	leave(session);
	return status;
}

void tls_close(struct tls_session *session, struct tls_window *window)
{
	if (SSL_in_init(session->library) || SSL_get_shutdown(session->library) & SSL_SENT_SHUTDOWN)
		return;
	enter(session, window);
	SSL_shutdown(session->library);
	leave(session);
	ERR_clear_error();
}

/* --- asking --- */

bool tls_has_pending(const struct tls_session *session)
{
	return SSL_has_pending(session->library);
}

void tls_session_facts(const struct tls_session *session, struct tls_facts *facts)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(session->library);
	*facts = (struct tls_facts){
		.version = SSL_get_version(session->library),
		.cipher = cipher ? SSL_CIPHER_standard_name(cipher) : "",
		.bits = cipher ? (uint16_t)SSL_CIPHER_get_bits(cipher, NULL) : 0,
		.resumed = SSL_session_reused(session->library),
	};
}

const char *tls_session_error(const struct tls_session *session)
{
	return session->failure ? session->failure->text : "no error";
}
