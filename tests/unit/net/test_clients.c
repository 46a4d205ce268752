/* core/net/clients: compared with a list of connections and of what each client may still do; and workers that are killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/net/clients.h"

#define SECOND_NS 1000000000u
#define MINUTE_NS (60ull * SECOND_NS)

enum { WORKERS = 3 };

static struct clients *clients;
static size_t mapped;

static void begin(uint32_t entries)
{
	struct clients_settings settings = { entries, WORKERS, { 0x0123456789abcdefu, 0xfedcba9876543211u } };
	mapped = clients_bytes(&settings);
	void *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	clients = clients_init(memory, &settings);
}

static void end(void)
{
	munmap(clients, mapped);
}

static struct net_address address_of(const char *text)
{
	struct net_address address;
	assert_true(net_address_parse(slice_from_text(text), &address, NULL));
	return address;
}

static struct client_ticket last_ticket;

static enum client_verdict open_at(uint32_t worker, const char *text, const struct client_limits *limits,
				   uint64_t now_ns)
{
	struct net_address address = address_of(text);
	return clients_open(clients, worker, &address, limits, now_ns, &last_ticket);
}

static void connections_of_an_address_are_the_sum_over_workers(void **state)
{
	(void)state;
	struct client_limits limits = { .per_address = 50 };
	struct client_ticket tickets[50];
	begin(1000);
	for (uint32_t i = 0; i < 50; i++) {
		assert_int_equal(open_at(i % WORKERS, "192.0.2.1", &limits, 1), CLIENT_ADMITTED);
		tickets[i] = last_ticket;
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		assert_int_equal(open_at(i, "192.0.2.1", &limits, 1), CLIENT_ADDRESS_FULL);
		clients_close(clients, i, &last_ticket); /* counts nothing */
	}
	assert_int_equal(open_at(0, "192.0.2.2", &limits, 1), CLIENT_ADMITTED);
	assert_int_equal(open_at(0, "2001:db8::1", &limits, 1), CLIENT_ADMITTED);
	clients_close(clients, 1, &tickets[1]);
	clients_close(clients, 1, &tickets[1]); /* once only */
	assert_int_equal(open_at(2, "192.0.2.1", &limits, 1), CLIENT_ADMITTED);
	assert_int_equal(open_at(1, "192.0.2.1", &limits, 1), CLIENT_ADDRESS_FULL);
	struct net_address address = address_of("192.0.2.1");
	assert_int_equal(clients_count_address(clients, &address), 50);
	assert_int_equal(clients_count_network(clients, &address), 0);
	end();
}

static void networks_are_24_and_64_bits(void **state)
{
	(void)state;
	static const struct {
		const char *first, *second, *other;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.255", "192.0.3.1" },
		{ "2001:db8:0:1::1", "2001:db8:0:1:ffff::", "2001:db8:0:2::1" },
	};
	struct client_limits limits = { .per_address = 2, .per_network = 3 };
	begin(1000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(open_at(0, cases[i].first, &limits, 1), CLIENT_ADMITTED);
		assert_int_equal(open_at(1, cases[i].first, &limits, 1), CLIENT_ADMITTED);
		assert_int_equal(open_at(2, cases[i].first, &limits, 1), CLIENT_ADDRESS_FULL);
		assert_int_equal(open_at(2, cases[i].second, &limits, 1), CLIENT_ADMITTED);
		assert_int_equal(open_at(2, cases[i].second, &limits, 1), CLIENT_NETWORK_FULL);
		assert_int_equal(open_at(2, cases[i].other, &limits, 1), CLIENT_ADMITTED);
		struct net_address second = address_of(cases[i].second);
		assert_int_equal(clients_count_address(clients, &second), 1); /* the refused one is taken back */
		assert_int_equal(clients_count_network(clients, &second), 3);
	}
	end();
}

