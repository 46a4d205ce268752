/* core/dns/reverse: questions and their ends, in virtual time, with servers that say what each test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/dns/reverse.h"
#include "crypto/secret.h"
#include "tests/sim/loop_sim.h"
#include "tests/unit/dns/fake_resolver.h"
#include "tests/unit/dns/message.h"

enum { TIMEOUT_MS = 2000, NS_PER_S = 1000000000 };

static struct sim *sim;
static struct loop *loop;
static struct reverse *reverse;
static struct message message;

struct client {
	struct reverse_waiter waiter;
	unsigned told;
	enum reverse_status status;
	char name[LIMIT_DNS_NAME_BYTES + 1];
	const char *asks_next; /* when it is told */
};

static int set_up(void **state)
{
	(void)state;
	struct error error;
	sim = sim_create(&(struct sim_settings){ .seed = 1 });
	loop = sim_loop_create(sim);
	reverse = reverse_create(
		loop, &(struct reverse_settings){ .resolver = { NULL, 0, TIMEOUT_MS }, .cache_entries = 10000 },
		&error);
	return reverse ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	reverse_destroy(reverse);
	loop_destroy(loop);
	sim_destroy(sim);
	return 0;
}

static void pass(uint64_t ms)
{
	struct error error;
	uint64_t end_ns = loop_now(loop)->monotonic_ns + ms * CLOCK_NS_PER_MS;
	while (loop_now(loop)->monotonic_ns < end_ns) {
		sim_wake_after(sim, end_ns - loop_now(loop)->monotonic_ns);
		assert_true(loop_turn(loop, true, &error));
	}
}

/* --- clients --- */

static bool ask(struct client *client, const char *address);

static void keep(struct client *client, const struct reverse_name *name)
{
	client->told++;
	client->status = name->status;
	assert_true(slice_to_text(name->name, client->name, sizeof client->name));
}

static void found(struct reverse_waiter *waiter, const struct reverse_name *name)
{
	struct client *client = CONTAINER_OF(waiter, struct client, waiter);
	const char *next = client->asks_next;
	client->asks_next = NULL;
	if (next)
		ask(client, next);
	keep(client, name);
}

/* True: it was told at once. */
static bool ask(struct client *client, const char *text)
{
	struct net_address address;
	struct reverse_name name;
	assert_true(net_address_parse(slice_from_text(text), &address, NULL));
	reverse_waiter_init(&client->waiter);
	if (!reverse_find(reverse, &address, &client->waiter, found, &name))
		return false;
	keep(client, &name);
	return true;
}

static void expect(const struct client *client, enum reverse_status status, const char *name)
{
	assert_int_equal(client->told, 1);
	assert_int_equal(client->status, status);
	assert_string_equal(client->name, name);
}

/* --- servers --- */

static void begin(unsigned flags)
{
	const struct fake_query *asked = fake_asked(0);
	assert_non_null(asked);
	message_begin(&message, flags, asked->name, asked->type);
}

static void send_it(void)
{
	fake_answer(0, message_bytes(&message));
}

static void answer_names(uint32_t ttl_s, const char *name, const char *second)
{
	begin(MESSAGE_NO_ERROR);
	assert_int_equal(fake_asked(0)->type, DNS_TYPE_PTR);
	message_add_name(&message, fake_asked(0)->name, DNS_TYPE_PTR, ttl_s, name);
	if (second)
		message_add_name(&message, fake_asked(0)->name, DNS_TYPE_PTR, ttl_s, second);
	send_it();
}

static void answer_address(const char *host, uint32_t ttl_s, const char *address)
{
	begin(MESSAGE_NO_ERROR);
	assert_string_equal(fake_asked(0)->name, host);
	message_add_address(&message, host, ttl_s, address);
	send_it();
}

static void answer_none(uint32_t ttl_s)
{
	begin(MESSAGE_NO_NAME);
	message_add_start(&message, "test", ttl_s, ttl_s);
	send_it();
}

static void fail_it(void)
{
	fake_answer(0, slice_of(NULL, 0));
}

/* --- tests --- */

