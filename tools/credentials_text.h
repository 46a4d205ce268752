/* What is kept of a user, as text: one field or more with colons between, as `postern user export` prints and `import` reads.
 *
 *   $argon2id$v=19$m=65536,t=2,p=1$SALT$HASH
 *   {SCRAM-SHA-256}ITERATIONS,SALT,STOREDKEY,SERVERKEY    (base64; the form that Dovecot and `gsasl --mkpasswd` have too)
 *   {POSTERN-NT}SEALED                                     (base64; worth something with the key that it was sealed with only)
 *   {POSTERN-NO-PASSWORD}                                  (in the place of those three: there is none)
 *   {POSTERN-GRANTS}GRANTS                                 (grants_text.h; nothing behind it: none is granted)
 *
 * Where the last one is missing, as in what others write, nothing is said of grants. */
#ifndef POSTERN_TOOLS_CREDENTIALS_TEXT_H
#define POSTERN_TOOLS_CREDENTIALS_TEXT_H

#include "tools/grants_text.h"

/* All fields together, and a terminator. */
enum { CREDENTIALS_TEXT_BYTES = 512 + GRANTS_TEXT_BYTES };

struct kept_credentials {
	char hash[LIMIT_HASH_TEXT_BYTES]; /* empty: none */
	struct scram_keys scram;          /* of 0 iterations: none */
	bool has_nt;
	uint8_t nt_sealed[USERS_NT_SEALED_BYTES];
	bool no_password; /* that was said */
	bool has_grants;  /* they were told */
	struct slice grants;
};

/* Whether text is meant to be such fields, by how it begins. */
MUST_USE bool credentials_text_begins(struct slice text);

/* False and `error`: which field is damaged, with no secret in it. The grants' bytes are the buffer's, which has
 * USERS_GRANTS_MOST_BYTES and is cleared before. */
MUST_USE bool credentials_text_parse(struct slice text, struct buffer *grants, struct kept_credentials *kept,
				     struct error *error);

/* What the record holds, and the grants. With CREDENTIALS_TEXT_BYTES there is room. */
MUST_USE bool credentials_text_append(struct buffer *out, const struct user_record *record, struct slice grants);

/* What `kept` holds, for users_put(); points into it. */
struct user_credentials credentials_of(const struct kept_credentials *kept);

#endif
