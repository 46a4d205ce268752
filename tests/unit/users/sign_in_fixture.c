/* The service and its clients for tests; see sign_in_fixture.h. */
#include "tests/unit/users/sign_in_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/users/hasher.h"
#include "crypto/password.h"
#include "crypto/secret.h"

char hash_of_right[LIMIT_HASH_TEXT_BYTES], hash_of_other[LIMIT_HASH_TEXT_BYTES];
static enum loop_kind kind;

struct sign_in_service *make_service(struct fixture *fixture, const struct sign_in_bounds *bounds)
{
	int ends[2];
	struct error error;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	fixture->hashers_fd = ends[1];
	return sign_in_create_bounded(fixture->loop, fixture->users, ends[0], HASHERS, bounds, &error);
}

static int set_up_bounded(void **state, const struct sign_in_bounds *bounds)
{
	struct fixture *fixture = test_calloc(1, sizeof *fixture);
	struct error error;
	scratch_make(&fixture->scratch);
	fixture->users = users_open(fixture->scratch.database, true, &error);
	fixture->loop = loop_create(&(struct loop_settings){ .kind = kind }, &error);
	fixture->service = make_service(fixture, bounds);
	static const char *const names[] = { "Alice@Example.org", "bob", "carol", "off" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(users_put(fixture->users, slice_from_text(names[i]),
					   &(struct user_credentials){ .hash = hash_of_right }, false, &error),
				 USERS_OK);
	assert_int_equal(users_set_disabled(fixture->users, SLICE_LITERAL("off"), true, &error), USERS_OK);
	*state = fixture;
	return 0;
}

int set_up_hurried(void **state)
{
	return set_up_bounded(state,
			      &(struct sign_in_bounds){ .queue = QUEUE, .wait_ms = WAIT_MS, .answer_ms = ANSWER_MS });
}

int set_up_small(void **state)
{
	return set_up_bounded(state, &(struct sign_in_bounds){ .queue = QUEUE, .wait_ms = 60000, .answer_ms = 60000 });
}

int set_up_patient(void **state)
{
	return set_up_bounded(state, &(struct sign_in_bounds){ .queue = 5000, .wait_ms = 60000, .answer_ms = 60000 });
}

void start_hasher(struct fixture *fixture)
{
	fixture->hasher = scratch_fork();
	if (fixture->hasher == 0)
		_exit(hasher_run(&fixture->hashers_fd, 1, NULL));
}

int set_up_with_hasher(void **state)
{
	set_up_patient(state);
	start_hasher(*state);
	return 0;
}

int tear_down(void **state)
{
	struct fixture *fixture = *state;
	sign_in_destroy(fixture->service);
	users_close(fixture->users);
	loop_destroy(fixture->loop);
	close(fixture->hashers_fd);
	if (fixture->hasher > 0) {
		kill(fixture->hasher, SIGTERM);
		assert_int_equal(scratch_wait(fixture->hasher), 0);
	}
	scratch_remove(&fixture->scratch);
	test_free(fixture);
	return 0;
}

static unsigned answers;

void client_answered(struct sign_in_request *request, enum sign_in_outcome outcome)
{
	struct client *client = CONTAINER_OF(request, struct client, request);
	assert_false(client->answered);
	client->answered = true;
	client->outcome = outcome;
	client->order = ++answers;
}

void ask_from(struct fixture *fixture, struct client *client, const char *name, const char *password, uint64_t network)
{
	*client = (struct client){ .request = { .done = client_answered,
						.name = slice_from_text(name),
						.password = slice_from_text(password),
						.network = network } };
	if (sign_in_step(sign_in_passwords(fixture->service), &client->request, &client->outcome)) {
		client->answered = true;
		client->order = ++answers;
	}
}

void ask(struct fixture *fixture, struct client *client, const char *name, const char *password)
{
	ask_from(fixture, client, name, password, 1);
}

void turn(struct fixture *fixture, bool wait)
{
	struct error error;
	assert_true(loop_turn(fixture->loop, wait, &error));
}

enum sign_in_outcome await(struct fixture *fixture, struct client *client)
{
	while (!client->answered)
		turn(fixture, true);
	return client->outcome;
}

enum sign_in_outcome sign_in(struct fixture *fixture, const char *name, const char *password)
{
	struct client client;
	ask(fixture, &client, name, password);
	return await(fixture, &client);
}

bool take_job(struct fixture *fixture, struct job *taken)
{
	uint8_t packet[HASHER_JOB_BYTES + 1];
	struct hasher_job job;
	for (unsigned tries = 0; tries < 4; tries++) {
		ssize_t size = recv(fixture->hashers_fd, packet, sizeof packet, MSG_DONTWAIT);
		if (size > 0) {
			assert_true(hasher_job_decode(slice_of(packet, (size_t)size), &job));
			taken->number = job.job;
			assert_true(slice_to_text(job.hash, taken->hash, sizeof taken->hash));
			assert_true(slice_to_text(job.password, taken->password, sizeof taken->password));
			return true;
		}
		turn(fixture, false);
	}
	return false;
}

void answer(struct fixture *fixture, uint64_t number, enum password_verdict verdict)
{
	uint8_t packet[HASHER_ANSWER_BYTES];
	struct hasher_answer answer = { number, verdict };
	hasher_answer_encode(packet, &answer);
	assert_int_equal(send(fixture->hashers_fd, packet, sizeof packet, MSG_NOSIGNAL), sizeof packet);
}

void answer_next(struct fixture *fixture, enum password_verdict verdict)
{
	struct job job;
	assert_true(take_job(fixture, &job));
	answer(fixture, job.number, verdict);
}

void change_user(struct fixture *fixture, const char *name, enum change change)
{
	struct error error;
	struct slice user = slice_from_text(name);
	enum users_status status =
		change == REMOVE    ? users_remove(fixture->users, user, &error)
		: change == DISABLE ? users_set_disabled(fixture->users, user, true, &error)
				    : users_put(fixture->users, user,
						&(struct user_credentials){ .hash = hash_of_other }, true, &error);
	assert_int_equal(status, USERS_OK);
}

int run_on_all_loops(int (*run_all)(void))
{
	struct error error;
	log_configure(LOG_ERROR, open("/dev/null", O_WRONLY));
	if (!secret_setup() || !password_hash(hash_of_right, SLICE_LITERAL("right")) ||
	    !password_hash(hash_of_other, SLICE_LITERAL("other")))
		return 1;
	print_message("--- epoll\n");
	kind = LOOP_EPOLL;
	int failed = run_all();
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_IO_URING }, &error);
	loop_destroy(loop);
	print_message("--- io_uring%s%s\n", loop ? "" : " is not to be had: ", loop ? "" : error.text);
	kind = LOOP_IO_URING;
	return loop ? failed + run_all() : failed;
}
