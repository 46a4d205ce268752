/* What the files of the epoll back end share; private to loop_epoll*.c. */
#ifndef POSTERN_IO_LOOP_EPOLL_H
#define POSTERN_IO_LOOP_EPOLL_H

#include <linux/aio_abi.h>
#include <sys/epoll.h>

#include "core/base/limits.h"
#include "core/io/loop_backend.h"

enum readiness { READY_IN = 1, READY_OUT = 2, READY_HUNG_UP = 4 };

/* op->flags */
enum {
	OP_SETTLED = 1,   /* op->result is what the callback will be told: cancelled, could not start, or over */
	OP_BEGUN = 2,     /* connect(2) was called */
	OP_UNDER_WAY = 4, /* the kernel has it, and no list */
	OP_WRITTEN = 8,   /* op->result bytes, into the page cache; the sync is under way */
};

/* What an attempt answers when there is no result yet; no errno values. */
enum {
	WOULD_BLOCK = INT32_MIN, /* it has to wait for an edge */
	TAKEN,                   /* it is under way, or held until there is room for it */
};

struct watch {
	struct list waiting; /* operations that need an edge */
	uint8_t ready;       /* enum readiness: what came and was not used up */
	bool registered;
	bool accepted; /* nobody else has this socket: closing it unregisters it */
	bool stream;   /* a short read has emptied it */
};

/* Watches never move, since list heads may not: the table grows by blocks. */
enum { BLOCK_WATCHES = 256 };

/* What the kernel does beside the loop; loop_epoll_disk.c. */
struct epoll_disk {
	aio_context_t context; /* 0: not yet set up */
	int event_fd;          /* in the epoll set */
	bool refused;
	uint32_t running; /* at most LIMIT_DISK_OPERATIONS */
	struct list held; /* that wait for one of those to end */
};

struct loop_epoll {
	struct loop loop;
	int epoll_fd;
	struct epoll_disk disk;
	bool no_pwait2; /* a kernel before 5.11 */
	struct watch **blocks;
	size_t block_count;
	struct list ready;
	struct epoll_event events[LIMIT_TURN_COMPLETIONS];
	uint8_t buffer[LIMIT_RECEIVE_BUFFER_BYTES];
};

/* NULL where the descriptor was never watched. */
struct watch *epoll_find_watch(const struct loop_epoll *epoll, int fd);

/* Of a descriptor that is watched. */
static inline struct watch *epoll_watch_of(const struct loop_epoll *epoll, int fd)
{
	struct watch *watch = epoll_find_watch(epoll, fd);
	ASSERT(watch);
	return watch;
}

/* NULL for a bad number or when memory has run out. */
struct watch *epoll_make_watch(struct loop_epoll *epoll, int fd);

/* Back to what it was before the descriptor was known. Nothing may be waiting. */
void epoll_forget_watch(struct watch *watch);

/* What is to be done for each kind of operation. */
struct epoll_operation {
	/* Answers the operation's result, WOULD_BLOCK or TAKEN. */
	int32_t (*attempt)(struct loop_epoll *epoll, struct loop_op *op);
	uint8_t needs;       /* enum readiness; 0: nothing to wait for */
	bool try_first;      /* what is remembered doesn't help: try, then wait */
	bool must_not_block; /* its system call has no flag for that */
};
extern const struct epoll_operation epoll_operations[];

/* Ends an operation, whatever list it is in: the callback will be told `result`. */
void epoll_settle(struct loop_epoll *epoll, struct loop_op *op, int32_t result);

/* False, with errno, when there is no descriptor; the end is due all the same. Nothing may be under way then. */
MUST_USE bool epoll_disk_init(struct loop_epoll *epoll);
void epoll_disk_finish(struct epoll_disk *disk);

/* Settles what is over, after an event of the eventfd. */
void epoll_disk_collect(struct loop_epoll *epoll);

/* Attempts. */
int32_t epoll_try_write(struct loop_epoll *epoll, struct loop_op *op);
int32_t epoll_try_sync(struct loop_epoll *epoll, struct loop_op *op);

/* A connection that waits: its descriptor, or a negative errno value. */
int32_t epoll_accept(struct loop_epoll *epoll, int listen_fd);

#endif
