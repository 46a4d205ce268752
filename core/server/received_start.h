/* The beginning of a session's Received fields, kept for its next message: clients that hand in many of them in a row get the
 * same one each time, but for id, recipient and date.
 *
 * A worker has one, for the session that wrote last: those that have more messages on their way have their turn for several of
 * them. */
#ifndef POSTERN_SERVER_RECEIVED_START_H
#define POSTERN_SERVER_RECEIVED_START_H

#include "proto/message_trace.h"
#include "proto/smtp_session.h"

struct session;

/* Whose it is, and what of that may change while a session goes on. */
struct received_start_key {
	uint64_t session; /* number; 0: none is kept */
	bool smtputf8, esmtp, tls, signed_in;
	uint8_t client_name_size;
	uint8_t client_name[LIMIT_CLIENT_NAME_BYTES];
};

struct received_start {
	struct received_start_key key;
	uint16_t size;
	uint8_t text[MESSAGE_TRACE_BYTES];
};

/* message_trace.h's `start` for the session's next message; valid until the next call. Starts as zeroes. */
struct slice received_start(struct received_start *kept, const struct session *session, bool smtputf8);

#endif
