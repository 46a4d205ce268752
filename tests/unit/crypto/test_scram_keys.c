/* crypto/scram_keys, saslprep: RFC 7677's example, RFC 4013's examples, what no password has, and what never may pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "crypto/saslprep.h"
#include "crypto/scram_keys.h"

/* RFC 7677 §3. */
#define FIRST_BARE    "n=user,r=rOprNGfwEbeRWgbNEkqO"
#define WHOLE_NONCE   "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SERVER_FIRST  "r=" WHOLE_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define WITHOUT_PROOF "c=biws,r=" WHOLE_NONCE
#define AUTH_MESSAGE  SLICE_LITERAL(FIRST_BARE "," SERVER_FIRST "," WITHOUT_PROOF)

static void from_base64(uint8_t *bytes, size_t size, const char *text)
{
	size_t got = 0;
	assert_int_equal(
		sodium_base642bin(bytes, size, text, strlen(text), NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL),
		0);
	assert_int_equal(got, size);
}

static struct scram_keys example_keys(uint8_t client_key[SCRAM_KEY_BYTES])
{
	struct scram_keys keys = { .iterations = 4096, .salt_size = 16 };
	from_base64(keys.salt, 16, "W22ZaJ0SNY7soEsUEjb6gQ==");
	assert_true(scram_password_keys(&keys, client_key, SLICE_LITERAL("pencil")));
	return keys;
}