static void so_many_come_at_once_and_then_evenly(void **state)
{
	(void)state;
	struct client_limits limits = { .rate = { 30, MINUTE_NS } };
	uint64_t now = 1000 * MINUTE_NS;
	begin(1000);
	for (uint32_t i = 0; i < 30; i++)
		assert_int_equal(open_at(i % WORKERS, "192.0.2.1", &limits, now), CLIENT_ADMITTED);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(open_at(0, "192.0.2.1", &limits, now + i), CLIENT_TOO_FAST);
	/* Trying on and on does no harm: two seconds each. */
	for (uint32_t i = 1; i < 100; i++) {
		assert_int_equal(open_at(0, "192.0.2.1", &limits, now + i * 2ull * SECOND_NS - 1), CLIENT_TOO_FAST);
		assert_int_equal(open_at(1, "192.0.2.1", &limits, now + i * 2ull * SECOND_NS), CLIENT_ADMITTED);
	}
	assert_int_equal(open_at(1, "192.0.2.2", &limits, now), CLIENT_ADMITTED);
	/* A minute of rest makes all of it good. */
	now += 200ull * SECOND_NS + MINUTE_NS;
	for (uint32_t i = 0; i < 30; i++)
		assert_int_equal(open_at(i % WORKERS, "192.0.2.1", &limits, now), CLIENT_ADMITTED);
	assert_int_equal(open_at(0, "192.0.2.1", &limits, now), CLIENT_TOO_FAST);
	end();
}

/* A table goes on when the configuration changes. */
static void who_was_too_fast_for_a_slower_rate_waits_for_the_new_one(void **state)
{
	(void)state;
	struct client_limits slow = { .rate = { 1, 60 * MINUTE_NS } }, fast = { .rate = { 30, MINUTE_NS } };
	uint64_t now = 1000 * MINUTE_NS;
	begin(1000);
	assert_int_equal(open_at(0, "192.0.2.1", &slow, now), CLIENT_ADMITTED);
	assert_int_equal(open_at(0, "192.0.2.1", &slow, now + 1), CLIENT_TOO_FAST);
	assert_int_equal(open_at(0, "192.0.2.1", &fast, now + 1), CLIENT_TOO_FAST);
	assert_int_equal(open_at(0, "192.0.2.1", &fast, now + 2ull * SECOND_NS), CLIENT_TOO_FAST);
	assert_int_equal(open_at(1, "192.0.2.1", &fast, now + 2ull * SECOND_NS + 1), CLIENT_ADMITTED);
	assert_int_equal(open_at(1, "192.0.2.1", &fast, now + 2ull * SECOND_NS + 1), CLIENT_TOO_FAST);
	now += MINUTE_NS + 2ull * SECOND_NS + 1;
	for (uint32_t i = 0; i < 30; i++)
		assert_int_equal(open_at(i % WORKERS, "192.0.2.1", &fast, now), CLIENT_ADMITTED);
	assert_int_equal(open_at(0, "192.0.2.1", &fast, now), CLIENT_TOO_FAST);
	end();
}

static void another_address_of_the_same_64_bits_is_as_fast(void **state)
{
	(void)state;
	struct client_limits limits = { .rate = { 2, MINUTE_NS } };
	begin(1000);
	assert_int_equal(open_at(0, "2001:db8::1", &limits, 1), CLIENT_ADMITTED);
	assert_int_equal(open_at(0, "2001:db8::2", &limits, 1), CLIENT_ADMITTED);
	assert_int_equal(open_at(0, "2001:db8::3", &limits, 1), CLIENT_TOO_FAST);
	assert_int_equal(open_at(0, "2001:db8:0:1::3", &limits, 1), CLIENT_ADMITTED);
	end();
}

static void who_is_refused_for_the_network_may_come_as_often(void **state)
{
	(void)state;
	struct client_limits limits = { .per_network = 1, .rate = { 2, MINUTE_NS } };
	begin(1000);
	assert_int_equal(open_at(0, "192.0.2.1", &limits, 1), CLIENT_ADMITTED);
	struct client_ticket first = last_ticket;
	for (int i = 0; i < 10; i++)
		assert_int_equal(open_at(0, "192.0.2.2", &limits, 1), CLIENT_NETWORK_FULL);
	clients_close(clients, 0, &first);
	assert_int_equal(open_at(0, "192.0.2.2", &limits, 1), CLIENT_ADMITTED);
	clients_close(clients, 0, &last_ticket);
	assert_int_equal(open_at(0, "192.0.2.2", &limits, 1), CLIENT_ADMITTED);
	clients_close(clients, 0, &last_ticket);
	assert_int_equal(open_at(0, "192.0.2.2", &limits, 1), CLIENT_TOO_FAST);
	end();
}

