/* The io_uring back end of the loop: one system call a turn.
 *
 * Starting an operation fills a submission entry; loop_turn() submits all of them, waits and takes what the kernel
 * has completed, in one io_uring_enter. Completions are copied out of the ring in batches, the ring is released, then
 * the callbacks run.
 *
 * Receives are one-shot, since not starting the next one is the flow control. They name no memory: the kernel takes a
 * buffer from a ring that all connections share when bytes are there, and it goes back right after the callback. Where
 * the ring was empty the receive waits in `starved` and is started again by the back end; the owner doesn't notice.
 * The same holds for a short send and for an entry that found no room. */
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/io/loop_backend.h"

/* op->flags */
enum {
	OP_CANCELLED = 1, /* the owner asked for the end: don't start it again */
	OP_STARVED = 2,   /* bytes are there, a buffer was not: don't wait for bytes first */
	OP_QUEUED = 4,    /* in a list of ours, the kernel doesn't have it */
};

enum { BUFFER_GROUP = 0 };

struct completion {
	struct loop_op *op;
	int32_t result;
	uint32_t flags; /* IORING_CQE_F_… */
};

struct loop_uring {
	struct loop loop;
	struct io_uring ring;
	struct io_uring_buf_ring *buffer_ring;
	uint8_t *buffers;
	uint32_t buffer_count;
	struct list deferred;  /* found no room in the submission queue */
	struct list starved;   /* receives that found no buffer */
	struct list cancelled; /* were in one of the above; their callbacks are due */
	size_t collected_count;
	struct completion collected[LIMIT_TURN_COMPLETIONS];
};

/* --- submission: one function a kind fills the entry --- */

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

struct operation {
	void (*prepare)(struct io_uring_sqe *entry, const struct loop_op *op);
	uint8_t opcode; /* the kernel must have it */
	const char *name;
};

static const struct operation operations[] = {
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

/* NULL where the kernel takes no more before completions are collected. */
static struct io_uring_sqe *take_entry(struct loop_uring *uring)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&uring->ring);
	if (entry)
		return entry;
	io_uring_submit(&uring->ring);
	return io_uring_get_sqe(&uring->ring);
}

static void queue(struct list *list, struct loop_op *op)
{
	op->flags |= OP_QUEUED;
	list_append(list, &op->link);
}

static struct loop_op *unqueue_first(struct list *list)
{
	struct list *node = list_take_first(list);
	if (!node)
		return NULL;
	struct loop_op *op = CONTAINER_OF(node, struct loop_op, link);
	op->flags &= (uint8_t)~OP_QUEUED;
	return op;
}

static void uring_start(struct loop *loop, struct loop_op *op)
{
	struct loop_uring *uring = (struct loop_uring *)loop;
	struct io_uring_sqe *entry = take_entry(uring);
	if (!entry) {
		queue(&uring->deferred, op);
		return;
	}
	operations[op->kind].prepare(entry, op);
	io_uring_sqe_set_data(entry, op);
}

