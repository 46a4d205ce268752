/* The loop: completion-based I/O and timers for one thread.
 *
 * An operation is a `struct loop_op` embedded in its owner. The owner starts it with one of the functions below and
 * gets its callback when it is done. Behind this header stand three back ends: io_uring, epoll, and in tests a
 * simulator with virtual time and seeded faults. All socket and file I/O of a worker goes through here.
 *
 * Rules that hold for every operation:
 * - From start until its last callback the operation, and the memory it was given (bytes to send, vectors, paths,
 *   result structs), belong to the loop. The owner may not move, reuse or free them.
 * - Every started operation ends with exactly one last callback, also after loop_cancel() (then mostly -ECANCELED,
 *   but it may have succeeded first) and also when starting it failed. loop_accept() may call back many times before;
 *   `completion.more` says that another callback will come.
 * - Callbacks run from loop_turn() only, after the completions of the turn were collected; a callback is never called
 *   from inside the function that starts or cancels. Starting and cancelling operations inside callbacks is normal.
 * - Results are as the system call's: bytes or 0, or a negative errno value.
 * - A descriptor may have one receive (or accept), one send (or connect) and any number of polls at the same time.
 * - One thread; no function may be called from another one or from a signal handler.
 *
 * Receiving waits for nobody: a connection that waits for input holds no buffer. The bytes come in a buffer of the
 * loop's own and are valid inside the callback only. One receive is one callback: a consumer that can't take more
 * simply does not start the next one, and TCP slows the sender down. */
#ifndef POSTERN_IO_LOOP_H
#define POSTERN_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/list.h"
#include "core/base/slice.h"
#include "core/io/timer.h"

struct loop;
struct loop_op;

struct loop_completion {
	int32_t result;     /* as the system call's, or a negative errno value */
	bool more;          /* another callback for this operation will come (accept only) */
	struct slice bytes; /* what was received; valid inside the callback only */
};

typedef void loop_callback(struct loop_op *op, const struct loop_completion *completion);

enum loop_op_kind {
	LOOP_IDLE, /* not started, or finished */
	LOOP_ACCEPT,
	LOOP_RECEIVE,
	LOOP_SEND,
	LOOP_CONNECT,
	LOOP_POLL,
	LOOP_READ,
	LOOP_WRITE,
	LOOP_SYNC,
	LOOP_OPEN,
	LOOP_RENAME,
	LOOP_UNLINK,
	LOOP_MAKE_DIRECTORY,
	LOOP_ALLOCATE,
};

/* 56 bytes; there are two in every connection. Everything but `done` is private to the loop. */
struct loop_op {
	loop_callback *done; /* NULL: nobody wants to know, loop_await() does */
	struct list link;    /* the back end's: queue of what is waiting or ready */
	int32_t fd;
	uint8_t kind;    /* enum loop_op_kind */
	uint8_t flags;   /* the back end's */
	uint16_t detail; /* poll: events; read, write: number of parts; open, make directory: mode; sync: data only */
	int32_t result;  /* of the last completion */
	union {
		uint32_t option; /* open: flags; write: enum loop_write_flags */
		uint32_t sent;   /* send: bytes that have gone */
	};
	union {
		struct slice bytes; /* send */
		struct {
			const struct iovec *parts;
			uint64_t offset;
		}; /* read, write */
		struct {
			const struct sockaddr *address;
			uint64_t length;
		}; /* connect; allocate (length) */
		struct {
			const char *path, *new_path;
		}; /* open, rename, unlink, make directory */
	};
};

/* An operation that is not running; needed once before its first start. */
static inline void loop_op_init(struct loop_op *op)
{
	*op = (struct loop_op){ .fd = -1, .kind = LOOP_IDLE };
}

static inline bool loop_op_is_running(const struct loop_op *op)
{
	return op->kind != LOOP_IDLE;
}

/* --- life --- */

enum loop_kind { LOOP_AUTO, LOOP_IO_URING, LOOP_EPOLL };

struct loop_settings {
	enum loop_kind kind;      /* LOOP_AUTO: io_uring where the kernel lets us, else epoll */
	uint32_t receive_buffers; /* of LIMIT_RECEIVE_BUFFER_BYTES; a power of two; 0: LIMIT_RECEIVE_BUFFERS */
};

/* NULL and `error` when the kind can't be had. With LOOP_AUTO and no io_uring, `error` says why it fell back
 * (empty otherwise): for the log. Must be called after fork(), in the process that uses it. */
struct loop *loop_create(const struct loop_settings *settings, struct error *error);

/* Nothing may be running. */
void loop_destroy(struct loop *loop);

/* "io_uring", "epoll" or "simulator". */
const char *loop_name(const struct loop *loop);

/* The time at the start of this turn; all callbacks of a turn see the same. */
const struct clock_now *loop_now(const struct loop *loop);

/* Writes the buffered log, submits what was started, waits for at least one completion or the next timer, collects, runs
 * the callbacks, then the timers that are due: what came in time is seen before its time-out. With wait false it only
 * looks. False, with `error`, when the loop itself is broken: the process ends. */
MUST_USE bool loop_turn(struct loop *loop, bool wait, struct error *error);

/* Turns until the operation has had its last callback: for start-up and the command line, where there is nothing
 * else to do. Not from inside a callback. The result is the last completion's. */
int32_t loop_await(struct loop *loop, struct loop_op *op);