static void the_example_of_rfc_7677_is_proven_by_both_sides(void **state)
{
	(void)state;
	uint8_t client_key[SCRAM_KEY_BYTES], proof[SCRAM_KEY_BYTES], signature[SCRAM_KEY_BYTES],
		wanted[SCRAM_KEY_BYTES];
	struct scram_keys keys = example_keys(client_key);
	scram_make_proof(proof, &keys, client_key, AUTH_MESSAGE);
	from_base64(wanted, sizeof wanted, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	assert_memory_equal(proof, wanted, sizeof proof);
	assert_true(scram_proof_is_right(&keys, AUTH_MESSAGE, proof));
	scram_server_signature(signature, &keys, AUTH_MESSAGE);
	from_base64(wanted, sizeof wanted, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	assert_memory_equal(signature, wanted, sizeof signature);
}

static void no_bit_of_proof_message_or_key_may_be_another(void **state)
{
	(void)state;
	uint8_t client_key[SCRAM_KEY_BYTES], proof[SCRAM_KEY_BYTES], said[256];
	struct scram_keys keys = example_keys(client_key);
	struct slice message = AUTH_MESSAGE;
	memcpy(said, message.data, message.size);
	scram_make_proof(proof, &keys, client_key, message);
	for (size_t bit = 0; bit < 8 * sizeof proof; bit++) {
		proof[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(scram_proof_is_right(&keys, message, proof));
		proof[bit / 8] ^= (uint8_t)(1 << bit % 8);
		keys.stored_key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(scram_proof_is_right(&keys, message, proof));
		keys.stored_key[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * message.size; bit++) {
		said[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(scram_proof_is_right(&keys, slice_of(said, message.size), proof));
		said[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < message.size; size++)
		assert_false(scram_proof_is_right(&keys, slice_of(said, size), proof));
	assert_true(scram_proof_is_right(&keys, message, proof));
	/* StoredKey and ServerKey, which a thief of the database has, are no ClientKey. */
	scram_make_proof(proof, &keys, keys.stored_key, message);
	assert_false(scram_proof_is_right(&keys, message, proof));
	scram_make_proof(proof, &keys, keys.server_key, message);
	assert_false(scram_proof_is_right(&keys, message, proof));
}

static void new_keys_have_new_salt_and_serve_their_password_only(void **state)
{
	(void)state;
	struct scram_keys keys, others, again;
	uint8_t client_key[SCRAM_KEY_BYTES], proof[SCRAM_KEY_BYTES];
	char longest[LIMIT_PASSWORD_BYTES + 1];
	memset(longest, 'p', sizeof longest);
	assert_true(scram_keys_make(&keys, SLICE_LITERAL("right")));
	assert_true(scram_keys_make(&others, SLICE_LITERAL("right")));
	assert_memory_not_equal(keys.salt, others.salt, SCRAM_SALT_BYTES);
	assert_true(keys.iterations >= 4096 && keys.salt_size == SCRAM_SALT_BYTES);
	again = keys;
	assert_true(scram_password_keys(&again, client_key, SLICE_LITERAL("right")));
	scram_make_proof(proof, &again, client_key, SLICE_LITERAL("said"));
	assert_true(scram_proof_is_right(&keys, SLICE_LITERAL("said"), proof));
	assert_true(scram_password_keys(&again, client_key, SLICE_LITERAL("Right")));
	scram_make_proof(proof, &again, client_key, SLICE_LITERAL("said"));
	assert_false(scram_proof_is_right(&keys, SLICE_LITERAL("said"), proof));
	assert_true(scram_password_keys(&again, NULL, slice_of(longest, LIMIT_PASSWORD_BYTES)));
	assert_true(scram_password_keys(&again, NULL, SLICE_LITERAL("")));
	assert_false(scram_password_keys(&again, NULL, slice_of(longest, sizeof longest)));
}

static void nobodys_keys_are_the_same_each_time_and_nobodys(void **state)
{
	(void)state;
	uint8_t secret[SECRET_KEY_BYTES] = { 1 }, other_secret[SECRET_KEY_BYTES] = { 2 };
	struct scram_keys a, again, b, elsewhere;
	scram_nobodys_keys(&a, secret, SLICE_LITERAL("alice"));
	scram_nobodys_keys(&again, secret, SLICE_LITERAL("alice"));
	scram_nobodys_keys(&b, secret, SLICE_LITERAL("bob"));
	scram_nobodys_keys(&elsewhere, other_secret, SLICE_LITERAL("alice"));
	assert_memory_equal(&a, &again, sizeof a);
	assert_memory_not_equal(a.salt, b.salt, SCRAM_SALT_BYTES);
	assert_memory_not_equal(a.salt, elsewhere.salt, SCRAM_SALT_BYTES);
	assert_true(a.iterations == SCRAM_ITERATIONS && a.salt_size == SCRAM_SALT_BYTES);
	assert_memory_not_equal(a.salt, a.stored_key, SCRAM_SALT_BYTES);
}

static void check_prepared(const char *text, const char *wanted)
{
	uint8_t storage[64];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	assert_true(saslprep_append(&out, slice_from_text(text)));
	assert_true(slice_equal(buffer_slice(&out), slice_from_text(wanted)));
}

/* RFC 4013 §3; what it prohibits stays as it is. */
static void text_is_prepared_as_rfc_4013_shows(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{ "I\xc2\xadX", "IX" },
		{ "user", "user" },
		{ "USER", "USER" },
		{ "\xc2\xaa", "a" },
		{ "\xe2\x85\xa8", "IX" },
		{ "\a", "\a" },
		{ "\xd8\xa7\x31", "\xd8\xa7\x31" },
		{ "a\xc2\xa0z", "a z" },
		{ "u\xcc\x88", "\xc3\xbc" },
		{ "\xff!", "\xff!" },
		{ "\xf0\x9f\xa6\x84", "\xf0\x9f\xa6\x84" }, /* not in Unicode 3.2 */
		{ "", "" },
		{ "\xc2\xad", "\xc2\xad" }, /* would be the empty password */
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		check_prepared(rows[i][0], rows[i][1]);
	uint8_t storage[3];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	assert_false(saslprep_append(&out, SLICE_LITERAL("four")));
}

static void what_is_prepared_alike_signs_in_alike(void **state)
{
	(void)state;
	uint8_t ring[SCRAM_KEY_BYTES], letter[SCRAM_KEY_BYTES];
	struct scram_keys keys = example_keys(NULL);
	assert_true(scram_password_keys(&keys, letter, SLICE_LITERAL("\xc3\xbc")));
	assert_true(scram_password_keys(&keys, ring, SLICE_LITERAL("u\xcc\x88")));
	assert_memory_equal(ring, letter, sizeof ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_7677_is_proven_by_both_sides),
		cmocka_unit_test(no_bit_of_proof_message_or_key_may_be_another),
		cmocka_unit_test(new_keys_have_new_salt_and_serve_their_password_only),
		cmocka_unit_test(nobodys_keys_are_the_same_each_time_and_nobodys),
		cmocka_unit_test(text_is_prepared_as_rfc_4013_shows),
		cmocka_unit_test(what_is_prepared_alike_signs_in_alike),
	};
	return secret_setup() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
