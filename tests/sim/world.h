/* One seed: a world with a disk, a network, clients and a server that lives several times; see world.c. */
#ifndef POSTERN_TESTS_WORLD_H
#define POSTERN_TESTS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* What happened, summed up over seeds: a run that tests nothing can be told by it. */
struct world_counts {
	uint64_t seeds, lives;
	uint64_t mails, accepted, deferred, refused, unanswered;
	uint64_t power_failures, kills, drains;
	uint64_t starts_failed; /* by a failing disk */
	uint64_t audits, live_found, copies_found;
	uint64_t left_unanswered, left_deferred; /* mails found though no 250 was read */
	uint64_t full_windows, error_windows, descriptor_windows;
	uint64_t probes;
	uint64_t clients, proxied, resets, orders, removals, pauses, sign_ins;
	uint64_t large, virtual_ms;
	uint64_t compactions; /* of segments, begun */
};

struct world_settings {
	uint64_t seed;
	const char *users_directory; /* a real folder: LMDB maps it into memory */
	bool verbose;
};

/* Runs the seed; a failure ends the process (failure.h). Answers the trace's hash. */
uint64_t world_run(const struct world_settings *settings, struct world_counts *counts);

/* Makes the user database that the worlds use; it stays as it is. */
void world_make_users(const char *users_directory);

#endif
