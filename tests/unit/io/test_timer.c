/* core/io: the timer wheel against a naive list, and what its operations cost with a million timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/io/timer.h"

enum { TIMERS = 200 };

/* The naive one: when each timer is due, looked at one by one. */
struct naive {
	struct timer timer;
	uint64_t due_ms; /* 0: not running */
	unsigned runs;
};

static struct naive naive[TIMERS];
static struct timer_wheel wheel;
static uint64_t last_due_ms;
static uint64_t target_ms;
static uint64_t random_state;

static uint64_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Spans of all sizes, so that every level and what is beyond them is used. */
static uint64_t random_span(void)
{
	return random_number() >> (64 - (1 + random_number() % 36));
}

static void start_one(struct naive *one, uint64_t due_ms)
{
	one->due_ms = due_ms ? due_ms : 1;
	timer_wheel_start(&wheel, &one->timer, due_ms);
}

static void stop_one(struct naive *one)
{
	one->due_ms = 0;
	timer_wheel_stop(&wheel, &one->timer);
}

static void expired(struct timer *timer)
{
	struct naive *one = CONTAINER_OF(timer, struct naive, timer);
	assert_true(one->due_ms != 0);
	assert_true(one->due_ms <= target_ms);
	assert_false(timer_is_running(timer));
	if (one->due_ms > wheel.now_ms)
		fail_msg("early: due %lu, now %lu", one->due_ms, wheel.now_ms);
	/* In order, once what was overdue has run. */
	if (one->due_ms == wheel.now_ms) {
		assert_true(one->due_ms >= last_due_ms);
		last_due_ms = one->due_ms;
	}
	one->due_ms = 0;
	one->runs++;
	struct naive *other = &naive[random_number() % TIMERS];
	switch (random_number() % 4) {
	case 0:
		start_one(other, wheel.now_ms + random_span());
		break;
	case 1:
		stop_one(other);
		break;
	case 2:
		start_one(one, wheel.now_ms + 1 + random_span() % 1000);
		break;
	}
}

static uint64_t first_due(void)
{
	uint64_t first = UINT64_MAX;
	for (unsigned i = 0; i < TIMERS; i++)
		if (naive[i].due_ms && naive[i].due_ms < first)
			first = naive[i].due_ms;
	return first;
}

static void check_wait(void)
{
	uint64_t wait_ms = timer_wheel_wait_ms(&wheel), first = first_due();
	if (first == UINT64_MAX)
		assert_true(wait_ms == UINT64_MAX);
	else if (first <= wheel.now_ms)
		assert_int_equal(wait_ms, 0);
	else
		assert_true(wait_ms > 0 && wheel.now_ms + wait_ms <= first);
}

static void advance_to(uint64_t now_ms)
{
	target_ms = now_ms;
	last_due_ms = 0;
	/* Only what is running before and was not past may stay behind: what callbacks start as past. */
	timer_wheel_advance(&wheel, now_ms);
	assert_true(wheel.now_ms == now_ms);
}

static void no_timer_is_forgotten_or_early(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		random_state = seed * 0x9e3779b97f4a7c15u;
		uint64_t now_ms = seed % 2 ? random_span() : (UINT64_C(1) << 32) - 500;
		timer_wheel_init(&wheel, now_ms);
		for (unsigned i = 0; i < TIMERS; i++) {
			timer_init(&naive[i].timer, expired);
			naive[i].due_ms = 0;
		}
		for (unsigned step = 0; step < 5000; step++) {
			struct naive *one = &naive[random_number() % TIMERS];
			switch (random_number() % 8) {
			case 0:
				stop_one(one);
				break;
			case 1:
				start_one(one, wheel.now_ms > 100 ? wheel.now_ms - 100 : 0);
				break;
			case 2:
			case 3:
			case 4:
				start_one(one, wheel.now_ms + random_span());
				break;
			case 5:
				if (timer_wheel_wait_ms(&wheel) != UINT64_MAX)
					advance_to(wheel.now_ms + timer_wheel_wait_ms(&wheel));
				break;
			default:
				advance_to(wheel.now_ms + random_span());
			}
			check_wait();
		}
	}
}

/* All that is due runs: nothing is left behind that was running before the advance. */
static unsigned many_runs;

static void count(struct timer *timer)
{
	(void)timer;
	many_runs++;
}

static void a_big_step_runs_all(void **state)
{
	(void)state;
	static struct timer many[5000];
	random_state = 7;
	timer_wheel_init(&wheel, 123456789);
	many_runs = 0;
	for (unsigned i = 0; i < 5000; i++) {
		timer_init(&many[i], count);
		timer_wheel_start(&wheel, &many[i], wheel.now_ms + random_span());
	}
	timer_wheel_advance(&wheel, wheel.now_ms + (UINT64_C(1) << 37));
	assert_int_equal(many_runs, 5000);
	assert_true(timer_wheel_wait_ms(&wheel) == UINT64_MAX);
}

static void idle_wakes_are_few(void **state)
{
	(void)state;
	timer_wheel_init(&wheel, 1000);
	struct timer timer;
	timer_init(&timer, count);
	many_runs = 0;
	timer_wheel_start(&wheel, &timer, 1000 + 5 * 60 * 1000);
	unsigned wakes = 0;
	for (; timer_is_running(&timer); wakes++)
		timer_wheel_advance(&wheel, wheel.now_ms + timer_wheel_wait_ms(&wheel));
	assert_int_equal(many_runs, 1);
	assert_true(wakes <= TIMER_LEVELS);
}

static uint64_t ns_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Printed, not asserted: the machine may be busy. */
static void a_million_timers_cost_the_same(void **state)
{
	(void)state;
	enum { MILLION = 1000000 };
	struct timer *many = malloc(MILLION * sizeof *many);
	assert_non_null(many);
	for (unsigned size = 1000; size <= MILLION; size *= 1000) {
		random_state = 11;
		timer_wheel_init(&wheel, 1);
		for (unsigned i = 0; i < size; i++) {
			timer_init(&many[i], count);
			timer_wheel_start(&wheel, &many[i], 1 + random_number() % (10 * 60 * 1000));
		}
		uint64_t start = ns_now();
		for (unsigned i = 0; i < MILLION; i++)
			timer_wheel_start(&wheel, &many[i % size], 1 + random_number() % (10 * 60 * 1000));
		uint64_t moved = ns_now();
		many_runs = 0;
		for (uint64_t ms = 1; ms <= 10 * 60 * 1000; ms++)
			timer_wheel_advance(&wheel, ms);
		uint64_t done = ns_now();
		printf("%u timers: moving one %lu ns, a millisecond's advance %lu ns\n", size,
		       (moved - start) / MILLION, (done - moved) / (10 * 60 * 1000));
		assert_int_equal(many_runs, size);
	}
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_timer_is_forgotten_or_early),
		cmocka_unit_test(a_big_step_runs_all),
		cmocka_unit_test(idle_wakes_are_few),
		cmocka_unit_test(a_million_timers_cost_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
