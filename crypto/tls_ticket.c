/* Session tickets: sealed with a key of the period, so that every process with the same secret opens them.
 *
 * A ticket is XChaCha20-Poly1305 of BoringSSL's session and of the end point that it began with (what is resumed stays bound to that
 * certificate, even when another is shown by then), then the nonce, then the period's number. What is sealed stays in place.
 * Nonces are random and 192 bits long, so workers need not agree on anything. The period is a ticket's
 * lifetime; its key comes from the secret by BLAKE2b (crypto_kdf); keys of the present and the last one are at hand, so a ticket is good
 * for its lifetime at least. A ticket of another period, another secret, or another make is ignored: the client gets a full handshake.
 * So it does when the clock has been set back and its ticket is from the future, which BoringSSL looks at; whatever the clock says, new
 * tickets are good by it. Nodes whose clocks differ by a second ignore each other's for a second.
 *
 * This is the one place under the loop that asks for the time itself: BoringSSL has no way to pass it through. */
#include "crypto/tls_internal.h"

#include <stdlib.h>
#include <time.h>

#include <openssl/rand.h>

#include <sodium.h>

#include "core/base/cursor.h"

enum {
	KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
	TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	PERIOD_BYTES = 4,
	TRAILER_BYTES = NONCE_BYTES + PERIOD_BYTES,
	BOUND_BYTES = sizeof(struct tls_end_point), /* its bytes, and their number */
	OVERHEAD_BYTES = BOUND_BYTES + TAG_BYTES + TRAILER_BYTES,
};
_Static_assert((int)TLS_TICKET_SECRET_BYTES == crypto_kdf_KEYBYTES, "keys are derived from the secret");

/* In guarded memory. */
struct tls_ticket_keys {
	uint8_t secret[TLS_TICKET_SECRET_BYTES];
	uint32_t lifetime_s;
	uint32_t period; /* since 1970; the present one when last looked at */
	uint8_t present[KEY_BYTES];
	uint8_t last[KEY_BYTES];
};

/* Periods of different lengths have the same numbers at different times, so the length goes in too. */
static void derive_one(const struct tls_ticket_keys *keys, uint8_t key[KEY_BYTES], uint32_t period)
{
	static const char context[crypto_kdf_CONTEXTBYTES] = "tickets";
	crypto_kdf_derive_from_key(key, KEY_BYTES, (uint64_t)keys->lifetime_s << 32 | period, context, keys->secret);
}

static uint32_t period_now(const struct tls_ticket_keys *keys)
{
	return (uint32_t)(time(NULL) / keys->lifetime_s);
}

static void derive(struct tls_ticket_keys *keys, uint32_t period)
{
	derive_one(keys, keys->present, period);
	derive_one(keys, keys->last, period - 1);
	keys->period = period;
}

struct tls_ticket_keys *tls_ticket_keys_create(const uint8_t secret[TLS_TICKET_SECRET_BYTES], uint32_t lifetime_s)
{
	struct tls_ticket_keys *keys = secret_allocate(sizeof *keys);
	if (!keys)
		return NULL;
	memcpy(keys->secret, secret, sizeof keys->secret);
	keys->lifetime_s = lifetime_s;
	derive(keys, period_now(keys));
	return keys;
}

void tls_ticket_keys_destroy(struct tls_ticket_keys *keys)
{
	secret_free(keys);
}

/* BoringSSL calls us in the middle of one of ours. */
static struct tls_session *session_of(const SSL *ssl)
{
	return tls_window_bio_session(SSL_get_rbio(ssl));
}

/* The keys, up to date. */
static struct tls_ticket_keys *keys_of(const SSL *ssl)
{
	struct tls_ticket_keys *keys = session_of(ssl)->context->ticket_keys;
	uint32_t period = period_now(keys);
	if (period != keys->period)
		derive(keys, period);
	return keys;
}

static size_t overhead(SSL *ssl)
{
	(void)ssl;
	return OVERHEAD_BYTES;
}

static int seal(SSL *ssl, uint8_t *out, size_t *out_size, size_t capacity, const uint8_t *in, size_t in_size)
{
	if (capacity < in_size + OVERHEAD_BYTES)
		return 0;
	const struct tls_ticket_keys *keys = keys_of(ssl);
	uint8_t nonce[NONCE_BYTES];
	RAND_bytes(nonce, sizeof nonce); /* no system call, unlike libsodium's; safe over fork() too */
	memcpy(out, in, in_size);
	memcpy(out + in_size, tls_session_end_point(session_of(ssl)), BOUND_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, out, in_size + BOUND_BYTES, NULL, 0, NULL, nonce,
						   keys->present);
	uint8_t *trailer = out + in_size + BOUND_BYTES + TAG_BYTES;
	memcpy(trailer, nonce, NONCE_BYTES);
	store_le(trailer + NONCE_BYTES, keys->period, PERIOD_BYTES);
	*out_size = in_size + OVERHEAD_BYTES;
	return 1;
}

/* The session may be resumed from here on: what it is bound to is kept, where that isn't the certificate of today. */
static bool bind(struct tls_session *session, const uint8_t *bytes)
{
	free(session->resumed_from);
	session->resumed_from = NULL;
	if (memcmp(bytes, tls_session_end_point(session), BOUND_BYTES) == 0)
		return true;
	session->resumed_from = malloc(sizeof *session->resumed_from);
	if (!session->resumed_from)
		return false;
	memcpy(session->resumed_from, bytes, BOUND_BYTES);
	return true;
}

static enum ssl_ticket_aead_result_t open_ticket(SSL *ssl, uint8_t *out, size_t *out_size, size_t capacity,
						 const uint8_t *in, size_t in_size)
{
	if (in_size < OVERHEAD_BYTES || capacity < in_size - TAG_BYTES - TRAILER_BYTES)
		return ssl_ticket_aead_ignore_ticket;
	struct cursor cursor = cursor_over(slice_of(in, in_size));
	struct slice sealed = cursor_take(&cursor, in_size - TRAILER_BYTES);
	struct slice nonce = cursor_take(&cursor, NONCE_BYTES);
	uint32_t period = cursor_take_u32le(&cursor);

	const struct tls_ticket_keys *keys = keys_of(ssl);
	if (period != keys->period && period != keys->period - 1)
		return ssl_ticket_aead_ignore_ticket;
	const uint8_t *key = period == keys->period ? keys->present : keys->last;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.data, sealed.size, NULL, 0, nonce.data,
						       key) != 0)
		return ssl_ticket_aead_ignore_ticket;
	*out_size = in_size - OVERHEAD_BYTES;
	return bind(session_of(ssl), out + *out_size) ? ssl_ticket_aead_success : ssl_ticket_aead_ignore_ticket;
}

const SSL_TICKET_AEAD_METHOD tls_ticket_method = { overhead, seal, open_ticket };