static void uring_cancel(struct loop *loop, struct loop_op *op)
{
	struct loop_uring *uring = (struct loop_uring *)loop;
	if (op->flags & OP_CANCELLED)
		return;
	op->flags |= OP_CANCELLED;
	if (op->flags & OP_QUEUED) {
		list_remove(&op->link);
		queue(&uring->cancelled, op);
		return;
	}
	/* Without an entry it ends by itself or with its descriptor: a cancel is a wish. */
	struct io_uring_sqe *entry = take_entry(uring);
	if (!entry)
		return;
	io_uring_prep_cancel(entry, op, 0);
	io_uring_sqe_set_data(entry, NULL);
	entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

/* What could not be started before. At most as many starved receives as there are buffers: more could only starve again. */
static void start_queued(struct loop_uring *uring)
{
	struct list deferred;
	list_init(&deferred);
	list_splice(&deferred, &uring->deferred);
	for (struct loop_op *op; (op = unqueue_first(&deferred));)
		uring_start(&uring->loop, op);
	for (uint32_t i = 0; i < uring->buffer_count; i++) {
		struct loop_op *op = unqueue_first(&uring->starved);
		if (!op)
			return;
		uring_start(&uring->loop, op);
	}
}

/* --- completion --- */

static void collect(struct loop_uring *uring)
{
	unsigned head, taken = 0;
	struct io_uring_cqe *entry;
	uring->collected_count = 0;
	io_uring_for_each_cqe(&uring->ring, head, entry)
	{
		if (uring->collected_count == LIMIT_TURN_COMPLETIONS)
			break;
		taken++;
		struct loop_op *op = io_uring_cqe_get_data(entry);
		if (op) /* else a cancel that came too late */
			uring->collected[uring->collected_count++] =
				(struct completion){ op, entry->res, entry->flags };
	}
	io_uring_cq_advance(&uring->ring, taken);
}

static bool uring_wait(struct loop *loop, uint64_t wait_ns, struct error *error)
{
	enum { NS_PER_S = 1000000000 };
	struct loop_uring *uring = (struct loop_uring *)loop;
	start_queued(uring);
	int status;
	if (wait_ns == 0 || !list_is_empty(&uring->cancelled) || io_uring_cq_ready(&uring->ring)) {
		status = io_uring_submit_and_get_events(&uring->ring);
	} else {
		struct __kernel_timespec span = { (int64_t)(wait_ns / NS_PER_S), (long long)(wait_ns % NS_PER_S) };
		struct io_uring_cqe *first;
		status = io_uring_submit_and_wait_timeout(&uring->ring, &first, 1, wait_ns == UINT64_MAX ? NULL : &span,
							  NULL);
	}
	/* EBUSY, EAGAIN: the kernel wants its completions collected first, or has no memory just now. */
	if (status < 0 && status != -ETIME && status != -EINTR && status != -EBUSY && status != -EAGAIN)
		return error_set_errno(error, status, "io_uring_enter failed");
	loop->now = loop_system_time();
	collect(uring);
	return true;
}

static void give_buffer(struct loop_uring *uring, uint32_t buffer)
{
	io_uring_buf_ring_add(uring->buffer_ring, uring->buffers + (size_t)buffer * LIMIT_RECEIVE_BUFFER_BYTES,
			      LIMIT_RECEIVE_BUFFER_BYTES, (uint16_t)buffer, io_uring_buf_ring_mask(uring->buffer_count),
			      0);
	io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

static void complete(struct loop_op *op, int32_t result)
{
	/* A file operation that was cancelled while it ran is interrupted. */
	if (result == -EINTR && op->flags & OP_CANCELLED)
		result = -ECANCELED;
	loop_complete(op, result, false, (struct slice){ NULL, 0 });
}

static void complete_receive(struct loop_uring *uring, const struct completion *completion)
{
	struct loop_op *op = completion->op;
	if (completion->result == -ENOBUFS && !(op->flags & OP_CANCELLED)) {
		op->flags |= OP_STARVED;
		queue(&uring->starved, op);
		return;
	}
	if (!(completion->flags & IORING_CQE_F_BUFFER)) {
		complete(op, completion->result == -ENOBUFS ? -ECANCELED : completion->result);
		return;
	}
	uint32_t buffer = completion->flags >> IORING_CQE_BUFFER_SHIFT;
	size_t size = completion->result > 0 ? (size_t)completion->result : 0;
	loop_complete(op, completion->result, false,
		      slice_of(uring->buffers + (size_t)buffer * LIMIT_RECEIVE_BUFFER_BYTES, size));
	give_buffer(uring, buffer);
}

/* The kernel mostly sends all (MSG_WAITALL); where it did not, the back end goes on. */
static void complete_send(struct loop_uring *uring, const struct completion *completion)
{
	struct loop_op *op = completion->op;
	if (completion->result < 0) {
		complete(op, completion->result);
		return;
	}
	op->sent += (uint32_t)completion->result;
	if (op->sent == op->bytes.size)
		complete(op, (int32_t)op->sent);
	else if (op->flags & OP_CANCELLED)
		complete(op, -ECANCELED);
	else if (completion->result == 0)
		complete(op, -EPIPE);
	else
		uring_start(&uring->loop, op);
}

/* The kernel may end a multishot with a good last one: it is started again before the callback, which may cancel it. */
static void complete_accept(struct loop_uring *uring, const struct completion *completion)
{
	struct loop_op *op = completion->op;
	if (completion->result < 0) {
		complete(op, completion->result);
		return;
	}
	if (!(completion->flags & IORING_CQE_F_MORE)) {
		if (op->flags & OP_CANCELLED)
			queue(&uring->cancelled, op);
		else
			uring_start(&uring->loop, op);
	}
	loop_complete(op, completion->result, true, (struct slice){ NULL, 0 });
}

static void complete_cancelled(struct loop_uring *uring)
{
	struct list cancelled;
	list_init(&cancelled);
	list_splice(&cancelled, &uring->cancelled);
	for (struct loop_op *op; (op = unqueue_first(&cancelled));)
		complete(op, -ECANCELED);
}

static void uring_dispatch(struct loop *loop)
{
	struct loop_uring *uring = (struct loop_uring *)loop;
	complete_cancelled(uring);
	for (size_t i = 0; i < uring->collected_count; i++) {
		const struct completion *completion = &uring->collected[i];
		switch (completion->op->kind) {
		case LOOP_RECEIVE:
			complete_receive(uring, completion);
			break;
		case LOOP_SEND:
			complete_send(uring, completion);
			break;
		case LOOP_ACCEPT:
			complete_accept(uring, completion);
			break;
		default:
			complete(completion->op, completion->result);
		}
	}
	uring->collected_count = 0;
}

static void uring_close(struct loop *loop, int fd)
{
	(void)loop;
	close(fd);
}

/* --- life --- */

static size_t buffers_size(const struct loop_uring *uring)
{
	return (size_t)uring->buffer_count * LIMIT_RECEIVE_BUFFER_BYTES;
}

static size_t buffer_ring_size(const struct loop_uring *uring)
{
	return uring->buffer_count * sizeof(struct io_uring_buf);
}

static void uring_destroy(struct loop *loop)
{
	struct loop_uring *uring = (struct loop_uring *)loop;
	io_uring_queue_exit(&uring->ring);
	if (uring->buffers)
		munmap(uring->buffers, buffers_size(uring));
	if (uring->buffer_ring)
		munmap(uring->buffer_ring, buffer_ring_size(uring));
	free(uring);
}

/* Newest first. What a kernel does not know it refuses, and then the next row is tried. */
static const unsigned setup_flags[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	0,
};

static bool set_up_ring(struct loop_uring *uring, struct error *error)
{
	int status = -EINVAL;
	for (size_t i = 0; i < sizeof setup_flags / sizeof setup_flags[0] && status == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = setup_flags[i] | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
			.cq_entries = LIMIT_COMPLETIONS,
		};
		status = io_uring_queue_init_params(LIMIT_SUBMISSIONS, &uring->ring, &params);
	}
	if (status < 0)
		return error_set_errno(error, status, "the kernel refuses io_uring");
	return true;
}

static bool check_operations(struct loop_uring *uring, struct error *error)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&uring->ring);
	if (!probe)
		return error_set(error, "the kernel does not say what its io_uring can do");
	const char *missing = NULL;
	for (size_t kind = LOOP_IDLE + 1; kind < sizeof operations / sizeof operations[0]; kind++)
		if (!io_uring_opcode_supported(probe, operations[kind].opcode))
			missing = operations[kind].name;
	if (!io_uring_opcode_supported(probe, IORING_OP_ASYNC_CANCEL))
		missing = "ASYNC_CANCEL";
	io_uring_free_probe(probe);
	return !missing || error_set(error, "the kernel's io_uring has no %s", missing);
}

