/* crypto/secret, password, sign_in_cache: known answers, what must match and what never may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#include "crypto/password.h"
#include "crypto/secret.h"
#include "crypto/sign_in_cache.h"
#include "tests/unit/users/scratch.h"

static uint64_t cpu_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- secret --- */

static void hashes_have_their_known_answers(void **state)
{
	(void)state;
	uint8_t key[SECRET_KEY_BYTES], hash[SECRET_HASH_BYTES], message[15];
	for (uint8_t i = 0; i < sizeof key; i++)
		key[i] = i;
	for (uint8_t i = 0; i < sizeof message; i++)
		message[i] = i;
	/* The SipHash paper, appendix A. */
	assert_true(secret_short_hash(key, slice_of(message, sizeof message)) == 0xa129ca6149be45e5);
	/* Python: hashlib.blake2b(b"", key=bytes(range(32)), digest_size=32).hexdigest() */
	static const uint8_t empty[] = { 0x4e, 0x51, 0xe7, 0xa9, 0x13, 0xfc, 0x80, 0x13, 0x7d, 0xa5, 0x28,
					 0x80, 0xfe, 0xcc, 0xa1, 0x75, 0xbf, 0x81, 0xe1, 0x17, 0xd5, 0xc6,
					 0x81, 0x26, 0xdc, 0x27, 0x74, 0x03, 0x35, 0x17, 0xea, 0x0d };
	secret_hash(hash, key, slice_of(NULL, 0));
	assert_memory_equal(hash, empty, sizeof hash);
}

static void equal_means_size_and_bytes(void **state)
{
	(void)state;
	assert_true(secret_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("abc")));
	assert_false(secret_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("abd")));
	assert_false(secret_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("abcd")));
	assert_true(secret_equal(slice_of(NULL, 0), SLICE_LITERAL("")));
}

static void random_text_has_no_look_alikes(void **state)
{
	(void)state;
	char text[1001];
	secret_random_text(text, 1000);
	assert_int_equal(strlen(text), 1000);
	assert_int_equal(strspn(text, "0123456789abcdefghjkmnpqrstvwxyz"), 1000);
	/* All 32 turn up among a thousand. */
	for (const char *c = "0123456789abcdefghjkmnpqrstvwxyz"; *c; c++)
		assert_non_null(strchr(text, *c));
}

static void guarded_memory_needs_no_lock_limit(void **state)
{
	(void)state;
	struct rlimit before, none = { 0, 0 };
	getrlimit(RLIMIT_MEMLOCK, &before);
	none.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &none);
	void *at = secret_allocate(1000);
	setrlimit(RLIMIT_MEMLOCK, &before);
	assert_non_null(at);
	memset(at, 1, 1000);
	secret_free(at);
	secret_free(NULL);
}

static void wiping_wipes(void **state)
{
	(void)state;
	char bytes[] = "secret", zero[sizeof bytes] = { 0 };
	secret_wipe(bytes, sizeof bytes);
	assert_memory_equal(bytes, zero, sizeof bytes);
}

/* --- password --- */

static void passwords_verify_against_their_hash_only(void **state)
{
	(void)state;
	char text[LIMIT_HASH_TEXT_BYTES], again[LIMIT_HASH_TEXT_BYTES];
	assert_true(password_hash(text, SLICE_LITERAL("correct horse")));
	assert_true(password_hash(again, SLICE_LITERAL("correct horse")));
	assert_string_not_equal(text, again);
	assert_true(strncmp(text, "$argon2id$v=19$m=65536,t=2,p=1$", 31) == 0);
	assert_true(password_hash_is_valid(text));
	assert_int_equal(password_verify(text, SLICE_LITERAL("correct horse")), PASSWORD_RIGHT);
	assert_int_equal(password_verify(text, SLICE_LITERAL("correct horsE")), PASSWORD_WRONG);
	assert_int_equal(password_verify(text, SLICE_LITERAL("correct horse\0")), PASSWORD_WRONG);
	assert_int_equal(password_verify(text, slice_of(NULL, 0)), PASSWORD_WRONG);
}

