/* What a server block says of TLS: certificates, and how good a session has to be. */
#ifndef POSTERN_SERVER_CONFIG_TLS_H
#define POSTERN_SERVER_CONFIG_TLS_H

#include "core/server/config_keys.h"

extern const struct config_key config_tls_keys[];

/* Of the block inside a server block. */
config_open config_open_tls;

/* Is mail on listeners with STARTTLS taken inside TLS alone? So it is unless something else is said, or passwords may cross the net in
 * the clear. Listeners without TLS are as they were written. */
bool config_tls_requires(const struct config_server *server);

/* Contradictions of a block that was read. */
void config_tls_check(const struct config_server *server, struct config_problems *problems);

/* What was allocated. */
void config_tls_free(struct config_server *server);

#endif