static void a_name_that_holds(void **state)
{
	(void)state;
	struct client client = { .told = 0 }, second = { .told = 0 };
	assert_false(ask(&client, "192.0.2.1"));
	assert_true(reverse_is_waiting(&client.waiter));
	assert_string_equal(fake_asked(0)->name, "1.2.0.192.in-addr.arpa");
	answer_names(300, "Mail.Test", NULL);
	assert_int_equal(client.told, 0);
	assert_int_equal(fake_asked(0)->type, DNS_TYPE_A);
	answer_address("mail.test", 200, "192.0.2.1");
	expect(&client, REVERSE_CONFIRMED, "mail.test");
	assert_false(reverse_is_waiting(&client.waiter));
	pass(199000);
	assert_true(ask(&second, "192.0.2.1"));
	expect(&second, REVERSE_CONFIRMED, "mail.test");
	pass(2000);
	assert_false(ask(&second, "192.0.2.1"));
	assert_int_equal(reverse_counters(reverse).hits, 1);
	assert_int_equal(reverse_counters(reverse).questions, 2);
	fail_it();
}

static void ipv6(void **state)
{
	(void)state;
	struct client client = { .told = 0 };
	assert_false(ask(&client, "2001:db8::1"));
	answer_names(300, "six.test", NULL);
	assert_int_equal(fake_asked(0)->type, DNS_TYPE_AAAA);
	answer_address("six.test", 300, "2001:db8::1");
	expect(&client, REVERSE_CONFIRMED, "six.test");
}

static void names_that_do_not_hold(void **state)
{
	(void)state;
	struct client lies = { .told = 0 }, second = { .told = 0 }, unsure = { .told = 0 }, no_host = { .told = 0 };
	assert_false(ask(&lies, "192.0.2.1"));
	answer_names(300, "one.test", "two.test");
	answer_address("one.test", 300, "192.0.2.9");
	answer_none(300);
	expect(&lies, REVERSE_LIES, "");
	assert_false(ask(&second, "192.0.2.2"));
	answer_names(300, "one.test", "two.test");
	fail_it();
	answer_address("two.test", 300, "192.0.2.2");
	expect(&second, REVERSE_CONFIRMED, "two.test");
	assert_false(ask(&unsure, "192.0.2.3"));
	answer_names(300, "one.test", "two.test");
	fail_it();
	answer_address("two.test", 300, "192.0.2.9");
	expect(&unsure, REVERSE_FAILED, "");
	assert_false(ask(&no_host, "192.0.2.4"));
	answer_names(300, "no host", "192.0.2.4");
	expect(&no_host, REVERSE_LIES, "");
}

static void no_name(void **state)
{
	(void)state;
	struct client client = { .told = 0 }, nobody = { .told = 0 };
	struct reverse_name name;
	assert_false(ask(&client, "192.0.2.1"));
	answer_none(900);
	expect(&client, REVERSE_UNKNOWN, "");
	assert_true(reverse_find(reverse, &(struct net_address){ .family = 0 }, &nobody.waiter, found, &name));
	assert_int_equal(name.status, REVERSE_UNKNOWN);
}

/* After its TTL, but never before or after these. */
static void times_of_remembering(void **state)
{
	(void)state;
	static const struct {
		uint32_t ttl_s;
		bool there;
		uint32_t wanted_s;
	} table[] = {
		{ 0, true, LIMIT_REVERSE_LEAST_S },  { 5000, true, 5000 }, { 1000000, true, LIMIT_REVERSE_MOST_S },
		{ 0, false, LIMIT_REVERSE_LEAST_S }, { 700, false, 700 },  { 86400, false, LIMIT_REVERSE_NEGATIVE_S },
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct client client = { .told = 0 };
		char address[20];
		snprintf(address, sizeof address, "192.0.2.%zu", i);
		assert_false(ask(&client, address));
		if (table[i].there) {
			answer_names(table[i].ttl_s, "mail.test", NULL);
			answer_address("mail.test", table[i].ttl_s, address);
		} else {
			answer_none(table[i].ttl_s);
		}
		pass((table[i].wanted_s - 1) * 1000);
		assert_true(ask(&client, address));
		pass(2000);
		assert_false(ask(&client, address));
		fail_it();
	}
}

