/* TLS contexts and sessions over BoringSSL, with no socket and no buffer of our own.
 *
 * A session reads ciphertext straight from the window that the caller passes (the received bytes) and writes
 * ciphertext straight into the caller's output buffer: a "window BIO". Nothing here does I/O. TLS 1.2 and 1.3. */
#ifndef POSTERN_CRYPTO_TLS_H
#define POSTERN_CRYPTO_TLS_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/slice.h"

struct tls_context;
struct tls_session;

enum { TLS_VERSION_1_2 = 0x0303, TLS_VERSION_1_3 = 0x0304, TLS_TICKET_SECRET_BYTES = 32 };

/* --- contexts: made at start, shared by all sessions of the process, safe to keep over fork() --- */

struct tls_server_settings {
	const char *certificate_file; /* PEM, leaf first, then its chain */
	const char *key_file;         /* PEM; EC or RSA, must match the leaf */
	uint16_t min_version;         /* TLS_VERSION_… */
	uint16_t max_version;
	uint8_t ticket_secret[TLS_TICKET_SECRET_BYTES]; /* all workers that share it resume each other's sessions */
	uint32_t ticket_lifetime_s;                     /* tickets open for once to twice this time; 0: a day */
	const char *ciphers; /* of TLS 1.2: see tls_ciphers_check(). NULL: modern. Those of 1.3 are all good */
	const char *groups;  /* for the key exchange, the best first: "X25519:P-256". NULL: these and P-384 */
	uint16_t
		min_bits; /* up to 256: nothing weaker is agreed on where that can be helped; tls_session_facts() tells */
	const char *
		client_ca_file; /* PEM of the CAs whose client certificates count; NULL: clients are not asked for one */
	const char *client_crl_file; /* PEM of what these CAs have revoked; NULL: nothing is known to be revoked */
};

/* NULL and `error` (naming the file and what to do) when a file can't be read, or key and certificate do not match. */
struct tls_context *tls_server_context_create(const struct tls_server_settings *settings, struct error *error);

/* Can these be client_ca_file and client_crl_file (or NULL)? */
MUST_USE bool tls_client_authorities_check(const char *ca_file, const char *crl_file, struct error *error);

/* "modern": ECDHE with AEAD. "intermediate": also ECDHE with CBC, for clients of before 2015. Else names as OpenSSL has them, with ':'
 * between them. */
MUST_USE bool tls_ciphers_check(const char *ciphers, struct error *error);

/* A further certificate, chosen when the client's SNI is this name (case-insensitive; "*.example.org" covers one label). NULL: for the
 * name of the first one. A name may have two whose keys are of different kinds: clients that do not know EC get the RSA one. */
MUST_USE bool tls_context_add_name(struct tls_context *context, const char *name, const char *certificate_file,
				   const char *key_file, struct error *error);

/* What a client can check the server's proof of its key by. */
enum tls_signatures { TLS_SIGNATURES_ALL, TLS_SIGNATURES_ECDSA, TLS_SIGNATURES_RSA };

struct tls_client_settings {
	const char *ca_file; /* PEM of trusted roots; NULL: the peer is not verified */
	uint16_t min_version;
	uint16_t max_version;
	bool resume;                  /* remember the newest ticket in the context and offer it */
	const char *certificate_file; /* shown to servers that ask for one: PEM, leaf first. NULL: none */
	const char *key_file;         /* PEM; its key */
	const char *ciphers;          /* as a server's; NULL: modern */
	enum tls_signatures signatures;
};

struct tls_context *tls_client_context_create(const struct tls_client_settings *settings, struct error *error);

/* NULL is allowed. Sessions keep what they need of it alive. */
void tls_context_destroy(struct tls_context *context);

/* --- sessions --- */

/* The ciphertext side of one call. `input` is advanced past what was read; what is left over was not needed yet
 * and must be passed again. A partial record is taken and kept by the session. */
struct tls_window {
	struct slice input;
	struct buffer *output;
};

