/* The embedded default's first start: what an administrator would make by hand. */
#ifndef POSTERN_SERVER_FIRST_START_H
#define POSTERN_SERVER_FIRST_START_H

#include "core/server/config.h"

enum { FIRST_START_PASSWORD_BYTES = 21 };

struct first_start {
	bool made_user;
	const char *user;                          /* "demo" */
	char password[FIRST_START_PASSWORD_BYTES]; /* shown once; wipe it then */
	char *ca;                                  /* path of the CA's certificate, for clients; malloc'ed */
};

/* Makes the data folder, a private CA and a certificate for localhost, and a user with a random password. What is there is kept.
 * The caller frees `ca`. */
MUST_USE bool first_start_prepare(const struct config *config, struct first_start *first, struct error *error);

#endif
