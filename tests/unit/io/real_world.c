/* Sockets and a folder of the real system for the loop's tables; see real_world.h. */
#include "tests/unit/io/real_world.h"

#include <dirent.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct real_world *real(struct loop_world *world)
{
	return CONTAINER_OF(world, struct real_world, world);
}

void real_pair(struct loop_world *world, int type, int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC | real(world)->socket_flags, 0, fds), 0);
}

static int real_socket(struct loop_world *world)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | real(world)->socket_flags, 0);
	assert_true(fd >= 0);
	return fd;
}

static int real_listener(struct loop_world *world, struct sockaddr_storage *address)
{
	int fd = real_socket(world);
	struct sockaddr_in *here = (struct sockaddr_in *)address;
	*here = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof *here;
	assert_int_equal(bind(fd, (struct sockaddr *)here, size), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)here, &size), 0);
	return fd;
}

static void real_reset(struct loop_world *world, int fd)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
	loop_close(world->loop, fd);
}

static void real_exhaust(struct loop_world *world, bool exhausted)
{
	struct rlimit limit = real(world)->descriptors;
	if (exhausted) {
		int lowest = dup(0);
		assert_true(lowest >= 0);
		close(lowest);
		limit.rlim_cur = (rlim_t)lowest;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

void real_world_open(struct real_world *world, enum loop_kind kind, int socket_flags)
{
	*world = (struct real_world){
		.world = { .pair = real_pair,
			   .socket = real_socket,
			   .listener = real_listener,
			   .reset = real_reset,
			   .exhaust_descriptors = real_exhaust },
		.socket_flags = socket_flags,
		.directory = "/tmp/postern-loop-XXXXXX",
	};
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &world->descriptors), 0);
	assert_non_null(mkdtemp(world->directory));
	world->world.directory = world->directory;
	struct error error;
	struct loop_settings settings = { .kind = kind, .receive_buffers = 8 };
	world->world.loop = loop_create(&settings, &error);
	if (!world->world.loop)
		fail_msg("%s", error.text);
}

void real_world_close(struct real_world *world)
{
	loop_destroy(world->world.loop);
	char folder[64];
	snprintf(folder, sizeof folder, "%s/folder", world->directory);
	rmdir(folder);
	assert_int_equal(rmdir(world->directory), 0);
}

unsigned count_descriptors(void)
{
	unsigned count = 0;
	DIR *directory = opendir("/proc/self/fd");
	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}
