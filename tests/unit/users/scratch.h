/* A folder of its own for a test, and child processes that end with it. */
#ifndef POSTERN_TESTS_USERS_SCRATCH_H
#define POSTERN_TESTS_USERS_SCRATCH_H

#include <ftw.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct scratch {
	char path[64];
	char database[80]; /* "…/users", not made yet */
};

static inline void scratch_make(struct scratch *scratch)
{
	snprintf(scratch->path, sizeof scratch->path, "/tmp/postern-test-users-XXXXXX");
	if (!mkdtemp(scratch->path))
		abort();
	snprintf(scratch->database, sizeof scratch->database, "%s/users", scratch->path);
}

static inline int scratch_remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)status, (void)kind, (void)at;
	return remove(path);
}

static inline void scratch_remove_folder(const char *path)
{
	nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_remove(struct scratch *scratch)
{
	scratch_remove_folder(scratch->path);
}

/* fork(), and the child dies with the test. */
static inline pid_t scratch_fork(void)
{
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		abort();
	if (child == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return child;
}

/* The exit status, or -1 when a signal ended it. */
static inline int scratch_wait(pid_t child)
{
	int status = 0;
	while (waitpid(child, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Lets a process (0: this one) map no more than `bytes` beyond what it has; answers the limit before, to be given back. */
static inline struct rlimit scratch_limit_memory(pid_t process, size_t bytes)
{
	char path[64] = "/proc/self/statm";
	unsigned long long pages = 0;
	struct rlimit before, after;
	if (process)
		snprintf(path, sizeof path, "/proc/%d/statm", (int)process);
	FILE *file = fopen(path, "r");
	if (!file || fscanf(file, "%llu", &pages) != 1 || prlimit(process, RLIMIT_AS, NULL, &before) != 0)
		abort();
	fclose(file);
	after = before;
	after.rlim_cur = pages * (unsigned long long)sysconf(_SC_PAGESIZE) + bytes;
	if (prlimit(process, RLIMIT_AS, &after, NULL) != 0)
		abort();
	return before;
}

static inline uint64_t scratch_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#endif
