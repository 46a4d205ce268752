/* core/users: NTLM against our own users, with our own client: who is let in, who is not and for which reason; whatever is
 * changed on the way, replayed or made for another channel is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/cursor.h"
#include "core/users/ntlm_client.h"
#include "core/users/sign_in_ntlm.h"
#include "crypto/secret.h"
#include "proto/sasl.h"
#include "tests/unit/users/users_fixture.h"

struct world {
	struct fixture fixture;
	struct loop *loop;
	struct sign_in_ntlm *ntlm;
	uint8_t key[NTLM_SEAL_KEY_BYTES];
	uint8_t challenge_storage[LIMIT_CHALLENGE_BYTES];
	struct buffer challenge;
	struct sign_in_facts facts;
	struct sign_in_request request;
};

static void nobody_calls(struct sign_in_request *request, enum sign_in_outcome outcome)
{
	(void)request;
	(void)outcome;
	abort();
}

static void add_user(struct world *world, const char *name, const char *password)
{
	uint8_t sealed[USERS_NT_SEALED_BYTES];
	struct error error;
	struct user_credentials credentials = { .hash = HASH_A };
	if (password) {
		assert_true(sign_in_ntlm_seal(sealed, world->key, slice_from_text(name), slice_from_text(password)));
		credentials.nt_sealed = sealed;
	}
	assert_int_equal(users_put(world->fixture.users, slice_from_text(name), &credentials, true, &error), USERS_OK);
}

static int make_world(void **state)
{
	struct world *world = test_calloc(1, sizeof *world);
	struct error error = { "" };
	scratch_make(&world->fixture.scratch);
	world->fixture.users = open_or_die(&world->fixture.scratch, true);
	world->loop = loop_create(&(struct loop_settings){ .kind = LOOP_EPOLL }, &error);
	assert_non_null(world->loop);
	secret_random(world->key, sizeof world->key);
	buffer_init(&world->challenge, world->challenge_storage, sizeof world->challenge_storage);
	add_user(world, "Alice", "geheim \xc3\xa4\xe2\x82\xac");
	add_user(world, "bob@example.org", "bobs");
	add_user(world, "m\xc3\xbcller", "m");
	add_user(world, "plain", NULL);
	const struct sign_in_ntlm_settings settings = { .loop = world->loop,
							.users = world->fixture.users,
							.key = world->key,
							.hostname = "mail.example.org",
							.binding = NTLM_BINDING_ALLOW };
	world->ntlm = sign_in_ntlm_create(&settings, &error);
	assert_non_null(world->ntlm);
	*state = world;
	return 0;
}

static int end_world(void **state)
{
	struct world *world = *state;
	sign_in_ntlm_destroy(world->ntlm);
	users_close(world->fixture.users);
	scratch_remove(&world->fixture.scratch);
	loop_destroy(world->loop);
	test_free(world);
	return 0;
}

/* --- an exchange, step by step --- */

static enum sign_in_outcome say(struct world *world, struct slice response)
{
	enum sign_in_outcome outcome = SIGN_IN_UNAVAILABLE;
	buffer_clear(&world->challenge);
	world->request.response = response;
	assert_true(sign_in_step(sign_in_ntlm_backend(world->ntlm), &world->request, &outcome));
	return outcome;
}

static void begin(struct world *world)
{
	uint8_t storage[64];
	struct buffer negotiate;
	buffer_init(&negotiate, storage, sizeof storage);
	world->request = (struct sign_in_request){
		.done = nobody_calls, .facts = &world->facts, .mechanism = SASL_NTLM, .challenge = &world->challenge
	};
	assert_true(ntlm_client_begin(&negotiate));
	assert_int_equal(say(world, buffer_slice(&negotiate)), SIGN_IN_CHALLENGE);
}

static void end(struct world *world)
{
	sign_in_end(sign_in_ntlm_backend(world->ntlm), &world->request);
}

static struct slice answer(struct world *world, struct buffer *out, const char *name, const char *password,
			   struct slice end_point)
{
	const struct ntlm_client client = { slice_from_text(name), slice_from_text(password), end_point };
	struct error error;
	buffer_clear(out);
	assert_true(ntlm_client_answer(&client, buffer_slice(&world->challenge), out, &error));
	return buffer_slice(out);
}

static enum sign_in_outcome sign_in(struct world *world, const char *name, const char *password)
{
	uint8_t storage[2048];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	begin(world);
	return say(world, answer(world, &out, name, password, SLICE_LITERAL("")));
}

