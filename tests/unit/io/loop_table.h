/* What every back end of the loop must do, as one table of tests: run on io_uring, on epoll and on the simulator.
 *
 * A test knows the loop's contract and a `loop_world`, which makes what the contract takes as given: sockets and a
 * folder. Both ends of every connection are worked through the same loop. */
#ifndef POSTERN_TESTS_LOOP_TABLE_H
#define POSTERN_TESTS_LOOP_TABLE_H

#include "core/io/loop.h"

struct loop_world {
	struct loop *loop;
	const char *directory; /* absolute and empty; what a test makes in it, it removes */

	/* `type` SOCK_STREAM or SOCK_SEQPACKET; connected. */
	void (*pair)(struct loop_world *world, int type, int fds[2]);
	/* A stream socket that is not connected. */
	int (*socket)(struct loop_world *world);
	/* Listening; its address is stored, sizeof(struct sockaddr_in) bytes. */
	int (*listener)(struct loop_world *world, struct sockaddr_storage *address);
	/* Closes a connected socket so that the peer's next receive is -ECONNRESET. */
	void (*reset)(struct loop_world *world, int fd);
	/* Nothing more can be opened until called with false. */
	void (*exhaust_descriptors)(struct loop_world *world, bool exhausted);
};

struct loop_table_row {
	const char *name;
	void (*test)(struct loop_world *world);
};

/* The tables end with a row without a name. */
extern const struct loop_table_row loop_socket_table[];
extern const struct loop_table_row loop_connection_table[];
extern const struct loop_table_row loop_file_table[];

/* --- for the tables --- */

/* An operation that remembers what it was told. */
struct note {
	struct loop_op op;
	struct loop_world *world;
	unsigned calls;
	int32_t result;
	bool more;
	bool again;        /* receive again until the end of the stream */
	uint8_t bytes[64]; /* the first ones of the last receive */
	size_t total;      /* received in all */
	uint8_t sum;       /* over all that was received */
	int accepted[64];
	unsigned accepted_count;
};

struct note note_make(struct loop_world *world);
loop_callback note_done;

/* Turns until it was called `calls` times in all. */
void note_until(struct note *note, unsigned calls);

/* Turns until it has ended; its last result. */
int32_t note_await(struct note *note);

uint8_t sum_bytes(uint8_t sum, struct slice bytes);
void world_turn(struct loop_world *world, bool wait);

#endif
