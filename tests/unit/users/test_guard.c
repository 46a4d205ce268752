/* core/users/guard: compared with a stupid list, flooded, shared by processes that are killed, found again; and that nobody can lock
 * a victim out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/users/guard_parts.h"
#include "tests/unit/users/guard_model.h"

#define START_MS INT64_C(1700000000000)

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
static const int64_t day_ms = 24 * (int64_t)HOUR;

static const struct guard_settings usual = {
	.per_login = { 10, HOUR },
	.per_network = { 100, HOUR },
	.ban_ms = HOUR,
	.delay_ms = 30 * SECOND,
	.memory_ms = UINT64_C(30) * 24 * HOUR,
};

static struct guard guard;
static struct guard_verdict verdict;
static struct guard_ban ban;
static int64_t now_ms;

static int begin(void **state)
{
	(void)state;
	void *memory = mmap(NULL, guard_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	now_ms = START_MS;
	return !secret_setup() || memory == MAP_FAILED || !guard_open(&guard, memory, &usual);
}

static int end(void **state)
{
	(void)state;
	return munmap(guard.memory, guard_bytes());
}

static struct guard_try try_of(const char *client, const char *login)
{
	struct guard_try try = { .login = slice_from_text(login) };
	assert_true(net_address_parse(slice_from_text(client), &try.client, NULL));
	return try;
}

static bool may(const char *client, const char *login)
{
	struct guard_try try = try_of(client, login);
	bool refused = guard_is_refused(&guard, 0, &try, now_ms);
	guard_ask(&guard, 0, &try, now_ms, &verdict);
	assert_int_equal(refused, verdict.answer == GUARD_REFUSE);
	return verdict.answer == GUARD_ALLOW;
}

static bool fail_at(const char *client, const char *login)
{
	struct guard_try try = try_of(client, login);
	return guard_failed(&guard, 1, &try, now_ms, &ban);
}

static void succeed_at(const char *client, const char *login)
{
	struct guard_try try = try_of(client, login);
	guard_succeeded(&guard, 2, &try, now_ms);
}

static void fail_many(const char *client, const char *login, int times)
{
	for (int i = 0; i < times; i++)
		fail_at(client, login);
}

static struct net_prefix prefix_of_text(const char *text)
{
	struct net_prefix prefix;
	assert_true(net_prefix_parse(slice_from_text(text), &prefix, NULL));
	return prefix;
}

/* --- what is promised --- */

static void one_waits_longer_and_longer_and_is_banned(void **state)
{
	(void)state;
	static const uint32_t waits_s[] = { 0, 0, 0, 0, 1, 1, 2, 4, 8, 16 };
	for (int i = 0; i < 10; i++) {
		assert_true(may("192.0.2.1", "alice"));
		assert_int_equal(verdict.delay_ms, waits_s[i] * SECOND);
		assert_int_equal(fail_at("192.0.2.200", "ALICE"), i == 9);
	}
	assert_false(may("192.0.2.1", "Alice"));
	assert_int_equal(verdict.ban.kind, GUARD_BY_LOGIN);
	assert_string_equal(verdict.ban.login, "ALICE");
	assert_string_equal(verdict.ban.reason, "10 failed sign-ins to this login within an hour");
	assert_int_equal(verdict.ban.since_ms, START_MS);
	assert_int_equal(verdict.ban.until_ms, START_MS + HOUR);
	assert_int_equal(verdict.ban.refused, 1);
	/* Neither elsewhere nor another login. */
	assert_true(may("192.0.3.1", "alice"));
	assert_int_equal(verdict.delay_ms, 0);
	assert_true(may("192.0.2.1", "bob"));
	assert_int_equal(verdict.delay_ms, 0);
	now_ms += HOUR - 1;
	assert_false(may("192.0.2.1", "alice"));
	now_ms += 1;
	assert_true(may("192.0.2.1", "alice"));
	assert_int_equal(verdict.delay_ms, 0);
}

