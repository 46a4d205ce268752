/* Reading the process tree from /proc: see process_tree.h.
 *
 * A process's own time comes from its CPU clock (clock_getcpuclockid), which the kernel keeps in nanoseconds and which
 * counts threads that have ended, the kernel's io_uring helpers among them. /proc/PID/stat has the same in clock ticks of 10 ms
 * and is used where the clock can't be had; for the time of reaped children it is the only source. */
#include "bench/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/slice.h"

void process_tree_init(struct process_tree *tree, const uint64_t *roots, size_t root_count)
{
	*tree = (struct process_tree){ .roots = roots, .root_count = root_count };
}

void process_tree_finish(struct process_tree *tree)
{
	free(tree->list);
	*tree = (struct process_tree){ 0 };
}

struct process *process_tree_find(const struct process_tree *tree, pid_t pid, uint64_t started)
{
	for (size_t i = 0; i < tree->count; i++) {
		if (tree->list[i].pid == pid && tree->list[i].started == started)
			return &tree->list[i];
	}
	return NULL;
}

static uint64_t own_time_ns(pid_t pid, uint64_t otherwise_ns)
{
	clockid_t clock;
	struct timespec time;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
		return otherwise_ns;
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t process_waited_ns(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
	FILE *file = fopen(path, "re");
	unsigned long long waited = 0;
	if (file && fscanf(file, "%*u %llu", &waited) != 1)
		waited = 0;
	if (file)
		fclose(file);
	return waited;
}

/* False when the process has ended, which may happen at any time. Its name may hold anything, so fields are counted
 * from the last ")". */
static bool read_process(pid_t pid, struct process *process)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t size = read(fd, text, sizeof text - 1);
	close(fd);
	if (size <= 0)
		return false;
	text[size] = 0;
	const char *fields = strrchr(text, ')');
	unsigned long user, system;
	long children_user, children_system;
	unsigned long long started;
	int parent;
	if (!fields ||
	    sscanf(fields + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d %*d %llu",
		   &parent, &user, &system, &children_user, &children_system, &started) != 6)
		return false;
	uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	*process = (struct process){
		.pid = pid,
		.parent = parent,
		.started = started,
		.own_ns = own_time_ns(pid, (user + system) * tick_ns),
		.reaped_ns = (uint64_t)(children_user + children_system) * tick_ns,
	};
	return true;
}

/* Everything that runs, malloc'ed; NULL when /proc or memory is missing. */
static struct process *read_all(size_t *count)
{
	DIR *directory = opendir("/proc");
	if (!directory)
		return NULL;
	size_t capacity = 256;
	struct process *list = malloc(capacity * sizeof *list);
	*count = 0;
	for (struct dirent *entry; list && (entry = readdir(directory));) {
		uint64_t pid;
		if (!slice_parse_number(slice_from_text(entry->d_name), INT32_MAX, &pid))
			continue;
		if (*count == capacity) {
			struct process *larger = realloc(list, 2 * capacity * sizeof *list);
			if (!larger)
				break;
			list = larger;
			capacity *= 2;
		}
		*count += read_process((pid_t)pid, &list[*count]);
	}
	closedir(directory);
	return list;
}

static bool is_root(const struct process_tree *tree, pid_t pid)
{
	for (size_t i = 0; i < tree->root_count; i++) {
		if (tree->roots[i] == (uint64_t)pid)
			return true;
	}
	return false;
}

static bool has_member_parent(const struct process *list, size_t count, const struct process *process)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].member && list[i].pid == process->parent)
			return true;
	}
	return false;
}

/* Marks roots, old members, and then children of members until there are no more. */
static void mark_members(const struct process_tree *tree, struct process *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct process *old = process_tree_find(tree, list[i].pid, list[i].started);
		list[i].member = old || is_root(tree, list[i].pid);
		list[i].begin_ns = old ? old->begin_ns : 0;
	}
	for (bool found = true; found;) {
		found = false;
		for (size_t i = 0; i < count; i++) {
			if (list[i].member || !has_member_parent(list, count, &list[i]))
				continue;
			list[i].member = found = true;
		}
	}
}

bool process_tree_refresh(struct process_tree *tree, struct error *error)
{
	size_t count;
	struct process *list = read_all(&count);
	if (!list)
		return error_set(error, "/proc can't be read");
	mark_members(tree, list, count);
	size_t members = 0, roots = 0;
	for (size_t i = 0; i < count; i++) {
		roots += is_root(tree, list[i].pid);
		if (!list[i].member)
			continue;
		list[i].waited_ns = process_waited_ns(list[i].pid);
		list[members++] = list[i];
	}
	if (roots < tree->root_count) {
		free(list);
		return error_set(error, "--server-pid: no such process, or it has ended");
	}
	free(tree->list);
	tree->list = list;
	tree->count = members;
	return true;
}
