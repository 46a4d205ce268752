/* Plays the shell to the SMTP engine: bytes in, in pieces of any size, and out come replies and the messages that were accepted.
 *
 * It does what core/server does, without network, TLS and spool: names that start with "no" have no mailbox, "relay" may not
 * be relayed to, senders that start with "bad" are refused; "user" signs in with "secret", "slow" can't be verified. STARTTLS
 * takes the bytes behind it for what comes through TLS. */
#ifndef POSTERN_TESTS_DIALOGUE_H
#define POSTERN_TESTS_DIALOGUE_H

#include "proto/smtp_session.h"

enum { DIALOGUE_TEXT_BYTES = 64 * 1024, DIALOGUE_INPUT_BYTES = 32 * 1024 };

struct dialogue {
	struct smtp_session session;
	struct sasl_exchange exchange;
	uint8_t response[LIMIT_SASL_RESPONSE_BYTES];
	bool closed;
	bool skipping_line;
	unsigned messages; /* accepted */
	unsigned commands; /* lines that were given to the engine */
	uint8_t input[DIALOGUE_INPUT_BYTES];
	size_t input_size;
	struct buffer codes;    /* "250 2.1.0" of each reply, with " | " between them */
	struct buffer replies;  /* as they were written */
	struct buffer gathered; /* the message that is coming in */
	struct buffer accepted; /* "FROM>TO,TO:text" of each message, one behind the other */
	uint8_t storage[4][DIALOGUE_TEXT_BYTES];
	uint8_t envelope[1024];
	size_t envelope_size;
};

void dialogue_start(struct dialogue *dialogue, const struct smtp_profile *profile, bool tls);

/* Any number of times, pieces split anywhere. */
void dialogue_feed(struct dialogue *dialogue, struct slice bytes);

/* The whole text at once; in pieces of one byte; in two pieces cut at `at`. */
void dialogue_run_cut(struct dialogue *dialogue, const struct smtp_profile *profile, bool tls, struct slice text,
		      size_t at);
void dialogue_run_bytes(struct dialogue *dialogue, const struct smtp_profile *profile, bool tls, struct slice text);

/* A profile for most tests: all mechanisms, no sign-in needed. */
struct smtp_profile dialogue_profile(void);

#endif
