/* core/users: the sign-in service with the test in the hashers' place, which answers what and when it likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/users/hasher.h"
#include "crypto/password.h"
#include "tests/unit/users/sign_in_fixture.h"

/* NULL: nobody's. */
static void assert_hash(const struct job *job, const char *hash)
{
	struct password_cost cost, usual = password_usual_cost();
	assert_true(password_cost_of(job->hash, &cost) && password_cost_equal(&cost, &usual));
	if (hash)
		assert_string_equal(job->hash, hash);
	else
		assert_true(strcmp(job->hash, hash_of_right) != 0 && strcmp(job->hash, hash_of_other) != 0);
}

static void every_login_goes_its_way(void **state)
{
	struct fixture *fixture = *state;
	static char too_long_name[LIMIT_LOGIN_NAME_BYTES + 2], too_long_password[LIMIT_PASSWORD_BYTES + 2];
	memset(too_long_name, 'n', sizeof too_long_name - 1);
	memset(too_long_password, 'p', sizeof too_long_password - 1);
	/* Who may not sign in is refused, whatever a hasher says. */
	static const struct {
		const char *name, *password;
		bool known;
		enum sign_in_outcome outcome;
	} rows[] = {
		{ "alice@example.ORG", "right", true, SIGN_IN_OK },
		{ "bob", "right", true, SIGN_IN_OK },
		{ "mallory", "right", false, SIGN_IN_WRONG },
		{ "off", "right", false, SIGN_IN_WRONG },
		{ "", "right", false, SIGN_IN_WRONG },
		{ "a b", "right", false, SIGN_IN_WRONG },
		{ too_long_name, "right", false, SIGN_IN_WRONG },
		{ "carol", "", true, SIGN_IN_OK },
		{ "carol", too_long_password, false, SIGN_IN_WRONG },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct client client;
		struct job job;
		ask(fixture, &client, rows[i].name, rows[i].password);
		assert_false(client.answered);
		assert_true(take_job(fixture, &job));
		assert_hash(&job, rows[i].known ? hash_of_right : NULL);
		answer(fixture, job.number, PASSWORD_RIGHT);
		assert_int_equal(await(fixture, &client), rows[i].outcome);
	}
}

/* Hashers have the same to do as for everybody: a hash of the usual cost, which no password is for and which is new each time. */
static void who_has_no_password_costs_what_others_do(void **state)
{
	struct fixture *fixture = *state;
	struct error error;
	struct client client;
	struct job job;
	char before[LIMIT_HASH_TEXT_BYTES] = "";
	const struct user_credentials none = { 0 };
	assert_int_equal(users_put(fixture->users, SLICE_LITERAL("dora"), &none, false, &error), USERS_OK);
	for (unsigned i = 0; i < 2; i++) {
		ask(fixture, &client, "dora", i ? "right" : "");
		assert_false(client.answered);
		assert_true(take_job(fixture, &job));
		assert_hash(&job, NULL);
		assert_string_not_equal(job.hash, before);
		assert_true(slice_to_text(slice_from_text(job.hash), before, sizeof before));
		answer(fixture, job.number, PASSWORD_WRONG);
		assert_int_equal(await(fixture, &client), SIGN_IN_WRONG);
	}
}

static void only_what_was_right_is_remembered(void **state)
{
	struct fixture *fixture = *state;
	struct client client;
	struct error error;
	ask(fixture, &client, "bob", "x");
	answer_next(fixture, PASSWORD_WRONG);
	assert_int_equal(await(fixture, &client), SIGN_IN_WRONG);
	ask(fixture, &client, "bob", "x");
	answer_next(fixture, PASSWORD_RIGHT);
	assert_int_equal(await(fixture, &client), SIGN_IN_OK);
	ask(fixture, &client, "BOB", "x");
	assert_true(client.answered && client.outcome == SIGN_IN_OK);
	ask(fixture, &client, "bob", "X");
	assert_false(client.answered);
	answer_next(fixture, PASSWORD_WRONG);
	await(fixture, &client);
	/* Any change makes it worthless at once, also one to the same hash. */
	assert_int_equal(users_put(fixture->users, SLICE_LITERAL("bob"),
				   &(struct user_credentials){ .hash = hash_of_right }, true, &error),
			 USERS_OK);
	ask(fixture, &client, "bob", "x");
	assert_false(client.answered);
	answer_next(fixture, PASSWORD_RIGHT);
	assert_int_equal(await(fixture, &client), SIGN_IN_OK);
	assert_int_equal(users_remove(fixture->users, SLICE_LITERAL("bob"), &error), USERS_OK);
	ask(fixture, &client, "bob", "x");
	assert_false(client.answered);
	answer_next(fixture, PASSWORD_RIGHT);
	assert_int_equal(await(fixture, &client), SIGN_IN_WRONG);
}

