/* The epoll back end of the loop: where io_uring can't be had.
 *
 * A descriptor is registered once, edge-triggered, for everything; what epoll says is remembered in its `watch`, so
 * starting an operation costs no system call. An operation is in one of two queues: its descriptor's `waiting` (for an
 * edge), or the loop's `ready` (to be tried). Trying happens at dispatch only, one operation at a time and in turn,
 * since a receive's bytes live in the one buffer of the loop and only for the callback. What waits for a disk goes its
 * own way: loop_epoll_disk.c. */
#include "core/io/loop_epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/hidden.h"

/* --- watches --- */

struct watch *epoll_find_watch(const struct loop_epoll *epoll, int fd)
{
	size_t block = (size_t)fd / BLOCK_WATCHES;
	if (fd < 0 || block >= epoll->block_count || !epoll->blocks[block])
		return NULL;
	return &epoll->blocks[block][(size_t)fd % BLOCK_WATCHES];
}

static bool grow_blocks(struct loop_epoll *epoll, size_t block)
{
	if (block >= epoll->block_count) {
		size_t count = 2 * block + 4;
		struct watch **blocks = realloc(epoll->blocks, count * sizeof *blocks);
		if (!blocks)
			return false;
		memset(blocks + epoll->block_count, 0, (count - epoll->block_count) * sizeof *blocks);
		epoll->blocks = blocks;
		epoll->block_count = count;
	}
	if (epoll->blocks[block])
		return true;
	struct watch *watches = calloc(BLOCK_WATCHES, sizeof *watches);
	if (!watches)
		return false;
	for (size_t i = 0; i < BLOCK_WATCHES; i++)
		list_init(&watches[i].waiting);
	epoll->blocks[block] = watches;
	return true;
}

struct watch *epoll_make_watch(struct loop_epoll *epoll, int fd)
{
	struct watch *watch = epoll_find_watch(epoll, fd);
	if (watch || fd < 0 || !grow_blocks(epoll, (size_t)fd / BLOCK_WATCHES))
		return watch;
	return epoll_find_watch(epoll, fd);
}

void epoll_forget_watch(struct watch *watch)
{
	ASSERT(list_is_empty(&watch->waiting));
	watch->ready = 0;
	watch->registered = watch->accepted = watch->stream = false;
}

static bool is_byte_stream(int fd)
{
	int type = 0;
	socklen_t size = sizeof type;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* 0 or a negative errno value. */
static int32_t register_watch(struct loop_epoll *epoll, struct watch *watch, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd };
	/* Still there from before: somebody closed a copy of the descriptor and the loop was not told. */
	if (epoll_ctl(epoll->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0 &&
	    (errno != EEXIST || epoll_ctl(epoll->epoll_fd, EPOLL_CTL_MOD, fd, &event) != 0))
		return -errno;
	watch->registered = true;
	watch->stream = is_byte_stream(fd);
	/* A new socket can nearly always be written to; where not, the attempt says so. */
	watch->ready = READY_OUT;
	return 0;
}

static int32_t make_non_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
		return -errno;
	return 0;
}

/* --- the back end --- */

void epoll_settle(struct loop_epoll *epoll, struct loop_op *op, int32_t result)
{
	list_remove(&op->link);
	op->result = result;
	op->flags |= OP_SETTLED;
	list_append(&epoll->ready, &op->link);
}

/* Makes the descriptor's watch ready for the operation; 0 or a negative errno value. */
static int32_t prepare_watch(struct loop_epoll *epoll, struct loop_op *op)
{
	struct watch *watch = epoll_make_watch(epoll, op->fd);
	if (!watch)
		return op->fd < 0 ? -EBADF : -ENOMEM;
	int32_t status = 0;
	if (!watch->registered)
		status = register_watch(epoll, watch, op->fd);
	if (status == 0 && epoll_operations[op->kind].must_not_block)
		status = make_non_blocking(op->fd);
	return status;
}

static void epoll_start(struct loop *loop, struct loop_op *op)
{
	struct loop_epoll *epoll = (struct loop_epoll *)loop;
	const struct epoll_operation *operation = &epoll_operations[op->kind];
	if (!operation->needs) {
		list_append(&epoll->ready, &op->link);
		return;
	}
	int32_t status = prepare_watch(epoll, op);
	if (status < 0) {
		epoll_settle(epoll, op, status);
		return;
	}
	struct watch *watch = epoll_watch_of(epoll, op->fd);
	if (operation->try_first || watch->ready & operation->needs)
		list_append(&epoll->ready, &op->link);
	else
		list_append(&watch->waiting, &op->link);
}

static void epoll_cancel(struct loop *loop, struct loop_op *op)
{
	if (!(op->flags & (OP_SETTLED | OP_UNDER_WAY)))
		epoll_settle((struct loop_epoll *)loop, op, -ECANCELED);
}

static uint8_t readiness_of(uint32_t events)
{
	uint8_t ready = 0;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		ready |= READY_HUNG_UP | READY_IN;
	if (events & (EPOLLHUP | EPOLLERR | EPOLLOUT))
		ready |= READY_OUT;
	if (events & EPOLLIN)
		ready |= READY_IN;
	return ready;
}

static void note_event(struct loop_epoll *epoll, const struct epoll_event *event)
{
	struct watch *watch = epoll_find_watch(epoll, event->data.fd);
	if (!watch || !watch->registered)
		return;
	uint8_t came = readiness_of(event->events);
	watch->ready |= came;
	struct list *head = &watch->waiting;
	for (struct list *node = head->next, *next; node != head; node = next) {
		next = node->next;
		struct loop_op *op = CONTAINER_OF(node, struct loop_op, link);
		if (!(epoll_operations[op->kind].needs & came))
			continue;
		list_remove(node);
		list_append(&epoll->ready, node);
	}
}

