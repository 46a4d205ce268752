/* Operations that are awaited; see sim_await.h. */
#include "tests/sim/sim_await.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void sim_turn(struct loop *loop)
{
	struct error error;
	if (!loop_turn(loop, true, &error))
		fail_msg("%s", error.text);
}

int32_t sim_open(struct loop *loop, const char *path, int flags)
{
	struct loop_op op;
	loop_op_init(&op);
	loop_open(loop, &op, AT_FDCWD, path, flags, 0600, NULL);
	return loop_await(loop, &op);
}

int32_t sim_write(struct loop *loop, int fd, const void *bytes, size_t size, uint64_t offset, unsigned flags)
{
	struct loop_op op;
	loop_op_init(&op);
	struct iovec part = { (void *)(uintptr_t)bytes, size };
	loop_write(loop, &op, fd, &part, 1, offset, flags, NULL);
	return loop_await(loop, &op);
}

int32_t sim_sync(struct loop *loop, int fd)
{
	struct loop_op op;
	loop_op_init(&op);
	loop_sync(loop, &op, fd, false, NULL);
	return loop_await(loop, &op);
}

int32_t sim_rename(struct loop *loop, const char *from, const char *to)
{
	struct loop_op op;
	loop_op_init(&op);
	loop_rename(loop, &op, AT_FDCWD, from, to, NULL);
	return loop_await(loop, &op);
}

int32_t sim_unlink(struct loop *loop, const char *path)
{
	struct loop_op op;
	loop_op_init(&op);
	loop_unlink(loop, &op, AT_FDCWD, path, NULL);
	return loop_await(loop, &op);
}

void sim_sync_directory(struct loop *loop, const char *path)
{
	int fd = sim_open(loop, path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(sim_sync(loop, fd), 0);
	loop_close(loop, fd);
}
