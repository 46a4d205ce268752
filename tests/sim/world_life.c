/* One life of the server; see world_parts.h. */
#include <stdio.h>
#include <string.h>

#include "core/spool/internal.h"
#include "tests/sim/world_parts.h"

enum {
	NS_PER_MS = 1000 * 1000,
	STARTS_MOST = 12,
	TURNS_MOST = 3 * 1000 * 1000,
	LIFE_MOST_MINUTES = 60,
	SERVICE_BACK_MS = 60 * 1000, /* after trouble a mail must be accepted by then */
	PROBE_PAUSE_MS = 500,
	AUDIT_ONE_IN = 30, /* acceptances */
	CLIENT_START_MOST_MS = 300,
	EARLY_DRAIN_MOST_MS = 500,
	ORDERS_MOST = 12,
	CLOCK_STEP_MOST_SECONDS = 10,
};

uint64_t world_life_ns(const struct world *world)
{
	return sim_now(world->sim)->monotonic_ns - world->began_ns;
}

/* --- looking at what is there --- */

void world_audit(struct world *world, const char *when, bool crash, bool all_delivered)
{
	struct audit_settings settings = {
		.ledger = &world->ledger,
		.when = when,
		.lane_directory = WORLD_LANE,
		.segment_bytes = world->segment_bytes,
		.all_delivered = all_delivered,
		.restarts = !crash,
	};
	struct audit_counts counts = { 0 };
	audit(sim_fork(world->sim, world_random(world, UINT32_MAX), crash), &settings, &counts);
	world->counts->audits += counts.audits;
	world->counts->live_found += counts.live;
	world->counts->copies_found += counts.copies;
	world->counts->left_unanswered += counts.unanswered;
	world->counts->left_deferred += counts.deferred;
}

/* --- the beginning --- */

static struct worker *create_worker(struct world *world, struct error *error)
{
	struct loop *loop = sim_loop_create(world->sim);
	sim_exhaust_descriptors(world->sim, false);
	server_states_forget_worker(world->config.states, 0);
	for (size_t i = 0; i < SIM_SERVERS; i++)
		world->listeners[i] = sim_listen(world->sim, NULL);
	struct served served = {
		.generation = SERVED_FIRST,
		.config = world->config.config,
		.blocks = world->config.servers,
	};
	struct worker_settings settings = {
		.served = &served,
		.channel_fd = -1,
		.states = world->config.states,
		.listen_fds = world->listeners,
		.hasher_fd = world->signs_in ? hashers_start(&world->hashers, world->sim) : -1,
		.lane_directory = WORLD_LANE,
		.users_directory = world->settings->users_directory,
		.segment_bytes = world->segment_bytes,
		.compaction_ms = world->compaction_ms,
	};
	struct worker *worker = worker_create(loop, &settings, error);
	if (!worker)
		hashers_stop(&world->hashers);
	return worker;
}

/* While the disk fails a start may fail: it is tried again, as a supervisor does. False: the life is over already. */
static bool start(struct world *world)
{
	struct error error;
	unsigned tries = 0;
	do {
		if (tries == STARTS_MOST)
			world_end_windows(world);
		world_apply_windows(world);
		world->worker = create_worker(world, &error);
		if (!world->worker && tries >= STARTS_MOST && !sim_has_crashed(world->sim))
			sim_fail("the server does not start, and nothing is wrong with the disk: %s", error.text);
		world->counts->starts_failed += !world->worker;
		tries++;
	} while (!world->worker && !sim_has_crashed(world->sim));
	return !sim_has_crashed(world->sim);
}

/* Before a start the clock may have been set to an earlier time, or to a later one. */
static void set_clock(struct world *world)
{
	int64_t most_us = INT64_C(1000000) * CLOCK_STEP_MOST_SECONDS;
	if (world_random(world, 3) == 0)
		sim_step_clock(world->sim, (int64_t)world_random(world, 2 * (uint64_t)most_us) - most_us);
}

