/* The processes of a server: some roots and all that descends from them, kept up to date from /proc.
 *
 * Who was once in stays in while it lives, also when its parent ends and it is handed to init. A process is known by
 * its number and start time, so a reused number is not taken for the old process. */
#ifndef POSTERN_BENCH_PROCESS_TREE_H
#define POSTERN_BENCH_PROCESS_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"

struct process {
	pid_t pid;
	pid_t parent;
	uint64_t started;   /* clock ticks since boot */
	uint64_t own_ns;    /* CPU time of all its threads, also of those that have ended */
	uint64_t reaped_ns; /* of its children that ended and were waited for, and of theirs */
	uint64_t waited_ns; /* that its first thread could have run, but no core was free; 0 where it is not known */
	uint64_t begin_ns;  /* own_ns and waited_ns when measuring began, for the share of each process */
	bool member;
};

struct process_tree {
	struct process *list; /* members only, in no order */
	size_t count;
	const uint64_t *roots;
	size_t root_count;
};

/* `roots` must outlive the tree. Nothing is read yet: process_tree_refresh() does that. */
void process_tree_init(struct process_tree *tree, const uint64_t *roots, size_t root_count);
void process_tree_finish(struct process_tree *tree);

/* Looks again who is there and how much CPU time each has had. False when a root is not there, or when /proc can't be
 * read; the old list stays then. */
MUST_USE bool process_tree_refresh(struct process_tree *tree, struct error *error);

/* Time that a process's first thread has waited for a core (schedstat); 0 where the kernel does not tell. */
uint64_t process_waited_ns(pid_t pid);

/* NULL where it is not a member. */
struct process *process_tree_find(const struct process_tree *tree, pid_t pid, uint64_t started);

#endif
