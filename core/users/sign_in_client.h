/* The client's side of a sign-in, for whoever speaks to a server: the load generator, `postern user test`, verification.
 *
 * Pure but for randomness: challenges in, responses out, both not encoded; SMTP's words round them are the user's
 * (proto/smtp_client.h). One client is one exchange. */
#ifndef POSTERN_USERS_SIGN_IN_CLIENT_H
#define POSTERN_USERS_SIGN_IN_CLIENT_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/slice.h"
#include "crypto/tls.h"

struct sign_in_client {
	/* set by the user; the texts stay until the end */
	unsigned mechanism;            /* one SASL_… bit that sign_in_client_speaks() */
	struct slice name;             /* EXTERNAL: may be empty, the certificate says it */
	struct slice password;         /* OAUTHBEARER and XOAUTH2: the token */
	const struct tls_session *tls; /* NULL: outside TLS */
	/* private */
	uint8_t step;
	struct scram_client *scram;
};

/* SASL_… bits of those that this side can speak. */
unsigned sign_in_client_speaks(void);

/* Appends the initial response; *given false: the mechanism has none, AUTH goes alone. False and `error` when it can't be
 * done. The client is zeroed but for what its user sets. */
MUST_USE bool sign_in_client_begin(struct sign_in_client *client, struct buffer *response, bool *given,
				   struct error *error);

/* The response to a challenge. False and `error`: it is not what the mechanism says, or the server is not who it should be;
 * cancel with "*". */
MUST_USE bool sign_in_client_answer(struct sign_in_client *client, struct slice challenge, struct buffer *response,
				    struct error *error);

/* The server says it is done: has it shown all that the mechanism has it show? */
MUST_USE bool sign_in_client_is_content(const struct sign_in_client *client);

/* Wipes what was kept. */
void sign_in_client_end(struct sign_in_client *client);

#endif