static void who_may_sign_in_does(void **state)
{
	struct world *world = *state;
	static const struct {
		const char *name, *password, *login, *reason;
	} rows[] = {
		{ "Alice", "geheim \xc3\xa4\xe2\x82\xac", "Alice", NULL },
		{ "aLICE", "geheim \xc3\xa4\xe2\x82\xac", "aLICE", NULL },
		{ "WHEREVER\\alice", "geheim \xc3\xa4\xe2\x82\xac", "alice", NULL },
		{ "example.org\\alice", "geheim \xc3\xa4\xe2\x82\xac", "alice", NULL },
		{ "bob@example.org", "bobs", "bob@example.org", NULL },
		{ "example.org\\bob", "bobs", "bob@example.org", NULL },
		{ "EXAMPLE.ORG\\Bob", "bobs", "Bob@EXAMPLE.ORG", NULL },
		{ "EXAMPLE\\bob", "bobs", NULL, "no such user" },
		{ "m\xc3\xbcller", "m", "m\xc3\xbcller", NULL },
		{ "alice", "geheim", NULL, "wrong password" },
		{ "alice", "", NULL, "wrong password" },
		{ "carol", "bobs", NULL, "no such user" },
		{ "plain", "bobs", NULL, "no NTLM hash: set a password with --ntlm" },
		{ "", "bobs", NULL, "anonymous" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum sign_in_outcome outcome = sign_in(world, rows[i].name, rows[i].password);
		if (rows[i].login) {
			assert_int_equal(outcome, SIGN_IN_OK);
			assert_true(slice_equal(world->request.login, slice_from_text(rows[i].login)));
		} else {
			assert_int_equal(outcome, SIGN_IN_WRONG);
			assert_string_equal(world->request.reason, rows[i].reason);
		}
		end(world);
	}
}

static void who_is_disabled_or_sealed_otherwise_is_not_let_in(void **state)
{
	struct world *world = *state;
	struct error error;
	assert_int_equal(users_set_disabled(world->fixture.users, SLICE_LITERAL("alice"), true, &error), USERS_OK);
	assert_int_equal(sign_in(world, "alice", "geheim \xc3\xa4\xe2\x82\xac"), SIGN_IN_WRONG);
	assert_string_equal(world->request.reason, "disabled");
	end(world);
	world->key[0]++;
	assert_int_equal(sign_in(world, "bob@example.org", "bobs"), SIGN_IN_WRONG);
	assert_non_null(strstr(world->request.reason, "another key"));
	end(world);
}

static void a_client_that_waits_is_asked_first(void **state)
{
	struct world *world = *state;
	world->request = (struct sign_in_request){ .facts = &world->facts, .challenge = &world->challenge };
	assert_int_equal(say(world, slice_of(NULL, 0)), SIGN_IN_CHALLENGE);
	assert_int_equal(world->challenge.size, 0);
	assert_int_equal(say(world, SLICE_LITERAL("")), SIGN_IN_MALFORMED);
	end(world);
	end(world); /* nothing more happens */
}

/* What the server says of itself: some clients do not go on without. */
static void the_challenge_names_the_server(void **state)
{
	struct world *world = *state;
	struct ntlm_challenge challenge;
	begin(world);
	assert_true(ntlm_read_challenge(buffer_slice(&world->challenge), &challenge));
	assert_true(slice_equal(challenge.target_name, SLICE_LITERAL("M\0A\0I\0L\0")));
	unsigned id, seen = 0;
	struct slice value;
	while (ntlm_next_pair(&challenge.target_info, &id, &value)) {
		seen |= 1u << id;
		if (id == NTLM_PAIR_DNS_DOMAIN)
			assert_true(slice_equal(value, SLICE_LITERAL("e\0x\0a\0m\0p\0l\0e\0.\0o\0r\0g\0")));
	}
	assert_int_equal(challenge.target_info.size, 0);
	assert_int_equal(seen, 1 << NTLM_PAIR_COMPUTER | 1 << NTLM_PAIR_DOMAIN | 1 << NTLM_PAIR_DNS_COMPUTER |
				       1 << NTLM_PAIR_DNS_DOMAIN | 1 << NTLM_PAIR_TIME);
	end(world);
}

/* --- what was tampered with --- */

static bool is_let_in(struct world *world, struct slice message)
{
	struct ntlm_exchange *exchange = world->request.conversation;
	struct ntlm_claim claim;
	const char *reason;
	uint8_t sealed_key[NTLM_HASH_BYTES];
	static const uint8_t password[] = { 'b', 0, 'o', 0, 'b', 0, 's', 0 };
	ntlm_hash(sealed_key, slice_of(password, sizeof password));
	return ntlm_claim_read(&claim, message, &reason) && slice_equal(claim.user, SLICE_LITERAL("bob@example.org")) &&
	       !ntlm_exchange_verify(exchange, &claim, sealed_key, loop_now(world->loop)->unix_us);
}

/* Each byte flipped in turn, of the answer and of what the server remembers; each in memory of its own size. What is let in all the
 * same could only be the MIC's to tell, and it is made over everything. */
static void any_flipped_byte_is_noticed(void **state)
{
	struct world *world = *state;
	uint8_t storage[2048];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	begin(world);
	struct slice message = answer(world, &out, "bob@example.org", "bobs", SLICE_LITERAL("certificate"));
	uint8_t *copy = test_malloc(message.size);
	memcpy(copy, message.data, message.size);
	assert_true(is_let_in(world, slice_of(copy, message.size)));
	for (size_t at = 0; at < message.size; at++)
		for (unsigned bit = 1; bit < 256; bit <<= 1) {
			copy[at] ^= (uint8_t)bit;
			assert_false(is_let_in(world, slice_of(copy, message.size)));
			copy[at] ^= (uint8_t)bit;
		}
	struct ntlm_exchange *exchange = world->request.conversation;
	exchange->negotiate[13] ^= 1;
	assert_false(is_let_in(world, slice_of(copy, message.size)));
	test_free(copy);
	end(world);
}

static void cut_answers_are_refused(void **state)
{
	struct world *world = *state;
	uint8_t storage[2048];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	begin(world);
	struct slice message = answer(world, &out, "bob@example.org", "bobs", SLICE_LITERAL(""));
	for (size_t size = 0; size < message.size; size++) {
		uint8_t *copy = test_malloc(size ? size : 1);
		memcpy(copy, message.data, size);
		assert_false(is_let_in(world, slice_of(copy, size)));
		test_free(copy);
	}
	end(world);
}

static void an_answer_is_good_once(void **state)
{
	struct world *world = *state;
	uint8_t storage[2048];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	begin(world);
	struct slice message = answer(world, &out, "bob@example.org", "bobs", SLICE_LITERAL(""));
	assert_int_equal(say(world, message), SIGN_IN_OK);
	end(world);
	begin(world);
	assert_int_equal(say(world, message), SIGN_IN_WRONG);
	assert_string_equal(world->request.reason, "wrong password");
	end(world);
}

static void too_long_messages_are_refused(void **state)
{
	struct world *world = *state;
	static uint8_t message[LIMIT_SASL_RESPONSE_BYTES] = "NTLMSSP\0\1";
	for (size_t size = LIMIT_NTLM_NEGOTIATE_BYTES; size <= sizeof message;
	     size += sizeof message - size ? 1024 : 1) {
		world->request = (struct sign_in_request){ .facts = &world->facts, .challenge = &world->challenge };
		bool fits = size <= LIMIT_NTLM_NEGOTIATE_BYTES;
		assert_int_equal(say(world, slice_of(message, size)), fits ? SIGN_IN_CHALLENGE : SIGN_IN_MALFORMED);
		end(world);
	}
}

/* The published answer's first response is LMv2's: what is left of it without the second is not taken. */
static void old_answers_are_refused(void **state)
{
	struct world *world = *state;
	static const uint8_t response[24];
	const struct {
		size_t lm, nt;
		uint32_t flags;
		const char *reason;
	} rows[] = {
		{ 24, 24, NTLM_UNICODE, "LM or NTLMv1, which prove too little" },
		{ 24, 0, NTLM_UNICODE, "LM or NTLMv1, which prove too little" },
		{ 1, 0, NTLM_UNICODE, "anonymous" },
		{ 24, 24, NTLM_OEM, "a name is too long or not Unicode" }, /* with NUL in it */
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t storage[512];
		struct buffer out;
		buffer_init(&out, storage, sizeof storage);
		struct ntlm_authenticate message = { .flags = rows[i].flags,
						     .lm_response = slice_of(response, rows[i].lm),
						     .nt_response = slice_of(response, rows[i].nt),
						     .user = SLICE_LITERAL("b\0o\0b\0") };
		begin(world);
		assert_true(ntlm_write_authenticate(&out, &message));
		assert_int_equal(say(world, buffer_slice(&out)), SIGN_IN_WRONG);
		assert_string_equal(world->request.reason, rows[i].reason);
		end(world);
	}
}

/* --- time and channel --- */

static void clocks_may_differ_by_a_day(void **state)
{
	struct world *world = *state;
	uint8_t storage[2048], hash[NTLM_HASH_BYTES];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	static const uint8_t password[] = { 'b', 0, 'o', 0, 'b', 0, 's', 0 };
	ntlm_hash(hash, slice_of(password, sizeof password));
	begin(world);
	struct slice message = answer(world, &out, "bob@example.org", "bobs", SLICE_LITERAL(""));
	struct ntlm_claim claim;
	const char *reason;
	assert_true(ntlm_claim_read(&claim, message, &reason));
	int64_t now = loop_now(world->loop)->unix_us, hour = 3600 * (int64_t)1000000;
	const struct ntlm_exchange *exchange = world->request.conversation;
	assert_null(ntlm_exchange_verify(exchange, &claim, hash, now + 35 * hour));
	assert_null(ntlm_exchange_verify(exchange, &claim, hash, now - 35 * hour));
	assert_non_null(ntlm_exchange_verify(exchange, &claim, hash, now + 37 * hour));
	assert_non_null(ntlm_exchange_verify(exchange, &claim, hash, now - 37 * hour));
	end(world);
}

static void channels_are_told_apart(void **state)
{
	struct world *world = *state;
	static const struct slice none = { (const uint8_t *)"", 0 }, ours = { (const uint8_t *)"ours", 4 },
				  other = { (const uint8_t *)"other", 5 };
	const struct {
		struct slice said, is;
		bool in_tls;
		bool sound[3]; /* none, allow, require */
	} rows[] = {
		{ none, ours, true, { true, true, false } },   { ours, ours, true, { true, true, true } },
		{ other, ours, true, { true, false, false } }, { none, none, false, { true, true, false } },
		{ ours, none, false, { true, false, false } }, { ours, none, true, { true, true, false } },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t storage[2048];
		struct buffer out;
		buffer_init(&out, storage, sizeof storage);
		struct ntlm_claim claim;
		const char *reason;
		begin(world);
		struct slice message = answer(world, &out, "bob@example.org", "bobs", rows[i].said);
		assert_true(ntlm_claim_read(&claim, message, &reason));
		for (enum ntlm_binding rule = NTLM_BINDING_NONE; rule <= NTLM_BINDING_REQUIRE; rule++)
			assert_int_equal(!ntlm_claim_binding(&claim, rule, rows[i].in_tls, rows[i].is),
					 rows[i].sound[rule]);
		end(world);
	}
}

static void domains_are_netbios_names(void **state)
{
	(void)state;
	struct ntlm_target target;
	struct slice host = SLICE_LITERAL("a-very-long-first-label.example.org");
	assert_true(ntlm_target_init(&target, host, SLICE_LITERAL("CORP-1")));
	assert_true(target.is_domain && target.name_size == 12);
	assert_true(ntlm_target_init(&target, host, SLICE_LITERAL("")));
	assert_true(!target.is_domain && target.name_size == 30);
	assert_false(ntlm_target_init(&target, host, SLICE_LITERAL("CORP\\X")));
	assert_false(ntlm_target_init(&target, host, SLICE_LITERAL("a.domain.too.long")));
	assert_false(ntlm_domain_is_valid(SLICE_LITERAL("A\0B")));
}

int main(void)
{
	if (!secret_setup())
		return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_world, end_world)
	const struct CMUnitTest tests[] = {
		TEST(who_may_sign_in_does),
		TEST(who_is_disabled_or_sealed_otherwise_is_not_let_in),
		TEST(a_client_that_waits_is_asked_first),
		TEST(the_challenge_names_the_server),
		TEST(any_flipped_byte_is_noticed),
		TEST(cut_answers_are_refused),
		TEST(an_answer_is_good_once),
		TEST(too_long_messages_are_refused),
		TEST(old_answers_are_refused),
		TEST(clocks_may_differ_by_a_day),
		TEST(channels_are_told_apart),
		cmocka_unit_test(domains_are_netbios_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
