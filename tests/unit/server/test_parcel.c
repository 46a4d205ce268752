/* core/server/parcel: descriptors from one process to another, however many, and what comes in part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/server/parcel.h"

enum { MOST = 1000 };

static int ends[2];

static int make_sockets(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

static int close_sockets(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static int lowest_free(void)
{
	int fd = dup(STDERR_FILENO);
	close(fd);
	return fd;
}

/* Each says which one it is. */
static struct parcel make(uint32_t count)
{
	struct parcel parcel = { .kind = PARCEL_LISTS, .server = 3, .generation = 7, .count = count };
	parcel.slots[LIMIT_SERVERS - 1] = 9;
	parcel.fds = malloc((count + 1) * sizeof *parcel.fds);
	for (uint32_t i = 0; i < count; i++) {
		parcel.fds[i] = memfd_create("test", MFD_CLOEXEC);
		assert_true(parcel.fds[i] >= 0);
		assert_int_equal(write(parcel.fds[i], &i, sizeof i), sizeof i);
	}
	return parcel;
}

static void check(struct parcel *parcel, uint32_t count)
{
	assert_int_equal(parcel->kind, PARCEL_LISTS);
	assert_int_equal(parcel->server, 3);
	assert_int_equal(parcel->generation, 7);
	assert_int_equal(parcel->slots[LIMIT_SERVERS - 1], 9);
	assert_int_equal(parcel->count, count);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t number = UINT32_MAX;
		assert_int_equal(pread(parcel->fds[i], &number, sizeof number, 0), sizeof number);
		assert_int_equal(number, i);
	}
}

static void any_number_arrives_whole_and_in_order(void **state)
{
	static const uint32_t counts[] = { 0, 1, 2, 199, 200, 201, 400, 401, MOST };
	(void)state;
	int before = lowest_free();
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		struct parcel_reader reader = { .begun = false };
		struct error error;
		struct parcel sent = make(counts[i]), got;
		assert_true(parcel_send(ends[0], &sent, &error));
		parcel_finish(&sent);
		assert_int_equal(parcel_receive(ends[1], &reader, &got, &error), PARCEL_WHOLE);
		check(&got, counts[i]);
		assert_int_equal(parcel_receive(ends[1], &reader, &sent, &error), PARCEL_LATER);
		if (counts[i]) {
			int taken = parcel_take(&got, counts[i] - 1);
			assert_int_equal(got.fds[counts[i] - 1], -1);
			close(taken);
		}
		parcel_finish(&got);
		assert_int_equal(lowest_free(), before);
	}
}

static void several_come_one_after_the_other(void **state)
{
	(void)state;
	struct parcel_reader reader = { .begun = false };
	struct error error;
	struct parcel sent = make(201), got;
	for (int i = 0; i < 3; i++)
		assert_true(parcel_send(ends[0], &sent, &error));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(parcel_receive(ends[1], &reader, &got, &error), PARCEL_WHOLE);
		check(&got, 201);
		parcel_finish(&got);
	}
	parcel_finish(&sent);
}

/* Passes so many messages on, as they are, to another pair; answers its reading end. */
static int pass_on(int messages)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	for (int i = 0; i < messages; i++) {
		uint8_t bytes[512];
		union {
			struct cmsghdr head;
			char space[CMSG_SPACE(253 * sizeof(int))];
		} control;
		struct iovec data = { bytes, sizeof bytes };
		struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
		ssize_t size = recvmsg(ends[1], &message, 0);
		assert_true(size > 0);
		data.iov_len = (size_t)size;
		assert_int_equal(sendmsg(pair[0], &message, 0), size);
		const int *fds = (const int *)(const void *)CMSG_DATA(&control.head);
		for (size_t j = 0; j < (control.head.cmsg_len - CMSG_LEN(0)) / sizeof(int); j++)
			close(fds[j]);
	}
	close(pair[0]);
	return pair[1];
}

static void a_part_alone_is_kept_and_given_back(void **state)
{
	(void)state;
	int before = lowest_free();
	struct parcel_reader reader = { .begun = false };
	struct error error;
	struct parcel sent = make(401), got;
	assert_true(parcel_send(ends[0], &sent, &error));
	parcel_finish(&sent);
	int fd = pass_on(2);
	assert_int_equal(parcel_receive(fd, &reader, &got, &error), PARCEL_ENDED);
	assert_true(reader.begun);
	assert_int_equal(reader.parcel.count, 400);
	/* Another begins where the first has not ended. */
	assert_int_equal(parcel_receive(ends[1], &reader, &got, &error), PARCEL_WHOLE); /* its last part */
	check(&got, 401);
	parcel_finish(&got);
	close(fd);
	assert_int_equal(lowest_free(), before);
}

static void where_the_sender_has_died_over_one_the_next_is_whole(void **state)
{
	(void)state;
	int before = lowest_free();
	struct parcel_reader reader = { .begun = false };
	struct error error;
	struct parcel sent = make(401), got;
	assert_true(parcel_send(ends[0], &sent, &error));
	int fd = pass_on(2);
	assert_int_equal(parcel_receive(fd, &reader, &got, &error), PARCEL_ENDED);
	close(fd);
	fd = pass_on(1); /* the rest goes elsewhere */
	close(fd);
	parcel_finish(&sent);
	sent = make(1);
	assert_true(parcel_send(ends[0], &sent, &error));
	assert_int_equal(parcel_receive(ends[1], &reader, &got, &error), PARCEL_WHOLE);
	check(&got, 1);
	parcel_finish(&sent);
	parcel_finish(&got);
	assert_int_equal(lowest_free(), before);
}

