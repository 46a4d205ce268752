/* Routes: which recipients' domains are delivered how. */
#ifndef POSTERN_RELAY_ROUTE_H
#define POSTERN_RELAY_ROUTE_H

#include "core/base/error.h"
#include "core/base/slice.h"

enum route_kind { ROUTE_HOLD, ROUTE_MAILDIR };

struct route {
	char *domain; /* lower case; "*" matches what no other does; ".example.org" matches its subdomains */
	enum route_kind kind;
	char *maildir; /* with %d (domain), %u (local part, unquoted) expanded, both made safe as one path component; "%%": "%" */
	const char *file; /* where it was said */
	int line;
};

struct route_table {
	struct route *routes;
	size_t count;
};

/* The route of a recipient's domain: exact, then the longest suffix, then "*"; NULL when there is none. Case-insensitive. */
const struct route *route_find(const struct route_table *table, struct slice domain);

/* Fills `path` with the recipient's Maildir. False when it does not fit or a component would be unsafe ("..", "/", empty, leading
 * ".", control). ASCII letters of local part and domain become lower case, as mailbox names conventionally are; "+detail"
 * is left as it is. */
MUST_USE bool route_maildir_path(const struct route *route, struct slice local, struct slice domain, char *path,
				 size_t capacity);

/* How much of the pattern, and so of every path made from it, names folders that must be there already: what stands in front of the
 * first component with a "%", or in front of the Maildir where there is none. Below it folders are made when they are missing; the
 * base itself is not, so that a file system that is not mounted defers the mail instead of getting it underneath. */
size_t route_maildir_base(const struct route *route);

#endif