static void a_network_is_banned_for_whatever_login(void **state)
{
	(void)state;
	char login[24];
	for (int i = 0; i < 100; i++) {
		snprintf(login, sizeof login, "user%d", i);
		assert_true(may("2001:db8::1", login));
		assert_int_equal(fail_at("2001:db8::ffff:1", login), i == 99);
	}
	assert_int_equal(ban.kind, GUARD_BY_NETWORK);
	assert_string_equal(ban.reason, "100 failed sign-ins to whatever login within an hour");
	assert_false(may("2001:db8::2", "somebody"));
	assert_false(may("2001:db8::2", ""));
	assert_true(may("2001:db8:0:1::2", "somebody"));
}

/* One who has a /48, or a /56 of it, gets no further with all its networks. */
static void a_customer_of_many_networks_is_one(void **state)
{
	(void)state;
	static const struct {
		const char *prefix, *within, *beside;
		int failures;
	} rows[] = {
		{ "2001:db8:77::/48", "2001:db8:77:ffff::1", "2001:db8:78::1", 160 },
		{ "2001:db8:0:ab00::/56", "2001:db8:0:abff::1", "2001:db8:0:ac00::1", 40 },
	};
	for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
		struct net_prefix prefix = prefix_of_text(rows[row].prefix);
		char client[64];
		for (int i = 0; i < rows[row].failures; i++) {
			/* Of the /48, each in another /56. */
			unsigned network = row == 0 ? (unsigned)i << 8 : 0xab00 + (unsigned)i;
			snprintf(client, sizeof client, "2001:db8:%x:%x::1", row == 0 ? 0x77 : 0, network);
			assert_true(may(client, "alice"));
			assert_int_equal(verdict.delay_ms > 0, i > rows[row].failures * 3 / 10);
			assert_int_equal(fail_at(client, "alice"), i == rows[row].failures - 1);
		}
		assert_int_equal(ban.kind, GUARD_BY_LOGIN);
		assert_memory_equal(&ban.prefix, &prefix, sizeof prefix);
		assert_false(may(rows[row].within, "alice"));
		assert_true(may(rows[row].within, "bob"));
		assert_true(may(rows[row].beside, "alice"));
		assert_int_equal(verdict.delay_ms, 0);
		succeed_at(rows[row].within, "alice");
		assert_true(may(rows[row].within, "alice"));
		assert_true(verdict.exempt);
		assert_int_equal(guard_ban_remove(&guard, 0, &prefix, SLICE_LITERAL("alice"), now_ms), GUARD_CHANGED);
		assert_true(may(client, "alice"));
		assert_int_equal(verdict.delay_ms, 0);
	}
}

static void with_whatever_login_likewise(void **state)
{
	(void)state;
	char client[64], login[24];
	for (int i = 0; i < 1600; i++) {
		snprintf(client, sizeof client, "2001:db8:77:%x::1", i * 41 % 65536);
		snprintf(login, sizeof login, "user%d", i);
		assert_true(may(client, login));
		assert_int_equal(fail_at(client, login), i == 1599);
	}
	assert_int_equal(ban.kind, GUARD_BY_NETWORK);
	assert_int_equal(ban.prefix.length, 48);
	assert_string_equal(ban.reason, "1600 failed sign-ins to whatever login within an hour");
	assert_false(may("2001:db8:77::1", "somebody"));
	assert_true(may("2001:db8:78::1", "somebody"));
	now_ms += HOUR;
	assert_true(may("2001:db8:77::1", "somebody"));
	assert_int_equal(verdict.delay_ms, 0);
}

/* A telephone that goes from network to network with it. */
static void an_old_password_hurts_no_wide_prefix(void **state)
{
	(void)state;
	char client[64];
	for (int i = 0; i < 5000; i++) {
		snprintf(client, sizeof client, "2001:db8:77:%x::1", i);
		struct guard_try try = try_of(client, "alice");
		try.tag = guard_tag_password(&guard, SLICE_LITERAL("last year's"));
		assert_true(may(client, "alice"));
		assert_int_equal(verdict.delay_ms, 0);
		assert_false(guard_failed(&guard, 0, &try, now_ms, &ban));
	}
}

