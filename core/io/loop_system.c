/* What the back ends on the real system share: its clocks, and what is done at once; see loop_backend.h. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/io/loop_backend.h"

struct clock_now loop_system_time(void)
{
	struct timespec monotonic, real;
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_REALTIME, &real);
	return (struct clock_now){
		.monotonic_ns = (uint64_t)monotonic.tv_sec * 1000000000 + (uint64_t)monotonic.tv_nsec,
		.unix_us = (int64_t)real.tv_sec * 1000000 + real.tv_nsec / 1000,
	};
}

bool loop_system_list_directory(struct loop *loop, const char *path, loop_directory_entry *entry, void *context,
				struct error *error)
{
	(void)loop;
	DIR *directory = opendir(path);
	if (!directory)
		return error_set_errno(error, errno, "can't read the directory %s", path);
	errno = 0;
	for (struct dirent *found; (found = readdir(directory)); errno = 0)
		if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
			entry(context, found->d_name);
	int code = errno;
	closedir(directory);
	return code == 0 || error_set_errno(error, code, "can't read the directory %s", path);
}

int64_t loop_system_file_size(struct loop *loop, int fd)
{
	(void)loop;
	struct stat status;
	return fstat(fd, &status) == 0 ? (int64_t)status.st_size : -errno;
}

void loop_system_shutdown(struct loop *loop, int fd)
{
	(void)loop;
	/* Fails only where the connection is gone already. */
	shutdown(fd, SHUT_RDWR);
}

int32_t loop_system_lock(struct loop *loop, int fd)
{
	(void)loop;
	return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

/* By way of the open directory, so that the address fits however long its path is. */
static bool bind_in(int fd, int directory_fd, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int size = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory_fd, name);
	ASSERT(size > 0 && (size_t)size < sizeof address.sun_path);
	mode_t mask = umask(0177);
	int bound = bind(fd, (const struct sockaddr *)&address, sizeof address);
	int code = errno;
	umask(mask);
	errno = code;
	return bound == 0;
}

int loop_system_listen_local(struct loop *loop, int directory_fd, const char *name, int backlog)
{
	(void)loop;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlinkat(directory_fd, name, 0);
	if (bind_in(fd, directory_fd, name) && listen(fd, backlog) == 0)
		return fd;
	int code = errno;
	close(fd);
	return -code;
}

int32_t loop_system_accept_waiting(struct loop *loop, int listen_fd)
{
	(void)loop;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void loop_system_peer_address(struct loop *loop, int fd, struct sockaddr_storage *address)
{
	(void)loop;
	socklen_t size = sizeof *address;
	*address = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
	if (getpeername(fd, (struct sockaddr *)address, &size) != 0)
		address->ss_family = AF_UNSPEC;
}

void loop_system_own_address(struct loop *loop, int fd, struct sockaddr_storage *address)
{
	(void)loop;
	socklen_t size = sizeof *address;
	*address = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
	if (getsockname(fd, (struct sockaddr *)address, &size) != 0)
		address->ss_family = AF_UNSPEC;
}
