/* CPU time of a process tree: see server_cpu.h. */
#include "bench/server_cpu.h"

#include <stdlib.h>
#include <string.h>

static uint64_t tree_time_ns(const struct process_tree *tree)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < tree->count; i++)
		sum += tree->list[i].own_ns + tree->list[i].reaped_ns;
	return sum;
}

bool server_cpu_begin(struct server_cpu *cpu, struct process_tree *tree, struct error *error)
{
	*cpu = (struct server_cpu){ .tree = tree };
	if (!process_tree_refresh(tree, error))
		return false;
	for (size_t i = 0; i < tree->count; i++)
		tree->list[i].begin_ns = tree->list[i].own_ns + tree->list[i].waited_ns;
	cpu->begin_ns = cpu->now_ns = tree_time_ns(tree);
	return true;
}

/* By how much the time that `parent` has reaped grew since the old list. */
static uint64_t newly_reaped_ns(const struct process_tree *tree, const struct process *parent)
{
	const struct process *now = process_tree_find(tree, parent->pid, parent->started);
	return now ? now->reaped_ns - parent->reaped_ns : 0;
}

/* What ended children of `parent` had used and the parent did not reap. Reaped time comes in ticks: what is missing
 * of a tick is no loss worth telling. */
static uint64_t lost_children_ns(const struct process_tree *tree, const struct process *old, size_t count,
				 const struct process *parent)
{
	uint64_t ended_ns = 0;
	for (size_t i = 0; i < count; i++) {
		if (old[i].parent == parent->pid && !process_tree_find(tree, old[i].pid, old[i].started))
			ended_ns += old[i].own_ns + old[i].reaped_ns;
	}
	uint64_t reaped_ns = newly_reaped_ns(tree, parent);
	return ended_ns > reaped_ns ? ended_ns - reaped_ns : 0;
}

bool server_cpu_sample(struct server_cpu *cpu, struct error *error)
{
	size_t count = cpu->tree->count;
	struct process *old = malloc((count ? count : 1) * sizeof *old);
	if (!old)
		return error_set(error, "out of memory");
	memcpy(old, cpu->tree->list, count * sizeof *old);
	bool good = process_tree_refresh(cpu->tree, error);
	if (good) {
		for (size_t i = 0; i < count; i++)
			cpu->lost_ns += lost_children_ns(cpu->tree, old, count, &old[i]);
		cpu->now_ns = tree_time_ns(cpu->tree);
	}
	free(old);
	return good;
}

uint64_t server_cpu_busiest_ns(const struct server_cpu *cpu)
{
	uint64_t most = 0;
	for (size_t i = 0; i < cpu->tree->count; i++) {
		const struct process *process = &cpu->tree->list[i];
		uint64_t busy_ns = process->own_ns + process->waited_ns - process->begin_ns;
		most = busy_ns > most ? busy_ns : most;
	}
	return most;
}