static void one_question_for_all(void **state)
{
	(void)state;
	struct client clients[10] = { { .told = 0 } };
	for (unsigned i = 0; i < 10; i++)
		assert_false(ask(&clients[i], "192.0.2.1"));
	assert_int_equal(fake_asked_count(), 1);
	for (unsigned i = 0; i < 10; i += 2)
		reverse_cancel(&clients[i].waiter);
	reverse_cancel(&clients[0].waiter);
	answer_none(60);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(clients[i].told, i % 2);
	assert_int_equal(reverse_counters(reverse).joined, 9);
}

static void nobody_waits_any_more(void **state)
{
	(void)state;
	struct client gone = { .told = 0 }, next = { .told = 0 };
	assert_false(ask(&gone, "192.0.2.1"));
	reverse_cancel(&gone.waiter);
	answer_names(300, "mail.test", NULL);
	answer_address("mail.test", 300, "192.0.2.1");
	assert_int_equal(gone.told, 0);
	assert_true(ask(&next, "192.0.2.1"));
	expect(&next, REVERSE_CONFIRMED, "mail.test");
}

/* Whatever takes the time; what comes later is not heard. */
static void time_is_up(void **state)
{
	(void)state;
	struct client client = { .told = 0 }, second = { .told = 0 }, third = { .told = 0 };
	assert_false(ask(&client, "192.0.2.1"));
	pass(1500);
	answer_names(300, "mail.test", NULL);
	pass(499);
	assert_int_equal(client.told, 0);
	pass(2);
	expect(&client, REVERSE_FAILED, "");
	assert_int_equal(fake_asked_count(), 1);
	answer_address("mail.test", 300, "192.0.2.1");
	assert_true(ask(&second, "192.0.2.1"));
	expect(&second, REVERSE_FAILED, "");
	pass(LIMIT_REVERSE_FAILED_S * 1000 + 1000);
	assert_false(ask(&third, "192.0.2.1"));
	fake_hold(true); /* not even sent: then it never is */
	pass(TIMEOUT_MS + 10);
	expect(&third, REVERSE_FAILED, "");
	assert_int_equal(fake_asked_count(), 0);
	assert_int_equal(reverse_counters(reverse).failed, 2);
}

static void asking_when_told(void **state)
{
	(void)state;
	struct client client = { .asks_next = "192.0.2.2" };
	assert_false(ask(&client, "192.0.2.1"));
	answer_names(300, "mail.test", NULL);
	answer_address("mail.test", 300, "192.0.2.1");
	expect(&client, REVERSE_CONFIRMED, "mail.test");
	assert_string_equal(fake_asked(0)->name, "2.2.0.192.in-addr.arpa");
	fail_it();
	assert_int_equal(client.told, 2);
}

static void bounds(void **state)
{
	(void)state;
	static struct client clients[2 * LIMIT_REVERSE_QUESTIONS];
	unsigned waiting = 0;
	memset(clients, 0, sizeof clients);
	for (unsigned i = 0; i < LIMIT_REVERSE_NETWORK + 10; i++) {
		char address[60];
		snprintf(address, sizeof address, "2001:db8:0:%x::1", i);
		assert_int_equal(ask(&clients[i], address), i >= LIMIT_REVERSE_NETWORK);
	}
	expect(&clients[LIMIT_REVERSE_NETWORK], REVERSE_FAILED, "");
	assert_true(ask(&clients[LIMIT_REVERSE_NETWORK + 10], "2001:db8:0:ffff::1"));
	assert_false(ask(&clients[LIMIT_REVERSE_NETWORK + 11], "2001:db8:1:ffff::1"));
	for (unsigned i = LIMIT_REVERSE_NETWORK + 12; i < 2 * LIMIT_REVERSE_QUESTIONS; i++) {
		char address[60];
		snprintf(address, sizeof address, "10.%u.%u.1", i / 200, i % 200);
		waiting += !ask(&clients[i], address);
	}
	assert_int_equal(waiting, LIMIT_REVERSE_QUESTIONS - LIMIT_REVERSE_NETWORK - 1);
	assert_int_equal(reverse_counters(reverse).in_flight, LIMIT_REVERSE_QUESTIONS);
	pass(TIMEOUT_MS + 10);
	assert_int_equal(reverse_counters(reverse).in_flight, 0);
	for (unsigned i = 0; i < 2 * LIMIT_REVERSE_QUESTIONS; i++)
		assert_int_equal(clients[i].told, 1);
	/* The queries left behind still count, until they end. */
	static struct client more[LIMIT_REVERSE_QUESTIONS];
	unsigned later = 0;
	for (unsigned i = 0; i < LIMIT_REVERSE_QUESTIONS; i++) {
		char address[60];
		snprintf(address, sizeof address, "11.%u.%u.1", i / 200, i % 200);
		later += !ask(&more[i], address);
	}
	assert_true(later > 3500); /* but for networks that share a number */
	assert_int_equal(fake_asked_count(), LIMIT_REVERSE_QUESTIONS + later);
}