static void nothing_is_counted_without_a_limit_or_an_address(void **state)
{
	(void)state;
	struct client_limits none = { 0 }, one = { .per_address = 1, .per_network = 1, .rate = { 1, MINUTE_NS } };
	struct net_address unknown = { .family = 0 };
	struct client_ticket ticket;
	begin(1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(open_at(0, "192.0.2.1", &none, 1), CLIENT_ADMITTED);
		assert_int_equal(last_ticket.address | last_ticket.network, 0);
		assert_int_equal(clients_open(clients, 0, &unknown, &one, 1, &ticket), CLIENT_ADMITTED);
		clients_close(clients, 0, &ticket);
	}
	end();
}

/* One set: seven entries. */
static void what_is_open_stays_and_what_is_forgotten_first_goes(void **state)
{
	(void)state;
	struct client_limits limits = { .per_address = 1, .rate = { 2, MINUTE_NS } };
	struct client_ticket tickets[7];
	char text[16];
	begin(1);
	for (uint32_t i = 0; i < 7; i++) {
		snprintf(text, sizeof text, "192.0.2.%u", i);
		assert_int_equal(open_at(i % WORKERS, text, &limits, MINUTE_NS + i), CLIENT_ADMITTED);
		tickets[i] = last_ticket;
	}
	/* Full of open ones: the eighth goes uncounted, however often. */
	assert_int_equal(open_at(0, "198.51.100.1", &limits, MINUTE_NS + 10), CLIENT_ADMITTED);
	assert_int_equal(last_ticket.address, 0);
	assert_int_equal(open_at(0, "198.51.100.1", &limits, MINUTE_NS + 10), CLIENT_ADMITTED);
	for (uint32_t i = 0; i < 7; i++) {
		snprintf(text, sizeof text, "192.0.2.%u", i);
		assert_int_equal(open_at(0, text, &limits, MINUTE_NS + 10), CLIENT_ADDRESS_FULL);
	}
	/* 2 and 5 have gone; 2 came again and is remembered longer. */
	clients_close(clients, 2, &tickets[5]);
	clients_close(clients, 2, &tickets[2]);
	assert_int_equal(open_at(1, "192.0.2.2", &limits, MINUTE_NS + 20), CLIENT_ADMITTED);
	clients_close(clients, 1, &last_ticket);
	assert_int_equal(open_at(1, "192.0.2.2", &limits, MINUTE_NS + 20), CLIENT_TOO_FAST);
	assert_int_equal(open_at(0, "198.51.100.1", &limits, MINUTE_NS + 30), CLIENT_ADMITTED);
	assert_int_not_equal(last_ticket.address, 0);
	assert_int_equal(open_at(1, "192.0.2.2", &limits, MINUTE_NS + 30), CLIENT_TOO_FAST);
	end();
}

/* --- against a naive model --- */

enum { MODEL_ADDRESSES = 40, MODEL_CONNECTIONS = 400, MODEL_STEPS = 60000 };

struct connection {
	struct client_ticket ticket;
	uint32_t worker;
	uint32_t address;
	bool open;
};

static struct connection connections[MODEL_CONNECTIONS];
static struct net_address addresses[MODEL_ADDRESSES];
static uint64_t tokens[MODEL_ADDRESSES]; /* of whom the rate is counted, in parts of a connection: one is the period */
static uint64_t filled_ns[MODEL_ADDRESSES];

