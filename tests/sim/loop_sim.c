/* The simulator's world and its loop back end; see loop_sim.h.
 *
 * Operations on sockets wait at their socket and are tried at dispatch, as in the epoll back end; operations on files are
 * jobs on the timeline (sim_file.c). Time stands still while code runs and jumps to the next event when a turn waits. */
#include "tests/sim/loop_sim.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/sim_parts.h"

enum { MOST_IDLE_TURNS = 10000, ERROR_ONE_IN = 100 };

/* --- chance --- */

static uint64_t next_random(struct sim *sim)
{
	uint64_t z = sim->random_state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t sim_random(struct sim *sim, uint64_t bound)
{
	return next_random(sim) % bound;
}

/* A ghost has no more faults. */
bool sim_chance(struct sim *sim, unsigned fault, uint64_t one_in)
{
	return !sim->survivor && sim->faults & fault && sim_random(sim, one_in) == 0;
}

uint64_t sim_delay_ns(struct sim *sim)
{
	if (sim->survivor || !(sim->faults & SIM_DELAY))
		return SIM_NS_PER_US;
	uint64_t kind = sim_random(sim, 512);
	uint64_t most_us = kind == 0 ? 1000000 : kind < 32 ? 10000 : 100;
	return SIM_NS_PER_US * (1 + sim_random(sim, most_us));
}

void sim_trace(struct sim *sim, uint64_t value)
{
	sim->hash = (sim->hash ^ value) * 0x100000001b3u;
	sim->hash ^= sim->hash >> 29;
}

uint64_t sim_trace_hash(const struct sim *sim)
{
	return sim->hash;
}

void *sim_allocate(size_t size)
{
	void *memory = calloc(1, size);
	ASSERT(memory);
	return memory;
}

/* --- life --- */

struct sim *sim_create(const struct sim_settings *settings)
{
	struct sim *sim = sim_allocate(sizeof *sim);
	sim->random_state = settings->seed;
	sim->faults = settings->faults;
	sim->disk_bytes = settings->disk_bytes;
	sim->error_one_in = ERROR_ONE_IN;
	sim->disk_slowness = 1;
	sim->hash = 0xcbf29ce484222325u;
	sim->now = (struct clock_now){ 1000 * (uint64_t)CLOCK_NS_PER_MS, INT64_C(1800000000) * 1000000 };
	sim->next_port = 1024;
	sim->disk = sim_disk_create();
	list_init(&sim->sockets);
	list_init(&sim->jobs);
	return sim;
}

/* What is still on its way goes with the world. */
static void drop_timeline(struct sim *sim)
{
	while (sim_next_event(sim)) {
		struct sim_event *event = sim_take_event(sim);
		event->happen(sim, event);
	}
	free(sim->timeline.heap);
}

void sim_destroy(struct sim *sim)
{
	if (!sim)
		return;
	ASSERT(!sim->loop && list_is_empty(&sim->sockets) && list_is_empty(&sim->jobs));
	drop_timeline(sim);
	sim_disk_destroy(sim->disk);
	sim_disk_destroy(sim->survivor);
	free(sim->descriptors);
	free(sim);
}

struct sim *sim_fork(struct sim *sim, uint64_t seed, bool crash)
{
	struct sim *fork = sim_create(&(struct sim_settings){ .seed = seed });
	fork->now = sim->now;
	sim_disk_destroy(fork->disk);
	struct sim_disk *disk = sim->survivor ? sim->survivor : sim->disk;
	fork->disk = crash ? sim_disk_survivor(fork, disk) : sim_disk_clone(disk);
	return fork;
}

void sim_set_faults(struct sim *sim, unsigned faults)
{
	sim->faults = faults;
}

void sim_fail_next(struct sim *sim, enum loop_op_kind kind)
{
	sim->fail_next = kind;
}

bool sim_is_idle(const struct sim *sim)
{
	return sim->idle;
}

const struct clock_now *sim_now(const struct sim *sim)
{
	return &sim->now;
}

void sim_step_clock(struct sim *sim, int64_t by_us)
{
	sim->now.unix_us += by_us;
}

struct alarm {
	struct sim_event event;
};

static void wake(struct sim *sim, struct sim_event *event)
{
	(void)sim;
	free(CONTAINER_OF(event, struct alarm, event));
}

void sim_wake_after(struct sim *sim, uint64_t after_ns)
{
	struct alarm *alarm = sim_allocate(sizeof *alarm);
	sim_plan(sim, &alarm->event, sim->now.monotonic_ns + after_ns, wake);
}

/* --- crashes --- */

/* The system may have to read from the disk again what it knew. */
static void forget_cache(struct sim *sim, struct sim_disk *disk)
{
	if (sim_random(sim, 2))
		sim_disk_evict(disk);
}

static void end_life(struct sim *sim, struct sim_disk *survivor)
{
	sim->survivor = survivor;
	sim->crash_at = 0;
	sim_trace(sim, 0xdead);
	/* Clients see the connection break; what runs on as a ghost hears no more of them. */
	for (struct list *node = sim->sockets.next; node != &sim->sockets; node = node->next) {
		struct sim_socket *socket = CONTAINER_OF(node, struct sim_socket, link);
		socket->port = 0;
		if (socket->client && socket->peer)
			sim_socket_break(socket->peer);
	}
}

void sim_crash(struct sim *sim)
{
	if (!sim->survivor)
		end_life(sim, sim_disk_survivor(sim, sim->disk));
}

void sim_kill(struct sim *sim)
{
	if (sim->survivor)
		return;
	struct sim_disk *survivor = sim_disk_clone(sim->disk);
	forget_cache(sim, survivor);
	end_life(sim, survivor);
}

void sim_crash_after(struct sim *sim, uint64_t changes)
{
	sim->crash_at = changes ? sim->changes + changes : 0;
	sim->crash_kills = false;
}

void sim_kill_after(struct sim *sim, uint64_t changes)
{
	sim->crash_at = sim->changes + changes;
	sim->crash_kills = true;
}

bool sim_has_crashed(const struct sim *sim)
{
	return sim->survivor != NULL;
}

uint64_t sim_disk_changes(const struct sim *sim)
{
	return sim->changes;
}

void sim_count_change(struct sim *sim)
{
	sim->changes++;
	if (!sim->crash_at || sim->changes < sim->crash_at)
		return;
	if (sim->crash_kills)
		sim_kill(sim);
	else
		sim_crash(sim);
}

/* --- descriptors --- */

int sim_new_descriptor(struct sim *sim, struct sim_descriptor descriptor)
{
	if (sim->exhausted)
		return -EMFILE;
	size_t at = 0;
	while (at < sim->descriptor_count && (sim->descriptors[at].inode || sim->descriptors[at].socket))
		at++;
	if (at == sim->descriptor_count) {
		sim->descriptor_count = 2 * at + 16;
		sim->descriptors = realloc(sim->descriptors, sim->descriptor_count * sizeof(struct sim_descriptor));
		ASSERT(sim->descriptors);
		memset(sim->descriptors + at, 0, (sim->descriptor_count - at) * sizeof(struct sim_descriptor));
	}
	sim->descriptors[at] = descriptor;
	return SIM_FIRST_FD + (int)at;
}

struct sim_descriptor *sim_descriptor(struct sim *sim, int fd)
{
	size_t at = (size_t)fd - SIM_FIRST_FD;
	if (fd < SIM_FIRST_FD || at >= sim->descriptor_count)
		return NULL;
	struct sim_descriptor *descriptor = &sim->descriptors[at];
	return descriptor->inode || descriptor->socket ? descriptor : NULL;
}

void sim_exhaust_descriptors(struct sim *sim, bool exhausted)
{
	sim->exhausted = exhausted;
}

static void close_descriptor(struct sim *sim, int fd, bool reset)
{
	struct sim_descriptor *descriptor = sim_descriptor(sim, fd);
	ASSERT(descriptor);
	if (descriptor->socket)
		sim_socket_close(descriptor->socket, reset);
	*descriptor = (struct sim_descriptor){ 0 };
}

void sim_reset(struct sim *sim, int fd)
{
	close_descriptor(sim, fd, true);
}

/* --- the back end --- */

static void put_in(struct sim *sim, struct loop_op *op)
{
	/* The order of completions is nothing that anybody may count on. */
	struct list *ready = &sim->loop->ready;
	list_remove(&op->link);
	if (sim->faults & SIM_DELAY && sim_random(sim, 2))
		list_insert_after(ready, &op->link);
	else
		list_append(ready, &op->link);
}

void sim_settle(struct sim *sim, struct loop_op *op, int32_t result)
{
	op->result = result;
	op->flags |= SIM_SETTLED;
	put_in(sim, op);
}

void sim_make_ready(struct sim *sim, struct loop_op *op)
{
	put_in(sim, op);
}

static bool is_socket_operation(enum loop_op_kind kind)
{
	return kind <= LOOP_POLL;
}

static uint16_t port_of(const struct loop_op *op)
{
	struct sockaddr_storage address = { 0 };
	memcpy(&address, op->address, op->length < sizeof address ? op->length : sizeof address);
	return sim_port_of(&address);
}

static void start(struct loop *loop, struct loop_op *op)
{
	struct sim_loop *sim_loop = (struct sim_loop *)loop;
	struct sim *sim = sim_loop->sim;
	if (!is_socket_operation(op->kind)) {
		sim_file_start(sim, op);
		return;
	}
	struct sim_descriptor *descriptor = sim_descriptor(sim, op->fd);
	if (op->fd >= 0 && op->fd < SIM_FIRST_FD && op->kind != LOOP_SEND)
		list_append(&sim_loop->silent, &op->link);
	else if (!descriptor || !descriptor->socket)
		sim_settle(sim, op, descriptor ? -ENOTSOCK : -EBADF);
	else if (op->kind == LOOP_CONNECT)
		sim_connect_start(sim, descriptor->socket, port_of(op), op);
	else
		sim_make_ready(sim, op);
}

static void cancel(struct loop *loop, struct loop_op *op)
{
	struct sim *sim = ((struct sim_loop *)loop)->sim;
	if (op->flags & SIM_SETTLED)
		return;
	if (!is_socket_operation(op->kind)) {
		sim_file_cancel(sim, op);
		return;
	}
	struct sim_descriptor *descriptor = sim_descriptor(sim, op->fd);
	struct sim_connecting *connecting = descriptor && descriptor->socket ? descriptor->socket->connecting : NULL;
	if (connecting && connecting->op == op)
		connecting->op = NULL;
	sim_settle(sim, op, -ECANCELED);
}

static void pass_time(struct sim *sim, uint64_t until_ns)
{
	if (until_ns <= sim->now.monotonic_ns)
		return;
	uint64_t before_us = sim->now.monotonic_ns / SIM_NS_PER_US;
	sim->now.monotonic_ns = until_ns;
	sim->now.unix_us += (int64_t)(until_ns / SIM_NS_PER_US - before_us);
}

/* All that happens at the next time something does, where that is not behind the deadline. False: nothing does. */
static bool live_on(struct sim *sim, uint64_t deadline_ns)
{
	struct sim_event *event = sim_next_event(sim);
	if (!event || event->at_ns > deadline_ns)
		return false;
	pass_time(sim, event->at_ns);
	do {
		event = sim_take_event(sim);
		event->happen(sim, event);
		event = sim_next_event(sim);
	} while (event && event->at_ns <= sim->now.monotonic_ns);
	return true;
}

static bool wait(struct loop *loop, uint64_t wait_ns, struct error *error)
{
	struct sim_loop *sim_loop = (struct sim_loop *)loop;
	struct sim *sim = sim_loop->sim;
	/* A turn takes a little time, so that one that never waits gets on too. */
	uint64_t now_ns = sim->now.monotonic_ns + SIM_NS_PER_US;
	if (!list_is_empty(&sim_loop->ready))
		wait_ns = 0;
	uint64_t deadline_ns = wait_ns >= UINT64_MAX - now_ns ? UINT64_MAX : now_ns + wait_ns;
	bool lived = live_on(sim, deadline_ns);
	bool for_ever = deadline_ns == UINT64_MAX;
	if (!lived)
		pass_time(sim, for_ever ? now_ns : deadline_ns);
	sim->idle = !lived && for_ever;
	sim_loop->idle_turns = sim->idle ? sim_loop->idle_turns + 1 : 0;
	loop->now = sim->now;
	return sim_loop->idle_turns < MOST_IDLE_TURNS || error_set(error, "simulator: nothing will ever happen again");
}

/* The attempt that each turn makes for an operation which may get on. */
static void attempt(struct sim_loop *loop, struct loop_op *op)
{
	struct sim *sim = loop->sim;
	int32_t result = op->result;
	if (!(op->flags & SIM_SETTLED)) {
		const struct sim_descriptor *descriptor = sim_descriptor(sim, op->fd);
		ASSERT(descriptor && descriptor->socket);
		struct sim_socket *socket = descriptor->socket;
		result = sim_socket_attempt(loop, socket, op);
		if (result == SIM_WOULD_BLOCK) {
			list_append(&socket->waiting, &op->link);
			return;
		}
	}
	bool more = op->kind == LOOP_ACCEPT && result >= 0;
	struct slice bytes = { loop->buffer, op->kind == LOOP_RECEIVE && result > 0 ? (size_t)result : 0 };
	if (more)
		sim_make_ready(sim, op);
	sim_trace(sim, sim->now.monotonic_ns);
	sim_trace(sim, (uint64_t)(uint32_t)result << 32 | (uint32_t)op->fd << 4 | op->kind);
	loop_complete(op, result, more, bytes);
	/* Nobody may look at what was received any more. */
	memset(loop->buffer, 0xdd, bytes.size);
}

static void dispatch(struct loop *loop)
{
	struct sim_loop *sim_loop = (struct sim_loop *)loop;
	struct list now;
	list_init(&now);
	list_splice(&now, &sim_loop->ready);
	for (struct list *node; (node = list_take_first(&now));)
		attempt(sim_loop, CONTAINER_OF(node, struct loop_op, link));
}

static void close_fd(struct loop *loop, int fd)
{
	if (fd < SIM_FIRST_FD)
		close(fd);
	else
		close_descriptor(((struct sim_loop *)loop)->sim, fd, false);
}

static void shut_down(struct loop *loop, int fd)
{
	struct sim_descriptor *descriptor = sim_descriptor(((struct sim_loop *)loop)->sim, fd);
	if (descriptor && descriptor->socket)
		sim_socket_shut_down(descriptor->socket);
}

static bool list_directory(struct loop *loop, const char *path, loop_directory_entry *entry, void *context,
			   struct error *error)
{
	return sim_list_directory(((struct sim_loop *)loop)->sim, path, entry, context) ||
	       error_set_errno(error, ENOENT, "can't read the directory %s", path);
}

static int64_t file_size(struct loop *loop, int fd)
{
	struct sim_descriptor *descriptor = sim_descriptor(((struct sim_loop *)loop)->sim, fd);
	return descriptor && descriptor->inode ? (int64_t)sim_inode_size(descriptor->inode) : -EBADF;
}

static int32_t lock(struct loop *loop, int fd)
{
	struct sim *sim = ((struct sim_loop *)loop)->sim;
	struct sim_descriptor *descriptor = sim_descriptor(sim, fd);
	if (!descriptor || !descriptor->inode)
		return -EBADF;
	for (size_t at = 0; at < sim->descriptor_count; at++) {
		const struct sim_descriptor *other = &sim->descriptors[at];
		if (other != descriptor && other->inode == descriptor->inode && other->locked)
			return -EWOULDBLOCK;
	}
	descriptor->locked = true;
	return 0;
}

static int listen_local(struct loop *loop, int directory_fd, const char *name, int backlog)
{
	struct sim *sim = ((struct sim_loop *)loop)->sim;
	struct sim_descriptor *directory = sim_descriptor(sim, directory_fd);
	(void)backlog;
	if (!directory || !directory->inode)
		return -EBADF;
	return sim_listen_local(sim, directory->inode, name);
}

static int32_t accept_waiting(struct loop *loop, int listen_fd)
{
	struct sim *sim = ((struct sim_loop *)loop)->sim;
	struct sim_descriptor *descriptor = sim_descriptor(sim, listen_fd);
	int32_t fd = descriptor && descriptor->socket ? sim_socket_accept(sim, descriptor->socket) : -EBADF;
	return fd == SIM_WOULD_BLOCK ? -EAGAIN : fd;
}

static void peer_address(struct loop *loop, int fd, struct sockaddr_storage *address)
{
	struct sim_descriptor *descriptor = sim_descriptor(((struct sim_loop *)loop)->sim, fd);
	uint32_t peer = descriptor && descriptor->socket ? descriptor->socket->peer_address : 0;
	*address = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
	if (peer)
		*(struct sockaddr_in *)address =
			(struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(peer) };
}

/* Nobody here has more than one. */
static void own_address(struct loop *loop, int fd, struct sockaddr_storage *address)
{
	(void)loop;
	(void)fd;
	*address = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
}

static void destroy(struct loop *loop)
{
	struct sim_loop *sim_loop = (struct sim_loop *)loop;
	struct sim *sim = sim_loop->sim;
	ASSERT(list_is_empty(&sim_loop->ready) && list_is_empty(&sim_loop->silent));
	for (size_t at = 0; at < sim->descriptor_count; at++)
		if (sim->descriptors[at].inode || sim->descriptors[at].socket)
			close_descriptor(sim, SIM_FIRST_FD + (int)at, false);
	if (!sim->survivor)
		forget_cache(sim, sim->disk);
	sim->loop = NULL;
	free(sim_loop);
}

static const struct loop_backend backend = {
	.name = "simulator",
	.start = start,
	.cancel = cancel,
	.wait = wait,
	.dispatch = dispatch,
	.close = close_fd,
	.shutdown = shut_down,
	.list_directory = list_directory,
	.file_size = file_size,
	.lock = lock,
	.listen_local = listen_local,
	.accept_waiting = accept_waiting,
	.peer_address = peer_address,
	.own_address = own_address,
	.destroy = destroy,
};

struct loop *sim_loop_create(struct sim *sim)
{
	ASSERT(!sim->loop);
	if (sim->survivor) {
		sim_disk_destroy(sim->disk);
		sim->disk = sim->survivor;
		sim->survivor = NULL;
	}
	struct sim_loop *sim_loop = sim_allocate(sizeof *sim_loop);
	sim_loop->sim = sim;
	list_init(&sim_loop->ready);
	list_init(&sim_loop->silent);
	loop_init(&sim_loop->loop, &backend, &sim->now);
	sim->loop = sim_loop;
	return &sim_loop->loop;
}

/* --- the disk, from outside --- */

void sim_make_directory(struct sim *sim, const char *path)
{
	const char *name;
	struct sim_inode *parent = sim_disk_parent(sim->disk, NULL, path, &name);
	ASSERT(parent && !sim_disk_lookup(parent, name));
	sim_disk_make(sim->disk, parent, name, true);
	sim_sync_end(sim, sim_sync_begin(sim->disk, parent, 0, UINT64_MAX), false);
}

bool sim_read_file(struct sim *sim, const char *path, struct slice *bytes)
{
	struct sim_inode *inode = sim_disk_find(sim->disk, NULL, path);
	if (!inode || sim_inode_is_directory(inode))
		return false;
	*bytes = sim_inode_bytes(inode);
	return true;
}

bool sim_list_directory(struct sim *sim, const char *path, loop_directory_entry *entry, void *context)
{
	struct sim_inode *inode = sim_disk_find(sim->disk, NULL, path);
	if (!inode || !sim_inode_is_directory(inode))
		return false;
	sim_inode_each_name(inode, entry, context);
	return true;
}
