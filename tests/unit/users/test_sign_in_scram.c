/* core/users: SCRAM against our own users, spoken with by our own client: who is let in, who is not and why, on which channels, and
 * what happens to messages that are changed, repeated or cut on their way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/users/sign_in_client.h"
#include "core/users/sign_in_scram.h"
#include "proto/base64.h"
#include "proto/sasl.h"
#include "proto/scram.h"
#include "tests/unit/crypto/tls_pair.h"
#include "tests/unit/users/users_fixture.h"

static struct sign_in_scram *scram;
static struct pair pair;
static bool has_pair;
static const uint8_t secret[SECRET_KEY_BYTES] = { 9, 8, 7 };

/* One exchange on the server's side. */
static struct sign_in_facts facts;
static struct sign_in_request request;
static uint8_t challenge_storage[LIMIT_CHALLENGE_BYTES];
static struct buffer challenge;

static struct tls_context *contexts[2];

static void end_tls(void)
{
	if (!has_pair)
		return;
	pair_finish(&pair);
	tls_context_destroy(contexts[0]);
	tls_context_destroy(contexts[1]);
	has_pair = false;
}

static void put_password(struct users *users, const char *name, const char *password)
{
	struct scram_keys keys;
	struct error error;
	assert_true(scram_keys_make(&keys, slice_from_text(password)));
	struct user_credentials credentials = { .hash = HASH_A, .scram = &keys };
	assert_int_equal(users_put(users, slice_from_text(name), &credentials, true, &error), USERS_OK);
}

static int set_up_users(void **state)
{
	struct error error;
	set_up_open(state);
	struct fixture *fixture = *state;
	put_password(fixture->users, "Alice", "right");
	put_password(fixture->users, "off", "right");
	put_password(fixture->users, "a,b=c", "p\xc3\xa4ss");
	put(fixture->users, "old", HASH_A, false);
	assert_int_equal(users_set_disabled(fixture->users, SLICE_LITERAL("off"), true, &error), USERS_OK);
	scram = sign_in_scram_create(fixture->users, secret, &error);
	facts = (struct sign_in_facts){ .offered = SASL_SCRAM_SHA_256 };
	return scram ? 0 : -1;
}

static void leave(void)
{
	sign_in_end(sign_in_scram_backend(scram), &request);
	request = (struct sign_in_request){ 0 };
}

static int tear_down_users(void **state)
{
	leave();
	sign_in_scram_destroy(scram);
	end_tls();
	return tear_down(state);
}