static int wait_for_events(struct loop_epoll *epoll, uint64_t wait_ns)
{
	enum { NS_PER_S = 1000000000 };
	if (!epoll->no_pwait2) {
		struct timespec span = { (time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S) };
		int count = epoll_pwait2(epoll->epoll_fd, epoll->events, LIMIT_TURN_COMPLETIONS,
					 wait_ns == UINT64_MAX ? NULL : &span, NULL);
		if (count >= 0 || errno != ENOSYS)
			return count;
		epoll->no_pwait2 = true;
	}
	uint64_t ms = wait_ns / CLOCK_NS_PER_MS + (wait_ns % CLOCK_NS_PER_MS != 0);
	int wait_ms = wait_ns == UINT64_MAX ? -1 : ms > INT32_MAX ? INT32_MAX : (int)ms;
	return epoll_wait(epoll->epoll_fd, epoll->events, LIMIT_TURN_COMPLETIONS, wait_ms);
}

static bool epoll_wait_and_collect(struct loop *loop, uint64_t wait_ns, struct error *error)
{
	struct loop_epoll *epoll = (struct loop_epoll *)loop;
	int count = wait_for_events(epoll, list_is_empty(&epoll->ready) ? wait_ns : 0);
	if (count < 0 && errno != EINTR)
		return error_set_errno(error, errno, "epoll_wait failed");
	loop->now = loop_system_time();
	for (int i = 0; i < count; i++) {
		if (epoll->events[i].data.fd == epoll->disk.event_fd)
			epoll_disk_collect(epoll);
		else
			note_event(epoll, &epoll->events[i]);
	}
	return true;
}

/* Takes its turn: the operation that was ready for longest. False when there is none. */
static bool run_next(struct loop_epoll *epoll)
{
	struct list *node = list_take_first(&epoll->ready);
	if (!node)
		return false;
	struct loop_op *op = CONTAINER_OF(node, struct loop_op, link);
	int32_t result = op->result;
	if (!(op->flags & OP_SETTLED))
		result = epoll_operations[op->kind].attempt(epoll, op);
	struct slice bytes = { NULL, 0 };
	bool more = false;
	if (result == TAKEN)
		return true;
	if (result == WOULD_BLOCK) {
		list_append(&epoll_watch_of(epoll, op->fd)->waiting, &op->link);
		return true;
	}
	if (op->kind == LOOP_ACCEPT && result >= 0) {
		more = true;
		list_append(&epoll->ready, &op->link);
	}
	if (op->kind == LOOP_RECEIVE && result > 0)
		bytes = slice_of(epoll->buffer, (size_t)result);
	loop_complete(op, result, more, bytes);
	return true;
}

/* What callbacks start is tried in the same turn where it can be, which saves a wait for each reply; within a bound,
 * so that timers and new edges have their turn. */
static void epoll_dispatch(struct loop *loop)
{
	struct loop_epoll *epoll = (struct loop_epoll *)loop;
	for (size_t i = 0; i < LIMIT_TURN_COMPLETIONS && run_next(epoll); i++)
		;
}

static void epoll_close(struct loop *loop, int fd)
{
	struct loop_epoll *epoll = (struct loop_epoll *)loop;
	struct watch *watch = epoll_find_watch(epoll, fd);
	if (watch) {
		/* Closing unregisters only the last descriptor of a socket; another process may have one too. */
		if (watch->registered && !watch->accepted)
			epoll_ctl(epoll->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		epoll_forget_watch(watch);
	}
	close(fd);
}

static int32_t accept_waiting(struct loop *loop, int listen_fd)
{
	return epoll_accept((struct loop_epoll *)loop, listen_fd);
}

static void epoll_destroy(struct loop *loop)
{
	struct loop_epoll *epoll = (struct loop_epoll *)loop;
	ASSERT(list_is_empty(&epoll->ready));
	epoll_disk_finish(&epoll->disk);
	close(epoll->epoll_fd);
	for (size_t i = 0; i < epoll->block_count; i++)
		free(epoll->blocks[i]);
	free(epoll->blocks);
	hidden_free(epoll, sizeof *epoll);
}

static const struct loop_backend backend = {
	.name = "epoll",
	.start = epoll_start,
	.cancel = epoll_cancel,
	.wait = epoll_wait_and_collect,
	.dispatch = epoll_dispatch,
	.close = epoll_close,
	.shutdown = loop_system_shutdown,
	.list_directory = loop_system_list_directory,
	.file_size = loop_system_file_size,
	.lock = loop_system_lock,
	.listen_local = loop_system_listen_local,
	.accept_waiting = accept_waiting,
	.peer_address = loop_system_peer_address,
	.own_address = loop_system_own_address,
	.destroy = epoll_destroy,
};

struct loop *loop_epoll_create(const struct loop_settings *settings, struct error *error)
{
	(void)settings;
	struct loop_epoll *epoll = hidden_allocate(sizeof *epoll); /* for its buffer */
	if (epoll)
		memset(epoll, 0, sizeof *epoll);
	if (!epoll) {
		error_set(error, "no memory for the loop");
		return NULL;
	}
	list_init(&epoll->ready);
	epoll->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll->epoll_fd < 0) {
		error_set_errno(error, errno, "epoll_create1 failed");
		hidden_free(epoll, sizeof *epoll);
		return NULL;
	}
	if (!epoll_disk_init(epoll)) {
		error_set_errno(error, errno, "no eventfd for the loop");
		epoll_destroy(&epoll->loop);
		return NULL;
	}
	struct clock_now now = loop_system_time();
	loop_init(&epoll->loop, &backend, &now);
	return &epoll->loop;
}
