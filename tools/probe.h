/* A small SMTP client that waits: for commands that speak to a server to see what it does.
 *
 * One probe is one connection. Each call sends or awaits something and answers false with an `error` that says what was
 * done when it went wrong; a reply of the server's is never an error, it stands in `reply`. */
#ifndef POSTERN_TOOLS_PROBE_H
#define POSTERN_TOOLS_PROBE_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "crypto/tls.h"
#include "proto/smtp_client.h"

enum probe_security { PROBE_PLAIN, PROBE_STARTTLS, PROBE_TLS };

struct probe_target {
	const char *host; /* a name or an address */
	const char *port;
	const char *name; /* SNI, and what the certificate must say where it is verified */
	enum probe_security security;
	struct tls_context
		*context; /* a client's; the caller's, and may serve many probes. Not needed with PROBE_PLAIN */
	struct slice proxy_header; /* is sent first; empty: none */
	const char *client_name;   /* of EHLO */
	unsigned timeout_ms;       /* of each wait */
	const char *source;        /* the address to come from; NULL: the system's choice */
};

struct probe {
	const struct probe_target *target;
	int fd;
	bool silent;             /* the last wait ended without a word; else the server has closed, or failed */
	struct tls_session *tls; /* NULL: in the clear */
	struct smtp_client_reply reply;
	size_t raw_size;  /* received, not decrypted yet */
	size_t text_size; /* decrypted, not read yet */
	size_t text_at;
	uint8_t raw[17 * 1024]; /* a whole record */
	uint8_t text[4096];
};

/* Connects, and with PROBE_TLS shakes hands. probe_close() is needed only after true. `target` outlives the probe. */
MUST_USE bool probe_connect(struct probe *probe, const struct probe_target *target, struct error *error);

/* STARTTLS was answered 220: shakes hands. */
MUST_USE bool probe_start_tls(struct probe *probe, struct error *error);

/* The greeting, EHLO, and with PROBE_STARTTLS the handshake and EHLO again. False too when a reply is not what is hoped for. */
MUST_USE bool probe_introduce(struct probe *probe, struct error *error);

MUST_USE bool probe_send(struct probe *probe, struct slice bytes, struct error *error);

/* Awaits a whole reply. */
MUST_USE bool probe_await(struct probe *probe, struct error *error);

/* A command without its CRLF, and its reply. */
MUST_USE bool probe_ask(struct probe *probe, const char *command, struct error *error);

/* AUTH, up to its last reply: 235, 535, … False too when the mechanism could not be gone through with: after "*". */
MUST_USE bool probe_sign_in(struct probe *probe, unsigned mechanism, struct slice name, struct slice password,
			    struct error *error);

/* "535 5.7.8 User name or password is wrong" */
void probe_reply_text(const struct probe *probe, struct buffer *text);

/* With QUIT where that is possible; waits for nothing. Wipes. */
void probe_close(struct probe *probe);

#endif
