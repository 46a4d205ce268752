/* Where a load goes: --to as a socket address. */
#ifndef POSTERN_BENCH_TARGET_H
#define POSTERN_BENCH_TARGET_H

#include <sys/socket.h>

#include "core/base/error.h"

struct target {
	char host[256]; /* without brackets */
	struct sockaddr_storage address;
	socklen_t address_size;
};

/* "HOST:PORT" or "[IPv6]:PORT"; the host may be a name and is looked up (its first address is taken), or an address. */
MUST_USE bool target_find(struct target *target, const char *text, struct error *error);

#endif
