/* What one worker measured: latencies by phase, counts, and failures by where and why.
 *
 * Lives in memory that the workers share with the parent, so it has a fixed size and no pointers but those to literals
 * of the program, which are the same in every forked process. The parent adds the workers' results up at the end and
 * looks at the counts in between, for the progress line. */
#ifndef POSTERN_BENCH_RESULTS_H
#define POSTERN_BENCH_RESULTS_H

#include "bench/histogram.h"
#include "core/base/slice.h"
#include "proto/smtp_client.h"

enum results_phase {
	PHASE_CONNECT, /* TCP, TLS, greeting and EHLO: up to where the client may sign in */
	PHASE_SIGN_IN, /* AUTH up to its 235 */
	PHASE_MESSAGE, /* MAIL up to the reply that takes responsibility */
	PHASE_TOTAL,   /* the whole operation, from its intended start */
	PHASE_COUNT
};

/* "connect+TLS", "sign-in", … as reports print them. */
const char *results_phase_name(enum results_phase phase);

enum {
	RESULTS_FAILURES = 48, /* kinds of failure told apart; a run with more has a bigger problem */
	RESULTS_TEXT_BYTES = 96,
};

struct results_failure {
	const char *where; /* a literal: "connect", "AUTH", "RCPT", … */
	uint16_t code;     /* of the reply, or 0: then `text` says what happened */
	uint16_t enhanced[3];
	char text[RESULTS_TEXT_BYTES]; /* of the first one */
	uint64_t count;
};

struct results {
	struct histogram phases[PHASE_COUNT];
	uint64_t operations;  /* that succeeded */
	uint64_t failed;      /* failures of all kinds */
	uint64_t connections; /* that were signed in, or ready where nobody signs in */
	uint64_t resumed;     /* TLS sessions resumed */
	uint64_t sent_bytes;  /* of message text, in operations that succeeded */
	uint64_t last_ns;     /* when the last operation ended well; on the monotonic clock */
	uint64_t cpu_ns;      /* of this worker, while it measured */
	uint64_t waited_ns;   /* that it could have run then, but no core was free */
	char tls[64];         /* version and cipher of the first connection */
	struct results_failure failures[RESULTS_FAILURES];
	uint64_t failures_untold; /* failures of kinds that found no room */
};

/* A reply that should not have come. */
void results_add_reply(struct results *results, const char *where, const struct smtp_client_reply *reply);

/* What is not a reply: "connection refused", "time-out", … */
void results_add_failure(struct results *results, const char *where, const char *what);

void results_merge(struct results *to, const struct results *from);

#endif