/* A TLS session of that version, for both sides; the one before ends. */
static void use_tls(uint16_t version)
{
	end_tls();
	contexts[0] = make_client(version, "ca.pem", false);
	contexts[1] = make_server(version, 1);
	pair_init(&pair, contexts[0], contexts[1], "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	assert_true(pair_handshake(&pair));
	has_pair = true;
	facts.tls = pair.server.session;
	facts.offered = SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_256_PLUS;
}

static enum sign_in_outcome say(unsigned mechanism, struct slice response)
{
	enum sign_in_outcome outcome = SIGN_IN_OK;
	buffer_init(&challenge, challenge_storage, sizeof challenge_storage);
	request.mechanism = mechanism;
	request.facts = &facts;
	request.response = response;
	request.challenge = &challenge;
	assert_true(sign_in_step(sign_in_scram_backend(scram), &request, &outcome));
	return outcome;
}

/* What is done to a message of the client's, by its number, before the server gets it. */
typedef void tamper(unsigned number, struct buffer *message);

static enum sign_in_outcome speak(unsigned mechanism, const char *name, const char *password, tamper *way)
{
	struct sign_in_client client = { .mechanism = mechanism,
					 .name = slice_from_text(name),
					 .password = slice_from_text(password),
					 .tls = has_pair ? pair.client.session : NULL };
	uint8_t storage[2 * LIMIT_SCRAM_MESSAGE_BYTES];
	struct buffer response;
	struct error error;
	enum sign_in_outcome outcome = SIGN_IN_WRONG;
	bool given, speaks;
	leave();
	buffer_init(&response, storage, sizeof storage);
	speaks = sign_in_client_begin(&client, &response, &given, &error);
	for (unsigned number = 0; speaks; number++) {
		if (way)
			way(number, &response);
		outcome = say(mechanism, buffer_slice(&response));
		if (outcome != SIGN_IN_CHALLENGE)
			break;
		buffer_clear(&response);
		speaks = sign_in_client_answer(&client, buffer_slice(&challenge), &response, &error);
	}
	assert_true(outcome != SIGN_IN_OK || sign_in_client_is_content(&client));
	sign_in_client_end(&client);
	return speaks ? outcome : SIGN_IN_WRONG;
}

static enum sign_in_outcome sign_in(const char *name, const char *password)
{
	return speak(SASL_SCRAM_SHA_256, name, password, NULL);
}

static bool refused_for(const char *reason)
{
	return request.reason && strstr(request.reason, reason);
}

static void who_knows_the_password_is_let_in(void **state)
{
	(void)state;
	assert_int_equal(sign_in("Alice", "right"), SIGN_IN_OK);
	assert_true(slice_equal(request.login, SLICE_LITERAL("Alice")));
	assert_int_equal(sign_in("aLICE", "right"), SIGN_IN_OK);
	assert_int_equal(sign_in("a,b=c", "pa\xcc\x88ss"), SIGN_IN_OK); /* the same character, written otherwise */
	assert_true(slice_equal(request.login, SLICE_LITERAL("a,b=c")));
}

static void all_others_learn_at_the_end_that_it_was_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *name, *password, *reason;
	} rows[] = {
		{ "Alice", "Right", "wrong password" }, { "Alice", "", "wrong password" },
		{ "nobody", "right", "no such user" },  { "a b", "right", "no such user" },
		{ "off", "right", "disabled" },         { "old", "right", "no SCRAM keys" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(sign_in(rows[i].name, rows[i].password), SIGN_IN_WRONG);
		assert_true(refused_for(rows[i].reason));
		assert_true(slice_equal(request.name, slice_from_text(rows[i].name)));
		assert_true(request.login.size == 0);
	}
}

static struct scram_challenge challenge_for(const char *name)
{
	struct scram_exchange exchange;
	struct scram_challenge read;
	uint8_t storage[LIMIT_SCRAM_MESSAGE_BYTES];
	struct buffer first;
	leave();
	buffer_init(&first, storage, sizeof storage);
	assert_true(scram_client_first(&exchange, SCRAM_FLAG_NONE, NULL, slice_from_text(name), SLICE_LITERAL("mine"),
				       &first));
	assert_int_equal(say(SASL_SCRAM_SHA_256, buffer_slice(&first)), SIGN_IN_CHALLENGE);
	assert_int_equal(scram_client_challenge(&exchange, buffer_slice(&challenge), &read), SCRAM_OK);
	return read;
}

/* To whoever asks, nobody looks like somebody: today and tomorrow, here and on the next node. */
static void a_salt_tells_nobody_from_somebody(void **state)
{
	struct fixture *fixture = *state;
	struct error error;
	static const char *const names[] = { "Alice", "nobody", "NOBODY", "off", "old", "nobody else" };
	struct scram_challenge first[6];
	for (size_t i = 0; i < 6; i++)
		first[i] = challenge_for(names[i]);
	leave();
	sign_in_scram_destroy(scram);
	scram = sign_in_scram_create(fixture->users, secret, &error);
	for (size_t i = 0; i < 6; i++) {
		struct scram_challenge again = challenge_for(names[i]);
		assert_true(again.iterations == first[0].iterations && again.salt_size == first[0].salt_size);
		assert_memory_equal(again.salt, first[i].salt, again.salt_size);
	}
	assert_memory_equal(first[1].salt, first[2].salt, first[1].salt_size);
	assert_memory_not_equal(first[1].salt, first[5].salt, first[1].salt_size);
}

static void a_bound_exchange_is_for_its_channel(void **state)
{
	(void)state;
	static const uint16_t versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3 };
	for (size_t i = 0; i < 2; i++) {
		use_tls(versions[i]);
		assert_int_equal(speak(SASL_SCRAM_SHA_256_PLUS, "alice", "right", NULL), SIGN_IN_OK);
		assert_string_equal(request.reason, "tls-exporter");
		assert_int_equal(speak(SASL_SCRAM_SHA_256_PLUS, "alice", "wrong", NULL), SIGN_IN_WRONG);
		assert_int_equal(speak(SASL_SCRAM_SHA_256, "alice", "right", NULL), SIGN_IN_OK);
		/* Somebody stands between: the server has another session than the client. */
		static struct pair others;
		pair_init(&others, contexts[0], contexts[1], "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
		assert_true(pair_handshake(&others));
		facts.tls = others.server.session;
		assert_int_equal(speak(SASL_SCRAM_SHA_256_PLUS, "alice", "right", NULL), SIGN_IN_WRONG);
		assert_true(refused_for("channel binding does not match"));
		pair_finish(&others);
	}
}

