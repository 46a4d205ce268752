/* A scripted mail client: it hands in mails of the ledger over a simulated connection, by its own nature well or badly, and
 * writes down what it was told.
 *
 * Whoever drives the world calls script_step() after each turn; all a client decides it decides by the simulator's chance.
 * An answer that a server may not give is a failure of the run. */
#ifndef POSTERN_TESTS_SCRIPT_H
#define POSTERN_TESTS_SCRIPT_H

#include "core/server/server_block.h"
#include "tests/sim/ledger.h"
#include "tests/sim/loop_sim.h"

enum script_nature {
	SCRIPT_LAWFUL,
	SCRIPT_DYING,   /* goes away in the middle, by a reset or a close */
	SCRIPT_SILENT,  /* says no more in the middle, and waits */
	SCRIPT_DEAF,    /* reads nothing for a long time */
	SCRIPT_LAWLESS, /* what it sends is no SMTP */
	SCRIPT_NATURES,
};

struct script_settings {
	struct sim *sim;
	struct ledger *ledger;
	unsigned life;
	unsigned number;
	enum script_nature nature;
	int listen_fd;
	const struct server_block *server; /* who listens there */
	bool signs_in;
	bool probe;        /* one small mail, without delay */
	uint64_t start_ns; /* from now */
};

struct script;

struct script *script_create(const struct script_settings *settings);
/* NULL is allowed. Closes what is open. */
void script_destroy(struct script *script);

/* Reads, writes down, says more. */
void script_step(struct script *script);

/* Nothing will come of it any more. */
bool script_is_over(const struct script *script);

/* Has it said a PROXY header? */
bool script_is_proxied(const struct script *script);

/* Says on standard error what it waits for. */
void script_describe(const struct script *script);

/* For a probe: was its mail accepted? */
bool script_has_succeeded(const struct script *script);

#endif
