/* What a client sends again and again, prepared once: the envelope, the message, and both with what goes around them.
 *
 * All operations of a worker send the same bytes straight from here, so the load generator spends its time on what it
 * measures. Made before the workers are forked and shared by them. */
#ifndef POSTERN_BENCH_MESSAGE_H
#define POSTERN_BENCH_MESSAGE_H

#include "bench/options.h"
#include "core/base/slice.h"

struct message {
	struct slice mail;     /* MAIL */
	struct slice rcpts;    /* all RCPTs, a line each */
	struct slice envelope; /* MAIL, all RCPTs and DATA: one group of RFC 2920 */
	struct slice text;     /* what follows the 354: dot-stuffed, with its end mark */
	struct slice chunk;    /* MAIL, all RCPTs, BDAT LAST and the message: all that RFC 3030 needs, in one go */
	uint32_t recipients;
	uint64_t size_bytes; /* of the message itself */
	uint8_t *storage;
};

MUST_USE bool message_init(struct message *message, const struct options *options, struct error *error);
void message_finish(struct message *message);

#endif