static void a_source_that_has_signed_in_is_exempt_for_that_login(void **state)
{
	(void)state;
	succeed_at("192.0.2.1", "alice");
	fail_many("192.0.2.9", "alice", 10);
	assert_false(may("192.0.2.9", "alice"));
	assert_false(may("192.0.2.2", "alice"));
	assert_true(may("192.0.2.1", "alice"));
	assert_true(verdict.exempt);
	for (int i = 0; i < 120; i++) {
		char login[24];
		snprintf(login, sizeof login, "user%d", i);
		fail_at("192.0.2.9", login);
	}
	assert_false(may("192.0.2.1", "bob"));
	assert_true(may("192.0.2.1", "alice"));
	assert_int_equal(verdict.delay_ms, 0);
	now_ms += 30 * day_ms;
	assert_true(may("192.0.2.1", "alice"));
	assert_false(verdict.exempt);
}

static void what_the_exempt_may_try_is_bounded(void **state)
{
	(void)state;
	succeed_at("192.0.2.1", "alice");
	for (int i = 0; i < 100; i++) {
		assert_true(may("192.0.2.1", "alice"));
		assert_true(verdict.exempt);
		assert_false(fail_at("192.0.2.1", "alice"));
		succeed_at("192.0.2.1", "alice"); /* takes nothing back */
	}
	assert_true(may("192.0.2.1", "alice"));
	assert_false(verdict.exempt);
	fail_many("192.0.2.1", "alice", 10);
	assert_false(may("192.0.2.1", "alice"));
	assert_true(may("192.0.2.1", "bob")); /* his failures were not the network's until then */
	assert_int_equal(verdict.delay_ms, 0);
}

static void an_old_password_hurts_nobody(void **state)
{
	(void)state;
	struct guard_try try = try_of("192.0.2.1", "alice");
	try.tag = guard_tag_password(&guard, SLICE_LITERAL("last year's"));
	for (int i = 0; i < 1000; i++)
		assert_false(guard_failed(&guard, 0, &try, now_ms, &ban));
	assert_true(may("192.0.2.1", "alice"));
	assert_int_equal(verdict.delay_ms, 0);
	for (int i = 0; i < 9; i++) {
		char password[24];
		snprintf(password, sizeof password, "guess%d", i);
		try.tag = guard_tag_password(&guard, slice_from_text(password));
		assert_int_equal(guard_failed(&guard, 0, &try, now_ms, &ban), i == 8);
	}
}

static void the_list_wins_over_all(void **state)
{
	(void)state;
	struct net_prefix exempt[] = { prefix_of_text("10.0.0.0/8"), prefix_of_text("::1") };
	guard.settings.exempt = exempt;
	guard.settings.exempt_count = 2;
	fail_many("10.1.2.3", "alice", 1000);
	fail_many("::1", "alice", 1000);
	struct guard_ban by_hand = { .since_ms = now_ms, .until_ms = GUARD_FOR_EVER };
	by_hand.prefix = prefix_of_text("10.0.0.0/8");
	assert_int_equal(guard_ban_add(&guard, 0, &by_hand), GUARD_CHANGED);
	assert_true(may("10.1.2.3", "alice"));
	assert_true(verdict.exempt);
	assert_true(may("::1", "alice"));
	guard.settings.exempt_count = 0;
	assert_false(may("10.1.2.3", "alice"));
	assert_true(may("::1", "alice"));
}

static void a_clock_that_is_put_back_locks_nobody_out(void **state)
{
	(void)state;
	fail_many("192.0.2.1", "alice", 10);
	fail_many("192.0.2.1", "bob", 9);
	now_ms -= 365 * day_ms;
	assert_true(may("192.0.2.1", "alice"));
	assert_true(may("192.0.2.1", "bob"));
	now_ms += HOUR;
	assert_true(may("192.0.2.1", "bob"));
	assert_true(verdict.delay_ms <= usual.delay_ms);
	assert_true(fail_at("192.0.2.1", "bob")); /* as many as there may be, and no more */
	now_ms += HOUR;
	assert_true(may("192.0.2.1", "bob"));
	assert_int_equal(verdict.delay_ms, 0);
}

/* --- bans, for people --- */

