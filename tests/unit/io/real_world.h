/* The world that the loop's tables need, on the real system; see loop_table.h. */
#ifndef POSTERN_TESTS_REAL_WORLD_H
#define POSTERN_TESTS_REAL_WORLD_H

#include <sys/resource.h>

#include "tests/unit/io/loop_table.h"

struct real_world {
	struct loop_world world;
	int socket_flags; /* SOCK_NONBLOCK or 0 */
	struct rlimit descriptors;
	char directory[32];
};

/* With few receive buffers, so that they run out. */
void real_world_open(struct real_world *world, enum loop_kind kind, int socket_flags);
void real_world_close(struct real_world *world);

void real_pair(struct loop_world *world, int type, int fds[2]);

/* Of this process, now. */
unsigned count_descriptors(void);

#endif
