/* What a back end of the loop provides; private to loop*.c and the simulator.
 *
 * `struct loop` is embedded first in the back end's own struct. loop.c does what all share: time, timers, the
 * turn's order, argument checks and filling the operation; a back end starts, cancels and collects. */
#ifndef POSTERN_IO_LOOP_BACKEND_H
#define POSTERN_IO_LOOP_BACKEND_H

#include "core/io/loop.h"

struct loop_backend {
	const char *name;

	/* `op` is filled: start it. It may not call back from here; a failure is a completion like any other. */
	void (*start)(struct loop *loop, struct loop_op *op);
	void (*cancel)(struct loop *loop, struct loop_op *op);

	/* Submit, wait at most wait_ns (UINT64_MAX: for ever) for one completion, collect without calling back.
	 * A signal may end it early. The time is read by the back end right after the wait: it fills loop->now. */
	bool (*wait)(struct loop *loop, uint64_t wait_ns, struct error *error);

	/* Run the callbacks of what wait() collected, each through loop_complete(). */
	void (*dispatch)(struct loop *loop);

	void (*close)(struct loop *loop, int fd);
	void (*shutdown)(struct loop *loop, int fd);
	bool (*list_directory)(struct loop *loop, const char *path, loop_directory_entry *entry, void *context,
			       struct error *error);
	int64_t (*file_size)(struct loop *loop, int fd);
	int32_t (*lock)(struct loop *loop, int fd);
	int (*listen_local)(struct loop *loop, int directory_fd, const char *name, int backlog);
	int32_t (*accept_waiting)(struct loop *loop, int listen_fd);
	void (*peer_address)(struct loop *loop, int fd, struct sockaddr_storage *address);
	void (*own_address)(struct loop *loop, int fd, struct sockaddr_storage *address);
	void (*destroy)(struct loop *loop);
};

struct loop {
	const struct loop_backend *backend;
	struct clock_now now;
	struct timer_wheel timers;
	bool in_turn; /* callbacks are running: no nesting */
};

/* For back ends: set up the shared part, with the time now. */
void loop_init(struct loop *loop, const struct loop_backend *backend, const struct clock_now *now);

/* For back ends: ends the operation (unless `more`) and runs its callback, after which it must not be touched. */
void loop_complete(struct loop_op *op, int32_t result, bool more, struct slice bytes);

/* For the back ends on the real system (loop_system.c): its clocks, and what blocks anyway. */
struct clock_now loop_system_time(void);
bool loop_system_list_directory(struct loop *loop, const char *path, loop_directory_entry *entry, void *context,
				struct error *error);
int64_t loop_system_file_size(struct loop *loop, int fd);
void loop_system_shutdown(struct loop *loop, int fd);
int32_t loop_system_lock(struct loop *loop, int fd);
int loop_system_listen_local(struct loop *loop, int directory_fd, const char *name, int backlog);
int32_t loop_system_accept_waiting(struct loop *loop, int listen_fd);
void loop_system_peer_address(struct loop *loop, int fd, struct sockaddr_storage *address);
void loop_system_own_address(struct loop *loop, int fd, struct sockaddr_storage *address);

struct loop *loop_uring_create(const struct loop_settings *settings, struct error *error);
struct loop *loop_epoll_create(const struct loop_settings *settings, struct error *error);

#endif