static void bans_by_hand_come_and_go(void **state)
{
	(void)state;
	struct guard_ban by_hand = {
		.since_ms = now_ms, .until_ms = now_ms + HOUR, .login = "alice", .reason = "a scan"
	};
	by_hand.prefix = prefix_of_text("192.0.2.128/25");
	succeed_at("192.0.2.200", "alice");
	assert_int_equal(guard_ban_add(&guard, 0, &by_hand), GUARD_CHANGED);
	assert_false(may("192.0.2.200", "ALICE")); /* wins over a success */
	assert_string_equal(verdict.ban.reason, "a scan");
	assert_int_equal(verdict.ban.kind, GUARD_BY_HAND);
	assert_true(may("192.0.2.200", "bob"));
	assert_true(may("192.0.2.100", "alice"));
	fail_many("192.0.2.1", "bob", 10);
	uint32_t at = 0;
	assert_true(guard_ban_next(&guard, 0, &at, now_ms, &ban));
	assert_string_equal(ban.login, "alice");
	assert_true(guard_ban_next(&guard, 0, &at, now_ms, &ban));
	assert_string_equal(ban.login, "bob");
	assert_int_equal(ban.prefix.length, 24);
	assert_false(guard_ban_next(&guard, 0, &at, now_ms, &ban));
	struct net_prefix of_bob = ban.prefix;
	struct slice alice = SLICE_LITERAL("alice"), bob = SLICE_LITERAL("Bob");
	assert_int_equal(guard_ban_remove(&guard, 0, &of_bob, alice, now_ms), GUARD_NOT_THERE);
	assert_int_equal(guard_ban_remove(&guard, 0, &of_bob, bob, now_ms), GUARD_CHANGED);
	assert_int_equal(guard_ban_remove(&guard, 0, &of_bob, bob, now_ms), GUARD_NOT_THERE);
	assert_true(may("192.0.2.1", "bob"));
	assert_int_equal(verdict.delay_ms, 0);
	assert_int_equal(guard_ban_remove(&guard, 0, &by_hand.prefix, alice, now_ms), GUARD_CHANGED);
	assert_true(may("192.0.2.200", "alice"));
	at = 0;
	assert_false(guard_ban_next(&guard, 0, &at, now_ms, &ban));
}

static void bans_by_hand_have_room_for_so_many(void **state)
{
	(void)state;
	struct guard_ban by_hand = { .since_ms = now_ms, .until_ms = now_ms + HOUR };
	for (int i = 0; i < LIMIT_GUARD_BANS_BY_HAND; i++) {
		char text[32];
		snprintf(text, sizeof text, "10.%d.%d.0/24", i / 256, i % 256);
		by_hand.prefix = prefix_of_text(text);
		assert_int_equal(guard_ban_add(&guard, 0, &by_hand), GUARD_CHANGED);
		assert_int_equal(guard_ban_add(&guard, 0, &by_hand), GUARD_CHANGED); /* the same */
	}
	by_hand.prefix = prefix_of_text("192.0.2.0/24");
	assert_int_equal(guard_ban_add(&guard, 0, &by_hand), GUARD_NO_ROOM);
	by_hand.since_ms = now_ms + HOUR; /* the others are over */
	by_hand.until_ms = now_ms + 2 * HOUR;
	assert_int_equal(guard_ban_add(&guard, 0, &by_hand), GUARD_CHANGED);
}

static void a_restart_finds_all_again(void **state)
{
	(void)state;
	fail_many("192.0.2.1", "alice", 10);
	fail_many("192.0.2.1", "bob", 9);
	succeed_at("192.0.2.1", "carol");
	assert_true(shared_lock_take(&guard.memory->bans[3].lock, 7)); /* its holder is dead */
	struct guard_record *garbage = &guard.memory->bans[5].records[2];
	memset(garbage, 0xa5, sizeof *garbage);
	struct guard again;
	assert_true(guard_open(&again, guard.memory, &usual));
	assert_memory_not_equal(again.tag_key, guard.tag_key, sizeof again.tag_key);
	guard = again;
	assert_true(shared_lock_take(&guard.memory->bans[3].lock, 7));
	shared_lock_free(&guard.memory->bans[3].lock);
	assert_int_equal(garbage->ban.since_ms, 0);
	assert_false(may("192.0.2.1", "alice"));
	assert_true(fail_at("192.0.2.1", "bob"));
	assert_true(may("192.0.2.1", "carol"));
	assert_true(verdict.exempt);
	guard.memory->bytes++;
	assert_false(guard_open(&again, guard.memory, &usual));
	guard.memory->bytes--;
}

/* --- workers --- */

