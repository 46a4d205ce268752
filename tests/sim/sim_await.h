/* For the simulator's own tests: operations that are awaited. */
#ifndef POSTERN_TESTS_SIM_AWAIT_H
#define POSTERN_TESTS_SIM_AWAIT_H

#include "core/io/loop.h"

/* One turn that waits; fails the test when the loop is broken. */
void sim_turn(struct loop *loop);
int32_t sim_open(struct loop *loop, const char *path, int flags);
int32_t sim_write(struct loop *loop, int fd, const void *bytes, size_t size, uint64_t offset, unsigned flags);
int32_t sim_sync(struct loop *loop, int fd);
int32_t sim_rename(struct loop *loop, const char *from, const char *to);
int32_t sim_unlink(struct loop *loop, const char *path);
void sim_sync_directory(struct loop *loop, const char *path);

#endif
