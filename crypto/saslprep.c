/* SASLprep through GNU Libidn; see saslprep.h.
 *
 * Characters that Unicode 3.2 did not have yet are let through, as in a query (RFC 3454 §7): passwords have them. */
#include "crypto/saslprep.h"

#include <stringprep.h>

#include "core/base/limits.h"
#include "crypto/secret.h"

static bool is_plain_ascii(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < ' ' || text.data[i] > '~')
			return false;
	return true;
}

bool saslprep_append(struct buffer *out, struct slice text)
{
	enum { ROOM = 4 * LIMIT_PASSWORD_BYTES }; /* compatibility forms may be longer than what they stand for */
	char scratch[ROOM];
	bool can_be_prepared = !is_plain_ascii(text) && slice_find(text, 0) == text.size &&
			       slice_to_text(text, scratch, sizeof scratch) &&
			       stringprep(scratch, sizeof scratch, 0, stringprep_saslprep) == STRINGPREP_OK &&
			       scratch[0] != 0;
	bool fits = buffer_append(out, can_be_prepared ? slice_from_text(scratch) : text);
	secret_wipe(scratch, sizeof scratch);
	return fits;
}