static void make_client(struct world *world, size_t at)
{
	uint64_t kind = world_random(world, 16);
	enum script_nature nature = kind < 10    ? SCRIPT_LAWFUL
				    : kind == 10 ? SCRIPT_LAWLESS
				    : kind == 11 ? SCRIPT_SILENT
				    : kind == 12 ? SCRIPT_DEAF
						 : SCRIPT_DYING;
	bool signs_in = world->signs_in && world_random(world, 2);
	world->scripts[at] = script_create(&(struct script_settings){
		.sim = world->sim,
		.ledger = &world->ledger,
		.life = world->life,
		.number = (unsigned)at,
		.nature = nature,
		.listen_fd = world->listeners[signs_in],
		.server = &world->config.servers[signs_in],
		.signs_in = signs_in,
		.start_ns = 1 + world_random(world, CLIENT_START_MOST_MS * NS_PER_MS),
	});
	world->counts->clients++;
}

/* --- the middle --- */

static void step_scripts(struct world *world)
{
	size_t accepted = world->ledger.accepted;
	for (size_t i = 0; i < world->script_count; i++)
		script_step(world->scripts[i]);
	if (world->ledger.accepted == accepted || world_random(world, AUDIT_ONE_IN))
		return;
	if (world_random(world, 3))
		world_audit(world, "if the power failed after an acceptance", true, false);
	else
		world_audit(world, "if the server was killed after an acceptance", false, false);
}

static bool scripts_are_over(const struct world *world)
{
	for (size_t i = 0; i < world->script_count; i++)
		if (!script_is_over(world->scripts[i]))
			return false;
	return true;
}

/* A turn of the server, then everybody else. */
static void turn(struct world *world)
{
	struct error error;
	world_apply_windows(world);
	if (!worker_turn(world->worker, true, &error))
		sim_fail("%s", error.text);
	if (sim_has_crashed(world->sim))
		return;
	step_scripts(world);
	if (world->signs_in)
		hashers_step(&world->hashers);
	operator_step(&world->operator);
}

static void check_time(const struct world *world, uint64_t turns)
{
	if (turns < TURNS_MOST && world_life_ns(world) < (uint64_t)LIFE_MOST_MINUTES * 60 * 1000 * NS_PER_MS)
		return;
	for (size_t i = 0; i < world->script_count; i++)
		if (!script_is_over(world->scripts[i]))
			script_describe(world->scripts[i]);
	sim_fail("no end after %llu turns and %llu virtual seconds", (unsigned long long)turns,
		 (unsigned long long)(world_life_ns(world) / NS_PER_MS / 1000));
}

static bool is_through(const struct world *world)
{
	if (worker_is_drained(world->worker))
		return true;
	return !world->worker->draining && scripts_are_over(world) && operator_is_done(&world->operator);
}

/* Until all is through, or the life has ended. */
static void run(struct world *world)
{
	for (uint64_t turns = 0; !sim_has_crashed(world->sim) && !is_through(world); turns++) {
		if (world->end == END_DRAIN_EARLY && world_life_ns(world) >= world->drain_ns)
			worker_drain(world->worker);
		turn(world);
		check_time(world, turns);
	}
}

/* One client after another until a mail is accepted. */
static void probe(struct world *world)
{
	uint64_t deadline_ns = world_life_ns(world) + (uint64_t)SERVICE_BACK_MS * NS_PER_MS;
	bool accepted = false;
	while (!accepted) {
		struct script *script = script_create(&(struct script_settings){
			.sim = world->sim,
			.ledger = &world->ledger,
			.life = world->life,
			.number = WORLD_CLIENTS,
			.listen_fd = world->listeners[0],
			.server = &world->config.servers[0],
			.probe = true,
			.start_ns = PROBE_PAUSE_MS * NS_PER_MS,
		});
		while (!script_is_over(script) && !sim_has_crashed(world->sim)) {
			turn(world);
			script_step(script);
		}
		accepted = script_has_succeeded(script) || sim_has_crashed(world->sim);
		script_destroy(script);
		if (!accepted && world_life_ns(world) > deadline_ns)
			sim_fail("no mail is accepted %d s after the end of all trouble", SERVICE_BACK_MS / 1000);
	}
	world->counts->probes++;
}

/* --- the end --- */

