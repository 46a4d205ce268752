/* auth { mechanisms backend }: what a server block offers for signing in, and who verifies it. */
#ifndef POSTERN_SERVER_CONFIG_BACKENDS_H
#define POSTERN_SERVER_CONFIG_BACKENDS_H

#include <stddef.h>

#include "core/base/limits.h"
#include "proto/sasl.h"

struct config_problems;
struct config_server;

enum {
	/* Those that our own users can sign in with. */
	CONFIG_LOCAL_MECHANISMS =
		SASL_PLAIN | SASL_LOGIN | SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_256_PLUS | SASL_NTLM | SASL_EXTERNAL,
	/* What these say is known here alone: they go to Dovecot only where a back end names them. */
	CONFIG_OWN_MECHANISMS = SASL_NTLM | SASL_EXTERNAL,
	/* Dovecot can't be told what these are bound to, or has no such mechanism. */
	CONFIG_NEVER_DOVECOT = SASL_NTLM | SASL_SCRAM_SHA_256_PLUS | SASL_SCRAM_SHA_1_PLUS,
};

/* One value of `backend`: "local" or "dovecot:PLACE", and perhaps mechanisms behind it. */
struct config_backend {
	char *place;         /* of Dovecot's socket; NULL: our own users */
	unsigned mechanisms; /* SASL_… bits; 0: all that no other one names */
	int line;
};

struct config_backends {
	struct config_backend list[LIMIT_BACKENDS]; /* none: our own users */
	size_t count;
	int mechanisms_line; /* 0: not written */
};

/* Who verifies this mechanism (one bit) of the block: the place of Dovecot's socket, or NULL: our own users. */
const char *config_backend_of(const struct config_backends *backends, unsigned mechanism);

void config_backends_free(struct config_backends *backends);

/* What does not fit together. */
void config_backends_check(const struct config_server *server, struct config_problems *problems);

#endif