static void the_end_of_one_that_is_lost_is_passed_over(void **state)
{
	(void)state;
	int before = lowest_free();
	struct parcel_reader reader = { .begun = false };
	struct error error;
	struct parcel sent = make(401), got;
	assert_true(parcel_send(ends[0], &sent, &error));
	parcel_finish(&sent);
	int fd = pass_on(1);
	close(fd);
	assert_int_equal(parcel_receive(ends[1], &reader, &got, &error), PARCEL_LATER);
	assert_false(reader.begun);
	sent = make(201);
	assert_true(parcel_send(ends[0], &sent, &error));
	assert_int_equal(parcel_receive(ends[1], &reader, &got, &error), PARCEL_WHOLE);
	check(&got, 201);
	parcel_finish(&sent);
	parcel_finish(&got);
	assert_int_equal(lowest_free(), before);
}

static void what_is_no_part_is_broken(void **state)
{
	(void)state;
	int before = lowest_free();
	struct parcel_reader reader = { .begun = false };
	struct error error;
	struct parcel got;
	assert_int_equal(send(ends[0], "abc", 3, 0), 3);
	assert_int_equal(parcel_receive(ends[1], &reader, &got, &error), PARCEL_BROKEN);
	assert_non_null(strstr(error.text, "cut short"));
	parcel_reader_finish(&reader);
	parcel_reader_finish(&reader);
	assert_int_equal(lowest_free(), before);
}

static void where_descriptors_are_short_none_leaks_and_the_next_is_whole(void **state)
{
	(void)state;
	int before = lowest_free();
	struct parcel_reader reader = { .begun = false };
	struct error error;
	struct rlimit limit;
	struct parcel sent = make(220), got;
	assert_true(parcel_send(ends[0], &sent, &error));
	assert_true(parcel_send(ends[0], &sent, &error));
	parcel_finish(&sent);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	struct rlimit low = { (rlim_t)before + 10, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	enum parcel_state result = parcel_receive(ends[1], &reader, &got, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(result, PARCEL_BROKEN);
	assert_non_null(strstr(error.text, "ulimit"));
	assert_int_equal(lowest_free(), before);
	assert_int_equal(parcel_receive(ends[1], &reader, &got, &error), PARCEL_WHOLE);
	check(&got, 220);
	parcel_finish(&got);
	assert_int_equal(lowest_free(), before);
}

/* The kernel counts descriptors that are on their way, for all processes of a user together; not those of root. */
static void where_too_many_are_on_their_way_the_sender_waits(void **state)
{
	(void)state;
	enum { PARCELS = 20, EACH = 20, NOBODY = 65534 };
	struct parcel_reader reader = { .begun = false };
	struct error error = { "" };
	struct parcel sent = make(EACH), got;
	int status, received = 0;
	pid_t sender = fork();
	if (sender == 0) {
		struct rlimit low = { (rlim_t)lowest_free(), (rlim_t)lowest_free() };
		bool good = setrlimit(RLIMIT_NOFILE, &low) == 0 && (getuid() != 0 || setuid(NOBODY) == 0);
		for (int i = 0; good && i < PARCELS; i++)
			good = parcel_send(ends[0], &sent, &error);
		if (!good)
			fprintf(stderr, "%s\n", error.text);
		_exit(good ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	usleep(100000);
	for (bool ended = false; !ended; usleep(1000)) {
		ended = waitpid(sender, &status, WNOHANG) == sender;
		for (; parcel_receive(ends[1], &reader, &got, &error) == PARCEL_WHOLE; received++)
			parcel_finish(&got);
	}
	parcel_finish(&sent);
	assert_int_equal(status, 0);
	assert_int_equal(received, PARCELS);
}

static void a_peer_that_is_gone_is_told(void **state)
{
	(void)state;
	struct parcel_reader reader = { .begun = false };
	struct error error;
	struct parcel sent = make(1), got;
	close(ends[1]);
	assert_false(parcel_send(ends[0], &sent, &error));
	assert_non_null(strstr(error.text, "hand over"));
	assert_int_equal(parcel_receive(ends[0], &reader, &got, &error), PARCEL_ENDED);
	parcel_finish(&sent);
	ends[1] = dup(ends[0]);
}

/* The kernel says that as a broken connection. */
static void a_peer_that_went_without_reading_all_is_gone(void **state)
{
	(void)state;
	struct parcel_reader reader = { .begun = false };
	struct error error;
	struct parcel got;
	assert_int_equal(send(ends[0], "an order", 8, 0), 8);
	close(ends[1]);
	assert_int_equal(parcel_receive(ends[0], &reader, &got, &error), PARCEL_ENDED);
	ends[1] = dup(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_number_arrives_whole_and_in_order, make_sockets, close_sockets),
		cmocka_unit_test_setup_teardown(several_come_one_after_the_other, make_sockets, close_sockets),
		cmocka_unit_test_setup_teardown(a_part_alone_is_kept_and_given_back, make_sockets, close_sockets),
		cmocka_unit_test_setup_teardown(where_the_sender_has_died_over_one_the_next_is_whole, make_sockets,
						close_sockets),
		cmocka_unit_test_setup_teardown(the_end_of_one_that_is_lost_is_passed_over, make_sockets,
						close_sockets),
		cmocka_unit_test_setup_teardown(what_is_no_part_is_broken, make_sockets, close_sockets),
		cmocka_unit_test_setup_teardown(where_descriptors_are_short_none_leaks_and_the_next_is_whole,
						make_sockets, close_sockets),
		cmocka_unit_test_setup_teardown(where_too_many_are_on_their_way_the_sender_waits, make_sockets,
						close_sockets),
		cmocka_unit_test_setup_teardown(a_peer_that_is_gone_is_told, make_sockets, close_sockets),
		cmocka_unit_test_setup_teardown(a_peer_that_went_without_reading_all_is_gone, make_sockets,
						close_sockets),
	};
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
