/* One message's way over a connection: which commands go together, and which reply belongs to which.
 *
 * Three manners, chosen by what the server offers: each command waits for its reply; MAIL, RCPTs and DATA are one group
 * (RFC 2920); or all with BDAT and the message itself (RFC 3030). Replies come in order, so a position is all the
 * state there is, and with several messages in flight it is the oldest one's. */
#ifndef POSTERN_BENCH_TRANSACTION_H
#define POSTERN_BENCH_TRANSACTION_H

#include "bench/message.h"

struct client;

enum transaction_manner { TRANSACTION_ONE_BY_ONE, TRANSACTION_GROUP, TRANSACTION_CHUNK };

struct transaction {
	uint8_t manner;     /* enum transaction_manner */
	uint32_t position;  /* of the next reply: 0 MAIL, 1 … n RCPT, then DATA (not with BDAT), then the message's */
	struct slice rcpts; /* one by one: those still to be sent */
};

/* For a connection that is ready: chooses the manner. */
void transaction_choose(struct client *client, bool grouped, bool chunking);

/* Sends what may go before the first reply. */
void transaction_begin(struct client *client);

/* True while only the reply to the oldest message's text is missing: a group of RFC 2920 may follow a text. */
bool transaction_awaits_last(const struct client *client);

/* Takes client->reply. True: it was the last one and the message is the server's. Otherwise what is next was sent,
 * or the client has failed. */
MUST_USE bool transaction_reply(struct client *client);

#endif
