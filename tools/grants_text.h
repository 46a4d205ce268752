/* What is granted to a user, as text: "sales@example.org,@example.net", in the order in which it was granted.
 *
 * A comma or colon in an address (in quotes it may have them), and the escape itself, are %2C, %3A and %25: so neither ends it. */
#ifndef POSTERN_TOOLS_GRANTS_TEXT_H
#define POSTERN_TOOLS_GRANTS_TEXT_H

#include "core/users/users.h"

/* Every byte escaped, and the commas. */
enum { GRANTS_TEXT_BYTES = LIMIT_USER_GRANTS * (3 * USERS_GRANT_BYTES + 1) };

/* `grants`: as users_next_grant() reads them. False where the buffer has no room; with GRANTS_TEXT_BYTES it has. */
MUST_USE bool grants_text_append(struct buffer *out, struct slice grants);

/* Fills an empty buffer with USERS_GRANTS_MOST_BYTES. What stands there twice counts once; no text is no grant. False and `error`: "has
 * ..." what is wrong. */
MUST_USE bool grants_text_parse(struct slice text, struct buffer *grants, struct error *error);

#endif
