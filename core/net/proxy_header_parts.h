/* What the two versions of the PROXY header share. */
#ifndef POSTERN_NET_PROXY_HEADER_PARTS_H
#define POSTERN_NET_PROXY_HEADER_PARTS_H

#include "core/net/proxy_header.h"

enum proxy_header_status proxy_header_refuse(struct proxy_header *header, const char *fault);

/* As far as both go, are they the same? */
bool proxy_header_begins(struct slice input, struct slice with);

/* Also refuses what is of neither version. */
enum proxy_header_status proxy_header_parse_version_2(struct slice input, struct proxy_header *header);

#endif
