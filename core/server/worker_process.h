/* A worker as a process: its loop, its signals, from fork() to exit. */
#ifndef POSTERN_SERVER_WORKER_PROCESS_H
#define POSTERN_SERVER_WORKER_PROCESS_H

#include "core/server/worker.h"

struct worker_process {
	unsigned number;
	struct served *served; /* what is served at first; the process' own */
	struct server_states *states;
	struct quotas *quotas;
	struct guard *guard;
	const int *listen_fds;
	int hasher_fd;
	int channel_fd;             /* to the supervisor; taken over */
	const uint8_t *salt_secret; /* as worker_settings has it */
	int ready_fd;               /* gets one byte, the number, when the worker serves */
};

/* Answers the exit status: 0 ended as told, 2 could not start, 1 the loop broke. */
int worker_process_run(const struct worker_process *process);

#endif
