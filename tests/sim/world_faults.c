/* When disk and descriptors fail; see world_parts.h. */
#include "tests/sim/world_parts.h"

enum { WINDOW_FROM_MOST_MS = 600, WINDOW_MOST_MS = 4000, SPACE_LEFT_BYTES = 300 * 1024, NS_PER_MS = 1000 * 1000 };

void world_plan_windows(struct world *world)
{
	static const enum window_kind kinds[] = {
		WINDOW_FULL,   WINDOW_NO_SPACE, WINDOW_ERRORS,      WINDOW_ERRORS,
		WINDOW_ERRORS, WINDOW_BROKEN,   WINDOW_DESCRIPTORS,
	};
	world->window_count = world_random(world, 3) ? world_random(world, WORLD_WINDOWS + 1) : 0;
	for (size_t i = 0; i < world->window_count; i++) {
		uint64_t from_ms = world_random(world, 4) ? world_random(world, WINDOW_FROM_MOST_MS) : 0;
		uint64_t most_ms = world_random(world, 2) ? 100 : WINDOW_MOST_MS;
		world->windows[i] = (struct window){
			.kind = kinds[world_random(world, sizeof kinds / sizeof *kinds)],
			.from_ns = from_ms * NS_PER_MS,
			.until_ns = (from_ms + 1 + world_random(world, most_ms)) * NS_PER_MS,
		};
		sim_wake_after(world->sim, world->windows[i].from_ns);
		sim_wake_after(world->sim, world->windows[i].until_ns);
	}
}

static void open_window(struct world *world, struct window *window)
{
	window->open = true;
	switch (window->kind) {
	case WINDOW_NO_SPACE:
		sim_set_disk_bytes(world->sim, sim_used_bytes(world->sim) + world_random(world, SPACE_LEFT_BYTES) + 1);
		world->counts->full_windows++;
		break;
	case WINDOW_FULL:
		world->counts->full_windows++;
		break;
	case WINDOW_ERRORS:
	case WINDOW_BROKEN:
		world->counts->error_windows++;
		break;
	case WINDOW_DESCRIPTORS:
	case WINDOW_KINDS:
		world->counts->descriptor_windows++;
		break;
	}
}

static unsigned faults_of(const struct window *window)
{
	static const unsigned faults[WINDOW_KINDS] = {
		[WINDOW_FULL] = SIM_DISK_FULL,
		[WINDOW_NO_SPACE] = 0,
		[WINDOW_ERRORS] = SIM_DISK_ERROR,
		[WINDOW_BROKEN] = SIM_DISK_ERROR,
		[WINDOW_DESCRIPTORS] = SIM_NO_DESCRIPTORS,
	};
	return faults[window->kind];
}

static bool is_open(const struct world *world, enum window_kind kind)
{
	for (size_t i = 0; i < world->window_count; i++)
		if (world->windows[i].open && world->windows[i].kind == kind)
			return true;
	return false;
}

void world_apply_windows(struct world *world)
{
	uint64_t now_ns = world_life_ns(world);
	unsigned faults = world->base_faults;
	for (size_t i = 0; i < world->window_count; i++) {
		struct window *window = &world->windows[i];
		bool is_time = window->from_ns <= now_ns && now_ns < window->until_ns;
		if (is_time && !window->open)
			open_window(world, window);
		window->open = is_time;
		faults |= is_time ? faults_of(window) : 0;
	}
	sim_set_faults(world->sim, faults);
	sim_set_disk_error_rate(world->sim, is_open(world, WINDOW_BROKEN) ? 2 : 10);
	sim_exhaust_descriptors(world->sim, is_open(world, WINDOW_DESCRIPTORS));
	if (!is_open(world, WINDOW_NO_SPACE))
		sim_set_disk_bytes(world->sim, 0);
}

void world_end_windows(struct world *world)
{
	world->window_count = 0;
	world_apply_windows(world);
}
