/* The part of a client that knows SMTP; private to client*.c.
 *
 * It is told of each reply and of a handshake that is done, and sends what comes next. */
#ifndef POSTERN_BENCH_CLIENT_STEPS_H
#define POSTERN_BENCH_CLIENT_STEPS_H

#include "bench/client.h"

/* "connect", "EHLO", "AUTH", …: where a failure happened. */
const char *client_step_name(enum client_step step);

/* A whole reply is in client->reply. */
void client_take_reply(struct client *client);

/* Puts TLS on the connection; client_tls_done() when the handshake is over. */
void client_start_tls(struct client *client);
void client_tls_done(struct client *client);

#endif