static uint32_t counted(const char *client, const char *login)
{
	struct guard_try try = try_of(client, login);
	struct guard_key key = guard_network_key(&try.client, guard_login_hash(&guard, try.login));
	struct guard_set *set = &guard.memory->failures[guard_set_number(&guard, &key, GUARD_FAILURE_SETS)];
	struct guard_entry *entry = guard_find(set, &key);
	return entry ? (uint32_t)((entry->due_ms - now_ms) /
				  (int64_t)(guard.settings.per_login.period_ms / guard.settings.per_login.count))
		     : 0;
}

static void workers_count_together(void **state)
{
	(void)state;
	enum { WORKERS = 4, EACH = 5000 };
	guard.settings.per_login = (struct guard_limit){ 1000000, UINT64_C(1000000) * SECOND };
	guard.settings.per_network = (struct guard_limit){ 0, 0 };
	for (uint32_t worker = 0; worker < WORKERS; worker++) {
		if (fork() != 0)
			continue;
		struct guard_try try = try_of("192.0.2.1", "alice");
		for (int i = 0; i < EACH; i++)
			(void)guard_failed(&guard, worker, &try, now_ms, &ban);
		_exit(0);
	}
	for (int i = 0; i < WORKERS; i++)
		assert_true(wait(NULL) > 0);
	/* A worker that was stopped inside has others go uncounted, 50 µs later. */
	assert_in_range(counted("192.0.2.1", "alice"), WORKERS * EACH * 9 / 10, WORKERS * EACH);
}

static void take_all_locks(uint32_t worker)
{
	struct guard_memory *memory = guard.memory;
	for (int i = 0; i < GUARD_FAILURE_SETS; i++)
		assert_true(shared_lock_take(&memory->failures[i].lock, worker) &&
			    shared_lock_take(&memory->networks[i].lock, worker));
	for (int i = 0; i < GUARD_SUCCESS_SETS; i++)
		assert_true(shared_lock_take(&memory->successes[i].lock, worker));
	for (int i = 0; i < GUARD_BAN_SETS; i++)
		assert_true(shared_lock_take(&memory->bans[i].lock, worker));
	assert_true(shared_lock_take(&memory->by_hand.lock, worker));
}

static void a_dead_worker_holds_nobody_up(void **state)
{
	(void)state;
	struct guard_ban by_hand = { .since_ms = now_ms, .until_ms = now_ms + HOUR };
	by_hand.prefix = prefix_of_text("192.0.2.0/24");
	assert_int_equal(guard_ban_add(&guard, 0, &by_hand), GUARD_CHANGED);
	take_all_locks(3);
	assert_true(may("192.0.2.1", "alice"));
	fail_many("192.0.3.1", "alice", 10);
	succeed_at("192.0.2.1", "alice");
	uint32_t at = 0;
	assert_false(guard_ban_next(&guard, 0, &at, now_ms, &ban));
	assert_int_equal(guard_ban_add(&guard, 0, &by_hand), GUARD_BUSY);
	assert_int_equal(guard_ban_remove(&guard, 0, &by_hand.prefix, SLICE_LITERAL(""), now_ms), GUARD_BUSY);
	guard_forget_worker(&guard, 2);
	assert_true(may("192.0.2.1", "alice"));
	guard_forget_worker(&guard, 3);
	assert_false(may("192.0.2.1", "alice"));
	assert_true(may("192.0.3.1", "alice"));
}

/* --- on random input --- */

static uint32_t random_below(uint32_t bound)
{
	static uint64_t seed = 0x9e3779b97f4a7c15u;
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) * bound >> 31);
}

