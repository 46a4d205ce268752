/* core/users: a hasher process on its own: answers, foreign packets, fairness between workers, how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/users/hasher.h"
#include "core/users/sign_in.h"
#include "crypto/password.h"
#include "crypto/secret.h"
#include "tests/unit/users/scratch.h"

enum { WORKERS = 3 };

struct fixture {
	int workers[WORKERS][2]; /* ours, the hasher's */
	pid_t hasher;
};

static char right_hash[LIMIT_HASH_TEXT_BYTES];

static int set_up(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof *fixture);
	int ends[WORKERS];
	for (size_t i = 0; i < WORKERS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fixture->workers[i]), 0);
		ends[i] = fixture->workers[i][1];
	}
	fixture->hasher = scratch_fork();
	if (fixture->hasher == 0) {
		for (size_t i = 0; i < WORKERS; i++)
			close(fixture->workers[i][0]);
		_exit(hasher_run(ends, WORKERS, NULL));
	}
	for (size_t i = 0; i < WORKERS; i++)
		close(ends[i]);
	*state = fixture;
	return 0;
}

/* With its last worker gone the hasher ends by itself. */
static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	for (size_t i = 0; i < WORKERS; i++)
		if (fixture->workers[i][0] >= 0)
			close(fixture->workers[i][0]);
	int status = fixture->hasher > 0 ? scratch_wait(fixture->hasher) : 0;
	test_free(fixture);
	return status;
}

static void ask(struct fixture *fixture, size_t worker, uint64_t number, const char *hash, const char *password)
{
	uint8_t storage[HASHER_JOB_BYTES];
	struct buffer packet;
	buffer_init(&packet, storage, sizeof storage);
	struct hasher_job job = { .job = number, .hash = slice_from_text(hash), .password = slice_from_text(password) };
	assert_true(hasher_job_encode(&packet, &job));
	assert_int_equal(send(fixture->workers[worker][0], packet.data, packet.size, 0), packet.size);
}

static enum password_verdict answer_to(struct fixture *fixture, size_t worker, uint64_t number)
{
	uint8_t packet[64];
	struct hasher_answer answer;
	ssize_t size = recv(fixture->workers[worker][0], packet, sizeof packet, 0);
	assert_true(size > 0 && hasher_answer_decode(slice_of(packet, (size_t)size), &answer));
	assert_true(answer.job == number);
	return answer.verdict;
}

static void right_and_wrong_are_told(void **state)
{
	struct fixture *fixture = *state;
	ask(fixture, 0, 1, right_hash, "right");
	assert_int_equal(answer_to(fixture, 0, 1), PASSWORD_RIGHT);
	ask(fixture, 1, 2, right_hash, "wrong");
	assert_int_equal(answer_to(fixture, 1, 2), PASSWORD_WRONG);
	ask(fixture, 2, 3, "no hash", "right");
	assert_int_equal(answer_to(fixture, 2, 3), PASSWORD_WRONG);
	ask(fixture, 2, 4, "", "");
	assert_int_equal(answer_to(fixture, 2, 4), PASSWORD_WRONG);
	char nobodys[LIMIT_HASH_TEXT_BYTES];
	struct password_cost usual = password_usual_cost();
	password_nobodys_hash(nobodys, &usual);
	ask(fixture, 2, 5, nobodys, "right");
	assert_int_equal(answer_to(fixture, 2, 5), PASSWORD_WRONG);
}

/* No memory is no verdict, and passes: the next job that fits is done. */
static void no_memory_is_told(void **state)
{
	struct fixture *fixture = *state;
	ask(fixture, 0, 1, right_hash, "right");
	assert_int_equal(answer_to(fixture, 0, 1), PASSWORD_RIGHT);
	scratch_limit_memory(fixture->hasher, 256 * 1024 * 1024);
	ask(fixture, 0, 2, "$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$Z8H6dbYwMTZXg7nPTk4Ap0OHo4IzuAyl5Q",
	    "right");
	assert_int_equal(answer_to(fixture, 0, 2), PASSWORD_NO_MEMORY);
	ask(fixture, 0, 3, right_hash, "right");
	assert_int_equal(answer_to(fixture, 0, 3), PASSWORD_RIGHT);
	ask(fixture, 0, 4, right_hash, "wrong");
	assert_int_equal(answer_to(fixture, 0, 4), PASSWORD_WRONG);
}

