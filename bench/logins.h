/* Names and passwords to sign in with: one from the command line, or a file of them, taken in turn. */
#ifndef POSTERN_BENCH_LOGINS_H
#define POSTERN_BENCH_LOGINS_H

#include "bench/options.h"
#include "core/base/slice.h"

struct login {
	struct slice name;
	struct slice password;
};

struct logins {
	struct login *list; /* malloc'ed */
	size_t count;       /* 0: nobody signs in */
	char *text;         /* the file, or NULL */
	size_t text_size;
};

/* The file has lines of name:password; the password may hold further colons. Empty lines are skipped. */
MUST_USE bool logins_init(struct logins *logins, const struct options *options, struct error *error);
void logins_finish(struct logins *logins);

#endif
