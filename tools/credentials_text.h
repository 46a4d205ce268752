/* What is kept of a password, as text: one field or more with colons between, as `postern user export` prints and `import` reads.
 *
 *   $argon2id$v=19$m=65536,t=2,p=1$SALT$HASH
 *   {SCRAM-SHA-256}ITERATIONS,SALT,STOREDKEY,SERVERKEY    (base64; the form that Dovecot and `gsasl --mkpasswd` have too)
 *   {POSTERN-NT}SEALED                                     (base64; worth something with the key that it was sealed with only) */
#ifndef POSTERN_TOOLS_CREDENTIALS_TEXT_H
#define POSTERN_TOOLS_CREDENTIALS_TEXT_H

#include "core/users/users.h"

/* All fields together, and a terminator. */
enum { CREDENTIALS_TEXT_BYTES = 512 };

struct kept_credentials {
	char hash[LIMIT_HASH_TEXT_BYTES]; /* empty: none */
	struct scram_keys scram;          /* of 0 iterations: none */
	bool has_nt;
	uint8_t nt_sealed[USERS_NT_SEALED_BYTES];
};

/* Whether text is meant to be such fields, by how it begins. */
MUST_USE bool credentials_text_begins(struct slice text);

/* False and `error`: which field is damaged, with no secret in it. */
MUST_USE bool credentials_text_parse(struct slice text, struct kept_credentials *kept, struct error *error);

/* What the record holds; nothing where it holds nothing. With CREDENTIALS_TEXT_BYTES there is room. */
MUST_USE bool credentials_text_append(struct buffer *out, const struct user_record *record);

/* What `kept` holds, for users_put(); points into it. */
struct user_credentials credentials_of(const struct kept_credentials *kept);

#endif