/* From the reference implementation (argon2 -t 2 -m 16): other salt and output sizes, and the older kind. */
static void hashes_from_elsewhere_verify(void **state)
{
	(void)state;
	static const char *const hashes[] = {
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$2mzTAI85jwP6+k/mHDeH3OgNt7E86G5W",
		"$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$lPDHmOTbbL/DCPkEffSNrhTyRIaXZdjg",
	};
	for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
		assert_true(password_hash_is_valid(hashes[i]));
		assert_int_equal(password_verify(hashes[i], SLICE_LITERAL("password")), PASSWORD_RIGHT);
		assert_int_equal(password_verify(hashes[i], SLICE_LITERAL("passwore")), PASSWORD_WRONG);
	}
}

#define SALT_AND_OUTPUT "c29tZXNhbHRzb21lc2FsdA$Z8H6dbYwMTZXg7nPTk4Ap0OHo4IzuAyl5Q/dqmT1pTE"

static void what_is_no_hash_is_never_right(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"x",
		"password",
		"{PLAIN}password",
		"$argon2id$",
		"$argon2id$v=19$m=65536,t=2,p=1$",
		"$argon2id$v=19$m=65536,t=2,p=1$c29t$",
		"$argon2id$v=19$m=65536,t=2,p=1$!!!!$" SALT_AND_OUTPUT,
		"$argon2id$v=19$m=4194304,t=2,p=1$" SALT_AND_OUTPUT,
		"$argon2id$v=19$m=65536,t=1000,p=1$" SALT_AND_OUTPUT,
		"$argon2id$v=19$m=65536,t=2,p=4$" SALT_AND_OUTPUT,
		"$argon2id$v=19$m=65536,t=0,p=1$" SALT_AND_OUTPUT,
		"$argon2id$v=19$m=-1,t=2,p=1$" SALT_AND_OUTPUT,
		"$argon2id$v=19$m=65536,t=2,p=1$" SALT_AND_OUTPUT SALT_AND_OUTPUT SALT_AND_OUTPUT,
		"$2y$10$abcdefghijklmnopqrstuuJ7nY7K8pP6Uv0c4cZ8v8v8v8v8v8v8v",
		"$6$salt$hash",
	};
	assert_true(password_hash_is_valid("$argon2id$v=19$m=65536,t=2,p=1$" SALT_AND_OUTPUT));
	uint64_t before = cpu_now_ns();
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (password_hash_is_valid(texts[i]))
			fail_msg("%s", texts[i]);
		assert_int_equal(password_verify(texts[i], SLICE_LITERAL("password")), PASSWORD_WRONG);
	}
	/* At once: none of them is worth a pass over memory. */
	assert_true(cpu_now_ns() - before < 5000000);
}

/* 1 GiB is within what imported hashes may cost. */
static void without_memory_it_can_not_be_told(void **state)
{
	(void)state;
	static const char costly[] = "$argon2id$v=19$m=1048576,t=1,p=1$" SALT_AND_OUTPUT;
	char usual[LIMIT_HASH_TEXT_BYTES];
	assert_true(password_hash_is_valid(costly));
	assert_true(password_hash(usual, SLICE_LITERAL("password")));
	struct rlimit before = scratch_limit_memory(0, 256 * 1024 * 1024);
	enum password_verdict told = password_verify(costly, SLICE_LITERAL("password"));
	enum password_verdict usual_right = password_verify(usual, SLICE_LITERAL("password"));
	enum password_verdict usual_wrong = password_verify(usual, SLICE_LITERAL("passwore"));
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_int_equal(told, PASSWORD_NO_MEMORY);
	assert_int_equal(usual_right, PASSWORD_RIGHT);
	assert_int_equal(usual_wrong, PASSWORD_WRONG);
}

