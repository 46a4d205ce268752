/* A seed's world, from its first life to its last; see world.h. */
#include "tests/sim/world.h"

#include <stdio.h>

#include "core/users/users.h"
#include "tests/sim/world_parts.h"

enum { LIVES_MOST = 4, SLOWNESS_MOST = 60, SEGMENT_UNIT_BYTES = 64 * 1024, NS_PER_MS = 1000 * 1000 };

void world_make_users(const char *users_directory)
{
	static const char hash[] = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
				   "Z8H6dbYwMTZXg7nPTk4Ap0OHo4IzuAyl5QZ8H6dbYwM";
	struct error error = { "" };
	struct users *users = users_open(users_directory, true, &error);
	for (unsigned i = 0; users && i < MAIL_USERS; i++) {
		char name[32];
		int size = snprintf(name, sizeof name, "user%u@sim.test", i);
		if (users_put(users, slice_of(name, (size_t)size), &(struct user_credentials){ .hash = hash }, true,
			      &error) != USERS_OK)
			sim_fail("user %u: %s", i, error.text);
	}
	if (!users)
		sim_fail("%s", error.text);
	users_close(users);
}

static void make(struct world *world)
{
	world->sim = sim_create(&(struct sim_settings){ .seed = world->settings->seed });
	ledger_init(&world->ledger, world->settings->seed);
	sim_config_make(&world->config);
	sim_make_directory(world->sim, "/data");
	sim_make_directory(world->sim, "/data/lanes");
	sim_make_directory(world->sim, "/mail");
	bool calm = world_random(world, 10) == 0;
	world->base_faults = calm ? 0 : SIM_DELAY | SIM_SPLIT;
	world->base_faults |= !calm && world_random(world, 2) ? SIM_SHORT_IO : 0;
	world->base_faults |= !calm && world_random(world, 3) == 0 ? SIM_RESET : 0;
	/* Twice the largest record at least; small ones are full soon. */
	world->segment_bytes = SEGMENT_UNIT_BYTES * (10 + world_random(world, 10));
	world->compaction_ms = 20 + (uint32_t)world_random(world, 500);
	sim_set_disk_slowness(world->sim, world_random(world, 3) ? 1 : 1 + world_random(world, SLOWNESS_MOST));
	world->signs_in = world_random(world, 3) == 0;
}

static void count_mails(struct world *world)
{
	struct world_counts *counts = world->counts;
	const struct ledger *ledger = &world->ledger;
	counts->mails += ledger->count;
	counts->accepted += ledger->accepted;
	counts->deferred += ledger->deferred;
	counts->unanswered += ledger->unanswered;
	counts->refused += ledger_count(ledger, MAIL_REFUSED);
	for (size_t i = 0; i < ledger->count; i++) {
		const struct mail *mail = ledger->mails[i];
		counts->large += mail->fate == MAIL_ACCEPTED && mail->text_size > LIMIT_INLINE_MESSAGE_BYTES;
		counts->sign_ins += mail->fate == MAIL_ACCEPTED && mail->login[0];
		counts->removals += mail->removal == MAIL_REMOVED;
	}
}

uint64_t world_run(const struct world_settings *settings, struct world_counts *counts)
{
	static const enum life_end ends[] = {
		END_POWER, END_POWER, END_POWER, END_KILL, END_KILL, END_DRAIN_EARLY, END_QUIET, END_QUIET,
	};
	struct world world = { .settings = settings, .counts = counts };
	failure_place(settings->seed, 0);
	make(&world);
	unsigned lives = 1 + (unsigned)world_random(&world, LIVES_MOST);
	for (unsigned i = 0; i < lives; i++)
		world_live(&world, ends[world_random(&world, sizeof ends / sizeof *ends)]);
	world.base_faults &= SIM_DELAY | SIM_SPLIT;
	world_live(&world, END_LAST);
	count_mails(&world);
	counts->seeds++;
	counts->virtual_ms += sim_now(world.sim)->monotonic_ns / NS_PER_MS;
	uint64_t hash = sim_trace_hash(world.sim);
	ledger_finish(&world.ledger);
	sim_config_free(&world.config);
	sim_destroy(world.sim);
	return hash;
}
