/* Clients with addresses of their own choice: PROXY headers, as a proxy in front of the server would send them. */
#ifndef POSTERN_BENCH_PROXIED_H
#define POSTERN_BENCH_PROXIED_H

#include "core/net/prefix.h"

enum { PROXIED_HEADER_BYTES = 52 }; /* version 2, with IPv6 addresses */

/* A header for the client of that number: the addresses of the prefix are taken in turn (the first 2^32 of them). The server's own
 * address is left unspecified. Answers the header's size. */
size_t proxied_header(const struct net_prefix *prefix, uint64_t number, uint8_t header[PROXIED_HEADER_BYTES]);

#endif
