/* What waits for a disk: durable writes, writes past the page cache and syncs, which the kernel does beside an epoll loop by its
 * asynchronous I/O.
 *
 * io_submit(2) comes back at once for a sync, and for a write past the page cache to blocks that the file has. An
 * eventfd in the epoll set says that some are over. A write into the page cache would be waited for in the call, its sync
 * as well: it is done inline, without the sync, and the sync goes this way.
 *
 * Where the kernel or a container's filter refuses this, all is done inline and the log says so once. Where it refuses one
 * operation, that one is done inline, which tells what is wrong with it. What is under way can't be cancelled: it ends soon.
 *
 * Plain system calls, since libaio's functions are no more than these. A process that dies is kept by the kernel until what
 * is under way is over, and only then loses its locks: whoever has the lane next sees nothing change behind its back. */
#include "core/io/loop_epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"

bool epoll_disk_init(struct loop_epoll *epoll)
{
	struct epoll_disk *disk = &epoll->disk;
	list_init(&disk->held);
	disk->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Each end is an edge, whatever was read of the eventfd: it needs no reading. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = disk->event_fd };
	return disk->event_fd >= 0 && epoll_ctl(epoll->epoll_fd, EPOLL_CTL_ADD, disk->event_fd, &event) == 0;
}

void epoll_disk_finish(struct epoll_disk *disk)
{
	ASSERT(disk->running == 0 && list_is_empty(&disk->held));
	if (disk->context)
		syscall(SYS_io_destroy, disk->context);
	if (disk->event_fd >= 0)
		close(disk->event_fd);
}

/* With the first operation: most loops write nothing, and taking it down costs some 40 ms. */
static bool set_up(struct loop_epoll *epoll)
{
	struct epoll_disk *disk = &epoll->disk;
	if (disk->context || disk->refused)
		return !disk->refused;
	if (syscall(SYS_io_setup, (long)LIMIT_DISK_OPERATIONS, &disk->context) == 0)
		return true;
	int code = errno;
	log_message(LOG_WARN, "loop-disk", "sessions wait while this process writes: the kernel refuses io_setup: %s%s",
		    strerror(code), code == EAGAIN ? " (the sysctl fs.aio-max-nr is too low)" : "");
	disk->refused = true;
	return false;
}

/* Puts the operation behind those that are under way, when they are as many as may be. */
static bool hold(struct epoll_disk *disk, struct loop_op *op)
{
	if (disk->running < LIMIT_DISK_OPERATIONS)
		return false;
	list_append(&disk->held, &op->link);
	return true;
}

/* False when the kernel refuses it. It has read `block` when it comes back, and the operation's vectors. */
static bool submit(struct epoll_disk *disk, struct loop_op *op, struct iocb *block)
{
	block->aio_data = (uintptr_t)op;
	block->aio_fildes = (uint32_t)op->fd;
	block->aio_flags = IOCB_FLAG_RESFD;
	block->aio_resfd = (uint32_t)disk->event_fd;
	if (syscall(SYS_io_submit, disk->context, 1L, &block) != 1)
		return false;
	op->flags |= OP_UNDER_WAY;
	disk->running++;
	return true;
}

static bool submit_sync(struct epoll_disk *disk, struct loop_op *op, bool data_only)
{
	struct iocb block = { .aio_lio_opcode = data_only ? IOCB_CMD_FDSYNC : IOCB_CMD_FSYNC };
	return submit(disk, op, &block);
}

static bool submit_write(struct epoll_disk *disk, struct loop_op *op, int flags)
{
	struct iocb block = {
		.aio_lio_opcode = IOCB_CMD_PWRITEV,
		.aio_rw_flags = flags,
		.aio_buf = (uintptr_t)op->parts,
		.aio_nbytes = op->detail,
		.aio_offset = (int64_t)op->offset,
	};
	return submit(disk, op, &block);
}

static int32_t sync_now(const struct loop_op *op, bool data_only)
{
	int status = data_only ? fdatasync(op->fd) : fsync(op->fd);
	return status < 0 ? -errno : 0;
}

static int32_t write_now(const struct loop_op *op, int flags)
{
	ssize_t gone = pwritev2(op->fd, op->parts, op->detail, (off_t)op->offset, flags);
	return gone < 0 ? -errno : (int32_t)gone;
}

int32_t epoll_try_sync(struct loop_epoll *epoll, struct loop_op *op)
{
	struct epoll_disk *disk = &epoll->disk;
	if (set_up(epoll) && (hold(disk, op) || submit_sync(disk, op, op->detail)))
		return TAKEN;
	return sync_now(op, op->detail);
}

static bool is_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && flags & O_DIRECT;
}

static int32_t write_and_sync(struct epoll_disk *disk, struct loop_op *op)
{
	int32_t gone = write_now(op, 0);
	if (gone <= 0)
		return gone;
	op->result = gone;
	op->flags |= OP_WRITTEN;
	if (submit_sync(disk, op, true))
		return TAKEN;
	int32_t status = sync_now(op, true);
	return status < 0 ? status : gone;
}

int32_t epoll_try_write(struct loop_epoll *epoll, struct loop_op *op)
{
	struct epoll_disk *disk = &epoll->disk;
	int flags = op->option & LOOP_WRITE_DURABLE ? RWF_DSYNC : 0;
	bool direct = is_direct(op->fd);
	bool waits = direct || flags;
	if (!waits || !set_up(epoll))
		return write_now(op, flags);
	if (hold(disk, op))
		return TAKEN;
	if (direct)
		return submit_write(disk, op, flags) ? TAKEN : write_now(op, flags);
	return write_and_sync(disk, op);
}

static void take_result(struct loop_epoll *epoll, const struct io_event *event)
{
	struct loop_op *op = (struct loop_op *)(uintptr_t)event->data; /* NOLINT: as it was given */
	int32_t result = (int32_t)event->res;
	if (op->flags & OP_WRITTEN && result == 0)
		result = op->result;
	op->flags &= (uint8_t)~OP_UNDER_WAY;
	epoll->disk.running--;
	epoll_settle(epoll, op, result);
}

/* As many of those that are held as there is room for; all of them where nothing is under way that would call again. */
static void release(struct loop_epoll *epoll, long count)
{
	struct epoll_disk *disk = &epoll->disk;
	if (disk->running == 0)
		list_splice(&epoll->ready, &disk->held);
	for (; count > 0 && !list_is_empty(&disk->held); count--)
		list_append(&epoll->ready, list_take_first(&disk->held));
}

void epoll_disk_collect(struct loop_epoll *epoll)
{
	struct io_event events[LIMIT_DISK_OPERATIONS];
	struct timespec at_once = { 0, 0 };
	long count;
	do
		count = syscall(SYS_io_getevents, epoll->disk.context, 0L, (long)LIMIT_DISK_OPERATIONS, events,
				&at_once);
	while (count < 0 && errno == EINTR);
	for (long i = 0; i < count; i++)
		take_result(epoll, &events[i]);
	release(epoll, count);
}