/* Few networks, so that several addresses share one. */
static void make_addresses(void)
{
	for (uint32_t i = 0; i < MODEL_ADDRESSES; i++) {
		addresses[i] = (struct net_address){ .family = i % 2 ? 6 : 4 };
		addresses[i].bytes[2] = (uint8_t)(i / 2 % 3);
		addresses[i].bytes[i % 2 ? 15 : 3] = (uint8_t)(1 + i / 6);
	}
}

static bool same_network(const struct net_address *a, const struct net_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 4 ? 3 : 8) == 0;
}

/* The number of whom the rate is counted: an IPv6 /64 is told by the first of its addresses. */
static uint32_t customer(uint32_t at)
{
	for (uint32_t i = 0; addresses[at].family == 6 && i < at; i++)
		if (same_network(&addresses[i], &addresses[at]))
			return i;
	return at;
}

static void fill_tokens(uint32_t at, const struct client_rate *rate, uint64_t now_ns)
{
	uint64_t most = rate->period_ns * rate->count;
	tokens[at] += (now_ns - filled_ns[at]) * rate->count;
	tokens[at] = tokens[at] < most ? tokens[at] : most;
	filled_ns[at] = now_ns;
}

static enum client_verdict model_open(uint32_t at, const struct client_limits *limits, uint64_t now_ns)
{
	uint32_t of_address = 0, of_network = 0, who = customer(at);
	for (int i = 0; i < MODEL_CONNECTIONS; i++) {
		const struct net_address *other = &addresses[connections[i].address];
		of_address += connections[i].open && connections[i].address == at;
		of_network += connections[i].open && same_network(other, &addresses[at]);
	}
	bool slow = true;
	if (limits->rate.count) {
		fill_tokens(who, &limits->rate, now_ns);
		slow = tokens[who] >= limits->rate.period_ns;
	}
	if (limits->per_address && of_address >= limits->per_address)
		return CLIENT_ADDRESS_FULL;
	if (addresses[at].family == 4 && !slow)
		return CLIENT_TOO_FAST;
	if (limits->per_network && of_network >= limits->per_network)
		return CLIENT_NETWORK_FULL;
	if (!slow)
		return CLIENT_TOO_FAST;
	tokens[who] -= limits->rate.count ? limits->rate.period_ns : 0;
	return CLIENT_ADMITTED;
}

static void step(const struct client_limits *limits, uint64_t now_ns, uint32_t verdicts[4])
{
	struct connection *connection = &connections[rand() % MODEL_CONNECTIONS];
	if (connection->open) {
		clients_close(clients, connection->worker, &connection->ticket);
		connection->open = false;
		return;
	}
	connection->worker = (uint32_t)rand() % WORKERS;
	connection->address = (uint32_t)rand() % MODEL_ADDRESSES;
	enum client_verdict wanted = model_open(connection->address, limits, now_ns);
	enum client_verdict verdict = clients_open(clients, connection->worker, &addresses[connection->address], limits,
						   now_ns, &connection->ticket);
	if (verdict != wanted)
		fail_msg("verdict %d, should be %d", verdict, wanted);
	connection->open = verdict == CLIENT_ADMITTED;
	verdicts[verdict]++;
}

/* Everything of a worker goes in the model, too. */
static void kill_worker(uint32_t worker)
{
	clients_forget_worker(clients, worker);
	for (int i = 0; i < MODEL_CONNECTIONS; i++)
		if (connections[i].worker == worker)
			connections[i].open = false;
}

static void random_input_agrees(void **state)
{
	(void)state;
	static const struct client_limits cases[] = {
		{ 7, 18, { 0, 0 } },     { 0, 18, { 5, 1000 } }, { 9, 0, { 100, 20000 } },
		{ 8, 20, { 10, 3000 } }, { 0, 0, { 1, 500 } },
	};
	srand(5);
	make_addresses();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint32_t verdicts[4] = { 0 };
		uint64_t now_ns = MINUTE_NS;
		begin(2000);
		memset(connections, 0, sizeof connections);
		for (uint32_t k = 0; k < MODEL_ADDRESSES; k++) {
			tokens[k] = cases[i].rate.period_ns * cases[i].rate.count;
			filled_ns[k] = now_ns;
		}
		for (int k = 0; k < MODEL_STEPS; k++) {
			now_ns += (uint64_t)rand() % 30;
			step(&cases[i], now_ns, verdicts);
			if (rand() % 3000 == 0)
				kill_worker((uint32_t)rand() % WORKERS);
		}
		assert_true(verdicts[CLIENT_ADMITTED] > 500);
		assert_true(!cases[i].per_address || verdicts[CLIENT_ADDRESS_FULL] > 50);
		assert_true(!cases[i].per_network || verdicts[CLIENT_NETWORK_FULL] > 50);
		assert_true(!cases[i].rate.count || verdicts[CLIENT_TOO_FAST] > 50);
		end();
	}
}

