/* core/io when memory runs out: a loop is made or it is said why not, and each operation has its callback, with what was done or
 * an error. Both back ends. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/io/loop.h"
#include "tests/unit/torture/scratch_folder.h"
#include "tests/unit/torture/torture.h"

enum { PAIRS = 80, TURNS_MOST = 1000 };

struct heard {
	struct loop_op op;
	bool ended;
	int32_t result;
	uint8_t byte;
};

static void hear(struct loop_op *op, const struct loop_completion *completion)
{
	struct heard *heard = CONTAINER_OF(op, struct heard, op);
	assert_false(heard->ended);
	heard->ended = !completion->more;
	heard->result = completion->result;
	if (completion->bytes.size)
		heard->byte = completion->bytes.data[0];
}

static struct heard receives[PAIRS], sends[PAIRS];
static int fds[PAIRS][2];

static void turn_until(struct loop *loop, const struct heard *heard)
{
	struct error error;
	for (unsigned turns = 0; !heard->ended; turns++) {
		assert_true(turns < TURNS_MOST);
		assert_true(loop_turn(loop, true, &error));
	}
}

/* More descriptors than fit in what the epoll back end has at first. */
static void talk(struct loop *loop)
{
	static const uint8_t bytes[] = "x";
	for (unsigned i = 0; i < PAIRS; i++) {
		receives[i] = sends[i] = (struct heard){ .ended = false };
		loop_op_init(&receives[i].op);
		loop_op_init(&sends[i].op);
		loop_receive(loop, &receives[i].op, fds[i][0], hear);
		loop_send(loop, &sends[i].op, fds[i][1], slice_of(bytes, 1), hear);
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		turn_until(loop, &sends[i]);
		if (sends[i].result < 0)
			loop_cancel(loop, &receives[i].op);
		turn_until(loop, &receives[i]);
		assert_true(sends[i].result == 1 || torture_has_failed());
		assert_true(receives[i].result == 1 ? receives[i].byte == 'x' : torture_has_failed());
	}
}

static void write_file(struct loop *loop)
{
	static uint8_t bytes[100] = "a", back[100];
	struct iovec out = { bytes, sizeof bytes }, in = { back, sizeof back };
	struct loop_op op;
	loop_op_init(&op);
	loop_open(loop, &op, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600, NULL);
	int fd = loop_await(loop, &op);
	assert_true(fd >= 0 || torture_has_failed());
	if (fd < 0)
		return;
	loop_write(loop, &op, fd, &out, 1, 0, LOOP_WRITE_DURABLE, NULL);
	bool written = loop_await(loop, &op) == sizeof bytes;
	loop_read(loop, &op, fd, &in, 1, 0, NULL);
	int32_t read = loop_await(loop, &op);
	assert_true((written && read == sizeof bytes && back[0] == 'a') || torture_has_failed());
	loop_close(loop, fd);
}

static void live(void *kind)
{
	struct error error = { "" };
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = *(enum loop_kind *)kind }, &error);
	if (!loop) {
		assert_true(torture_has_failed() && error.text[0]);
		return;
	}
	talk(loop);
	write_file(loop);
	for (unsigned i = 0; i < PAIRS; i++)
		for (unsigned k = 0; k < 2; k++) {
			loop_close(loop, fds[i][k]);
			fds[i][k] = -1;
		}
	loop_destroy(loop);
}

static void prepare(void *kind)
{
	(void)kind;
	scratch_folder_enter();
	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds[i]), 0);
}

static void clean_up(void *kind)
{
	(void)kind;
	for (unsigned i = 0; i < PAIRS; i++)
		for (unsigned k = 0; k < 2; k++)
			if (fds[i][k] >= 0)
				close(fds[i][k]);
	scratch_folder_leave();
}

static void run(enum loop_kind kind)
{
	torture_run(&(struct torture){ .before = prepare, .scenario = live, .after = clean_up, .context = &kind });
}

static void epoll_answers_everything(void **state)
{
	(void)state;
	run(LOOP_EPOLL);
}

static void io_uring_answers_everything(void **state)
{
	(void)state;
	struct error error;
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_IO_URING }, &error);
	if (!loop)
		skip();
	loop_destroy(loop);
	run(LOOP_IO_URING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(epoll_answers_everything),
		cmocka_unit_test(io_uring_answers_everything),
	};
	log_configure(getenv("TORTURE_LOG") ? LOG_DEBUG : LOG_ERROR + 1, 2);
	alarm(280);
	return cmocka_run_group_tests_name("torture io", tests, NULL, NULL);
}
