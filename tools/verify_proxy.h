/* A proxy of our own between client and server that keeps every byte that crosses it: what anybody on the way would see. */
#ifndef POSTERN_TOOLS_VERIFY_PROXY_H
#define POSTERN_TOOLS_VERIFY_PROXY_H

#include <sys/types.h>

#include "core/base/buffer.h"
#include "core/base/error.h"

struct verify_proxy {
	pid_t child;
	int file; /* memory that both processes have */
	char port[16];
};

/* Starts a process that takes one connection at 127.0.0.1, PORT, and relays it to the server, where it comes from `source` (NULL: the
 * system's choice). */
MUST_USE bool verify_proxy_start(struct verify_proxy *proxy, const char *host, const char *port, const char *source,
				 struct error *error);

/* Ends it, and appends what has crossed it, both ways, as far as that fits. */
void verify_proxy_end(struct verify_proxy *proxy, struct buffer *captured);

#endif
