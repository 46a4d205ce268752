/* Who else talks to a worker: the hashers, which say whose password is right, and a person who gives orders to the
 * queue and pauses a server. */
#ifndef POSTERN_TESTS_PARTNERS_H
#define POSTERN_TESTS_PARTNERS_H

#include "core/base/limits.h"
#include "tests/sim/ledger.h"
#include "tests/sim/loop_sim.h"

/* --- hashers: late sometimes, silent seldom; "right" is the right password for everybody --- */

enum { HASHERS_MOST_JOBS = 64 };

struct hashers {
	struct sim *sim;
	struct sim_client *end;
	struct {
		uint64_t job;
		uint64_t due_ns;
		bool right;
	} jobs[HASHERS_MOST_JOBS];
	size_t count;
};

/* Answers the descriptor that the worker gets. */
int hashers_start(struct hashers *hashers, struct sim *sim);
void hashers_step(struct hashers *hashers);
void hashers_stop(struct hashers *hashers);

/* --- a person at the lane's control socket --- */

struct operator
{
	struct sim *sim;
	struct ledger *ledger;
	const char *socket_path;
	struct sim_client *connection;
	struct mail *mail; /* whose removal was ordered last */
	uint64_t not_before_ns;
	unsigned orders_left;
	unsigned answered;
	unsigned pauses;   /* that were answered */
	const char *state; /* of the server that the next answer is about; NULL: about messages */
	bool asked;
	char line[LIMIT_CONTROL_LINE_BYTES];
	size_t line_size;
};

void operator_start(struct operator* operator, struct sim * sim, struct ledger *ledger, const char *socket_path,
		    unsigned orders);
void operator_step(struct operator* operator);
void operator_stop(struct operator* operator);

/* Orders that everything held is released, as the next one. */
void operator_release_all(struct operator* operator);
bool operator_is_done(const struct operator* operator);

#endif
