/* The TLS of a server block, made from the files that its configuration names. */
#ifndef POSTERN_SERVER_SERVER_TLS_H
#define POSTERN_SERVER_SERVER_TLS_H

#include "core/server/config.h"
#include "crypto/tls.h"

/* NULL and `error` otherwise, and in *line where the configuration says what was wrong. The block has a certificate. `shared_secret` is
 * the tickets' where the block names none of its own; NULL: a new one. `find` answers
 * the path where a file of the configuration lies now; NULL: its own. */
struct tls_context *server_tls_create(const struct config_server *config,
				      const uint8_t shared_secret[TLS_TICKET_SECRET_BYTES],
				      const char *(*find)(void *context, const char *path), void *context, int *line,
				      struct error *error);

#endif
