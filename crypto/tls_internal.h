/* What the tls_*.c files share; private to them. tls_context.c makes contexts, tls_session.c runs sessions, tls_bio.c
 * is the window between BoringSSL and the caller's memory, tls_ticket.c seals and opens session tickets, tls_identity.c has the certificates
 * that are shown, tls_names.c chooses among them, tls_policy.c has ciphers and groups, tls_verify.c checks servers,
 * tls_client_name.c checks clients, tls_binding.c has channel bindings. */
#ifndef POSTERN_CRYPTO_TLS_INTERNAL_H
#define POSTERN_CRYPTO_TLS_INTERNAL_H

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "core/base/map.h"
#include "crypto/secret.h"
#include "crypto/tls.h"

struct tls_ticket_keys;

/* The hash of a certificate after RFC 5929 §4.1; size 0 where that has none. */
struct tls_end_point {
	uint8_t size;
	uint8_t bytes[TLS_BINDING_MOST_BYTES];
};

/* A certificate with its key. The application data of its `library`, which is used for that alone where it isn't the context's own. */
struct tls_identity {
	SSL_CTX *library;
	struct tls_context *context;
	struct tls_end_point end_point;
	uint16_t signature;               /* SSL_SIGN_…: what a client must know; 0: RSA, which all do */
	struct tls_identity *alternative; /* for the same name with a key of another kind, or NULL */
};

/* How good sessions have to be; see struct tls_server_settings. */
struct tls_policy {
	char *ciphers;
	char *groups;
	uint16_t min_bits;
};

/* Counted: the creator and each session hold it. All its sessions belong to one thread, so one BIO serves them. */
struct tls_context {
	size_t holders;
	struct tls_identity own; /* the server's default, or what a client shows */
	BIO *window_bio;
	bool is_server;
	uint16_t min_version;
	uint16_t max_version;
	struct tls_policy policy;

	/* Server. */
	struct tls_ticket_keys *ticket_keys;
	struct map names; /* struct tls_name, tls_names.c */
	uint8_t name_hash_key[SECRET_SHORT_KEY_BYTES];

	X509_STORE *trusted; /* NULL: servers are not verified, clients not asked */

	/* Client. */
	bool resumes;
	SSL_SESSION *ticket; /* the newest, or NULL */
	char *ticket_host;   /* whose it is: another host must not get by with it */
	CRYPTO_BUFFER_POOL *certificates;
};

/* An idle session is this and what BoringSSL keeps: about 3 KB. */
struct tls_session {
	SSL *library;
	struct tls_context *context;
	struct tls_window *window;  /* NULL outside calls */
	bool has_secrets;           /* server: what is read may be a password */
	size_t record_bytes;        /* of the record that is being read, so far */
	const void *record_at;      /* where the newest of them went */
	char *host_name;            /* client: whom it talks to; NULL where that does not matter */
	const char *objection;      /* client: why the server's certificate was refused, or NULL */
	struct error *failure;      /* made when something fails */
	char *client_name;          /* server: what the client's certificate says, or NULL */
	const char *client_problem; /* server: why its certificate counts for nothing, or NULL */
	struct tls_end_point *
		resumed_from; /* server: the certificate that a resumed session began with, where we show another now */
};

/* "TLS settings: " and BoringSSL's error. Answers false. */
bool tls_context_fail(struct error *error);

/* Makes the library, with all that the context's sessions have in common. False: BoringSSL's error says why; tls_identity_finish() all the
 * same. */
MUST_USE bool tls_identity_create(struct tls_identity *identity, struct tls_context *context);

/* Also of the alternative. */
void tls_identity_finish(struct tls_identity *identity);

/* Ciphers and groups; false: BoringSSL's error says why. */
MUST_USE bool tls_policy_apply(const struct tls_policy *policy, SSL_CTX *library);
MUST_USE bool tls_policy_copy(struct tls_policy *policy, const struct tls_policy *from);
void tls_policy_finish(struct tls_policy *policy);

/* The server chooses its certificate by the client's hello. */
void tls_names_choose(struct tls_context *context);
void tls_names_destroy(struct tls_context *context);

/* False and `error` when the files can't be used. */
MUST_USE bool tls_identity_read(struct tls_identity *identity, const char *certificate_file, const char *key_file,
				struct error *error);

/* Of the encoded certificate. False when memory has run out or it can't be read. */
MUST_USE bool tls_end_point_compute(struct tls_end_point *end_point, const CRYPTO_BUFFER *certificate);

/* Of the certificate that this session began with. */
const struct tls_end_point *tls_session_end_point(const struct tls_session *session);

/* The server asks clients for certificates. False when a file can't be used: `error` says which. */
MUST_USE bool tls_client_name_prepare(struct tls_context *context, const struct tls_server_settings *settings,
				      struct error *error);

/* Tells clients of this certificate, too, which CAs count. False when memory has run out. */
MUST_USE bool tls_client_name_ask(const struct tls_context *context, SSL_CTX *library);

/* After the handshake: takes the name out of the client's certificate, when it has shown one. False when memory has run out. */
MUST_USE bool tls_client_name_take(struct tls_session *session);

void tls_context_hold(struct tls_context *context);

/* A client session got a ticket: the context remembers it and owns it now. False when memory has run out. */
MUST_USE bool tls_context_keep_ticket(struct tls_context *context, SSL_SESSION *ticket, const char *host_name);

/* The newest ticket from this host, or NULL. */
SSL_SESSION *tls_context_ticket_for(const struct tls_context *context, const char *host_name);

/* Says how the context's sessions look at certificates; with a file, they demand one that its CAs have signed for the session's
 * host_name. False when the file can't be used; BoringSSL's error says why. */
MUST_USE bool tls_verify_prepare(struct tls_context *context, const char *ca_file);

/* The peer's chain, decoded; NULL when it can't be. To be freed with its elements. */
STACK_OF(X509) * tls_verify_decode(const STACK_OF(CRYPTO_BUFFER) * encoded);

/* Whether the chain, its leaf first, leads to a CA of the session's context and is for the purpose, "ssl_server" or "ssl_client", and
 * for the host unless that is NULL. Answers an X509_V_… value. */
MUST_USE int tls_verify_chain(const struct tls_session *session, STACK_OF(X509) * chain, const char *purpose,
			      const char *host_name);

/* A store with what is in the file; NULL when it can't be read: BoringSSL's error says why. */
X509_STORE *tls_verify_read_store(const char *file);

/* NULL when memory has run out. */
BIO *tls_window_bio_create(void);

/* Which session's window the BIO works on; NULL for none. */
void tls_window_bio_attach(BIO *bio, struct tls_session *session);
struct tls_session *tls_window_bio_session(BIO *bio);

struct tls_ticket_keys *tls_ticket_keys_create(const uint8_t secret[TLS_TICKET_SECRET_BYTES], uint32_t lifetime_s);
void tls_ticket_keys_destroy(struct tls_ticket_keys *keys);

/* Seals and opens with the ticket_keys of the tls_context that is the SSL_CTX's application data. */
extern const SSL_TICKET_AEAD_METHOD tls_ticket_method;

#endif
