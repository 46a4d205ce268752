/* core/users: the sign-in service with real hasher processes: what they say, what a login costs, and that one is killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/users/sign_in_fixture.h"

static void real_hashers_tell_right_from_wrong(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(sign_in(fixture, "bob", "right"), SIGN_IN_OK);
	assert_int_equal(sign_in(fixture, "carol", "wrong"), SIGN_IN_WRONG);
	assert_int_equal(sign_in(fixture, "mallory", "right"), SIGN_IN_WRONG);
	assert_int_equal(sign_in(fixture, "off", "right"), SIGN_IN_WRONG);
	struct client client;
	ask(fixture, &client, "carol", "right");
	change_user(fixture, "carol", REMOVE);
	assert_int_equal(await(fixture, &client), SIGN_IN_WRONG);
	ask(fixture, &client, "bob", "other");
	change_user(fixture, "bob", NEW_PASSWORD);
	assert_int_equal(await(fixture, &client), SIGN_IN_OK);
}

static void a_remembered_login_costs_microseconds(void **state)
{
	enum { TIMES = 20000, MOST_US = 50 };
	struct fixture *fixture = *state;
	assert_int_equal(sign_in(fixture, "alice@example.org", "right"), SIGN_IN_OK);
	uint64_t began_us = scratch_now_us();
	for (unsigned i = 0; i < TIMES; i++) {
		struct client client;
		ask(fixture, &client, "Alice@Example.org", "right");
		assert_true(client.answered && client.outcome == SIGN_IN_OK);
	}
	uint64_t took_us = scratch_now_us() - began_us;
	print_message("    a remembered login: %.2f us\n", (double)took_us / TIMES);
	assert_true(took_us < TIMES * MOST_US);
}

static int compare_times(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
	return first < second ? -1 : first > second;
}

/* Of the service and the hasher together: what else runs on the machine is not in it. */
static uint64_t cpu_time_us(const struct fixture *fixture)
{
	clockid_t hasher;
	struct timespec theirs, ours;
	assert_int_equal(clock_getcpuclockid(fixture->hasher, &hasher), 0);
	assert_int_equal(clock_gettime(hasher, &theirs), 0);
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ours), 0);
	return (uint64_t)(theirs.tv_sec + ours.tv_sec) * 1000000 + (uint64_t)(theirs.tv_nsec + ours.tv_nsec) / 1000;
}

static uint64_t time_one(struct fixture *fixture, const char *name)
{
	uint64_t began_us = cpu_time_us(fixture);
	assert_int_equal(sign_in(fixture, name, "not this"), SIGN_IN_WRONG);
	return cpu_time_us(fixture) - began_us;
}

enum { NAMES = 4, ROUNDS = 7 };

/* How much longer the slowest takes than the fastest, in per cent: of medians, taken in turn. */
static double compare_names(struct fixture *fixture, const char *const names[NAMES])
{
	uint64_t times[NAMES][ROUNDS], fastest = UINT64_MAX, slowest = 0;
	for (unsigned i = 0; i < ROUNDS; i++)
		for (unsigned k = 0; k < NAMES; k++)
			times[k][i] = time_one(fixture, names[k]);
	for (unsigned k = 0; k < NAMES; k++) {
		qsort(times[k], ROUNDS, sizeof times[k][0], compare_times);
		uint64_t median = times[k][ROUNDS / 2];
		print_message("    %s: %llu us of CPU\n", names[k], (unsigned long long)median);
		fastest = median < fastest ? median : fastest;
		slowest = median > slowest ? median : slowest;
	}
	return 100 * ((double)slowest / (double)fastest - 1);
}

/* Other work on the machine may spoil a measurement, but not three. */
static void assert_same_time(struct fixture *fixture, const char *const names[NAMES])
{
	double difference = 100;
	for (unsigned tries = 0; tries < 3 && difference >= 20; tries++)
		difference = compare_names(fixture, names);
	assert_true(difference < 20);
}

static void unknown_users_take_the_time_of_wrong_passwords(void **state)
{
	static const char *const names[NAMES] = { "mallory", "bob", "off", "a b" };
	assert_same_time(*state, names);
}

/* One costs next to nothing, the other half of the usual. */
static void who_has_an_imported_hash_is_not_told_by_time(void **state)
{
	struct fixture *fixture = *state;
	struct error error;
	static const char *const hashes[] = {
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", /* password */
		"$argon2i$v=19$m=32768,t=2,p=1$c29tZXNhbHQ$lPDHmOTbbL/DCPkEffSNrhTyRIaXZdjg",
	};
	assert_int_equal(users_put(fixture->users, SLICE_LITERAL("dora"),
				   &(struct user_credentials){ .hash = hashes[0] }, false, &error),
			 USERS_OK);
	assert_int_equal(users_put(fixture->users, SLICE_LITERAL("emil"),
				   &(struct user_credentials){ .hash = hashes[1] }, false, &error),
			 USERS_OK);
	static const char *const names[NAMES] = { "mallory", "bob", "dora", "emil" };
	assert_same_time(fixture, names);
	/* Who has the right password does not pay for that. */
	uint64_t began_us = cpu_time_us(fixture);
	assert_int_equal(sign_in(fixture, "dora", "password"), SIGN_IN_OK);
	uint64_t right_us = cpu_time_us(fixture) - began_us;
	assert_true(right_us < time_one(fixture, "dora") / 5);
}

/* The deadline is one that this machine's hashing, under its present load, keeps with ease. */
static void a_killed_hasher_costs_its_job_only(void **state)
{
	struct fixture *fixture = *state;
	start_hasher(fixture);
	uint64_t began_us = scratch_now_us();
	assert_int_equal(sign_in(fixture, "bob", "wrong"), SIGN_IN_WRONG);
	uint64_t hash_ms = (scratch_now_us() - began_us) / 1000;
	kill(fixture->hasher, SIGTERM);
	assert_int_equal(scratch_wait(fixture->hasher), 0);
	sign_in_destroy(fixture->service);
	close(fixture->hashers_fd);
	fixture->service = make_service(
		fixture, &(struct sign_in_bounds){ .queue = QUEUE, .wait_ms = 60000, .answer_ms = 1000 + 8 * hash_ms });
	start_hasher(fixture);
	assert_int_equal(sign_in(fixture, "bob", "right"), SIGN_IN_OK);
	kill(fixture->hasher, SIGSTOP);
	struct client client;
	ask(fixture, &client, "carol", "right");
	kill(fixture->hasher, SIGKILL);
	assert_int_equal(scratch_wait(fixture->hasher), -1);
	assert_int_equal(await(fixture, &client), SIGN_IN_UNAVAILABLE);
	ask(fixture, &client, "carol", "right");
	start_hasher(fixture);
	assert_int_equal(await(fixture, &client), SIGN_IN_OK);
}

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(real_hashers_tell_right_from_wrong, set_up_with_hasher, tear_down),
		cmocka_unit_test_setup_teardown(a_remembered_login_costs_microseconds, set_up_with_hasher, tear_down),
		cmocka_unit_test_setup_teardown(unknown_users_take_the_time_of_wrong_passwords, set_up_with_hasher,
						tear_down),
		cmocka_unit_test_setup_teardown(who_has_an_imported_hash_is_not_told_by_time, set_up_with_hasher,
						tear_down),
		cmocka_unit_test_setup_teardown(a_killed_hasher_costs_its_job_only, set_up_patient, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_on_all_loops(run_all);
}
