/* Adding up the memory of a process tree from /proc.
 *
 * The proportional size in smaps_rollup divides pages among those that share them, so the sum over forked workers is
 * right. Reading it needs the right to trace the process; where that is missing for one, the resident size is taken for all. */
#include "bench/server_memory.h"

#include <stdio.h>
#include <unistd.h>

static bool read_proportional(pid_t pid, uint64_t *bytes)
{
	char path[64], line[128];
	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	unsigned long kib = 0;
	bool found = false;
	while (!found && fgets(line, sizeof line, file))
		found = sscanf(line, "Pss: %lu kB", &kib) == 1;
	fclose(file);
	*bytes = (uint64_t)kib * 1024;
	return found;
}

static bool read_resident(pid_t pid, uint64_t *bytes)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	unsigned long pages = 0;
	bool found = fscanf(file, "%*u %lu", &pages) == 1;
	fclose(file);
	*bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return found;
}

/* False when one of the processes can't be read this way. */
static bool add_up(const struct process_tree *tree, bool (*read_one)(pid_t, uint64_t *), uint64_t *sum)
{
	*sum = 0;
	for (size_t i = 0; i < tree->count; i++) {
		uint64_t bytes;
		if (!read_one(tree->list[i].pid, &bytes))
			return false;
		*sum += bytes;
	}
	return true;
}

bool server_memory_read(struct process_tree *tree, struct server_memory *memory, struct error *error)
{
	if (!process_tree_refresh(tree, error))
		return false;
	memory->shared_once = add_up(tree, read_proportional, &memory->bytes);
	if (memory->shared_once || add_up(tree, read_resident, &memory->bytes))
		return true;
	return error_set(error, "the memory of the server's processes can't be read");
}
