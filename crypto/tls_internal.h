/* What the tls_*.c files share; private to them. tls_context.c makes contexts, tls_session.c runs sessions, tls_bio.c
 * is the window between BoringSSL and the caller's memory, tls_ticket.c seals and opens session tickets, tls_verify.c checks servers. */
#ifndef POSTERN_CRYPTO_TLS_INTERNAL_H
#define POSTERN_CRYPTO_TLS_INTERNAL_H

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "core/base/map.h"
#include "crypto/secret.h"
#include "crypto/tls.h"

struct tls_ticket_keys;

/* Counted: the creator and each session hold it. All its sessions belong to one thread, so one BIO serves them. */
struct tls_context {
	size_t holders;
	SSL_CTX *library;
	BIO *window_bio;
	bool is_server;

	/* Server. */
	struct tls_ticket_keys *ticket_keys;
	struct map names; /* struct tls_name, tls_context.c */
	uint8_t name_hash_key[SECRET_SHORT_KEY_BYTES];

	/* Client. */
	X509_STORE *trusted; /* NULL: servers are not verified */
	bool resumes;
	SSL_SESSION *ticket; /* the newest, or NULL */
	char *ticket_host;   /* whose it is: another host must not get by with it */
	CRYPTO_BUFFER_POOL *certificates;
};

/* An idle session is this and what BoringSSL keeps: about 3 KB. */
struct tls_session {
	SSL *library;
	struct tls_context *context;
	struct tls_window *window; /* NULL outside calls */
	char *host_name;           /* client: whom it talks to; NULL where that does not matter */
	const char *objection;     /* client: why the server's certificate was refused, or NULL */
	struct error *failure;     /* made when something fails */
};

void tls_context_hold(struct tls_context *context);

/* A client session got a ticket: the context remembers it and owns it now. False when memory has run out. */
MUST_USE bool tls_context_keep_ticket(struct tls_context *context, SSL_SESSION *ticket, const char *host_name);

/* The newest ticket from this host, or NULL. */
SSL_SESSION *tls_context_ticket_for(const struct tls_context *context, const char *host_name);

/* Says how the context's sessions look at certificates; with a file, they demand one that its CAs have signed for the session's
 * host_name. False when the file can't be used; BoringSSL's error says why. */
MUST_USE bool tls_verify_prepare(struct tls_context *context, const char *ca_file);

/* NULL when memory has run out. */
BIO *tls_window_bio_create(void);

/* Which session's window the BIO works on; NULL for none. */
void tls_window_bio_attach(BIO *bio, struct tls_session *session);
struct tls_session *tls_window_bio_session(BIO *bio);

struct tls_ticket_keys *tls_ticket_keys_create(const uint8_t secret[TLS_TICKET_SECRET_BYTES]);
void tls_ticket_keys_destroy(struct tls_ticket_keys *keys);

/* Seals and opens with the ticket_keys of the tls_context that is the SSL_CTX's application data. */
extern const SSL_TICKET_AEAD_METHOD tls_ticket_method;

#endif
