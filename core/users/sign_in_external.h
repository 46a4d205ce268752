/* The back end for EXTERNAL (RFC 4422, appendix A): who the client is says its TLS certificate, and the users' database whether he may in.
 *
 * The client may name whom he wants to be; nobody can be anybody but the one the certificate is of. */
#ifndef POSTERN_USERS_SIGN_IN_EXTERNAL_H
#define POSTERN_USERS_SIGN_IN_EXTERNAL_H

#include "core/users/sign_in_backend.h"
#include "core/users/users.h"

struct sign_in_external {
	struct sign_in_backend backend;
	struct users *users;
};

/* `users` outlives it. Every answer is there at once. There is nothing to finish. */
void sign_in_external_init(struct sign_in_external *external, struct users *users);

/* Can it work in this session at all? `tls` may be NULL. */
MUST_USE bool sign_in_external_is_possible(const struct tls_session *tls);

#endif
