/* Sockets of clients, and the local addresses they come from. */
#ifndef POSTERN_BENCH_SOURCE_H
#define POSTERN_BENCH_SOURCE_H

#include "bench/client.h"

/* A TCP socket for the client to connect with, or -1 and errno. Between two addresses there are no more connections than
 * ephemeral ports; where a load over loopback needs more, clients spread over 127.0.0.2, 127.0.0.3, … */
int source_socket(const struct load *load, const struct client *client);

#endif