/* Signs in with a binding of this name and these bytes. */
static enum sign_in_outcome bind_with(const char *name, struct slice bytes)
{
	static struct scram_exchange exchange;
	uint8_t storage[LIMIT_SCRAM_MESSAGE_BYTES], client_key[SCRAM_KEY_BYTES], proof[SCRAM_PROOF_BYTES];
	struct scram_challenge read;
	struct buffer out;
	leave();
	buffer_init(&out, storage, sizeof storage);
	assert_true(scram_client_first(&exchange, SCRAM_FLAG_BOUND, name, SLICE_LITERAL("alice"), SLICE_LITERAL("mine"),
				       &out));
	enum sign_in_outcome outcome = say(SASL_SCRAM_SHA_256_PLUS, buffer_slice(&out));
	if (outcome != SIGN_IN_CHALLENGE)
		return outcome;
	assert_int_equal(scram_client_challenge(&exchange, buffer_slice(&challenge), &read), SCRAM_OK);
	struct scram_keys keys = { .iterations = read.iterations, .salt_size = read.salt_size };
	memcpy(keys.salt, read.salt, read.salt_size);
	assert_true(scram_password_keys(&keys, client_key, SLICE_LITERAL("right")));
	buffer_clear(&out);
	assert_true(scram_client_final(&exchange, bytes, &out));
	scram_make_proof(proof, &keys, client_key, scram_auth_message(&exchange));
	assert_true(scram_client_proof(proof, &out));
	outcome = say(SASL_SCRAM_SHA_256_PLUS, buffer_slice(&out));
	return outcome == SIGN_IN_CHALLENGE ? say(SASL_SCRAM_SHA_256_PLUS, SLICE_LITERAL("")) : outcome;
}

static void older_bindings_are_known_where_they_are_safe(void **state)
{
	(void)state;
	uint8_t bytes[TLS_BINDING_MOST_BYTES];
	size_t size;
	use_tls(TLS_VERSION_1_2);
	assert_true(tls_session_binding(pair.client.session, TLS_BINDING_UNIQUE, bytes, &size));
	assert_int_equal(bind_with("tls-unique", slice_of(bytes, size)), SIGN_IN_OK);
	assert_int_equal(bind_with("tls-server-end-point", slice_of(bytes, size)), SIGN_IN_WRONG);
	assert_true(tls_session_binding(pair.client.session, TLS_BINDING_SERVER_END_POINT, bytes, &size));
	assert_int_equal(bind_with("tls-server-end-point", slice_of(bytes, size)), SIGN_IN_OK);
	assert_string_equal(request.reason, "tls-server-end-point");
	use_tls(TLS_VERSION_1_3);
	assert_int_equal(bind_with("tls-unique", SLICE_LITERAL("twelve bytes")), SIGN_IN_WRONG);
	assert_true(refused_for("no such channel binding"));
	assert_int_equal(bind_with("tls-server", SLICE_LITERAL("")), SIGN_IN_WRONG);
	assert_true(refused_for("not known"));
	facts.tls = NULL;
	assert_int_equal(bind_with("tls-exporter", SLICE_LITERAL("")), SIGN_IN_WRONG);
}