static void stop_everybody(struct world *world)
{
	for (size_t i = 0; i < world->script_count; i++) {
		world->counts->proxied += script_is_proxied(world->scripts[i]);
		script_destroy(world->scripts[i]);
	}
	world->script_count = 0;
	world->counts->orders += world->operator.answered - world->operator.pauses;
	world->counts->pauses += world->operator.pauses;
	operator_stop(&world->operator);
	if (world->signs_in)
		hashers_stop(&world->hashers);
}

/* All that can be delivered is. */
static void deliver_all(struct world *world)
{
	struct queue_counts counts;
	uint64_t turns = 0;
	operator_release_all(&world->operator);
	do {
		turn(world);
		check_time(world, ++turns);
		queue_count(world->worker->queue, &counts);
	} while (!operator_is_done(&world->operator) || counts.waiting || counts.delivering);
}

static void drain(struct world *world)
{
	worker_drain(world->worker);
	for (uint64_t turns = 0; !sim_has_crashed(world->sim) && !worker_is_drained(world->worker); turns++) {
		turn(world);
		check_time(world, turns);
	}
	world->counts->drains += !sim_has_crashed(world->sim);
}

static void kill_now(struct world *world)
{
	world->end = END_KILL;
	sim_kill(world->sim);
}

/* The clients are through and nothing has happened to the server: now something does, or it is drained. */
static void end_quiet_life(struct world *world)
{
	if (worker_is_drained(world->worker)) {
		world->counts->drains++;
		return;
	}
	world_end_windows(world);
	server_states_pause(world->config.states, 0, false);
	probe(world);
	if (world->end == END_LAST)
		deliver_all(world);
	uint64_t kind = world->end == END_LAST || world->end == END_DRAIN_EARLY ? 0 : world_random(world, 3);
	if (kind == 0)
		drain(world);
	else if (kind == 1)
		sim_crash(world->sim);
	else
		kill_now(world);
}

static void plan_end(struct world *world, enum life_end end)
{
	/* Of any order of magnitude: the start of a life is as interesting as its middle. */
	uint64_t most = UINT64_C(1) << (3 + world_random(world, 10));
	world->end = end;
	world->drain_ns = world_random(world, EARLY_DRAIN_MOST_MS * NS_PER_MS);
	if (end == END_POWER)
		sim_crash_after(world->sim, 1 + world_random(world, most));
	else if (end == END_KILL)
		sim_kill_after(world->sim, 1 + world_random(world, most));
	else
		sim_crash_after(world->sim, 0);
	if (end == END_DRAIN_EARLY)
		sim_wake_after(world->sim, world->drain_ns);
}

/* What the life leaves, and what a power failure would have left of that. */
static void look_back(struct world *world, bool crashed)
{
	bool last = world->end == END_LAST;
	world_audit(world, crashed ? "after the crash" : "after the end", false, last);
	ledger_settle(&world->ledger, crashed && world->end != END_KILL);
	if (!last)
		world_audit(world, "after the end, if the power failed then", true, false);
}

void world_live(struct world *world, enum life_end end)
{
	failure_place(world->settings->seed, ++world->life);
	world->began_ns = sim_now(world->sim)->monotonic_ns;
	world->counts->lives++;
	set_clock(world);
	/* Lives of which nothing stays: their segments are free soon. */
	world->ledger.held_percent = world_random(world, 3) ? (unsigned)world_random(world, 50) : 0;
	plan_end(world, end);
	if (end != END_LAST)
		world_plan_windows(world);
	else
		world_end_windows(world);
	operator_start(&world->operator, world->sim, &world->ledger, WORLD_LANE "/control",
		       end != END_LAST && world_random(world, 2) ? (unsigned)world_random(world, ORDERS_MOST) : 0);
	if (start(world)) {
		world->script_count = 5 + world_random(world, WORLD_CLIENTS - 4);
		for (size_t i = 0; i < world->script_count; i++)
			make_client(world, i);
		run(world);
		if (!sim_has_crashed(world->sim))
			end_quiet_life(world);
	}
	bool crashed = sim_has_crashed(world->sim);
	world->counts->power_failures += crashed && world->end != END_KILL;
	world->counts->kills += crashed && world->end == END_KILL;
	world_end_windows(world);
	stop_everybody(world);
	world->counts->compactions += world->worker ? world->worker->spool->compaction.pass : 0;
	worker_destroy(world->worker);
	world->worker = NULL;
	look_back(world, crashed);
}
