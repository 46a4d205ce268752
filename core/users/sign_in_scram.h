/* SCRAM-SHA-256 and SCRAM-SHA-256-PLUS against our own users (RFC 5802, 7677), by the keys that are derived when a password is
 * set. No argon2: everything is decided at once, in microseconds, and only a pooled conversation is kept.
 *
 * A user who is unknown, disabled or has no such keys takes the same way as a wrong password: gets a challenge with a salt that
 * is always the same for the name, and learns at the end that it was wrong. -PLUS takes tls-exporter (RFC 9266), tls-unique
 * and tls-server-end-point (RFC 5929). A client that could bind, and was made to believe that the server can't, is refused. */
#ifndef POSTERN_USERS_SIGN_IN_SCRAM_H
#define POSTERN_USERS_SIGN_IN_SCRAM_H

#include "core/users/sign_in_backend.h"
#include "core/users/users.h"
#include "crypto/secret.h"

struct sign_in_scram;

/* `secret` makes the salts of those who are not there: the same for all workers and nodes, and after a restart. It is copied, and
 * may be NULL where nobody else answers for the same names. To be made in the process that uses it: nonces are kept ready. NULL and
 * `error` otherwise. */
struct sign_in_scram *sign_in_scram_create(struct users *users, const uint8_t secret[SECRET_KEY_BYTES],
					   struct error *error);
void sign_in_scram_destroy(struct sign_in_scram *scram);

struct sign_in_backend *sign_in_scram_backend(struct sign_in_scram *scram);

#endif
