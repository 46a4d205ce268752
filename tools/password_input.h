/* Getting a new password from a person or a pipe. */
#ifndef POSTERN_TOOLS_PASSWORD_INPUT_H
#define POSTERN_TOOLS_PASSWORD_INPUT_H

#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

struct password_input {
	char bytes[LIMIT_PASSWORD_BYTES + 1]; /* and a NUL: one byte too many tells what is too long */
	size_t size;
};

/* Asks on the terminal, twice, without showing it; the terminal is put right again whatever signal comes. False when there
 * is no terminal, the two differ, or it is no password (empty, too long). The caller wipes. */
MUST_USE bool password_ask(const char *name, struct password_input *password, struct error *error);

/* Asks for the one that somebody has, once. */
MUST_USE bool password_ask_once(const char *name, struct password_input *password, struct error *error);

/* The one line that comes from standard input. False when there are more, or it is no password. The caller wipes. */
MUST_USE bool password_read(struct password_input *password, struct error *error);

/* What no client could sign in with is no password: empty, with a NUL, or too long. */
MUST_USE bool password_is_usable(struct slice password, struct error *error);

#endif
