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
#include "core/io/loop_uring.h"

#include <errno.h>
#include <unistd.h>

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
	uring_operations[op->kind].prepare(entry, op);
	io_uring_sqe_set_data(entry, op);
}

/* The kernel has the operation. Where there is no room for the cancel it waits, unless the operation ends meanwhile. */
static void start_cancel(struct loop_uring *uring, struct loop_op *op)
{
	struct io_uring_sqe *entry = take_entry(uring);
	if (!entry) {
		op->flags |= OP_TO_CANCEL;
		list_append(&uring->to_cancel, &op->link);
		return;
	}
	io_uring_prep_cancel(entry, op, 0);
	io_uring_sqe_set_data(entry, NULL);
	entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
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
	start_cancel(uring, op);
}

static void forget_cancel(struct loop_op *op)
{
	if (op->flags & OP_TO_CANCEL)
		list_remove(&op->link);
	op->flags &= (uint8_t)~OP_TO_CANCEL;
}

static void start_cancels(struct loop_uring *uring)
{
	struct list waiting, *node;
	list_init(&waiting);
	list_splice(&waiting, &uring->to_cancel);
	while ((node = list_take_first(&waiting))) {
		struct loop_op *op = CONTAINER_OF(node, struct loop_op, link);
		op->flags &= (uint8_t)~OP_TO_CANCEL;
		start_cancel(uring, op);
	}
}

/* What could not be started before. At most as many starved receives as there are buffers: more could only starve again. */
static void start_queued(struct loop_uring *uring)
{
	struct list deferred;
	start_cancels(uring);
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
	/* What others wait for may be among what is still deferred. */
	bool deferred = !list_is_empty(&uring->deferred) || !list_is_empty(&uring->to_cancel);
	if (wait_ns == 0 || deferred || !list_is_empty(&uring->cancelled) || io_uring_cq_ready(&uring->ring)) {
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
	uring_give_buffer(uring, buffer);
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
		if (!(completion->flags & IORING_CQE_F_MORE))
			forget_cancel(completion->op);
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

const struct loop_backend uring_backend = {
	.name = "io_uring",
	.start = uring_start,
	.cancel = uring_cancel,
	.wait = uring_wait,
	.dispatch = uring_dispatch,
	.close = uring_close,
	.shutdown = loop_system_shutdown,
	.list_directory = loop_system_list_directory,
	.file_size = loop_system_file_size,
	.lock = loop_system_lock,
	.listen_local = loop_system_listen_local,
	.accept_waiting = loop_system_accept_waiting,
	.peer_address = loop_system_peer_address,
	.own_address = loop_system_own_address,
	.destroy = uring_destroy,
};
