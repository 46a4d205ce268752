/* One connection of a load: TCP, TLS or STARTTLS, greeting, EHLO, AUTH and QUIT. What is sent in between is the
 * scenario's.
 *
 * A client is made once and connects again and again; nothing is allocated an operation but what TLS needs. Whatever goes wrong
 * ends the connection and is counted once, with the step it happened in. */
#ifndef POSTERN_BENCH_CLIENT_H
#define POSTERN_BENCH_CLIENT_H

#include "bench/load.h"
#include "bench/transaction.h"
#include "core/users/sign_in_client.h"
#include "proto/smtp_client.h"

enum client_step {
	CLIENT_DOWN, /* not connected; the memory is at rest */
	CLIENT_CONNECT,
	CLIENT_TLS,
	CLIENT_GREETING,
	CLIENT_EHLO,
	CLIENT_STARTTLS,
	CLIENT_AUTH,  /* waits for a challenge or the end of it */
	CLIENT_READY, /* the scenario's */
	CLIENT_QUIT,
	CLIENT_CLOSE, /* waits until nothing runs any more */
};

enum client_noop { NOOP_NOT_SENT, NOOP_SENT, NOOP_ANSWERED };

enum {
	CLIENT_PAUSE_MS = 20, /* after a failure, so that a server that is not there is not asked all the time */
};

struct client {
	struct stream stream;
	struct loop_op connect;
	struct timer timer; /* the running operation's time-out, or the pause after a failure */
	struct list link;   /* load->waiting */
	struct load *load;
	const struct login *login; /* NULL: nobody signs in */
	struct sign_in_client sign_in;
	struct slice unsent; /* of what client_send() was given */
	struct transaction transaction;
	int fd; /* while connecting; then the stream's */
	uint8_t step;
	bool encrypted;
	bool is_open; /* signed in, counted in shared->open */
	bool failed;
	uint16_t extensions; /* of the newest EHLO reply */
	uint64_t start_ns;   /* of the operation, or of the connection when it lasts */
	uint64_t phase_ns;   /* of the phase */
	uint64_t end_ns;     /* when QUIT was answered */
	uint64_t *window;    /* stream: a ring of start times of the messages in flight, the oldest at `oldest` */
	uint32_t oldest;
	uint32_t in_flight;
	uint8_t noop; /* idle: enum client_noop */
	struct smtp_client_reply reply;
};

void client_init(struct client *client, struct load *load);

/* Connects and goes on up to CLIENT_READY by itself. The client is CLIENT_DOWN. */
void client_connect(struct client *client, uint64_t start_ns);

/* Sends bytes that stay valid (prepared ones), at once or as room comes. client->unsent must be empty. */
void client_send(struct client *client, struct slice bytes);

/* Sends QUIT, waits for its reply and closes. */
void client_quit(struct client *client);

/* Something is wrong: counts it and closes. With the step's name as the place, or `where`. */
void client_fail(struct client *client, const char *where, const char *what);
void client_fail_reply(struct client *client, const char *where);

/* Ends without counting anything: the run is over. */
void client_cut(struct client *client);

/* Rests for CLIENT_PAUSE_MS after a failure, then gets more(). The client is CLIENT_DOWN. */
void client_pause(struct client *client);

/* Another operation of a lasting connection begins: its time-out starts. client_rest(): none runs. */
void client_watch(struct client *client);
void client_rest(struct client *client);

#endif
