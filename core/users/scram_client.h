/* The client's side of SCRAM-SHA-256 and -PLUS: for sign_in_client.h.
 *
 * Keys that were derived from a password are remembered for the salt (RFC 5802 §5.1 lets clients do so): who signs in often, or
 * plays many clients, does not derive them each time. */
#ifndef POSTERN_USERS_SCRAM_CLIENT_H
#define POSTERN_USERS_SCRAM_CLIENT_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/slice.h"
#include "crypto/tls.h"

struct scram_client;

/* `tls` NULL: not bound (SCRAM-SHA-256); else bound by tls-exporter. Appends the client's first message. NULL and `error`
 * otherwise. */
struct scram_client *scram_client_begin(struct slice name, const struct tls_session *tls, struct buffer *response,
					struct error *error);
/* NULL is allowed. */
void scram_client_end(struct scram_client *client);

/* Whatever the server says, in order. False and `error` when it is not what SCRAM has it say, or when it does not know the
 * password itself. */
MUST_USE bool scram_client_answer(struct scram_client *client, struct slice password, struct slice challenge,
				  struct buffer *response, struct error *error);

/* The server has proven that it knows the password's keys. */
MUST_USE bool scram_client_is_content(const struct scram_client *client);

#endif
