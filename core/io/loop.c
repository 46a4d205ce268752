/* What all back ends of the loop share: choosing one, the order of a turn, filling operations, timers.
 *
 * A turn is: write the log, wait, set the time, callbacks of what was completed, timers that are due. A back end
 * (loop_backend.h) starts, cancels, waits and dispatches; it never runs a callback outside dispatch(). */
#include "core/io/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/io/loop_backend.h"

/* --- life --- */

struct loop *loop_create(const struct loop_settings *settings, struct error *error)
{
	struct loop_settings filled = *settings;
	if (filled.receive_buffers == 0)
		filled.receive_buffers = LIMIT_RECEIVE_BUFFERS;
	ASSERT((filled.receive_buffers & (filled.receive_buffers - 1)) == 0);
	if (error)
		error->text[0] = 0;
	if (filled.kind == LOOP_EPOLL)
		return loop_epoll_create(&filled, error);
	struct loop *loop = loop_uring_create(&filled, error);
	if (loop || filled.kind == LOOP_IO_URING)
		return loop;
	struct error epoll_error = { "" };
	loop = loop_epoll_create(&filled, &epoll_error);
	if (!loop && error)
		*error = epoll_error;
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	ASSERT(!loop->in_turn);
	loop->backend->destroy(loop);
	log_set_time(&(struct clock_now){ 0 });
}

void loop_init(struct loop *loop, const struct loop_backend *backend, const struct clock_now *now)
{
	loop->backend = backend;
	loop->now = *now;
	loop->in_turn = false;
	timer_wheel_init(&loop->timers, now->monotonic_ns / CLOCK_NS_PER_MS);
}

const char *loop_name(const struct loop *loop)
{
	return loop->backend->name;
}

const struct clock_now *loop_now(const struct loop *loop)
{
	return &loop->now;
}

/* --- turning --- */

static uint64_t wait_ns(const struct loop *loop)
{
	uint64_t ms = timer_wheel_wait_ms(&loop->timers);
	if (ms == UINT64_MAX)
		return UINT64_MAX;
	if (ms == 0)
		return 0;
	uint64_t event_ns = (loop->timers.now_ms + ms) * CLOCK_NS_PER_MS;
	return event_ns > loop->now.monotonic_ns ? event_ns - loop->now.monotonic_ns : 0;
}

bool loop_turn(struct loop *loop, bool wait, struct error *error)
{
	ASSERT(!loop->in_turn);
	log_flush();
	if (!loop->backend->wait(loop, wait ? wait_ns(loop) : 0, error))
		return false;
	log_set_time(&loop->now);
	loop->in_turn = true;
	loop->backend->dispatch(loop);
	timer_wheel_advance(&loop->timers, loop->now.monotonic_ns / CLOCK_NS_PER_MS);
	loop->in_turn = false;
	return true;
}

int32_t loop_await(struct loop *loop, struct loop_op *op)
{
	struct error error;
	while (loop_op_is_running(op)) {
		if (!loop_turn(loop, true, &error)) {
			log_message(LOG_ERROR, "loop_broken", "%s", error.text);
			return -EIO;
		}
	}
	return op->result;
}

void loop_complete(struct loop_op *op, int32_t result, bool more, struct slice bytes)
{
	op->result = result;
	if (!more)
		op->kind = LOOP_IDLE;
	if (op->done)
		op->done(op, &(struct loop_completion){ result, more, bytes });
}

/* --- starting operations --- */

static void fill(struct loop_op *op, enum loop_op_kind kind, int fd, loop_callback *done)
{
	ASSERT(!loop_op_is_running(op));
	*op = (struct loop_op){ .done = done, .fd = fd, .kind = (uint8_t)kind };
	list_init(&op->link);
}

void loop_accept(struct loop *loop, struct loop_op *op, int listen_fd, loop_callback *done)
{
	fill(op, LOOP_ACCEPT, listen_fd, done);
	loop->backend->start(loop, op);
}

void loop_receive(struct loop *loop, struct loop_op *op, int fd, loop_callback *done)
{
	fill(op, LOOP_RECEIVE, fd, done);
	loop->backend->start(loop, op);
}

void loop_send(struct loop *loop, struct loop_op *op, int fd, struct slice bytes, loop_callback *done)
{
	ASSERT(bytes.size <= INT32_MAX);
	fill(op, LOOP_SEND, fd, done);
	op->bytes = bytes;
	loop->backend->start(loop, op);
}

void loop_connect(struct loop *loop, struct loop_op *op, int fd, const struct sockaddr *address, socklen_t length,
		  loop_callback *done)
{
	fill(op, LOOP_CONNECT, fd, done);
	op->address = address;
	op->length = length;
	loop->backend->start(loop, op);
}

void loop_poll(struct loop *loop, struct loop_op *op, int fd, uint16_t events, loop_callback *done)
{
	fill(op, LOOP_POLL, fd, done);
	op->detail = events;
	loop->backend->start(loop, op);
}

