/* The operations of the io_uring back end: how each fills its submission entry; see loop_uring.c. */
#include "core/io/loop_uring.h"

static void prepare_accept(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_multishot_accept(entry, op->fd, NULL, NULL, SOCK_CLOEXEC);
}

static void prepare_receive(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_recv(entry, op->fd, NULL, LIMIT_RECEIVE_BUFFER_BYTES, 0);
	entry->flags |= IOSQE_BUFFER_SELECT;
	entry->buf_group = BUFFER_GROUP;
	/* A connection mostly waits: trying at once would fail and cost a system call's work for nothing. */
	if (!(op->flags & OP_STARVED))
		entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

static void prepare_send(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_send(entry, op->fd, op->bytes.data + op->sent, op->bytes.size - op->sent,
			   MSG_WAITALL | MSG_NOSIGNAL);
}

static void prepare_connect(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_connect(entry, op->fd, op->address, (socklen_t)op->length);
}

static void prepare_poll(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_poll_add(entry, op->fd, op->detail);
}

static void prepare_read(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_readv(entry, op->fd, op->parts, op->detail, op->offset);
}

static void prepare_write(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_writev2(entry, op->fd, op->parts, op->detail, op->offset,
			      op->option & LOOP_WRITE_DURABLE ? RWF_DSYNC : 0);
}

static void prepare_sync(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_fsync(entry, op->fd, op->detail ? IORING_FSYNC_DATASYNC : 0);
}

static void prepare_open(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_openat(entry, op->fd, op->path, (int)op->option, op->detail);
}

static void prepare_rename(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_renameat(entry, op->fd, op->path, op->fd, op->new_path, 0);
}

static void prepare_unlink(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_unlinkat(entry, op->fd, op->path, 0);
}

static void prepare_make_directory(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_mkdirat(entry, op->fd, op->path, op->detail);
}

static void prepare_allocate(struct io_uring_sqe *entry, const struct loop_op *op)
{
	io_uring_prep_fallocate(entry, op->fd, 0, 0, (off_t)op->length);
}

const struct uring_operation uring_operations[] = {
	[LOOP_ACCEPT] = { prepare_accept, IORING_OP_ACCEPT, "ACCEPT" },
	[LOOP_RECEIVE] = { prepare_receive, IORING_OP_RECV, "RECV" },
	[LOOP_SEND] = { prepare_send, IORING_OP_SEND, "SEND" },
	[LOOP_CONNECT] = { prepare_connect, IORING_OP_CONNECT, "CONNECT" },
	[LOOP_POLL] = { prepare_poll, IORING_OP_POLL_ADD, "POLL_ADD" },
	[LOOP_READ] = { prepare_read, IORING_OP_READV, "READV" },
	[LOOP_WRITE] = { prepare_write, IORING_OP_WRITEV, "WRITEV" },
	[LOOP_SYNC] = { prepare_sync, IORING_OP_FSYNC, "FSYNC" },
	[LOOP_OPEN] = { prepare_open, IORING_OP_OPENAT, "OPENAT" },
	[LOOP_RENAME] = { prepare_rename, IORING_OP_RENAMEAT, "RENAMEAT" },
	[LOOP_UNLINK] = { prepare_unlink, IORING_OP_UNLINKAT, "UNLINKAT" },
	[LOOP_MAKE_DIRECTORY] = { prepare_make_directory, IORING_OP_MKDIRAT, "MKDIRAT" },
	[LOOP_ALLOCATE] = { prepare_allocate, IORING_OP_FALLOCATE, "FALLOCATE" },
};
