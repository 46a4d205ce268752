/* What the files of a world share: world.c (lives, from the first to the last), world_life.c (one of them),
 * world_faults.c (when disk and descriptors fail). */
#ifndef POSTERN_TESTS_WORLD_PARTS_H
#define POSTERN_TESTS_WORLD_PARTS_H

#include "core/server/worker.h"
#include "tests/sim/audit.h"
#include "tests/sim/failure.h"
#include "tests/sim/ledger.h"
#include "tests/sim/loop_sim.h"
#include "tests/sim/partners.h"
#include "tests/sim/script.h"
#include "tests/sim/sim_config.h"
#include "tests/sim/world.h"

enum { WORLD_CLIENTS = 30, WORLD_WINDOWS = 4 };

#define WORLD_LANE "/data/lanes/0"

enum window_kind {
	WINDOW_FULL,        /* now and then there is no space */
	WINDOW_NO_SPACE,    /* there is none left for good */
	WINDOW_ERRORS,      /* one in some operations fails */
	WINDOW_BROKEN,      /* most do */
	WINDOW_DESCRIPTORS, /* none can be had */
	WINDOW_KINDS,
};

/* A time of trouble, from the beginning of a life on. */
struct window {
	enum window_kind kind;
	uint64_t from_ns, until_ns;
	bool open;
};

/* How a life ends. */
enum life_end {
	END_POWER,       /* after some change of the disk */
	END_KILL,        /* likewise */
	END_DRAIN_EARLY, /* in the middle of the work */
	END_QUIET,       /* when all clients are through: drained, killed or without power then */
	END_LAST,        /* all faults are over, and all mail is delivered */
};

struct world {
	const struct world_settings *settings;
	struct world_counts *counts;
	struct sim *sim;
	struct ledger ledger;
	struct sim_config config;
	unsigned base_faults;
	uint64_t segment_bytes;
	uint32_t compaction_ms;
	bool signs_in;

	unsigned life;
	enum life_end end;
	uint64_t began_ns;
	uint64_t drain_ns; /* END_DRAIN_EARLY: from the beginning */
	struct worker *worker;
	int listeners[SIM_SERVERS];
	struct hashers hashers;
	struct operator operator;
	struct script *scripts[WORLD_CLIENTS];
	size_t script_count;
	struct window windows[WORLD_WINDOWS];
	size_t window_count;
};

/* The next `bound`-th part of chance. */
static inline uint64_t world_random(struct world *world, uint64_t bound)
{
	return sim_random(world->sim, bound);
}

uint64_t world_life_ns(const struct world *world);

/* --- faults --- */

void world_plan_windows(struct world *world);
/* Opens and closes them, as the time has come. */
void world_apply_windows(struct world *world);
/* No more trouble in this life. */
void world_end_windows(struct world *world);

/* --- a life --- */

/* Lives one life to its end; what it leaves on the disk is audited. */
void world_live(struct world *world, enum life_end end);

/* Audits a copy of the disk; `crash`: as the power failing now would leave it. */
void world_audit(struct world *world, const char *when, bool crash, bool all_delivered);

#endif
