/* One line of an import: NAME:PASSWORD, NAME:KEPT (credentials_text.h), or what is wrong with it. */
#ifndef POSTERN_TOOLS_IMPORT_LINE_H
#define POSTERN_TOOLS_IMPORT_LINE_H

#include "core/base/error.h"
#include "core/base/slice.h"
#include "tools/credentials_text.h"

enum import_kind { IMPORT_BLANK, IMPORT_PASSWORD, IMPORT_KEPT };

struct import_line {
	enum import_kind kind;
	struct slice name;
	struct slice password;
	struct kept_credentials kept;
	bool disabled; /* what is kept had a ! in front */
};

/* `grants` has USERS_GRANTS_MOST_BYTES, for what line->kept points to. `clear`: every value is a password.
 * False and `error` when the line is wrong; what is told has no password in it. */
MUST_USE bool import_line_parse(struct slice text, bool clear, struct buffer *grants, struct import_line *line,
				struct error *error);

#endif
