/* core/users: sign-ins that wait for a hasher and may not go on, or whose client has gone: no hasher works for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/users/sign_in_fixture.h"

static struct sign_in_counts counts;
static const char *banned; /* the password that may not be tried; NULL: any may. "": none */
static unsigned asked;

static bool may(struct sign_in_request *request)
{
	asked++;
	return !banned || (*banned && !slice_equal(request->password, slice_from_text(banned)));
}

static void ask_who_may(struct fixture *fixture, struct client *client, const char *password, uint64_t network)
{
	*client = (struct client){ .request = { .done = client_answered,
						.may = may,
						.name = SLICE_LITERAL("bob"),
						.password = slice_from_text(password),
						.network = network } };
	assert_false(sign_in_step(sign_in_passwords(fixture->service), &client->request, &client->outcome));
}

static void begin_to_ban(struct fixture *fixture)
{
	counts = (struct sign_in_counts){ 0 };
	banned = NULL;
	sign_in_count_in(fixture->service, &counts);
}

/* Of ten that wait, one after the other and two of them twice. */
static void the_banned_are_taken_out_of_the_queue(void **state)
{
	struct fixture *fixture = *state;
	static const char *const passwords[] = { "0", "1", "2", "3", "4", "5", "5", "6", "7", "8", "8", "9" };
	enum { ALL = sizeof passwords / sizeof passwords[0], FLY = IN_FLIGHT };
	struct client clients[ALL], other;
	begin_to_ban(fixture);
	for (size_t i = 0; i < ALL; i++) {
		ask_who_may(fixture, &clients[i], passwords[i], 1);
		turn(fixture, false);
	}
	ask_who_may(fixture, &other, "other", 2);
	assert_int_equal(counts.waiting, 10 - FLY + 1);
	/* One login of the network first, then all of it. */
	banned = "5";
	sign_in_look_again(fixture->service, 1);
	assert_false(clients[5].answered || clients[6].answered);
	turn(fixture, false);
	assert_true(clients[5].answered && clients[6].answered && !clients[7].answered);
	assert_int_equal(clients[5].outcome, SIGN_IN_REFUSED);
	banned = "";
	sign_in_look_again(fixture->service, 1);
	sign_in_end(sign_in_passwords(fixture->service), &clients[ALL - 1].request); /* who has gone is told nothing */
	turn(fixture, false);
	for (size_t i = FLY; i < ALL; i++)
		assert_int_equal(clients[i].answered && clients[i].outcome == SIGN_IN_REFUSED, i != ALL - 1);
	sign_in_look_again(fixture->service, 77);
	sign_in_look_again(NULL, 1);
	/* What is at the hashers already is theirs; and the other network has its turn. */
	banned = NULL;
	for (size_t i = 0; i < FLY; i++)
		answer_next(fixture, PASSWORD_WRONG);
	for (size_t i = 0; i < FLY; i++)
		assert_int_equal(await(fixture, &clients[i]), SIGN_IN_WRONG);
	answer_next(fixture, PASSWORD_RIGHT);
	assert_int_equal(await(fixture, &other), SIGN_IN_OK);
	struct job job;
	assert_false(take_job(fixture, &job));
	assert_int_equal(counts.hashed, FLY + 1);
	assert_int_equal(counts.refused, ALL - FLY);
	assert_int_equal(counts.waiting + counts.left + counts.turned_away, 0);
}

/* As in another worker: nobody says that there is a ban, and it is seen when the network's turn comes. */
static void a_ban_that_nobody_told_is_seen_in_turn(void **state)
{
	enum { FLOOD = 1000 };
	struct fixture *fixture = *state;
	static struct client flood[FLOOD], last;
	static char passwords[FLOOD][8];
	begin_to_ban(fixture);
	for (size_t i = 0; i < FLOOD; i++) {
		snprintf(passwords[i], sizeof passwords[i], "%zu", i);
		ask_who_may(fixture, &flood[i], passwords[i], 1);
		if (i < IN_FLIGHT)
			turn(fixture, false);
	}
	ask_from(fixture, &last, "carol", "right", 2);
	banned = "";
	asked = 0;
	answer_next(fixture, PASSWORD_WRONG);
	unsigned turns = 0, most = 0;
	for (size_t told = 0; !flood[FLOOD - 1].answered; turns++) {
		size_t before = told;
		turn(fixture, false);
		for (told = 0; told < FLOOD - IN_FLIGHT && flood[told + IN_FLIGHT].answered;)
			told++;
		if (told - before > most)
			most = (unsigned)(told - before);
		assert_in_range(turns, 0, 1000);
	}
	assert_in_range(most, 2, 200); /* others have their turns meanwhile */
	assert_int_equal(asked, FLOOD - IN_FLIGHT);
	assert_int_equal(counts.refused, FLOOD - IN_FLIGHT);
	struct job job;
	while (!last.answered) {
		assert_true(take_job(fixture, &job));
		answer(fixture, job.number, PASSWORD_RIGHT);
		turn(fixture, false);
	}
	assert_int_equal(counts.hashed, IN_FLIGHT + 1);
	/* Those who have not been told yet are told when the service ends. */
	for (size_t i = 0; i < 5; i++)
		ask_who_may(fixture, &flood[i], passwords[10 + i], 1);
	sign_in_look_again(fixture->service, 1);
	sign_in_destroy(fixture->service);
	fixture->service = NULL;
	for (size_t i = 0; i < 5; i++)
		assert_true(flood[i].answered);
}

static void who_leaves_the_queue_costs_nothing(void **state)
{
	struct fixture *fixture = *state;
	static const char *const passwords[] = { "0", "1", "2", "3", "4", "5" };
	struct sign_in_backend *backend = sign_in_passwords(fixture->service);
	struct client clients[6];
	begin_to_ban(fixture);
	for (size_t i = 0; i < 6; i++) {
		ask_who_may(fixture, &clients[i], passwords[i], 1);
		turn(fixture, false);
		assert_int_equal(sign_in_waits(backend, &clients[i].request), i >= IN_FLIGHT);
	}
	sign_in_end(backend, &clients[0].request);
	for (size_t i = IN_FLIGHT; i < 6; i++)
		sign_in_end(backend, &clients[i].request);
	answer_next(fixture, PASSWORD_RIGHT);
	for (size_t i = 1; i < IN_FLIGHT; i++)
		answer_next(fixture, PASSWORD_WRONG);
	await(fixture, &clients[1]);
	struct job job;
	assert_false(take_job(fixture, &job));
	assert_int_equal(counts.left, 6 - IN_FLIGHT);
	assert_int_equal(counts.hashed, IN_FLIGHT);
	assert_int_equal(counts.waiting + counts.refused + counts.remembered, 0);
}

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_banned_are_taken_out_of_the_queue, set_up_patient, tear_down),
		cmocka_unit_test_setup_teardown(a_ban_that_nobody_told_is_seen_in_turn, set_up_patient, tear_down),
		cmocka_unit_test_setup_teardown(who_leaves_the_queue_costs_nothing, set_up_patient, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_on_all_loops(run_all);
}
