/* The command line's side of a control socket: a worker's (core/server/control.h), in its lane, or the supervisor's
 * (core/server/supervisor_control.h), in the data folder. */
#ifndef POSTERN_TOOLS_CONTROL_CLIENT_H
#define POSTERN_TOOLS_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/error.h"

struct control_client {
	int fd;        /* -1: there is none */
	FILE *answers; /* from there */
	bool refused;  /* the last request, by an answer that says so */
};

enum control_client_status {
	CONTROL_CLIENT_OK,
	CONTROL_CLIENT_NO_WORKER, /* it has ended, or none ever was */
	CONTROL_CLIENT_DEAD,      /* one was and did not end well: another may be on its way */
};

/* To who has it in that folder. */
MUST_USE enum control_client_status control_client_connect(struct control_client *client, const char *directory);

/* An answer that takes longer is none; a worker may be stopped. Without it an answer has all the time it takes. */
void control_client_set_patience(struct control_client *client, unsigned ms);

/* Says the request, which is used up, and waits for the answer: an object, the caller's. NULL and `error` when the worker went
 * away (client->refused is false), or refused. */
json_t *control_client_ask(struct control_client *client, json_t *request, struct error *error);

/* The same, with an answer that refuses as it is: it has "error". */
json_t *control_client_ask_whole(struct control_client *client, json_t *request, struct error *error);

/* Of what was never connected too. */
void control_client_close(struct control_client *client);

#endif