static void flag_and_mechanism_must_agree_and_a_downgrade_shows(void **state)
{
	(void)state;
	static const struct {
		unsigned mechanism, offered;
		const char *message, *reason;
	} rows[] = {
		{ SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_256_PLUS, "n,,n=alice,r=1", NULL },
		{ SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_256, "y,,n=alice,r=1", NULL },
		{ SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_256_PLUS, "y,,n=alice,r=1",
		  "not told that -PLUS is offered" },
		{ SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_256, "p=tls-exporter,,n=alice,r=1", "which is for -PLUS" },
		{ SASL_SCRAM_SHA_256_PLUS, SASL_SCRAM_SHA_256_PLUS, "n,,n=alice,r=1", "-PLUS is for" },
		{ SASL_SCRAM_SHA_256_PLUS, SASL_SCRAM_SHA_256_PLUS, "y,,n=alice,r=1", "-PLUS is for" },
		{ SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_256, "n,a=bob,n=alice,r=1", "somebody else" },
		{ SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_256, "n,a=alice,n=alice,r=1", NULL },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		leave();
		facts.offered = rows[i].offered;
		enum sign_in_outcome outcome = say(rows[i].mechanism, slice_from_text(rows[i].message));
		assert_int_equal(outcome, rows[i].reason ? SIGN_IN_WRONG : SIGN_IN_CHALLENGE);
		assert_true(!rows[i].reason || refused_for(rows[i].reason));
		assert_true(slice_equal(request.name, SLICE_LITERAL("alice")));
	}
}

/* --- messages on their way --- */

static unsigned at_message, at_byte, xor_with;
static bool was_changed;

static void change_byte(unsigned number, struct buffer *message)
{
	if (number != at_message || at_byte >= message->size)
		return;
	message->data[at_byte] ^= (uint8_t)xor_with;
	was_changed = true;
}

static void cut(unsigned number, struct buffer *message)
{
	if (number != at_message || at_byte >= message->size)
		return;
	message->size = at_byte;
	was_changed = true;
}

/* In every place of every message, until it has fewer bytes. Only what is in another case of the name could still be the same; it
 * is not, since the client has signed how it wrote it. */
static void nothing_that_is_changed_or_cut_on_its_way_gets_in(void **state)
{
	(void)state;
	tamper *const ways[] = { change_byte, change_byte, change_byte, cut };
	static const unsigned masks[] = { 1, 0x20, 0x80, 0 };
	for (size_t way = 0; way < 4; way++) {
		xor_with = masks[way];
		for (at_message = 0; at_message < 2; at_message++) {
			was_changed = true;
			for (at_byte = 0; was_changed; at_byte++) {
				was_changed = false;
				enum sign_in_outcome outcome = speak(SASL_SCRAM_SHA_256, "alice", "right", ways[way]);
				assert_int_equal(outcome == SIGN_IN_OK, !was_changed);
			}
		}
	}
}

static uint8_t replayed_storage[2][LIMIT_SCRAM_MESSAGE_BYTES];
static struct buffer replayed[2];

static void record(unsigned number, struct buffer *message)
{
	if (number >= 2)
		return;
	buffer_init(&replayed[number], replayed_storage[number], sizeof replayed_storage[number]);
	buffer_append(&replayed[number], buffer_slice(message));
}

static void what_was_heard_can_not_be_said_again(void **state)
{
	(void)state;
	assert_int_equal(speak(SASL_SCRAM_SHA_256, "alice", "right", record), SIGN_IN_OK);
	leave();
	assert_int_equal(say(SASL_SCRAM_SHA_256, buffer_slice(&replayed[0])), SIGN_IN_CHALLENGE);
	assert_int_equal(say(SASL_SCRAM_SHA_256, buffer_slice(&replayed[1])), SIGN_IN_WRONG);
	assert_true(refused_for("nonce"));
	leave();
	assert_int_equal(say(SASL_SCRAM_SHA_256, buffer_slice(&replayed[1])), SIGN_IN_MALFORMED);
}

static void say_more_at_the_end(unsigned number, struct buffer *message)
{
	if (number == 2)
		buffer_append_text(message, "more");
}

static void what_is_not_said_so_is_malformed(void **state)
{
	(void)state;
	static uint8_t long_message[LIMIT_SASL_RESPONSE_BYTES];
	memset(long_message, 'x', sizeof long_message);
	memcpy(long_message, "n,,n=alice,r=", 13);
	assert_int_equal(say(SASL_SCRAM_SHA_256, slice_of(long_message, sizeof long_message)), SIGN_IN_MALFORMED);
	leave();
	assert_int_equal(say(SASL_SCRAM_SHA_256, SLICE_LITERAL("")), SIGN_IN_MALFORMED);
	leave();
	assert_int_equal(say(SASL_SCRAM_SHA_256, slice_of(NULL, 0)), SIGN_IN_CHALLENGE);
	assert_true(challenge.size == 0);
	assert_int_equal(say(SASL_SCRAM_SHA_256, SLICE_LITERAL("n,,n=alice,r=1")), SIGN_IN_CHALLENGE);
	assert_int_equal(say(SASL_SCRAM_SHA_256, slice_of(long_message, sizeof long_message)), SIGN_IN_MALFORMED);
	assert_int_equal(speak(SASL_SCRAM_SHA_256, "alice", "right", say_more_at_the_end), SIGN_IN_MALFORMED);
}