static void it_is_like_a_stupid_list(void **state)
{
	(void)state;
	static const char *const clients[] = { "192.0.2.1",   "192.0.2.2",       "192.0.3.1",         "2001:db8::1",
					       "2001:db8::2", "2001:db8:0:1::1", "2001:db8:0:100::1", "2001:db8:1::1" };
	static const char *const logins[] = { "alice", "bob", "Alice", "carol" };
	static struct model model;
	for (int round = 0; round < 20; round++) {
		assert_int_equal(end(NULL) || begin(NULL), 0);
		memset(&model, 0, sizeof model);
		/* Mostly as the wide prefixes are reached, too. */
		guard.settings.per_login = (struct guard_limit){ 1 + random_below(round % 4 ? 4 : 12), HOUR };
		guard.settings.per_network = (struct guard_limit){ 1 + random_below(round % 4 ? 6 : 40), HOUR };
		guard.settings.memory_ms = 2 * HOUR;
		model.settings = guard.settings;
		for (int step = 0; step < 3000; step++) {
			struct guard_try try = try_of(clients[random_below(8)], logins[random_below(4)]);
			try.tag = (uint16_t)random_below(random_below(2) ? 4 : 60000);
			guard_ask(&guard, 0, &try, now_ms, &verdict);
			struct model_verdict right = model_ask(&model, &try, now_ms);
			assert_int_equal(verdict.answer == GUARD_ALLOW, right.allowed);
			assert_int_equal(verdict.exempt, right.exempt);
			assert_int_equal(verdict.delay_ms, right.delay_ms);
			if (right.allowed && random_below(20) == 0) {
				guard_succeeded(&guard, 0, &try, now_ms);
				model_succeeded(&model, &try, now_ms);
			} else if (right.allowed) {
				assert_int_equal(guard_failed(&guard, 0, &try, now_ms, &ban),
						 model_failed(&model, &try, now_ms));
			}
			now_ms += random_below(10) ? random_below(MINUTE) : random_below(HOUR);
		}
	}
}

static struct guard_try random_try(char login[24])
{
	struct guard_try try = { .client = { .family = random_below(2) ? 4 : 6 } };
	for (int i = 0; i < (try.client.family == 4 ? 4 : 16); i++)
		try.client.bytes[i] = (uint8_t)random_below(256);
	try.client.bytes[0] = 32; /* nobody whom the tests ask about */
	snprintf(login, 24, "user%u", random_below(100000));
	try.login = slice_from_text(login);
	return try;
}

/* With many times as many as there is room for: what is remembered becomes less, and hits nobody else. */
static void a_flood_hits_no_innocent(void **state)
{
	(void)state;
	char login[24];
	fail_many("192.0.2.1", "alice", 10);
	succeed_at("198.51.100.1", "alice");
	for (int i = 0; i < 500000; i++) {
		struct guard_try try = random_try(login);
		(void)guard_failed(&guard, 0, &try, now_ms, &ban);
		if (i % 8)
			continue;
		struct guard_try other = random_try(login);
		other.client.bytes[0] = 33;
		guard_ask(&guard, 0, &other, now_ms, &verdict);
		assert_int_equal(verdict.answer, GUARD_ALLOW);
		assert_int_equal(verdict.delay_ms, 0);
	}
	/* Nor does it free one who is banned, or forget who has signed in. */
	assert_false(may("192.0.2.1", "alice"));
	assert_true(may("198.51.100.1", "alice"));
	assert_true(verdict.exempt);
}

/* Whatever others do, elsewhere. */
static void nobody_locks_a_victim_out(void **state)
{
	(void)state;
	char login[24];
	for (int i = 0; i < 20000; i++) {
		struct guard_try try = random_try(login);
		try.login = SLICE_LITERAL("victim");
		for (int j = 0; j < 12; j++)
			(void)guard_failed(&guard, 0, &try, now_ms, &ban);
	}
	assert_true(may("192.0.2.1", "victim"));
	assert_int_equal(verdict.delay_ms, 0);
	assert_false(verdict.exempt);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_waits_longer_and_longer_and_is_banned),
		TEST(a_network_is_banned_for_whatever_login),
		TEST(a_customer_of_many_networks_is_one),
		TEST(with_whatever_login_likewise),
		TEST(an_old_password_hurts_no_wide_prefix),
		TEST(a_source_that_has_signed_in_is_exempt_for_that_login),
		TEST(what_the_exempt_may_try_is_bounded),
		TEST(an_old_password_hurts_nobody),
		TEST(the_list_wins_over_all),
		TEST(a_clock_that_is_put_back_locks_nobody_out),
		TEST(bans_by_hand_come_and_go),
		TEST(bans_by_hand_have_room_for_so_many),
		TEST(a_restart_finds_all_again),
		TEST(workers_count_together),
		TEST(a_dead_worker_holds_nobody_up),
		TEST(it_is_like_a_stupid_list),
		TEST(a_flood_hits_no_innocent),
		TEST(nobody_locks_a_victim_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
