/* What the files of the simulator share; private to tests/sim. */
#ifndef POSTERN_TESTS_SIM_PARTS_H
#define POSTERN_TESTS_SIM_PARTS_H

#include "core/base/limits.h"
#include "core/io/loop_backend.h"
#include "tests/sim/loop_sim.h"

enum {
	SIM_FIRST_FD = 1 << 20,       /* far from the kernel's, so that a system call on one fails with EBADF */
	SIM_SOCKET_BYTES = 64 * 1024, /* on their way to a socket or waiting in it */
	SIM_SECTOR_BYTES = 512,
	SIM_BLOCK_BYTES = 4096,
	SIM_NS_PER_US = 1000,
};

/* op->flags */
enum {
	SIM_SETTLED = 1, /* op->result is what the callback will be told */
};

/* What an attempt answers when it has to wait. */
enum { SIM_WOULD_BLOCK = INT32_MIN };

/* --- time (sim_time.c) --- */

/* Something that will happen; embedded in what it happens to. */
struct sim_event {
	uint64_t at_ns;
	uint64_t number; /* of two at the same time the first planned is first */
	void (*happen)(struct sim *sim, struct sim_event *event);
};

struct sim_timeline {
	struct sim_event **heap;
	size_t count;
	size_t capacity;
	uint64_t next_number;
};

void sim_plan(struct sim *sim, struct sim_event *event, uint64_t at_ns,
	      void (*happen)(struct sim *, struct sim_event *));
struct sim_event *sim_next_event(const struct sim *sim);
struct sim_event *sim_take_event(struct sim *sim);

/* --- the world (loop_sim.c) --- */

struct sim_inode;
struct sim_disk;
struct sim_socket;

struct sim_descriptor {
	struct sim_inode *inode;   /* a file or directory */
	struct sim_socket *socket; /* or this; both NULL: free */
	bool readable;
	bool writable;
	bool direct; /* O_DIRECT: what is transferred must be whole blocks */
	bool locked;
};

struct sim_loop;

struct sim {
	uint64_t random_state;
	uint64_t hash;
	unsigned faults;
	enum loop_op_kind fail_next; /* LOOP_IDLE: none */
	uint64_t error_one_in;       /* SIM_DISK_ERROR */
	uint64_t disk_slowness;
	struct clock_now now;
	struct sim_timeline timeline;
	struct sim_loop *loop;
	struct sim_descriptor *descriptors;
	size_t descriptor_count;
	bool exhausted;
	bool idle;

	struct list sockets; /* all */
	struct list jobs;    /* file operations that run */
	uint16_t next_port;
	uint32_t next_address;

	struct sim_disk *disk;
	struct sim_disk *survivor; /* after a crash: the disk of the next life */
	uint64_t disk_bytes;
	uint64_t changes;
	uint64_t crash_at; /* change number; 0: none */
	bool crash_kills;  /* then only the process */
};

struct sim_loop {
	struct loop loop;
	struct sim *sim;
	struct list ready;
	struct list silent; /* operations on descriptors that are not ours */
	unsigned idle_turns;
	uint8_t buffer[LIMIT_RECEIVE_BUFFER_BYTES];
};

void *sim_allocate(size_t size); /* zeroed; aborts when there is none */
bool sim_chance(struct sim *sim, unsigned fault, uint64_t one_in);
uint64_t sim_delay_ns(struct sim *sim);
void sim_trace(struct sim *sim, uint64_t value);

/* -EMFILE when exhausted. */
int sim_new_descriptor(struct sim *sim, struct sim_descriptor descriptor);
struct sim_descriptor *sim_descriptor(struct sim *sim, int fd);

/* The operation's end: its callback comes in the next dispatch. */
void sim_settle(struct sim *sim, struct loop_op *op, int32_t result);

/* It may get on now: it is tried in the next dispatch. */
void sim_make_ready(struct sim *sim, struct loop_op *op);

/* --- sockets (sim_socket.c, sim_client.c) --- */

enum sim_segment_kind { SIM_BYTES, SIM_END, SIM_BREAK };

struct sim_segment {
	struct sim_event event;
	struct list link;
	struct sim_socket *to; /* NULL: closed meanwhile */
	enum sim_segment_kind kind;
	bool arrived;
	size_t size;
	size_t used;
	uint8_t bytes[];
};

struct sim_connecting {
	struct sim_event event;
	uint16_t port;
	struct sim_socket *from; /* NULL: closed meanwhile */
	struct loop_op *op;      /* NULL: a client's, or cancelled */
};

struct sim_socket {
	struct list link;
	struct sim *sim;
	int type;
	uint16_t port;             /* not 0: it listens */
	struct sim_inode *local;   /* its name in a directory; NULL: it has none */
	uint32_t address;          /* its own, where it connects */
	uint32_t peer_address;     /* 0: unknown */
	struct sim_socket *peer;   /* NULL: not connected, or gone */
	struct sim_client *client; /* outside of the process */
	struct list inbox;         /* segments, in order */
	size_t inbox_bytes;
	uint64_t last_arrival_ns;
	struct list waiting; /* operations */
	struct list backlog; /* of a listener: sockets to accept, by backlog_link */
	struct list backlog_link;
	struct sim_connecting *connecting;
	bool shut;        /* it sends no more */
	bool deaf;        /* it was shut down: it receives no more */
	bool broken;      /* reset */
	bool broken_told; /* -ECONNRESET comes once */
};