/* --- meanwhile --- */

static struct users *changed_users;
static unsigned change_at;
static enum { NEW_PASSWORD, DISABLED, REMOVED, REPLACED } change;

static void change_user(unsigned number, struct buffer *message)
{
	(void)message;
	struct error error;
	struct slice name = SLICE_LITERAL("alice");
	if (number != change_at)
		return;
	if (change == NEW_PASSWORD)
		put_password(changed_users, "alice", "other");
	else if (change == DISABLED)
		assert_int_equal(users_set_disabled(changed_users, name, true, &error), USERS_OK);
	else
		assert_int_equal(users_remove(changed_users, name, &error), USERS_OK);
	if (change == REPLACED)
		put_password(changed_users, "alice", "right");
}

static void change_others(unsigned number, struct buffer *message)
{
	(void)message;
	if (number == change_at)
		put_password(changed_users, "bob", "right");
}

static void a_change_of_others_harms_nobody(void **state)
{
	changed_users = ((struct fixture *)*state)->users;
	for (change_at = 0; change_at <= 2; change_at++)
		assert_int_equal(speak(SASL_SCRAM_SHA_256, "alice", "right", change_others), SIGN_IN_OK);
}

/* Before the proof, and between it and the client's last word. */
static void a_user_who_is_changed_meanwhile_is_not_let_in(void **state)
{
	changed_users = ((struct fixture *)*state)->users;
	for (change_at = 1; change_at <= 2; change_at++)
		for (change = NEW_PASSWORD; change <= REPLACED; change++) {
			put_password(changed_users, "alice", "right");
			struct error error;
			assert_int_equal(users_set_disabled(changed_users, SLICE_LITERAL("alice"), false, &error),
					 USERS_OK);
			assert_int_equal(speak(SASL_SCRAM_SHA_256, "alice", "right", change_user), SIGN_IN_WRONG);
			assert_true(refused_for("changed meanwhile"));
		}
}

static void exchanges_are_bounded(void **state)
{
	(void)state;
	struct sign_in_request *all = test_calloc(LIMIT_SIGN_INS + 1, sizeof *all);
	for (size_t i = 0; i <= LIMIT_SIGN_INS; i++) {
		request = (struct sign_in_request){ 0 };
		assert_int_equal(say(SASL_SCRAM_SHA_256, SLICE_LITERAL("n,,n=alice,r=1")),
				 i < LIMIT_SIGN_INS ? SIGN_IN_CHALLENGE : SIGN_IN_UNAVAILABLE);
		all[i] = request;
	}
	for (size_t i = 0; i <= LIMIT_SIGN_INS; i++)
		sign_in_end(sign_in_scram_backend(scram), &all[i]);
	test_free(all);
	request = (struct sign_in_request){ 0 };
	assert_int_equal(sign_in("alice", "right"), SIGN_IN_OK);
}

#define WITH_USERS(test) cmocka_unit_test_setup_teardown(test, set_up_users, tear_down_users)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_USERS(who_knows_the_password_is_let_in),
		WITH_USERS(all_others_learn_at_the_end_that_it_was_wrong),
		WITH_USERS(a_salt_tells_nobody_from_somebody),
		WITH_USERS(a_bound_exchange_is_for_its_channel),
		WITH_USERS(older_bindings_are_known_where_they_are_safe),
		WITH_USERS(flag_and_mechanism_must_agree_and_a_downgrade_shows),
		WITH_USERS(nothing_that_is_changed_or_cut_on_its_way_gets_in),
		WITH_USERS(what_was_heard_can_not_be_said_again),
		WITH_USERS(what_is_not_said_so_is_malformed),
		WITH_USERS(a_user_who_is_changed_meanwhile_is_not_let_in),
		WITH_USERS(a_change_of_others_harms_nobody),
		WITH_USERS(exchanges_are_bounded),
	};
	return secret_setup() ? cmocka_run_group_tests(tests, folder_set_up, folder_tear_down) : 1;
}