static void the_end_tells_all(void **state)
{
	(void)state;
	struct client client = { .told = 0 }, gone = { .told = 0 };
	struct error error;
	assert_false(ask(&client, "192.0.2.1"));
	assert_false(ask(&gone, "192.0.2.2"));
	reverse_cancel(&gone.waiter);
	reverse_destroy(reverse);
	expect(&client, REVERSE_FAILED, "");
	assert_int_equal(gone.told, 0);
	reverse = reverse_create(
		loop, &(struct reverse_settings){ .resolver = { NULL, 0, TIMEOUT_MS }, .cache_entries = 1 }, &error);
}

/* --- the story of a resolver that is asked by chance --- */

enum { ADDRESSES = 40, CLIENTS = 200, STEPS = 20000 };

static struct client crowd[CLIENTS];

static void answer_by_chance(void)
{
	size_t index = sim_random(sim, fake_asked_count());
	const struct fake_query *asked = fake_asked(index);
	uint64_t kind = sim_random(sim, 6);
	message_begin(&message, kind == 0 ? MESSAGE_NO_NAME : MESSAGE_NO_ERROR, asked->name, asked->type);
	if (kind > 1 && asked->type == DNS_TYPE_PTR)
		message_add_name(&message, asked->name, DNS_TYPE_PTR, 30, kind == 2 ? "a.test" : "b.test");
	else if (kind > 1)
		message_add_address(&message, asked->name, 30, kind < 4 ? "10.0.0.7" : "10.0.0.8");
	fake_answer(index, kind == 1 ? slice_of(NULL, 0) : message_bytes(&message));
}

/* Each that asks is told once, unless it goes; in the end nothing is left. */
static void by_chance(void **state)
{
	(void)state;
	bool asked[CLIENTS] = { false };
	memset(crowd, 0, sizeof crowd);
	for (unsigned step = 0; step < STEPS; step++) {
		size_t number = sim_random(sim, CLIENTS);
		struct client *client = &crowd[number];
		char address[20];
		snprintf(address, sizeof address, "10.0.%u.%u", (unsigned)sim_random(sim, 2),
			 (unsigned)sim_random(sim, ADDRESSES));
		if (!asked[number]) {
			client->told = 0;
			asked[number] = true;
			ask(client, address);
		} else if (client->told || sim_random(sim, 3) == 0) {
			assert_true(client->told <= 1);
			assert_int_equal(client->told == 0, reverse_is_waiting(&client->waiter));
			reverse_cancel(&client->waiter);
			asked[number] = false;
		}
		if (sim_random(sim, 3) == 0 && fake_asked_count())
			answer_by_chance();
		if (sim_random(sim, 50) == 0)
			pass(sim_random(sim, 1000));
	}
	pass(TIMEOUT_MS + 10);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_true(!asked[i] || crowd[i].told == 1);
	assert_int_equal(reverse_counters(reverse).in_flight, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_that_holds),      TEST(ipv6),
		TEST(names_that_do_not_hold), TEST(no_name),
		TEST(times_of_remembering),   TEST(one_question_for_all),
		TEST(nobody_waits_any_more),  TEST(time_is_up),
		TEST(asking_when_told),       TEST(bounds),
		TEST(the_end_tells_all),      TEST(by_chance),
	};
	if (!secret_setup())
		return 1;
	log_configure(LOG_ERROR, 2);
	return cmocka_run_group_tests_name("reverse", tests, NULL, NULL);
}