static void *map_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* Linux 5.19, as multishot accept and POLL_FIRST, which can't be asked for: a kernel that has this has them too. */
static bool set_up_buffers(struct loop_uring *uring, uint32_t count, struct error *error)
{
	uring->buffer_count = count;
	uring->buffers = map_memory(buffers_size(uring));
	uring->buffer_ring = map_memory(buffer_ring_size(uring));
	if (!uring->buffers || !uring->buffer_ring)
		return error_set_errno(error, errno, "no memory for %u receive buffers", count);
	struct io_uring_buf_reg registration = {
		.ring_addr = (uintptr_t)uring->buffer_ring,
		.ring_entries = count,
		.bgid = BUFFER_GROUP,
	};
	int status = io_uring_register_buf_ring(&uring->ring, &registration, 0);
	if (status < 0)
		return error_set_errno(error, status, "the kernel's io_uring has no rings of receive buffers");
	io_uring_buf_ring_init(uring->buffer_ring);
	for (uint32_t i = 0; i < count; i++)
		give_buffer(uring, i);
	return true;
}

static const struct loop_backend backend = {
	.name = "io_uring",
	.start = uring_start,
	.cancel = uring_cancel,
	.wait = uring_wait,
	.dispatch = uring_dispatch,
	.close = uring_close,
	.shutdown = loop_system_shutdown,
	.list_directory = loop_system_list_directory,
	.file_size = loop_system_file_size,
	.destroy = uring_destroy,
};

struct loop *loop_uring_create(const struct loop_settings *settings, struct error *error)
{
	struct loop_uring *uring = calloc(1, sizeof *uring);
	if (!uring) {
		error_set(error, "no memory for the loop");
		return NULL;
	}
	list_init(&uring->deferred);
	list_init(&uring->starved);
	list_init(&uring->cancelled);
	if (!set_up_ring(uring, error)) {
		free(uring);
		return NULL;
	}
	if (!check_operations(uring, error) || !set_up_buffers(uring, settings->receive_buffers, error)) {
		uring_destroy(&uring->loop);
		return NULL;
	}
	/* Saves the kernel a look-up each turn; where it can't, nothing else changes. */
	(void)io_uring_register_ring_fd(&uring->ring);
	struct clock_now now = loop_system_time();
	loop_init(&uring->loop, &backend, &now);
	return &uring->loop;
}