struct sim_socket *sim_socket_create(struct sim *sim, int type);

/* A descriptor, or -EMFILE. */
int sim_listen_local(struct sim *sim, struct sim_inode *directory, const char *name);
void sim_socket_join(struct sim_socket *a, struct sim_socket *b);

/* Closes: unread bytes make it a reset. */
void sim_socket_close(struct sim_socket *socket, bool reset);

/* poll(2) bits that are true now. */
int sim_socket_state(const struct sim_socket *socket);

/* Something about it has changed: who waits may get on. */
void sim_socket_changed(struct sim_socket *socket);

/* Up to `size` bytes go on their way to the peer; answers how many. A packet goes whole or not at all. */
size_t sim_socket_push(struct sim_socket *socket, const uint8_t *bytes, size_t size);
size_t sim_socket_pull(struct sim_socket *socket, uint8_t *to, size_t capacity);

/* It sends no more: the peer hears of it behind what was sent. */
void sim_socket_end(struct sim_socket *socket);

/* A descriptor for a connection that waits, SIM_WOULD_BLOCK, or a negative errno value. */
int32_t sim_socket_accept(struct sim *sim, struct sim_socket *listener);

/* shutdown(2) of both directions. */
void sim_socket_shut_down(struct sim_socket *socket);

/* Both ends find the connection reset; what was on its way is lost. */
void sim_socket_break(struct sim_socket *socket);

/* The first of what has come, or NULL. */
struct sim_segment *sim_socket_first(const struct sim_socket *socket);

/* Arrives at whoever listens on the port by then; `op` (NULL: none) ends then. */
void sim_connect_start(struct sim *sim, struct sim_socket *from, uint16_t port, struct loop_op *op);
uint16_t sim_port_of(const struct sockaddr_storage *address);

/* What an operation can do now: its result, or SIM_WOULD_BLOCK. */
int32_t sim_socket_attempt(struct sim_loop *loop, struct sim_socket *socket, struct loop_op *op);

/* Goes on sending what waits. */
void sim_client_pump(struct sim_client *client);

/* --- the disk (sim_disk.c) and its operations (sim_file.c) --- */

struct sim_disk *sim_disk_create(void);
void sim_disk_destroy(struct sim_disk *disk);
/* What is left after a crash; chance is `sim`'s, which need not be the disk's own. */
struct sim_disk *sim_disk_survivor(struct sim *sim, struct sim_disk *disk);
/* One just like it, with all that is not durable. */
struct sim_disk *sim_disk_clone(struct sim_disk *disk);
/* What was read or written before is read anew: where a sync has failed, what was to be made durable is gone. */
void sim_disk_evict(struct sim_disk *disk);

/* NULL when there is no such thing. */
struct sim_inode *sim_disk_find(struct sim_disk *disk, struct sim_inode *from, const char *path);
/* The directory that holds the path's last name, which `name` points at; NULL when there is none. */
struct sim_inode *sim_disk_parent(struct sim_disk *disk, struct sim_inode *from, const char *path, const char **name);
struct sim_inode *sim_disk_lookup(const struct sim_inode *directory, const char *name);
bool sim_inode_is_directory(const struct sim_inode *inode);
size_t sim_inode_size(const struct sim_inode *inode);
struct slice sim_inode_bytes(const struct sim_inode *inode);
void sim_inode_each_name(const struct sim_inode *directory, loop_directory_entry *entry, void *context);

struct sim_inode *sim_disk_make(struct sim_disk *disk, struct sim_inode *directory, const char *name,
				bool is_directory);
void sim_disk_remove(struct sim_disk *disk, struct sim_inode *directory, const char *name);
void sim_disk_rename(struct sim_disk *disk, struct sim_inode *from, const char *name, struct sim_inode *to,
		     const char *new_name);
void sim_inode_write(struct sim_inode *inode, uint64_t offset, struct slice bytes);
void sim_inode_resize(struct sim_inode *inode, size_t size);
uint64_t sim_disk_used_bytes(const struct sim_disk *disk);

/* A sync takes effect when it ends, for what was there when it began. */
struct sim_sync;
/* A range of a file, or a directory's changes. */
struct sim_sync *sim_sync_begin(struct sim_disk *disk, struct sim_inode *inode, uint64_t offset, uint64_t size);
/* `failed`: each part is lost for good or tried again at the next sync. */
void sim_sync_end(struct sim *sim, struct sim_sync *sync, bool failed);

void sim_file_start(struct sim *sim, struct loop_op *op);
/* One that has begun goes on. */
void sim_file_cancel(struct sim *sim, struct loop_op *op);

/* Counts a change of the disk, and crashes where that was asked for. */
void sim_count_change(struct sim *sim);

#endif