static void costs_are_told_and_nobodys_hashes_have_them(void **state)
{
	(void)state;
	static const struct password_cost costs[] = {
		{ PASSWORD_ARGON2ID, 65536, 2 }, { PASSWORD_ARGON2ID, 8, 1 },  { PASSWORD_ARGON2I, 1024, 3 },
		{ PASSWORD_ARGON2I, 1024, 2 },   { PASSWORD_ARGON2ID, 9, 16 }, { PASSWORD_ARGON2ID, 1024 * 1024, 16 },
	};
	char text[LIMIT_HASH_TEXT_BYTES], again[LIMIT_HASH_TEXT_BYTES];
	struct password_cost cost;
	for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
		password_nobodys_hash(text, &costs[i]);
		password_nobodys_hash(again, &costs[i]);
		assert_string_not_equal(text, again);
		assert_true(password_cost_of(text, &cost));
		for (size_t k = 0; k < sizeof costs / sizeof *costs; k++)
			assert_int_equal(password_cost_equal(&cost, &costs[k]), i == k);
	}
	assert_true(password_hash(text, SLICE_LITERAL("password")) && password_cost_of(text, &cost));
	struct password_cost usual = password_usual_cost();
	assert_true(password_cost_equal(&cost, &usual));
	assert_false(password_cost_of("", &cost));
	password_spend(&costs[1], SLICE_LITERAL("password"));
	password_spend(&costs[1], slice_of(NULL, 0));
}

static void unknown_users_cost_the_same(void **state)
{
	(void)state;
	char hash[LIMIT_HASH_TEXT_BYTES];
	struct password_cost usual = password_usual_cost();
	password_nobodys_hash(hash, &usual);
	assert_true(password_hash_is_valid(hash));
	char real[LIMIT_HASH_TEXT_BYTES];
	uint64_t start = cpu_now_ns();
	assert_true(password_hash(real, SLICE_LITERAL("password")));
	uint64_t hashed = cpu_now_ns();
	assert_int_equal(password_verify(real, SLICE_LITERAL("wrong")), PASSWORD_WRONG);
	uint64_t known = cpu_now_ns();
	assert_int_equal(password_verify(hash, SLICE_LITERAL("wrong")), PASSWORD_WRONG);
	uint64_t unknown = cpu_now_ns();
	print_message("argon2id: hash %.1f ms, wrong password %.1f ms, unknown user %.1f ms\n",
		      (double)(hashed - start) / 1e6, (double)(known - hashed) / 1e6, (double)(unknown - known) / 1e6);
	assert_int_equal(strlen(hash), strlen(real));
}

/* --- the cache --- */

static void logins_are_remembered_for_their_time(void **state)
{
	(void)state;
	struct sign_in_cache *cache = sign_in_cache_create(64, 1000);
	struct slice name = SLICE_LITERAL("demo"), password = SLICE_LITERAL("secret");
	assert_false(sign_in_cache_has(cache, name, password, 1, 0));
	sign_in_cache_add(cache, name, password, 1, 0);
	assert_true(sign_in_cache_has(cache, name, password, 1, 0));
	assert_true(sign_in_cache_has(cache, name, password, 1, 999));
	assert_false(sign_in_cache_has(cache, name, password, 1, 1000));
	/* A further verification renews it. */
	sign_in_cache_add(cache, name, password, 1, 900);
	assert_true(sign_in_cache_has(cache, name, password, 1, 1899));
	assert_false(sign_in_cache_has(cache, name, password, 1, 1900));
	sign_in_cache_destroy(cache);
	sign_in_cache_destroy(NULL);
}

