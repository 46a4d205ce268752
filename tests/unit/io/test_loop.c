/* core/io: the loop's contract on the real system, both back ends, with blocking and with non-blocking sockets. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "tests/unit/io/loop_table.h"

struct real_world {
	struct loop_world world;
	int socket_flags; /* SOCK_NONBLOCK or 0 */
	struct rlimit descriptors;
	char directory[32];
};

static struct real_world *real(struct loop_world *world)
{
	return CONTAINER_OF(world, struct real_world, world);
}

static void real_pair(struct loop_world *world, int type, int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC | real(world)->socket_flags, 0, fds), 0);
}

static int real_socket(struct loop_world *world)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | real(world)->socket_flags, 0);
	assert_true(fd >= 0);
	return fd;
}

static int real_listener(struct loop_world *world, struct sockaddr_storage *address)
{
	int fd = real_socket(world);
	struct sockaddr_in *here = (struct sockaddr_in *)address;
	*here = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof *here;
	assert_int_equal(bind(fd, (struct sockaddr *)here, size), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)here, &size), 0);
	return fd;
}

static void real_reset(struct loop_world *world, int fd)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
	loop_close(world->loop, fd);
}

static void real_exhaust(struct loop_world *world, bool exhausted)
{
	struct rlimit limit = real(world)->descriptors;
	if (exhausted) {
		int lowest = dup(0);
		assert_true(lowest >= 0);
		close(lowest);
		limit.rlim_cur = (rlim_t)lowest;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void open_world(struct real_world *world, enum loop_kind kind, int socket_flags)
{
	*world = (struct real_world){
		.world = { .pair = real_pair,
			   .socket = real_socket,
			   .listener = real_listener,
			   .reset = real_reset,
			   .exhaust_descriptors = real_exhaust },
		.socket_flags = socket_flags,
		.directory = "/tmp/postern-loop-XXXXXX",
	};
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &world->descriptors), 0);
	assert_non_null(mkdtemp(world->directory));
	world->world.directory = world->directory;
	struct error error;
	/* Few buffers, so that they run out. */
	struct loop_settings settings = { .kind = kind, .receive_buffers = 8 };
	world->world.loop = loop_create(&settings, &error);
	if (!world->world.loop)
		fail_msg("%s", error.text);
}

static void close_world(struct real_world *world)
{
	loop_destroy(world->world.loop);
	char folder[64];
	snprintf(folder, sizeof folder, "%s/folder", world->directory);
	rmdir(folder);
	assert_int_equal(rmdir(world->directory), 0);
}

static unsigned open_descriptors(void)
{
	unsigned count = 0;
	DIR *directory = opendir("/proc/self/fd");
	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* --- the tables, for each kind of world --- */

struct run {
	char name[128];
	enum loop_kind kind;
	int socket_flags;
	const struct loop_table_row *row;
};

static void run_row(void **state)
{
	const struct run *run = *state;
	unsigned before = open_descriptors();
	struct real_world world;
	open_world(&world, run->kind, run->socket_flags);
	assert_string_equal(loop_name(world.world.loop), run->kind == LOOP_EPOLL ? "epoll" : "io_uring");
	run->row->test(&world.world);
	close_world(&world);
	assert_int_equal(open_descriptors(), before);
}

enum { MOST_RUNS = 256 };
static struct run runs[MOST_RUNS];
static struct CMUnitTest tests[MOST_RUNS];
static size_t run_count;

static void add_table(const struct loop_table_row *table, enum loop_kind kind, int socket_flags)
{
	for (const struct loop_table_row *row = table; row->name; row++) {
		struct run *run = &runs[run_count];
		*run = (struct run){ .kind = kind, .socket_flags = socket_flags, .row = row };
		snprintf(run->name, sizeof run->name, "%s%s %s", kind == LOOP_EPOLL ? "epoll" : "io_uring",
			 socket_flags ? " non-blocking" : "", row->name);
		tests[run_count++] =
			(struct CMUnitTest){ .name = run->name, .test_func = run_row, .initial_state = run };
	}
}

/* --- what only the real system has --- */

static void auto_takes_io_uring(void **state)
{
	(void)state;
	struct error error = { "unset" };
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_AUTO }, &error);
	assert_non_null(loop);
	/* Where the kernel refuses, the reason is there. */
	assert_int_equal(strcmp(loop_name(loop), "io_uring") == 0, error.text[0] == 0);
	loop_destroy(loop);
}

static void a_closed_number_is_a_new_descriptor(void **state)
{
	(void)state;
	for (enum loop_kind kind = LOOP_IO_URING; kind <= LOOP_EPOLL; kind++) {
		struct real_world world;
		open_world(&world, kind, SOCK_NONBLOCK);
		for (int i = 0; i < 5; i++) {
			int fds[2];
			real_pair(&world.world, SOCK_STREAM, fds);
			/* A copy elsewhere keeps the socket alive, as a listener in another process. */
			int copy = dup(fds[0]);
			struct note receive = note_make(&world.world);
			loop_receive(world.world.loop, &receive.op, fds[0], note_done);
			assert_int_equal(write(fds[1], "x", 1), 1);
			assert_int_equal(note_await(&receive), 1);
			loop_close(world.world.loop, fds[0]);
			assert_int_equal(write(fds[1], "y", 1), 1);
			loop_close(world.world.loop, fds[1]);
			close(copy);
		}
		close_world(&world);
	}
}

static void expired(struct timer *timer)
{
	(void)timer;
}

static void a_turn_waits_for_its_timer(void **state)
{
	(void)state;
	for (enum loop_kind kind = LOOP_IO_URING; kind <= LOOP_EPOLL; kind++) {
		struct real_world world;
		open_world(&world, kind, 0);
		struct loop *loop = world.world.loop;
		struct error error;
		uint64_t start_ns = loop_now(loop)->monotonic_ns;
		struct timer timer;
		timer_init(&timer, expired);
		loop_timer_start(loop, &timer, 20);
		unsigned turns = 0;
		for (; timer_is_running(&timer); turns++)
			assert_true(loop_turn(loop, true, &error));
		uint64_t took_ms = (loop_now(loop)->monotonic_ns - start_ns) / CLOCK_NS_PER_MS;
		assert_in_range(took_ms, 20, 500);
		assert_in_range(turns, 1, 5);
		close_world(&world);
	}
}

#define EXTRA(test) (tests[run_count++] = (struct CMUnitTest)cmocka_unit_test(test))

int main(void)
{
	alarm(240);
	log_configure(LOG_ERROR, 2);
	EXTRA(auto_takes_io_uring);
	EXTRA(a_closed_number_is_a_new_descriptor);
	EXTRA(a_turn_waits_for_its_timer);
	for (enum loop_kind kind = LOOP_IO_URING; kind <= LOOP_EPOLL; kind++) {
		add_table(loop_socket_table, kind, 0);
		add_table(loop_socket_table, kind, SOCK_NONBLOCK);
		add_table(loop_connection_table, kind, 0);
		add_table(loop_connection_table, kind, SOCK_NONBLOCK);
		add_table(loop_file_table, kind, 0);
	}
	return _cmocka_run_group_tests("loop", tests, run_count, NULL, NULL);
}
