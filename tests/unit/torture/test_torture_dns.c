/* core/dns when memory runs out: it is made or it is said why not, and each question has its answer, be it that it failed. The
 * resolver is the real one, and asks a port of loopback where nobody answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/dns/reverse.h"
#include "crypto/secret.h"
#include "tests/unit/torture/torture.h"

enum { CLIENTS = 60, TURNS_MOST = 10000, TIMEOUT_MS = 50 };

static struct reverse_waiter waiters[CLIENTS];
static unsigned told;

static void found(struct reverse_waiter *waiter, const struct reverse_name *name)
{
	(void)waiter;
	assert_int_equal(name->status, REVERSE_FAILED);
	told++;
}

static void ask_all(struct loop *loop, struct reverse *reverse)
{
	struct error error;
	told = 0;
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct net_address address = { .family = 4, .bytes = { 192, 0, 2, (uint8_t)(i / 2) } };
		struct reverse_name name;
		reverse_waiter_init(&waiters[i]);
		if (reverse_find(reverse, &address, &waiters[i], found, &name)) {
			assert_int_equal(name.status, REVERSE_FAILED);
			told++;
		}
	}
	for (unsigned turns = 0; told < CLIENTS; turns++) {
		assert_true(turns < TURNS_MOST);
		assert_true(loop_turn(loop, true, &error));
	}
}

static void live(void *kind)
{
	struct net_address nobody = { .family = 4, .bytes = { 127, 0, 0, 1 }, .port = 9 };
	struct reverse_settings settings = { .resolver = { &nobody, 1, TIMEOUT_MS }, .cache_entries = 1000 };
	struct error error = { "" };
	torture_pause();
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = *(enum loop_kind *)kind }, &error);
	torture_resume();
	if (!loop)
		return;
	struct reverse *reverse = reverse_create(loop, &settings, &error);
	if (reverse)
		ask_all(loop, reverse);
	else
		assert_true(torture_has_failed() && error.text[0]);
	reverse_destroy(reverse);
	loop_destroy(loop);
}

static void epoll(void **state)
{
	(void)state;
	enum loop_kind kind = LOOP_EPOLL;
	torture_run(&(struct torture){ .scenario = live, .context = &kind });
}

static void whatever_there_is(void **state)
{
	(void)state;
	enum loop_kind kind = LOOP_AUTO;
	torture_run(&(struct torture){ .scenario = live, .context = &kind });
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(epoll), cmocka_unit_test(whatever_there_is) };
	if (!secret_setup())
		return 1;
	log_configure(getenv("TORTURE_LOG") ? LOG_DEBUG : LOG_ERROR + 1, 2);
	alarm(280);
	return cmocka_run_group_tests_name("torture dns", tests, NULL, NULL);
}
