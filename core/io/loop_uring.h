/* What the files of the io_uring back end share; private to loop_uring*.c. */
#ifndef POSTERN_IO_LOOP_URING_H
#define POSTERN_IO_LOOP_URING_H

#include <liburing.h>

#include "core/base/limits.h"
#include "core/io/loop_backend.h"

/* op->flags */
enum {
	OP_CANCELLED = 1, /* the owner asked for the end: don't start it again */
	OP_STARVED = 2,   /* bytes are there, a buffer was not: don't wait for bytes first */
	OP_QUEUED = 4,    /* in a list of ours, the kernel doesn't have it */
	OP_TO_CANCEL = 8, /* the kernel has it and is to be told to end it */
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
	struct list to_cancel; /* whose cancel found no room in the submission queue */
	size_t collected_count;
	struct completion collected[LIMIT_TURN_COMPLETIONS];
};

/* What is to be done for each kind of operation. */
struct uring_operation {
	/* Fills the submission entry, all but its user data. */
	void (*prepare)(struct io_uring_sqe *entry, const struct loop_op *op);
	uint8_t opcode; /* the kernel must have it */
	const char *name;
};
extern const struct uring_operation uring_operations[];
enum { URING_OPERATIONS = LOOP_ALLOCATE + 1 };

extern const struct loop_backend uring_backend;

/* Gives a receive buffer to the kernel. */
void uring_give_buffer(struct loop_uring *uring, uint32_t buffer);

void uring_destroy(struct loop *loop);

#endif
