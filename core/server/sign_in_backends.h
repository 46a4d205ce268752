/* Who verifies what: the back ends of a worker, and which of them serves a mechanism of a server block. */
#ifndef POSTERN_SERVER_SIGN_IN_BACKENDS_H
#define POSTERN_SERVER_SIGN_IN_BACKENDS_H

#include "core/base/limits.h"
#include "core/server/config.h"
#include "core/users/dovecot.h"
#include "core/users/sign_in.h"
#include "core/users/sign_in_domain.h"
#include "core/users/sign_in_external.h"
#include "core/users/sign_in_ntlm.h"
#include "core/users/sign_in_scram.h"
#include "core/users/users.h"
#include "proto/sasl.h"

struct sign_in_backends {
	struct users *users;
	struct sign_in_service *passwords;
	struct {
		const char *place;
		struct dovecot_service *service;
	} dovecots[LIMIT_SERVERS]; /* one a place, whatever the blocks that name it */
	size_t dovecot_count;
	struct sign_in_external external;
	struct sign_in_scram *scram;
	uint8_t *ntlm_key;                                          /* NULL: nobody needs it */
	struct sign_in_ntlm *ntlm[LIMIT_SERVERS];                   /* by server block; NULL: none */
	struct sign_in_domain *domains[LIMIT_SERVERS];              /* likewise */
	struct ntlm_helpers *helpers[LIMIT_SERVERS];                /* at the first block with this helper */
	struct sign_in_backend *of[LIMIT_SERVERS][SASL_MECHANISMS]; /* by server block and bit; NULL: nobody's */
};

struct sign_in_backends_settings {
	struct loop *loop;
	const struct config *config;
	const char *users_directory;
	const char *ntlm_key_file;     /* made where there is none and it is needed */
	const uint8_t *salt_secret;    /* SECRET_KEY_BYTES, as sign_in_scram_create() takes them */
	struct sign_in_counts *counts; /* of this worker; outlives the back ends; NULL: nobody wants to know */
	int hasher_fd;                 /* taken over */
};

/* False and `error` otherwise; sign_in_backends_close() then too. */
MUST_USE bool sign_in_backends_open(struct sign_in_backends *backends, const struct sign_in_backends_settings *settings,
				    struct error *error);

/* All requests have ended before. Of what is zero nothing is closed. */
void sign_in_backends_close(struct sign_in_backends *backends);

/* NULL: nobody can verify it. `mechanism` is one bit. */
struct sign_in_backend *sign_in_backends_find(const struct sign_in_backends *backends, size_t server,
					      unsigned mechanism);

/* SASL_… bits of those that somebody can verify now. */
unsigned sign_in_backends_able(const struct sign_in_backends *backends, size_t server);

#endif
