/* Passwords and names as SASL compares them: SASLprep (RFC 4013). */
#ifndef POSTERN_CRYPTO_SASLPREP_H
#define POSTERN_CRYPTO_SASLPREP_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/slice.h"

/* Appends the prepared text; ASCII without control characters stays as it is. Text that can't be prepared, since it is not
 * UTF-8, holds what is prohibited, or nothing but what is left out, is appended as it stands: a client that prepares it could
 * not sign in anyway, and one that does not can. False when it does not fit. Allocates and wipes: for set-up and clients,
 * not for workers. */
MUST_USE bool saslprep_append(struct buffer *out, struct slice text);

#endif