static void another_login_is_not_remembered(void **state)
{
	(void)state;
	struct sign_in_cache *cache = sign_in_cache_create(64, 1000);
	sign_in_cache_add(cache, SLICE_LITERAL("demo"), SLICE_LITERAL("secret"), 1, 0);
	assert_false(sign_in_cache_has(cache, SLICE_LITERAL("demo"), SLICE_LITERAL("secret"), 2, 0));
	assert_false(sign_in_cache_has(cache, SLICE_LITERAL("demo"), SLICE_LITERAL("secreT"), 1, 0));
	assert_false(sign_in_cache_has(cache, SLICE_LITERAL("Demo"), SLICE_LITERAL("secret"), 1, 0));
	assert_false(sign_in_cache_has(cache, SLICE_LITERAL("demos"), SLICE_LITERAL("ecret"), 1, 0));
	assert_false(sign_in_cache_has(cache, SLICE_LITERAL("dem"), SLICE_LITERAL("osecret"), 1, 0));
	assert_false(sign_in_cache_has(cache, SLICE_LITERAL("demosecret"), SLICE_LITERAL(""), 1, 0));
	sign_in_cache_destroy(cache);
}

/* One set of eight: the ninth login displaces the oldest, and nothing else. */
static void a_full_set_forgets_its_oldest(void **state)
{
	(void)state;
	struct sign_in_cache *cache = sign_in_cache_create(1, 1000);
	uint8_t name[9];
	for (uint8_t i = 0; i < 9; i++) {
		name[i] = i;
		sign_in_cache_add(cache, slice_of(&name[i], 1), SLICE_LITERAL("x"), 1, i);
	}
	for (uint8_t i = 0; i < 9; i++)
		assert_int_equal(sign_in_cache_has(cache, slice_of(&name[i], 1), SLICE_LITERAL("x"), 1, 9), i > 0);
	sign_in_cache_destroy(cache);
}

static void look_ups_cost_nothing_much(void **state)
{
	(void)state;
	enum { LOGINS = 100000 };
	struct sign_in_cache *cache = sign_in_cache_create(LIMIT_SIGN_IN_CACHE, 1000);
	char name[32];
	size_t found = 0;
	for (size_t i = 0; i < LOGINS; i++) {
		int size = snprintf(name, sizeof name, "user%zu@example.org", i);
		sign_in_cache_add(cache, slice_of(name, (size_t)size), SLICE_LITERAL("correct horse"), 7, 0);
	}
	uint64_t start = cpu_now_ns();
	for (size_t i = 0; i < LOGINS; i++) {
		int size = snprintf(name, sizeof name, "user%zu@example.org", i);
		found += sign_in_cache_has(cache, slice_of(name, (size_t)size), SLICE_LITERAL("correct horse"), 7, 1);
	}
	print_message("sign-in cache: %.2f us a look-up, %zu of %d logins remembered\n",
		      (double)(cpu_now_ns() - start) / 1e3 / LOGINS, found, LOGINS);
	assert_true(found > LOGINS * 99 / 100);
	sign_in_cache_destroy(cache);
}

static int set_up(void **state)
{
	(void)state;
	return secret_setup() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_have_their_known_answers),
		cmocka_unit_test(equal_means_size_and_bytes),
		cmocka_unit_test(random_text_has_no_look_alikes),
		cmocka_unit_test(guarded_memory_needs_no_lock_limit),
		cmocka_unit_test(wiping_wipes),
		cmocka_unit_test(passwords_verify_against_their_hash_only),
		cmocka_unit_test(hashes_from_elsewhere_verify),
		cmocka_unit_test(what_is_no_hash_is_never_right),
		cmocka_unit_test(without_memory_it_can_not_be_told),
		cmocka_unit_test(costs_are_told_and_nobodys_hashes_have_them),
		cmocka_unit_test(unknown_users_cost_the_same),
		cmocka_unit_test(logins_are_remembered_for_their_time),
		cmocka_unit_test(another_login_is_not_remembered),
		cmocka_unit_test(a_full_set_forgets_its_oldest),
		cmocka_unit_test(look_ups_cost_nothing_much),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
