/* The PROXY protocol, versions 1 and 2: what a proxy writes before a client's first byte, to tell whose connection it is
 * (haproxy.org, doc/proxy-protocol.txt).
 *
 * Pure and without a state of its own: it is given all that has come so far and asked again when more has come. The caller
 * asks only for connections from proxies that the configuration names, takes nothing else for a header, and gives up by a
 * time-out of its own. Not looked at are the TLVs of version 2, except that they must fit, and the checksum (CRC-32c),
 * which must be right where there is one: what a proxy says of TLS does not make a session secure here. */
#ifndef POSTERN_NET_PROXY_HEADER_H
#define POSTERN_NET_PROXY_HEADER_H

#include "core/net/address.h"

enum proxy_header_status {
	PROXY_HEADER_NEED_MORE, /* right so far; never answered to LIMIT_PROXY_HEADER_BYTES or more */
	PROXY_HEADER_OK,
	PROXY_HEADER_REJECT, /* will not become right: close the connection, `fault` says why */
};

struct proxy_header {
	size_t size;  /* OK: the header's bytes; what comes behind them is the client's */
	bool relayed; /* OK: the addresses are told. Else the connection is the proxy's own (it looks whether we are
		       * alive), or of a kind without such addresses, and stands for itself. */
	struct net_address source; /* the client, with its port */
	struct net_address destination;
	const char *fault; /* REJECT: a literal */
};

MUST_USE enum proxy_header_status proxy_header_parse(struct slice input, struct proxy_header *header);

#endif