/* --- sockets; blocking or not as they come: the loop copes with both, and may make listening and connecting ones
 * non-blocking --- */

/* Each callback: result is a new descriptor (close-on-exec) or an error. After an error with `more` unset (EMFILE, …)
 * the owner starts it again when it thinks fit. */
void loop_accept(struct loop *loop, struct loop_op *op, int listen_fd, loop_callback *done);

/* Result: bytes received, 0 at the end of the stream, or an error. */
void loop_receive(struct loop *loop, struct loop_op *op, int fd, loop_callback *done);

/* All of `bytes` is sent before the callback, unless there is an error. Result: bytes.size or an error. On a
 * SOCK_SEQPACKET or SOCK_DGRAM socket it is one packet. */
void loop_send(struct loop *loop, struct loop_op *op, int fd, struct slice bytes, loop_callback *done);

void loop_connect(struct loop *loop, struct loop_op *op, int fd, const struct sockaddr *address, socklen_t length,
		  loop_callback *done);

/* Result: the poll(2) events that came, of those asked for plus POLLERR and POLLHUP. Once. */
void loop_poll(struct loop *loop, struct loop_op *op, int fd, uint16_t events, loop_callback *done);

/* --- files; positioned, so that nothing depends on order --- */

enum loop_write_flags {
	LOOP_WRITE_DURABLE = 1, /* the data is on stable storage at the callback (one write with RWF_DSYNC) */
};

/* Result: bytes, which may be short; 0 at the end of the file. At most LIMIT_IO_PARTS parts. */
void loop_read(struct loop *loop, struct loop_op *op, int fd, const struct iovec *parts, uint32_t count,
	       uint64_t offset, loop_callback *done);
void loop_write(struct loop *loop, struct loop_op *op, int fd, const struct iovec *parts, uint32_t count,
		uint64_t offset, unsigned flags, loop_callback *done);

/* `data_only`: fdatasync. For directories use the descriptor of the directory. */
void loop_sync(struct loop *loop, struct loop_op *op, int fd, bool data_only, loop_callback *done);

/* Result: a descriptor (close-on-exec). `path` is relative to directory_fd (or AT_FDCWD). */
void loop_open(struct loop *loop, struct loop_op *op, int directory_fd, const char *path, int flags, mode_t mode,
	       loop_callback *done);

/* Both paths are relative to directory_fd (or AT_FDCWD). */
void loop_rename(struct loop *loop, struct loop_op *op, int directory_fd, const char *path, const char *new_path,
		 loop_callback *done);
void loop_unlink(struct loop *loop, struct loop_op *op, int directory_fd, const char *path, loop_callback *done);
void loop_make_directory(struct loop *loop, struct loop_op *op, int directory_fd, const char *path, mode_t mode,
			 loop_callback *done);

/* fallocate(2) from 0: reserves space, so that a later write can't fail for want of it. */
void loop_allocate(struct loop *loop, struct loop_op *op, int fd, uint64_t size_bytes, loop_callback *done);

/* --- at once --- */

/* Closes; no operation may be running on the descriptor. Also for files, sockets that were accepted, directories. */
void loop_close(struct loop *loop, int fd);

/* shutdown(2) of both directions: what is running on the socket ends soon. */
void loop_shutdown(struct loop *loop, int fd);

/* Asks a running operation to end; its last callback still comes. Nothing happens to one that is not running. */
void loop_cancel(struct loop *loop, struct loop_op *op);

/* For start-up: calls back for each name in the directory ("." and ".." left out), in no order. Blocks. False and
 * `error` when it can't be read. */
typedef void loop_directory_entry(void *context, const char *name);
MUST_USE bool loop_list_directory(struct loop *loop, const char *path, loop_directory_entry *entry, void *context,
				  struct error *error);

/* Size of an open file in bytes, or a negative errno value. Blocks. */
int64_t loop_file_size(struct loop *loop, int fd);

/* Locks an open file for this descriptor alone, without waiting, until it is closed, be it by the process' death (flock(2)).
 * 0, -EWOULDBLOCK when somebody else has it, or another negative errno value. */
MUST_USE int32_t loop_lock(struct loop *loop, int fd);

/* For start-up: makes a Unix socket in the directory, for its owner (and root) alone, in the place of one of that name that
 * is there, and listens. A descriptor for loop_accept(), or a negative errno value. Blocks. */
MUST_USE int loop_listen_local(struct loop *loop, int directory_fd, const char *name, int backlog);

/* A connection that waits at a listening socket where no accept is running: its descriptor, as loop_accept() gives it; -EAGAIN: there is
 * none, or another negative errno value. */
MUST_USE int32_t loop_accept_waiting(struct loop *loop, int listen_fd);

/* Who a connected socket is connected to; AF_UNSPEC where that can't be told any more. */
void loop_peer_address(struct loop *loop, int fd, struct sockaddr_storage *address);

/* The address of its own end, likewise. */
void loop_own_address(struct loop *loop, int fd, struct sockaddr_storage *address);

/* --- timers: see timer.h; starting, moving and stopping one is O(1) --- */

/* Runs `timer` once, `after_ms` from the start of this turn (rounded up to the wheel's tick); moves it when running.
 * With 0 it runs in the next turn, which then does not wait: for work that must not be nested. */
void loop_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms);
void loop_timer_stop(struct loop *loop, struct timer *timer);

#endif