static void fill_transfer(struct loop_op *op, enum loop_op_kind kind, int fd, const struct iovec *parts, uint32_t count,
			  uint64_t offset, loop_callback *done)
{
	ASSERT(count <= LIMIT_IO_PARTS);
	fill(op, kind, fd, done);
	op->parts = parts;
	op->detail = (uint16_t)count;
	op->offset = offset;
}

void loop_read(struct loop *loop, struct loop_op *op, int fd, const struct iovec *parts, uint32_t count,
	       uint64_t offset, loop_callback *done)
{
	fill_transfer(op, LOOP_READ, fd, parts, count, offset, done);
	loop->backend->start(loop, op);
}

void loop_write(struct loop *loop, struct loop_op *op, int fd, const struct iovec *parts, uint32_t count,
		uint64_t offset, unsigned flags, loop_callback *done)
{
	fill_transfer(op, LOOP_WRITE, fd, parts, count, offset, done);
	op->option = flags;
	loop->backend->start(loop, op);
}

void loop_sync(struct loop *loop, struct loop_op *op, int fd, bool data_only, loop_callback *done)
{
	fill(op, LOOP_SYNC, fd, done);
	op->detail = data_only;
	loop->backend->start(loop, op);
}

static void fill_path(struct loop_op *op, enum loop_op_kind kind, int directory_fd, const char *path,
		      loop_callback *done)
{
	fill(op, kind, directory_fd, done);
	op->path = path;
}

void loop_open(struct loop *loop, struct loop_op *op, int directory_fd, const char *path, int flags, mode_t mode,
	       loop_callback *done)
{
	fill_path(op, LOOP_OPEN, directory_fd, path, done);
	op->option = (uint32_t)flags | O_CLOEXEC;
	op->detail = (uint16_t)mode;
	loop->backend->start(loop, op);
}

void loop_rename(struct loop *loop, struct loop_op *op, int directory_fd, const char *path, const char *new_path,
		 loop_callback *done)
{
	fill_path(op, LOOP_RENAME, directory_fd, path, done);
	op->new_path = new_path;
	loop->backend->start(loop, op);
}

void loop_unlink(struct loop *loop, struct loop_op *op, int directory_fd, const char *path, loop_callback *done)
{
	fill_path(op, LOOP_UNLINK, directory_fd, path, done);
	loop->backend->start(loop, op);
}

void loop_make_directory(struct loop *loop, struct loop_op *op, int directory_fd, const char *path, mode_t mode,
			 loop_callback *done)
{
	fill_path(op, LOOP_MAKE_DIRECTORY, directory_fd, path, done);
	op->detail = (uint16_t)mode;
	loop->backend->start(loop, op);
}

void loop_allocate(struct loop *loop, struct loop_op *op, int fd, uint64_t size_bytes, loop_callback *done)
{
	fill(op, LOOP_ALLOCATE, fd, done);
	op->length = size_bytes;
	loop->backend->start(loop, op);
}

/* --- at once --- */

void loop_close(struct loop *loop, int fd)
{
	loop->backend->close(loop, fd);
}

void loop_shutdown(struct loop *loop, int fd)
{
	loop->backend->shutdown(loop, fd);
}

void loop_cancel(struct loop *loop, struct loop_op *op)
{
	if (loop_op_is_running(op))
		loop->backend->cancel(loop, op);
}

bool loop_list_directory(struct loop *loop, const char *path, loop_directory_entry *entry, void *context,
			 struct error *error)
{
	return loop->backend->list_directory(loop, path, entry, context, error);
}

int64_t loop_file_size(struct loop *loop, int fd)
{
	return loop->backend->file_size(loop, fd);
}

int32_t loop_lock(struct loop *loop, int fd)
{
	return loop->backend->lock(loop, fd);
}

int loop_listen_local(struct loop *loop, int directory_fd, const char *name, int backlog)
{
	return loop->backend->listen_local(loop, directory_fd, name, backlog);
}

int32_t loop_accept_waiting(struct loop *loop, int listen_fd)
{
	return loop->backend->accept_waiting(loop, listen_fd);
}

void loop_peer_address(struct loop *loop, int fd, struct sockaddr_storage *address)
{
	loop->backend->peer_address(loop, fd, address);
}

void loop_own_address(struct loop *loop, int fd, struct sockaddr_storage *address)
{
	loop->backend->own_address(loop, fd, address);
}

/* --- timers --- */

void loop_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms)
{
	/* Rounded up, so that a timer never runs early; 0 is in the past for the wheel. */
	uint64_t now_ms = (loop->now.monotonic_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
	timer_wheel_start(&loop->timers, timer, after_ms ? now_ms + after_ms : 0);
}

void loop_timer_stop(struct loop *loop, struct timer *timer)
{
	timer_wheel_stop(&loop->timers, timer);
}