/* Then nothing is known of the login, also not that it was wrong. */
static void a_hasher_without_memory_is_no_answer(void **state)
{
	struct fixture *fixture = *state;
	static const char *const names[] = { "bob", "off", "mallory" };
	struct client client;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		ask(fixture, &client, names[i], "x");
		answer_next(fixture, PASSWORD_NO_MEMORY);
		assert_int_equal(await(fixture, &client), SIGN_IN_UNAVAILABLE);
	}
	ask(fixture, &client, "bob", "x");
	assert_false(client.answered);
	answer_next(fixture, PASSWORD_RIGHT);
	assert_int_equal(await(fixture, &client), SIGN_IN_OK);
}

/* The answer to what does not hold any more counts for nothing: it is asked again, with what holds now. */
static void a_change_while_hashing_is_seen(void **state)
{
	struct fixture *fixture = *state;
	static const struct {
		const char *name;
		enum change change;
		const char *hash; /* NULL: nobody's */
		enum sign_in_outcome outcome;
	} rows[] = {
		{ "Alice@example.org", REMOVE, NULL, SIGN_IN_WRONG },
		{ "bob", DISABLE, NULL, SIGN_IN_WRONG },
		{ "carol", NEW_PASSWORD, hash_of_other, SIGN_IN_OK },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct client client;
		struct job job;
		ask(fixture, &client, rows[i].name, "p");
		assert_true(take_job(fixture, &job));
		change_user(fixture, rows[i].name, rows[i].change);
		answer(fixture, job.number, PASSWORD_RIGHT);
		assert_true(take_job(fixture, &job));
		assert_false(client.answered);
		assert_hash(&job, rows[i].hash);
		answer(fixture, job.number, PASSWORD_RIGHT);
		assert_int_equal(await(fixture, &client), rows[i].outcome);
	}
	/* Under one that changes each time nobody is kept for ever. */
	struct client client;
	ask(fixture, &client, "carol", "q");
	for (unsigned i = 0; i < 2; i++) {
		change_user(fixture, "carol", NEW_PASSWORD);
		answer_next(fixture, PASSWORD_RIGHT);
		turn(fixture, true);
	}
	assert_int_equal(await(fixture, &client), SIGN_IN_UNAVAILABLE);
}

static void the_same_login_is_hashed_once(void **state)
{
	struct fixture *fixture = *state;
	struct client clients[6];
	struct job job;
	for (size_t i = 0; i < 6; i++)
		ask_from(fixture, &clients[i], i % 2 ? "bob" : "BOB", i == 5 ? "other" : "right", i);
	assert_true(take_job(fixture, &job));
	assert_string_equal(job.password, "right");
	sign_in_end(sign_in_passwords(fixture->service), &clients[0].request);
	answer(fixture, job.number, PASSWORD_RIGHT);
	assert_true(take_job(fixture, &job));
	assert_string_equal(job.password, "other");
	assert_false(take_job(fixture, &job));
	for (size_t i = 1; i < 5; i++)
		assert_int_equal(await(fixture, &clients[i]), SIGN_IN_OK);
	assert_false(clients[0].answered || clients[5].answered);
	sign_in_end(sign_in_passwords(fixture->service), &clients[5].request);
}

static struct client *to_cancel;
static struct fixture *to_cancel_in;

static void cancels_another(struct sign_in_request *request, enum sign_in_outcome outcome)
{
	client_answered(request, outcome);
	sign_in_end(sign_in_passwords(to_cancel_in->service), &to_cancel->request);
	struct client *client = CONTAINER_OF(request, struct client, request);
	sign_in_end(sign_in_passwords(to_cancel_in->service), &client->request);
}

