/* core/users when memory runs out: a change that is said to be done is, one that is not has changed nothing, and nobody is let in
 * or kept waiting for ever by the sign-in service. On epoll, in a folder in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/users/hasher.h"
#include "core/users/sign_in.h"
#include "crypto/secret.h"
#include "tests/unit/torture/scratch_folder.h"
#include "tests/unit/torture/torture.h"

#define HASH_A "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
#define HASH_B "$argon2id$v=19$m=65536,t=3,p=1$b3RoZXJvdGhlcm90aGVycw$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

enum { TURNS_MOST = 1000 };

static void prepare(void *context)
{
	(void)context;
	scratch_folder_enter();
}

/* --- the database --- */

static struct {
	enum users_status alice, bob, replaced, disabled, removed;
	bool batch_stored;
} said;

static bool count_user(void *context, struct slice name, const struct user_record *record, struct slice grants)
{
	(void)name, (void)record, (void)grants;
	++*(unsigned *)context;
	return true;
}

static void change_users(void *context)
{
	(void)context;
	struct error error;
	unsigned count = 0;
	memset(&said, 0xff, sizeof said);
	said.batch_stored = false;
	struct users *users = users_open("users", true, &error);
	if (!users) {
		assert_true(torture_has_failed());
		return;
	}
	said.alice =
		users_put(users, SLICE_LITERAL("alice"), &(struct user_credentials){ .hash = HASH_A }, false, &error);
	said.bob = users_put(users, SLICE_LITERAL("bob"), &(struct user_credentials){ .hash = HASH_A }, false, &error);
	said.replaced =
		users_put(users, SLICE_LITERAL("alice"), &(struct user_credentials){ .hash = HASH_B }, true, &error);
	said.disabled = users_set_disabled(users, SLICE_LITERAL("alice"), true, &error);
	said.removed = users_remove(users, SLICE_LITERAL("bob"), &error);
	users_batch_begin(users);
	bool put = users_put(users, SLICE_LITERAL("carol"), &(struct user_credentials){ .hash = HASH_A }, false,
			     &error) == USERS_OK;
	said.batch_stored = users_batch_end(users, &error) && put;
	bool walked = users_walk(users, count_user, &count, &error);
	assert_true(!walked || count >= 1);
	users_close(users);
}

static void look_at_users(void *context)
{
	(void)context;
	struct error error;
	struct user_record record;
	struct users *users = users_open("users", true, &error);
	assert_non_null(users);
	if (said.alice == USERS_OK)
		assert_int_equal(users_find(users, SLICE_LITERAL("alice"), &record), USERS_OK);
	if (said.replaced == USERS_OK)
		assert_string_equal(record.hash, HASH_B);
	if (said.disabled == USERS_OK)
		assert_true(record.disabled);
	if (said.removed == USERS_OK)
		assert_int_equal(users_find(users, SLICE_LITERAL("bob"), &record), USERS_UNKNOWN);
	if (said.batch_stored)
		assert_int_equal(users_find(users, SLICE_LITERAL("carol"), &record), USERS_OK);
	users_close(users);
	scratch_folder_leave();
}

static void changes_are_done_or_not(void **state)
{
	(void)state;
	torture_run(&(struct torture){ .before = prepare, .scenario = change_users, .after = look_at_users });
}

/* --- signing in --- */

enum { CLIENTS = 12, HASHERS = 1 };

struct client {
	struct sign_in_request request;
	bool answered;
	enum sign_in_outcome outcome;
};

static struct loop *loop;
static struct users *users;
static struct sign_in_service *service;
static struct client clients[CLIENTS];
static int hashers_fd;

static void answered(struct sign_in_request *request, enum sign_in_outcome outcome)
{
	struct client *client = CONTAINER_OF(request, struct client, request);
	assert_false(client->answered);
	client->answered = true;
	client->outcome = outcome;
}

static void turn(void)
{
	struct error error;
	assert_true(loop_turn(loop, false, &error));
}

/* "right" is the right password of who is there. */
static void answer_jobs(void)
{
	uint8_t packet[HASHER_JOB_BYTES + 1], out[HASHER_ANSWER_BYTES];
	struct hasher_job job;
	for (ssize_t size; (size = recv(hashers_fd, packet, sizeof packet, MSG_DONTWAIT)) > 0;) {
		assert_true(hasher_job_decode(slice_of(packet, (size_t)size), &job));
		bool right = slice_equal(job.password, SLICE_LITERAL("right"));
		hasher_answer_encode(out, &(struct hasher_answer){ job.job, right ? PASSWORD_RIGHT : PASSWORD_WRONG });
		assert_int_equal(send(hashers_fd, out, sizeof out, MSG_NOSIGNAL), sizeof out);
	}
}

static void ask(struct client *client, const char *name, const char *password, uint64_t network)
{
	*client = (struct client){ .request = { .done = answered,
						.name = slice_from_text(name),
						.password = slice_from_text(password),
						.network = network } };
	client->answered = sign_in_step(sign_in_passwords(service), &client->request, &client->outcome);
}

static void prepare_service(void *context)
{
	prepare(context);
	struct error error;
	int ends[2];
	loop = loop_create(&(struct loop_settings){ .kind = LOOP_EPOLL }, &error);
	users = users_open("users", true, &error);
	assert_true(loop && users);
	assert_int_equal(
		users_put(users, SLICE_LITERAL("alice"), &(struct user_credentials){ .hash = HASH_A }, false, &error),
		USERS_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	hashers_fd = ends[1];
	*(int *)context = ends[0];
}

static void sign_in_many(void *context)
{
	unsigned right = 0;
	struct error error = { "" };
	static const struct sign_in_bounds bounds = { .queue = 6, .wait_ms = 60000, .answer_ms = 60000 };
	static const char *const names[] = { "alice", "mallory" }, *const passwords[] = { "right", "wrong", "right" };
	service = sign_in_create_bounded(loop, users, *(int *)context, HASHERS, &bounds, &error);
	if (!service) {
		assert_true(torture_has_failed() && error.text[0]);
		return;
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		ask(&clients[i], names[i % 2], passwords[i % 3], i % 4);
	sign_in_end(sign_in_passwords(service), &clients[CLIENTS - 1].request);
	for (unsigned turns = 0; turns < TURNS_MOST / 20; turns++) {
		turn();
		answer_jobs();
	}
	sign_in_destroy(service);
	for (unsigned i = 0; i < CLIENTS - 1; i++) {
		assert_true(clients[i].answered);
		right += clients[i].outcome == SIGN_IN_OK;
		if (clients[i].outcome == SIGN_IN_OK)
			assert_true(i % 2 == 0 && i % 3 != 1);
		else if (clients[i].outcome == SIGN_IN_WRONG)
			assert_true(i % 2 == 1 || i % 3 == 1);
	}
	assert_true(right > 0 || torture_has_failed());
}

static void end_service(void *context)
{
	(void)context;
	close(hashers_fd);
	users_close(users);
	loop_destroy(loop);
	scratch_folder_leave();
}

static void everybody_is_answered_and_nobody_wrongly(void **state)
{
	(void)state;
	int fd;
	torture_run(&(struct torture){
		.before = prepare_service, .scenario = sign_in_many, .after = end_service, .context = &fd });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_done_or_not),
		cmocka_unit_test(everybody_is_answered_and_nobody_wrongly),
	};
	assert_true(secret_setup());
	log_configure(getenv("TORTURE_LOG") ? LOG_DEBUG : LOG_ERROR + 1, 2);
	alarm(280);
	return cmocka_run_group_tests_name("torture users", tests, NULL, NULL);
}
