/* The operations of the epoll back end: each is one attempt with system calls that do not block; see loop_epoll.c.
 *
 * Reads of files and what is done with their names have nothing to wait for but the disk: they are done here, inline, and
 * mostly find in memory what they need. Durable writes and syncs never do: they go to loop_epoll_disk.c. */
#include "core/io/loop_epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int32_t would_block(struct watch *watch, uint8_t used_up)
{
	watch->ready &= (uint8_t)~used_up;
	return WOULD_BLOCK;
}

int32_t epoll_accept(struct loop_epoll *epoll, int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	struct watch *watch = epoll_make_watch(epoll, fd);
	if (!watch) {
		close(fd);
		return -ENOMEM;
	}
	/* The number is new, so whatever is known about it is from a descriptor closed behind the loop's back. */
	epoll_forget_watch(watch);
	watch->accepted = true;
	return fd;
}

static int32_t try_accept(struct loop_epoll *epoll, struct loop_op *op)
{
	int32_t fd = epoll_accept(epoll, op->fd);
	return fd == -EAGAIN ? would_block(epoll_watch_of(epoll, op->fd), READY_IN) : fd;
}

static int32_t try_receive(struct loop_epoll *epoll, struct loop_op *op)
{
	struct watch *watch = epoll_watch_of(epoll, op->fd);
	ssize_t got = recv(op->fd, epoll->buffer, sizeof epoll->buffer, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN ? would_block(watch, READY_IN | READY_HUNG_UP) : -errno;
	/* A short read has emptied the socket, and the next bytes are an edge. The end of the stream is none when it
	 * was announced before. */
	if (watch->stream && got > 0 && (size_t)got < sizeof epoll->buffer && !(watch->ready & READY_HUNG_UP))
		watch->ready &= (uint8_t)~READY_IN;
	return (int32_t)got;
}

static int32_t try_send(struct loop_epoll *epoll, struct loop_op *op)
{
	/* At least once: an empty packet is a packet. */
	do {
		ssize_t gone =
			send(op->fd, op->bytes.data + op->sent, op->bytes.size - op->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (gone < 0)
			return errno == EAGAIN ? would_block(epoll_watch_of(epoll, op->fd), READY_OUT) : -errno;
		op->sent += (uint32_t)gone;
	} while (op->sent < op->bytes.size);
	return (int32_t)op->sent;
}

static int32_t try_connect(struct loop_epoll *epoll, struct loop_op *op)
{
	/* Asked again, connect(2) tells how the first call went. */
	int status = connect(op->fd, op->address, (socklen_t)op->length);
	bool again = op->flags & OP_BEGUN;
	op->flags |= OP_BEGUN;
	if (status == 0 || (again && errno == EISCONN))
		return 0;
	if (errno == EINPROGRESS || errno == EALREADY || errno == EINTR)
		return would_block(epoll_watch_of(epoll, op->fd), READY_OUT | READY_HUNG_UP);
	return -errno;
}

/* The owner uses up readiness by itself, so what was remembered may be gone: the kernel is asked. */
static int32_t try_poll(struct loop_epoll *epoll, struct loop_op *op)
{
	(void)epoll;
	struct pollfd asked = { .fd = op->fd, .events = (short)op->detail };
	int count = poll(&asked, 1, 0);
	if (count < 0)
		return -errno;
	if (asked.revents & POLLNVAL)
		return -EBADF;
	return count ? (uint16_t)asked.revents : WOULD_BLOCK;
}

static int32_t try_read(struct loop_epoll *epoll, struct loop_op *op)
{
	(void)epoll;
	ssize_t got = preadv(op->fd, op->parts, op->detail, (off_t)op->offset);
	return got < 0 ? -errno : (int32_t)got;
}

static int32_t as_result(int status)
{
	return status < 0 ? -errno : status;
}

static int32_t try_open(struct loop_epoll *epoll, struct loop_op *op)
{
	(void)epoll;
	return as_result(openat(op->fd, op->path, (int)op->option, op->detail));
}

static int32_t try_rename(struct loop_epoll *epoll, struct loop_op *op)
{
	(void)epoll;
	return as_result(renameat(op->fd, op->path, op->fd, op->new_path));
}

static int32_t try_unlink(struct loop_epoll *epoll, struct loop_op *op)
{
	(void)epoll;
	return as_result(unlinkat(op->fd, op->path, 0));
}

static int32_t try_make_directory(struct loop_epoll *epoll, struct loop_op *op)
{
	(void)epoll;
	return as_result(mkdirat(op->fd, op->path, op->detail));
}

static int32_t try_allocate(struct loop_epoll *epoll, struct loop_op *op)
{
	(void)epoll;
	return as_result(fallocate(op->fd, 0, 0, (off_t)op->length));
}

const struct epoll_operation epoll_operations[] = {
	[LOOP_ACCEPT] = { try_accept, READY_IN, .must_not_block = true },
	[LOOP_RECEIVE] = { try_receive, READY_IN },
	[LOOP_SEND] = { try_send, READY_OUT },
	[LOOP_CONNECT] = { try_connect, READY_OUT, .try_first = true, .must_not_block = true },
	[LOOP_POLL] = { try_poll, READY_IN | READY_OUT | READY_HUNG_UP, .try_first = true },
	[LOOP_READ] = { try_read },
	[LOOP_WRITE] = { epoll_try_write },
	[LOOP_SYNC] = { epoll_try_sync },
	[LOOP_OPEN] = { try_open },
	[LOOP_RENAME] = { try_rename },
	[LOOP_UNLINK] = { try_unlink },
	[LOOP_MAKE_DIRECTORY] = { try_make_directory },
	[LOOP_ALLOCATE] = { try_allocate },
};