static void who_has_gone_is_not_called(void **state)
{
	struct fixture *fixture = *state;
	struct client in_flight, waiting, same[2], last;
	struct job job;
	ask(fixture, &in_flight, "bob", "1");
	ask(fixture, &same[0], "bob", "2");
	ask(fixture, &same[1], "bob", "2");
	ask(fixture, &waiting, "bob", "3");
	ask(fixture, &last, "bob", "4");
	same[0].request.done = cancels_another;
	to_cancel = &same[1];
	to_cancel_in = fixture;
	assert_true(take_job(fixture, &job));
	sign_in_end(sign_in_passwords(fixture->service), &in_flight.request);
	sign_in_end(sign_in_passwords(fixture->service), &in_flight.request);
	sign_in_end(sign_in_passwords(fixture->service), &waiting.request);
	answer(fixture, job.number, PASSWORD_RIGHT);
	answer_next(fixture, PASSWORD_RIGHT);
	assert_int_equal(await(fixture, &same[0]), SIGN_IN_OK);
	assert_true(take_job(fixture, &job));
	assert_string_equal(job.password, "4");
	answer(fixture, job.number, PASSWORD_RIGHT);
	assert_int_equal(await(fixture, &last), SIGN_IN_OK);
	assert_false(in_flight.answered || waiting.answered || same[1].answered);
	/* What nobody waits for any more is not remembered: nobody had asked for it at the end. */
	ask(fixture, &in_flight, "bob", "1");
	assert_false(in_flight.answered);
	sign_in_end(sign_in_passwords(fixture->service), &in_flight.request);
}

static void a_full_queue_refuses_who_has_filled_it(void **state)
{
	struct fixture *fixture = *state;
	static struct client flood[IN_FLIGHT + QUEUE + 1], other; /* some wait to the end of the service */
	char passwords[IN_FLIGHT + QUEUE + 1][8];
	for (size_t i = 0; i < sizeof flood / sizeof flood[0]; i++) {
		snprintf(passwords[i], sizeof passwords[i], "%zu", i);
		ask_from(fixture, &flood[i], "bob", passwords[i], 1);
		turn(fixture, false);
	}
	for (size_t i = 0; i < IN_FLIGHT + QUEUE; i++)
		assert_false(flood[i].answered);
	struct client *refused = &flood[IN_FLIGHT + QUEUE];
	assert_true(refused->answered && refused->outcome == SIGN_IN_UNAVAILABLE);
	/* Somebody else gets a place, the flood's newest loses it; not from inside the start. */
	ask_from(fixture, &other, "carol", "right", 2);
	assert_false(other.answered || flood[IN_FLIGHT + QUEUE - 1].answered);
	turn(fixture, false);
	turn(fixture, false);
	assert_true(flood[IN_FLIGHT + QUEUE - 1].answered);
	assert_int_equal(flood[IN_FLIGHT + QUEUE - 1].outcome, SIGN_IN_UNAVAILABLE);
	/* Remembered logins need no place. */
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		answer_next(fixture, PASSWORD_RIGHT);
	assert_int_equal(await(fixture, &flood[0]), SIGN_IN_OK);
	assert_int_equal(sign_in(fixture, "bob", "0"), SIGN_IN_OK);
}

static void a_flood_delays_nobody_else(void **state)
{
	enum { FLOOD = 4000 };
	struct fixture *fixture = *state;
	static struct client flood[FLOOD];
	static char passwords[FLOOD][8];
	for (size_t i = 0; i < FLOOD; i++) {
		snprintf(passwords[i], sizeof passwords[i], "%zu", i);
		ask_from(fixture, &flood[i], "bob", passwords[i], 1);
		assert_false(flood[i].answered);
	}
	struct client single;
	ask_from(fixture, &single, "carol", "right", 2);
	unsigned answered_before = 0;
	while (!single.answered) {
		answer_next(fixture, PASSWORD_WRONG);
		turn(fixture, false);
		answered_before++;
	}
	assert_in_range(answered_before, 1, IN_FLIGHT + 3);
	while (!flood[FLOOD - 1].answered) {
		answer_next(fixture, PASSWORD_WRONG);
		turn(fixture, false);
	}
	/* Those of one network keep their order. */
	for (size_t i = 1; i < FLOOD; i++)
		assert_true(flood[i].answered && flood[i].order > flood[i - 1].order);
}