/* --- processes --- */

/* Opens and closes at few addresses until it is killed; tells in `over` whether it saw more than the limit. */
static void run_worker(uint32_t worker, atomic_uint *over)
{
	struct client_limits limits = { .per_address = 10, .per_network = 25 };
	struct connection mine[64] = { { .open = false } };
	srand(worker);
	for (;;) {
		struct connection *connection = &mine[rand() % 64];
		if (connection->open) {
			clients_close(clients, worker, &connection->ticket);
			connection->open = false;
			continue;
		}
		const struct net_address *address = &addresses[rand() % MODEL_ADDRESSES];
		connection->open =
			clients_open(clients, worker, address, &limits, 1, &connection->ticket) == CLIENT_ADMITTED;
		if (clients_count_address(clients, address) > 10 || clients_count_network(clients, address) > 25)
			atomic_store(over, 1);
	}
}

static pid_t start_worker(uint32_t worker, atomic_uint *over)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		run_worker(worker, over);
	return pid;
}

static void workers_that_are_killed_leave_nothing(void **state)
{
	(void)state;
	enum { ROUNDS = 60, ROUND_NS = 2000000 };
	pid_t pids[WORKERS];
	atomic_uint *over = mmap(NULL, sizeof *over, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(over, MAP_FAILED);
	begin(100);
	make_addresses();
	for (uint32_t i = 0; i < WORKERS; i++)
		pids[i] = start_worker(i, over);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t worker = i % WORKERS;
		nanosleep(&(struct timespec){ .tv_nsec = ROUND_NS }, NULL);
		kill(pids[worker], SIGKILL);
		assert_int_equal(waitpid(pids[worker], NULL, 0), pids[worker]);
		clients_forget_worker(clients, worker);
		pids[worker] = start_worker(worker, over);
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		clients_forget_worker(clients, i);
	}
	assert_int_equal(*over, 0);
	/* No lock is left either: all can be opened up to the limit and not beyond. */
	struct client_limits limits = { .per_address = 1 };
	struct client_ticket ticket;
	for (int i = 0; i < MODEL_ADDRESSES; i++) {
		assert_int_equal(clients_count_address(clients, &addresses[i]), 0);
		assert_int_equal(clients_count_network(clients, &addresses[i]), 0);
		assert_int_equal(clients_open(clients, 0, &addresses[i], &limits, 1, &ticket), CLIENT_ADMITTED);
		assert_int_equal(clients_open(clients, 1, &addresses[i], &limits, 1, &ticket), CLIENT_ADDRESS_FULL);
	}
	munmap(over, sizeof *over);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_of_an_address_are_the_sum_over_workers),
		cmocka_unit_test(networks_are_24_and_64_bits),
		cmocka_unit_test(so_many_come_at_once_and_then_evenly),
		cmocka_unit_test(who_was_too_fast_for_a_slower_rate_waits_for_the_new_one),
		cmocka_unit_test(another_address_of_the_same_64_bits_is_as_fast),
		cmocka_unit_test(who_is_refused_for_the_network_may_come_as_often),
		cmocka_unit_test(nothing_is_counted_without_a_limit_or_an_address),
		cmocka_unit_test(what_is_open_stays_and_what_is_forgotten_first_goes),
		cmocka_unit_test(random_input_agrees),
		cmocka_unit_test(workers_that_are_killed_leave_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
