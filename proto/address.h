/* Mail addresses and paths: RFC 5321 §4.1.2, §4.1.3, with UTF-8 by RFC 6531 §3.3. */
#ifndef POSTERN_PROTO_ADDRESS_H
#define POSTERN_PROTO_ADDRESS_H

#include "core/base/error.h"
#include "core/base/slice.h"

struct address {
	struct slice text;   /* "local@domain", as it was written */
	struct slice local;  /* as written, with quotes if any */
	struct slice domain; /* or address literal with its brackets; empty for <postmaster> */
	bool needs_utf8;     /* holds characters beyond ASCII */
};

enum address_status {
	ADDRESS_OK,
	ADDRESS_MALFORMED,
	ADDRESS_TOO_LONG,   /* local part, domain or path over its limit */
	ADDRESS_NEEDS_UTF8, /* right, but for UTF-8 where it is not allowed */
};

/* Parses "<path>" at the start of `input` and says how many bytes it took. A source route is checked and dropped. `allow_null`:
 * "<>" is right and gives an empty address. `allow_postmaster`: "<postmaster>" is. */
MUST_USE enum address_status address_parse_path(struct slice input, bool allow_null, bool allow_postmaster, bool utf8,
						struct address *address, size_t *consumed);

/* A bare "local@domain": for configuration and the command line. */
MUST_USE enum address_status address_parse(struct slice input, bool utf8, struct address *address);

/* A domain or an address literal, as EHLO wants it (lenient: what clients really send, but no control or blank). */
MUST_USE bool address_domain_is_valid(struct slice domain, bool utf8);

/* The same by the grammar of addresses: nothing in it has a meaning anywhere in a header. */
MUST_USE bool address_domain_is_strict(struct slice domain, bool utf8);

#endif