static void silence_ends_at_the_deadlines(void **state)
{
	struct fixture *fixture = *state;
	struct client clients[3 * IN_FLIGHT];
	struct job late;
	static const char *const passwords[] = { "0", "1", "2", "3", "4", "5" };
	turn(fixture, false); /* the deadlines count from the turn's beginning */
	uint64_t began_us = scratch_now_us();
	for (size_t i = 0; i < 3 * IN_FLIGHT; i++)
		ask(fixture, &clients[i], "bob", passwords[i]);
	assert_true(take_job(fixture, &late));
	for (size_t i = 0; i < 3 * IN_FLIGHT; i++)
		assert_int_equal(await(fixture, &clients[i]), SIGN_IN_UNAVAILABLE);
	uint64_t took_ms = (scratch_now_us() - began_us) / 1000;
	assert_in_range(took_ms, WAIT_MS - 100, WAIT_MS + 10000);
	/* An answer that comes too late, twice or for nobody means nothing. */
	answer(fixture, late.number, PASSWORD_RIGHT);
	answer(fixture, late.number, PASSWORD_RIGHT);
	answer(fixture, 1, PASSWORD_RIGHT);
	assert_int_equal(send(fixture->hashers_fd, "foreign", 7, 0), 7);
	struct job job;
	while (take_job(fixture, &job))
		answer(fixture, job.number, PASSWORD_WRONG);
	struct client client;
	ask(fixture, &client, "bob", "0");
	assert_false(client.answered);
	answer_next(fixture, PASSWORD_RIGHT);
	assert_int_equal(await(fixture, &client), SIGN_IN_OK);
}

static void with_no_hasher_left_only_remembered_logins_work(void **state)
{
	struct fixture *fixture = *state;
	struct client client, waiting[IN_FLIGHT + 1];
	ask(fixture, &client, "bob", "right");
	answer_next(fixture, PASSWORD_RIGHT);
	await(fixture, &client);
	static const char *const passwords[] = { "0", "1", "2" };
	for (size_t i = 0; i < IN_FLIGHT + 1; i++)
		ask(fixture, &waiting[i], "carol", passwords[i]);
	shutdown(fixture->hashers_fd, SHUT_RDWR);
	for (size_t i = 0; i < IN_FLIGHT + 1; i++)
		assert_int_equal(await(fixture, &waiting[i]), SIGN_IN_UNAVAILABLE);
	turn(fixture, false);
	ask(fixture, &client, "carol", "right");
	assert_true(client.answered && client.outcome == SIGN_IN_UNAVAILABLE);
	ask(fixture, &client, "bob", "right");
	assert_true(client.answered && client.outcome == SIGN_IN_OK);
}

static void destroying_tells_all(void **state)
{
	struct fixture *fixture = *state;
	struct client clients[2 * IN_FLIGHT];
	static const char *const passwords[] = { "0", "1", "2", "3" };
	for (size_t i = 0; i < 2 * IN_FLIGHT; i++)
		ask(fixture, &clients[i], "carol", passwords[i]);
	sign_in_destroy(fixture->service);
	fixture->service = NULL;
	for (size_t i = 0; i < 2 * IN_FLIGHT; i++)
		assert_true(clients[i].answered && clients[i].outcome == SIGN_IN_UNAVAILABLE);
}

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_login_goes_its_way, set_up_patient, tear_down),
		cmocka_unit_test_setup_teardown(who_has_no_password_costs_what_others_do, set_up_patient, tear_down),
		cmocka_unit_test_setup_teardown(only_what_was_right_is_remembered, set_up_patient, tear_down),
		cmocka_unit_test_setup_teardown(a_hasher_without_memory_is_no_answer, set_up_patient, tear_down),
		cmocka_unit_test_setup_teardown(a_change_while_hashing_is_seen, set_up_patient, tear_down),
		cmocka_unit_test_setup_teardown(the_same_login_is_hashed_once, set_up_patient, tear_down),
		cmocka_unit_test_setup_teardown(who_has_gone_is_not_called, set_up_patient, tear_down),
		cmocka_unit_test_setup_teardown(a_full_queue_refuses_who_has_filled_it, set_up_small, tear_down),
		cmocka_unit_test_setup_teardown(a_flood_delays_nobody_else, set_up_patient, tear_down),
		cmocka_unit_test_setup_teardown(silence_ends_at_the_deadlines, set_up_hurried, tear_down),
		cmocka_unit_test_setup_teardown(with_no_hasher_left_only_remembered_logins_work, set_up_patient,
						tear_down),
		cmocka_unit_test_setup_teardown(destroying_tells_all, set_up_patient, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_on_all_loops(run_all);
}
