/* The client's side of NTLMv2 (MS-NLMP §3.1.5): for sign_in_client.h. Always with a MIC, and bound to the channel where there is one.
 * Pure but for randomness, and for the time where the server does not say it. */
#ifndef POSTERN_USERS_NTLM_CLIENT_H
#define POSTERN_USERS_NTLM_CLIENT_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/slice.h"

struct ntlm_client {
	struct slice name; /* user, or DOMAIN\user */
	struct slice password;
	struct slice end_point; /* the server's certificate's hash (RFC 5929 §4.1); empty: none */
};

/* NEGOTIATE. */
bool ntlm_client_begin(struct buffer *out);

/* CHALLENGE in, AUTHENTICATE out. False and `error` otherwise. */
MUST_USE bool ntlm_client_answer(const struct ntlm_client *client, struct slice challenge, struct buffer *out,
				 struct error *error);

#endif