static void foreign_packets_are_passed_over(void **state)
{
	struct fixture *fixture = *state;
	uint8_t packet[3 * HASHER_JOB_BYTES];
	memset(packet, 0xa5, sizeof packet);
	static const size_t sizes[] = { 1, 8, 9, 100, HASHER_JOB_BYTES, HASHER_JOB_BYTES + 1, sizeof packet };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		assert_int_equal(send(fixture->workers[0][0], packet, sizes[i], 0), sizes[i]);
	ask(fixture, 0, 1, right_hash, "right");
	assert_int_equal(answer_to(fixture, 0, 1), PASSWORD_RIGHT);
}

/* Many jobs of one worker delay another's by the one that is being done. */
static void workers_take_turns(void **state)
{
	struct fixture *fixture = *state;
	int status;
	kill(fixture->hasher, SIGSTOP);
	assert_int_equal(waitpid(fixture->hasher, &status, WUNTRACED), fixture->hasher);
	for (uint64_t i = 0; i < 6; i++)
		ask(fixture, 1, i, right_hash, "wrong");
	ask(fixture, 0, 100, right_hash, "right");
	ask(fixture, 2, 200, right_hash, "right");
	kill(fixture->hasher, SIGCONT);
	assert_int_equal(answer_to(fixture, 0, 100), PASSWORD_RIGHT);
	assert_int_equal(answer_to(fixture, 2, 200), PASSWORD_RIGHT);
	uint8_t packet[64];
	size_t done = 0;
	while (recv(fixture->workers[1][0], packet, sizeof packet, MSG_DONTWAIT) > 0)
		done++;
	assert_true(done < 6);
	while (done < 6 && recv(fixture->workers[1][0], packet, sizeof packet, 0) > 0)
		done++;
	assert_int_equal(done, 6);
}

static void a_worker_that_has_gone_disturbs_nobody(void **state)
{
	struct fixture *fixture = *state;
	ask(fixture, 0, 1, right_hash, "right");
	close(fixture->workers[0][0]);
	fixture->workers[0][0] = -1;
	ask(fixture, 1, 2, right_hash, "right");
	assert_int_equal(answer_to(fixture, 1, 2), PASSWORD_RIGHT);
}

/* Waits until the hasher has taken the packets that were sent. */
static void await_taken(int fd)
{
	int untaken_bytes;
	while (ioctl(fd, SIOCOUTQ, &untaken_bytes) == 0 && untaken_bytes > 0)
		usleep(100);
}

/* The one it is at is answered first; a terminal's signals mean nothing to it. */
static void it_ends_when_told(void **state)
{
	struct fixture *fixture = *state;
	ask(fixture, 0, 1, right_hash, "right");
	assert_int_equal(answer_to(fixture, 0, 1), PASSWORD_RIGHT);
	kill(fixture->hasher, SIGINT);
	kill(fixture->hasher, SIGHUP);
	ask(fixture, 0, 2, right_hash, "right");
	await_taken(fixture->workers[0][0]);
	kill(fixture->hasher, SIGTERM);
	assert_int_equal(answer_to(fixture, 0, 2), PASSWORD_RIGHT);
	assert_int_equal(scratch_wait(fixture->hasher), 0);
	fixture->hasher = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(right_and_wrong_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_memory_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(foreign_packets_are_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(workers_take_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_worker_that_has_gone_disturbs_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_ends_when_told, set_up, tear_down),
	};
	log_configure(LOG_ERROR, open("/dev/null", O_WRONLY));
	if (!secret_setup() || !password_hash(right_hash, SLICE_LITERAL("right")))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