enum tls_status {
	TLS_OK,          /* done, or some bytes were read or written */
	TLS_WANT_INPUT,  /* the input is used up: come again with more */
	TLS_WANT_OUTPUT, /* the output buffer is full: come again with room; nothing is lost */
	TLS_CLOSED,      /* the peer sent close_notify */
	TLS_FAILED,      /* tls_session_error() says why; an alert may be in the output: send it, then close */
};

/* NULL when memory has run out. */
struct tls_session *tls_accept_create(struct tls_context *context);

/* host_name is sent as SNI and checked against the certificate (when the context verifies). */
struct tls_session *tls_connect_create(struct tls_context *context, const char *host_name);

/* NULL is allowed. */
void tls_session_destroy(struct tls_session *session);

/* TLS_OK: the handshake is done, including the writing of tickets. */
MUST_USE enum tls_status tls_handshake(struct tls_session *session, struct tls_window *window);

/* The peer says no more secrets: he has signed in. Until then a server's session has wiped what BoringSSL, which frees records as they
 * are, leaves of them in memory; that costs some 100 ns a read. */
void tls_session_end_secrets(struct tls_session *session);

/* Decrypts into `to`. TLS_OK: *got > 0 bytes. Client sessions take in tickets here. */
MUST_USE enum tls_status tls_read(struct tls_session *session, struct tls_window *window, uint8_t *to, size_t capacity,
				  size_t *got);

/* Encrypts bytes (at most 16 KiB a call) into the output: all of them (TLS_OK), or none (TLS_WANT_OUTPUT, then the same
 * bytes must come again). Overhead is at most TLS_WRITE_OVERHEAD_BYTES. */
enum { TLS_WRITE_MOST_BYTES = 16384, TLS_WRITE_OVERHEAD_BYTES = 64 };
MUST_USE enum tls_status tls_write(struct tls_session *session, struct tls_window *window, struct slice bytes);

/* Writes close_notify, where the handshake was done. */
void tls_close(struct tls_session *session, struct tls_window *window);

/* True when decrypted bytes or a partial record wait inside the session. */
bool tls_has_pending(const struct tls_session *session);

/* --- what was agreed; valid after the handshake; texts are static --- */
struct tls_facts {
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* the standard name, "TLS_AES_128_GCM_SHA256" */
	uint16_t bits;       /* strength of the cipher */
	bool resumed;
};
void tls_session_facts(const struct tls_session *session, struct tls_facts *facts);

/* What ties a sign-in to this TLS session, so that nobody can hand it on to another (RFC 5056). Both ends get the same bytes. */
enum tls_binding {
	TLS_BINDING_EXPORTER,         /* RFC 9266: 32 bytes */
	TLS_BINDING_UNIQUE,           /* RFC 5929 §3: 12 bytes; not in TLS 1.3 */
	TLS_BINDING_SERVER_END_POINT, /* RFC 5929 §4: hash of the server's certificate, 32 to 64 bytes */
};
enum { TLS_BINDING_MOST_BYTES = 64 };

/* False when the session has none of this kind: the handshake is not done; TLS 1.2 without the extended master secret (RFC 7627), where
 * the first two can be forged; a certificate whose signature names no hash (Ed25519). */
MUST_USE bool tls_session_binding(const struct tls_session *session, enum tls_binding kind,
				  uint8_t out[TLS_BINDING_MOST_BYTES], size_t *size);

/* Server: who the client is by its certificate: of the subject alternative names the first mail address, else the first user principal
 * name (Microsoft's), else the first DNS name. True: the chain leads to client_ca_file and is not expired or revoked, also when the
 * session was resumed; *name lasts until the session ends. False: *problem says why (static text), NULL when the client has shown no
 * certificate. A session goes on in any case. */
MUST_USE bool tls_session_client_name(const struct tls_session *session, struct slice *name, const char **problem);

/* Client: appends the certificates that the server has sent in this session, in PEM, its own first. False when there are none (a
 * resumed session of TLS 1.2 too), or they do not fit. */
MUST_USE bool tls_session_peer_certificates(const struct tls_session *session, struct buffer *pem);

/* The newest error, e.g. "wrong version number"; never NULL; valid until the session ends. */
const char *tls_session_error(const struct tls_session *session);

#endif
