/* A folder of its own for each run of a scenario, in memory where the system has such a place: syncing there costs nothing. */
#ifndef POSTERN_TESTS_SCRATCH_FOLDER_H
#define POSTERN_TESTS_SCRATCH_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch_folder[64];

static inline void scratch_folder_enter(void)
{
	snprintf(scratch_folder, sizeof scratch_folder, "%s/postern-torture-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(scratch_folder) || chdir(scratch_folder) != 0)
		abort();
}

static inline int scratch_folder_remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)status, (void)kind, (void)at;
	return remove(path);
}

static inline void scratch_folder_leave(void)
{
	if (chdir("/") != 0 || nftw(scratch_folder, scratch_folder_remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		abort();
}

#endif
