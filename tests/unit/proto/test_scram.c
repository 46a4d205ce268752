/* proto/scram: the messages of RFC 5802 and RFC 7677's examples from both sides, names and headers, and what is no message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/base64.h"
#include "proto/scram.h"

static struct scram_exchange exchange, client;
static uint8_t proof[SCRAM_PROOF_BYTES], out_storage[8192];
static struct buffer out;

static const uint8_t salt[] = { 0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
				0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81 };

/* RFC 7677 §3. */
#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define FIRST        "n,,n=user,r=" CLIENT_NONCE
#define CHALLENGE    "r=" CLIENT_NONCE SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define UNPROVEN     "c=biws,r=" CLIENT_NONCE SERVER_NONCE
#define PROOF        ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define VERDICT      "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void clear(void)
{
	buffer_init(&out, out_storage, sizeof out_storage);
}

static bool out_is(const char *text)
{
	bool same = slice_equal(buffer_slice(&out), slice_from_text(text));
	clear();
	return same;
}

static enum scram_status first(const char *message)
{
	return scram_server_first(&exchange, slice_from_text(message));
}

/* As far as the challenge. */
static void challenge(const char *message)
{
	clear();
	assert_int_equal(first(message), SCRAM_OK);
	assert_true(scram_server_challenge(&exchange, SLICE_LITERAL(SERVER_NONCE), slice_of(salt, sizeof salt), 4096,
					   &out));
	clear();
}

static enum scram_status final(const char *message, struct slice binding)
{
	return scram_server_final(&exchange, slice_from_text(message), binding, proof);
}

static void a_server_speaks_as_in_rfc_7677(void **state)
{
	(void)state;
	clear();
	assert_int_equal(first(FIRST), SCRAM_OK);
	assert_int_equal(exchange.flag, SCRAM_FLAG_NONE);
	assert_true(slice_equal(scram_name(&exchange), SLICE_LITERAL("user")));
	assert_true(scram_server_challenge(&exchange, SLICE_LITERAL(SERVER_NONCE), slice_of(salt, sizeof salt), 4096,
					   &out));
	assert_true(out_is(CHALLENGE));
	assert_int_equal(final(UNPROVEN PROOF, SLICE_LITERAL("")), SCRAM_OK);
	assert_true(slice_equal(scram_auth_message(&exchange),
				SLICE_LITERAL("n=user,r=" CLIENT_NONCE "," CHALLENGE "," UNPROVEN)));
	assert_true(base64_encode(&out, slice_of(proof, sizeof proof)));
	assert_true(out_is("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
}

static void a_client_speaks_as_in_rfc_7677(void **state)
{
	(void)state;
	struct scram_challenge got;
	uint8_t signature[SCRAM_PROOF_BYTES];
	challenge(FIRST);
	assert_int_equal(final(UNPROVEN PROOF, SLICE_LITERAL("")), SCRAM_OK); /* sets the proof */
	assert_true(scram_client_first(&client, SCRAM_FLAG_NONE, NULL, SLICE_LITERAL("user"),
				       SLICE_LITERAL(CLIENT_NONCE), &out));
	assert_true(out_is(FIRST));
	assert_int_equal(scram_client_challenge(&client, SLICE_LITERAL(CHALLENGE), &got), SCRAM_OK);
	assert_true(got.iterations == 4096 && got.salt_size == sizeof salt);
	assert_memory_equal(got.salt, salt, sizeof salt);
	assert_true(scram_client_final(&client, SLICE_LITERAL(""), &out));
	assert_true(scram_client_proof(proof, &out));
	assert_true(out_is(UNPROVEN PROOF));
	assert_true(slice_equal(scram_auth_message(&client),
				SLICE_LITERAL("n=user,r=" CLIENT_NONCE "," CHALLENGE "," UNPROVEN)));
	assert_true(scram_verdict_read(SLICE_LITERAL(VERDICT), signature));
	assert_true(scram_verdict_write(signature, &out));
	assert_true(out_is(VERDICT));
}

/* RFC 5802 §5, whose hash is another; the texts are the same. */
static void both_speak_as_in_rfc_5802(void **state)
{
	(void)state;
	struct scram_challenge got;
	static const uint8_t salt_1[] = { 0x41, 0x25, 0xc2, 0x47, 0xe4, 0x3a, 0xb1, 0xe9, 0x3c, 0x6d, 0xff, 0x76 };
	clear();
	assert_true(scram_client_first(&client, SCRAM_FLAG_NONE, NULL, SLICE_LITERAL("user"),
				       SLICE_LITERAL("fyko+d2lbbFgONRv9qkxdawL"), &out));
	assert_true(out_is("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"));
	assert_int_equal(first("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"), SCRAM_OK);
	assert_true(scram_server_challenge(&exchange, SLICE_LITERAL("3rfcNHYJY1ZVvWVs7j"),
					   slice_of(salt_1, sizeof salt_1), 4096, &out));
	assert_int_equal(scram_client_challenge(&client, buffer_slice(&out), &got), SCRAM_OK);
	assert_true(out_is("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"));
	assert_true(scram_client_final(&client, SLICE_LITERAL(""), &out));
	assert_true(out_is("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"));
}

static void headers_and_names_are_read_to_the_letter(void **state)
{
	(void)state;
	static const struct {
		const char *message;
		enum scram_status status;
		enum scram_flag flag;
		const char *binding, *name;
	} rows[] = {
		{ "n,,n=a,r=1", SCRAM_OK, SCRAM_FLAG_NONE, "", "a" },
		{ "y,,n=a,r=1", SCRAM_OK, SCRAM_FLAG_NOT_OFFERED, "", "a" },
		{ "p=tls-exporter,,n=a,r=1", SCRAM_OK, SCRAM_FLAG_BOUND, "tls-exporter", "a" },
		{ "p=x.Y-1,a=a,n=a,r=1", SCRAM_OK, SCRAM_FLAG_BOUND, "x.Y-1", "a" },
		{ "n,a=a=2Cb,n=a=2Cb,r=1", SCRAM_OK, SCRAM_FLAG_NONE, "", "a,b" },
		{ "n,a=,n=a,r=1", SCRAM_OK, SCRAM_FLAG_NONE, "", "a" },
		{ "n,,n==3D=2C,r=1", SCRAM_OK, SCRAM_FLAG_NONE, "", "=," },
		{ "n,,n=\xc3\xa4,r=1", SCRAM_OK, SCRAM_FLAG_NONE, "", "\xc3\xa4" },
		{ "n,,n=a,r=1,x=new,Y=z", SCRAM_OK, SCRAM_FLAG_NONE, "", "a" },
		{ "n,a=b,n=a,r=1", SCRAM_DENIED, SCRAM_FLAG_NONE, "", "a" },
		{ "n,a=A,n=a,r=1", SCRAM_DENIED, SCRAM_FLAG_NONE, "", "a" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(first(rows[i].message), rows[i].status);
		assert_int_equal(exchange.flag, rows[i].flag);
		assert_true(slice_equal(exchange.binding, slice_from_text(rows[i].binding)));
		assert_true(slice_equal(scram_name(&exchange), slice_from_text(rows[i].name)));
	}
}

static void what_is_no_first_message_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		"n",
		"n,",
		"n,,",
		"n,,n=a",
		"n,,n=a,",
		"n,,n=a,r=",
		"n,,n=,r=1",
		"n,n=a,r=1",
		",,n=a,r=1",
		"x,,n=a,r=1",
		"N,,n=a,r=1",
		"nn,,n=a,r=1",
		"p,,n=a,r=1",
		"p=,,n=a,r=1",
		"p=a_b,,n=a,r=1",
		"n=x,,n=a,r=1",
		"y=,,n=a,r=1",
		"n,a=x",
		"n,b=a,n=a,r=1",
		"n,a,n=a,r=1",
		"n,a=a=2c,n=a,r=1",
		"n,,m=x,n=a,r=1",
		"n,,r=1,n=a",
		"n,,N=a,r=1",
		"n,,n=a=2c,r=1",
		"n,,n=a=,r=1",
		"n,,n=a=3,r=1",
		"n,,n==20,r=1",
		"n,,n=a,R=1",
		"n,,n=a,r=1 2",
		"n,,n=a,r=1\x7f",
		"n,,n=a,r=\xc3\xa4",
		"n,,n=\xff,r=1",
		"n,,n=a\xc3,r=1",
		"n,,n=a,r=1,",
		"n,,n=a,r=1,,x=y",
		"n,,n=a,r=1,x",
		"n,,n=a,r=1,x=",
		"n,,n=a,r=1,=y",
		"n,,n=a,r=1,1=y",
		"n,,n=a,r=1,x=\xff",
		"n,,n=a,r=1,m=y",
		" n,,n=a,r=1",
		"n,,n=a,r=1\r\n",
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(first(rows[i]), SCRAM_MALFORMED);
	assert_int_equal(scram_server_first(&exchange, SLICE_LITERAL("n,,n=a\0,r=1")), SCRAM_MALFORMED);
	assert_int_equal(scram_server_first(&exchange, SLICE_LITERAL("n,,n=a,r=1\0")), SCRAM_MALFORMED);
	assert_int_equal(scram_server_first(&exchange, SLICE_LITERAL("n,,n=a,r=1,x=\0")), SCRAM_MALFORMED);
}

/* The longest name with each character escaped, twice, and the longest nonce: all three messages have room. */
static void all_is_bounded_and_what_is_in_bounds_has_room(void **state)
{
	(void)state;
	char commas[LIMIT_LOGIN_NAME_BYTES + 1] = "", escaped[3 * (LIMIT_LOGIN_NAME_BYTES + 1) + 1] = "";
	char nonce[LIMIT_SCRAM_NONCE_BYTES + 2] = "", message[2 * LIMIT_SCRAM_MESSAGE_BYTES];
	memset(commas, ',', LIMIT_LOGIN_NAME_BYTES);
	for (size_t i = 0; i < LIMIT_LOGIN_NAME_BYTES; i++)
		memcpy(escaped + 3 * i, "=2C", 3);
	size_t room = (size_t)snprintf(message, sizeof message, "p=tls-exporter,a=%s,n=%s,r=", escaped, escaped);
	memset(nonce, 'x', LIMIT_SCRAM_MESSAGE_BYTES - room);
	assert_true(strlen(nonce) > 200 && strlen(nonce) <= LIMIT_SCRAM_NONCE_BYTES);
	snprintf(message, sizeof message, "p=tls-exporter,a=%s,n=%s,r=%s", escaped, escaped, nonce);
	challenge(message);
	assert_true(slice_equal(scram_name(&exchange), slice_of(commas, LIMIT_LOGIN_NAME_BYTES)));
	uint8_t binding[64] = { 0 };
	assert_true(exchange.said.size < LIMIT_SCRAM_EXCHANGE_BYTES - LIMIT_SCRAM_MESSAGE_BYTES);
	assert_int_equal(final(UNPROVEN PROOF, slice_of(binding, sizeof binding)), SCRAM_BINDING);

	size_t size = strlen(message);
	message[size] = 'x';
	message[size + 1] = 0;
	assert_int_equal(first(message), SCRAM_MALFORMED);
	memset(nonce, 'x', sizeof nonce - 1);
	snprintf(message, sizeof message, "n,,n=a,r=%s", nonce);
	assert_int_equal(first(message), SCRAM_MALFORMED);
	memcpy(escaped + 3 * LIMIT_LOGIN_NAME_BYTES, "=2C", 3);
	snprintf(message, sizeof message, "n,,n=%s,r=1", escaped);
	assert_int_equal(first(message), SCRAM_MALFORMED);
}

static void a_final_message_must_be_of_this_exchange(void **state)
{
	(void)state;
	static const struct {
		const char *message;
		enum scram_status status;
	} rows[] = {
		{ UNPROVEN PROOF, SCRAM_OK },
		{ UNPROVEN ",x=y" PROOF, SCRAM_OK },
		{ "c=biws,r=" CLIENT_NONCE SERVER_NONCE "x" PROOF, SCRAM_NONCE },
		{ "c=biws,r=" CLIENT_NONCE "x" SERVER_NONCE PROOF, SCRAM_NONCE },
		{ "c=biws,r=" CLIENT_NONCE PROOF, SCRAM_NONCE },
		{ "c=biws,r=" SERVER_NONCE PROOF, SCRAM_NONCE },
		{ "c=eSws,r=" CLIENT_NONCE SERVER_NONCE PROOF, SCRAM_BINDING }, /* y,, */
		{ "c=biwsAA==,r=" CLIENT_NONCE SERVER_NONCE PROOF, SCRAM_BINDING },
		{ "c=biw=,r=" CLIENT_NONCE SERVER_NONCE PROOF, SCRAM_BINDING },
		{ "c=n,r=" CLIENT_NONCE SERVER_NONCE PROOF, SCRAM_BINDING },
		{ "c=,r=" CLIENT_NONCE SERVER_NONCE PROOF, SCRAM_MALFORMED },
		{ "r=" CLIENT_NONCE SERVER_NONCE PROOF, SCRAM_MALFORMED },
		{ "r=" CLIENT_NONCE SERVER_NONCE ",c=biws" PROOF, SCRAM_MALFORMED },
		{ UNPROVEN, SCRAM_MALFORMED },
		{ UNPROVEN ",p=", SCRAM_MALFORMED },
		{ UNPROVEN ",p=AAAA", SCRAM_MALFORMED },
		{ UNPROVEN ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ", SCRAM_MALFORMED },
		{ UNPROVEN ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR=", SCRAM_MALFORMED },
		{ UNPROVEN PROOF ",x=y", SCRAM_MALFORMED },
		{ UNPROVEN PROOF ",", SCRAM_MALFORMED },
		{ UNPROVEN ",m=y" PROOF, SCRAM_MALFORMED },
		{ UNPROVEN "," PROOF, SCRAM_MALFORMED },
		{ "", SCRAM_MALFORMED },
		{ ",", SCRAM_MALFORMED },
		{ "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", SCRAM_MALFORMED },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		challenge(FIRST);
		assert_int_equal(final(rows[i].message, SLICE_LITERAL("")), rows[i].status);
	}
	char long_message[LIMIT_SCRAM_MESSAGE_BYTES + 1];
	int size = snprintf(long_message, sizeof long_message, "%s,x=", UNPROVEN);
	memset(long_message + size, 'y', sizeof long_message - (size_t)size);
	memcpy(long_message + sizeof long_message - strlen(PROOF), PROOF, strlen(PROOF));
	challenge(FIRST);
	assert_int_equal(
		scram_server_final(&exchange, slice_of(long_message, sizeof long_message), SLICE_LITERAL(""), proof),
		SCRAM_MALFORMED);
}

static void a_bound_exchange_takes_its_own_channel_only(void **state)
{
	(void)state;
	uint8_t channel[32];
	struct scram_challenge got;
	memset(channel, 7, sizeof channel);
	for (unsigned wrong = 0; wrong <= sizeof channel; wrong++) {
		clear();
		assert_true(scram_client_first(&client, SCRAM_FLAG_BOUND, "tls-exporter", SLICE_LITERAL("a,b=c"),
					       SLICE_LITERAL(CLIENT_NONCE), &out));
		assert_int_equal(scram_server_first(&exchange, buffer_slice(&out)), SCRAM_OK);
		assert_true(slice_equal(scram_name(&exchange), SLICE_LITERAL("a,b=c")));
		clear();
		assert_true(scram_server_challenge(&exchange, SLICE_LITERAL(SERVER_NONCE), slice_of(salt, sizeof salt),
						   4096, &out));
		assert_int_equal(scram_client_challenge(&client, buffer_slice(&out), &got), SCRAM_OK);
		clear();
		assert_true(scram_client_final(&client, slice_of(channel, sizeof channel), &out) &&
			    scram_client_proof(proof, &out));
		if (wrong < sizeof channel)
			channel[wrong] ^= 1;
		assert_int_equal(
			scram_server_final(&exchange, buffer_slice(&out), slice_of(channel, sizeof channel), proof),
			wrong < sizeof channel ? SCRAM_BINDING : SCRAM_OK);
		assert_true(wrong < sizeof channel ||
			    slice_equal(scram_auth_message(&exchange), scram_auth_message(&client)));
		if (wrong < sizeof channel)
			channel[wrong] ^= 1;
	}
}

/* Whatever one byte becomes, no other exchange comes of it: it is refused here, or another AuthMessage or proof is signed. */
static void every_byte_that_is_another_shows(void **state)
{
	(void)state;
	char message[] = UNPROVEN PROOF;
	uint8_t right[SCRAM_PROOF_BYTES];
	challenge(FIRST);
	assert_int_equal(final(message, SLICE_LITERAL("")), SCRAM_OK);
	memcpy(right, proof, sizeof right);
	for (size_t i = 0; i < sizeof message - 1; i++) {
		char kept = message[i];
		for (unsigned c = 0; c < 256; c++) {
			message[i] = (char)c;
			challenge(FIRST);
			struct slice whole = slice_of(message, sizeof message - 1);
			enum scram_status status = scram_server_final(&exchange, whole, SLICE_LITERAL(""), proof);
			bool same = status == SCRAM_OK && memcmp(proof, right, sizeof right) == 0;
			assert_int_equal(same, (char)c == kept);
		}
		message[i] = kept;
	}
	for (size_t size = 0; size < sizeof message - 1; size++) {
		challenge(FIRST);
		assert_int_not_equal(scram_server_final(&exchange, slice_of(message, size), SLICE_LITERAL(""), proof),
				     SCRAM_OK);
	}
}

static void a_client_refuses_what_is_no_challenge_for_it(void **state)
{
	(void)state;
	static const struct {
		const char *message;
		enum scram_status status;
	} rows[] = {
		{ CHALLENGE, SCRAM_OK },
		{ CHALLENGE ",x=y", SCRAM_OK },
		{ "r=" CLIENT_NONCE ",s=AAAA,i=4096", SCRAM_NONCE },
		{ "r=x" CLIENT_NONCE SERVER_NONCE ",s=AAAA,i=4096", SCRAM_NONCE },
		{ "r=" SERVER_NONCE ",s=AAAA,i=4096", SCRAM_NONCE },
		{ "m=x," CHALLENGE, SCRAM_MALFORMED },
		{ "r=" CLIENT_NONCE "x,s=,i=4096", SCRAM_MALFORMED },
		{ "r=" CLIENT_NONCE "x,s=A,i=4096", SCRAM_MALFORMED },
		{ "r=" CLIENT_NONCE "x,s=AAAA,i=0", SCRAM_MALFORMED },
		{ "r=" CLIENT_NONCE "x,s=AAAA,i=04096", SCRAM_MALFORMED },
		{ "r=" CLIENT_NONCE "x,s=AAAA,i=-1", SCRAM_MALFORMED },
		{ "r=" CLIENT_NONCE "x,s=AAAA,i=99999999999", SCRAM_MALFORMED },
		{ "r=" CLIENT_NONCE "x,s=AAAA,i=", SCRAM_MALFORMED },
		{ "r=" CLIENT_NONCE "x,s=AAAA", SCRAM_MALFORMED },
		{ "e=other-error", SCRAM_MALFORMED },
		{ "", SCRAM_MALFORMED },
	};
	struct scram_challenge got;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		clear();
		assert_true(scram_client_first(&client, SCRAM_FLAG_NONE, NULL, SLICE_LITERAL("user"),
					       SLICE_LITERAL(CLIENT_NONCE), &out));
		assert_int_equal(scram_client_challenge(&client, slice_from_text(rows[i].message), &got),
				 rows[i].status);
	}
	static const char *const verdicts[] = { "", "v=", "v=AAAA", "e=invalid-proof", (VERDICT ","), ("V" VERDICT) };
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
		assert_false(scram_verdict_read(slice_from_text(verdicts[i]), proof));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_speaks_as_in_rfc_7677),
		cmocka_unit_test(a_client_speaks_as_in_rfc_7677),
		cmocka_unit_test(both_speak_as_in_rfc_5802),
		cmocka_unit_test(headers_and_names_are_read_to_the_letter),
		cmocka_unit_test(what_is_no_first_message_is_refused),
		cmocka_unit_test(all_is_bounded_and_what_is_in_bounds_has_room),
		cmocka_unit_test(a_final_message_must_be_of_this_exchange),
		cmocka_unit_test(a_bound_exchange_takes_its_own_channel_only),
		cmocka_unit_test(every_byte_that_is_another_shows),
		cmocka_unit_test(a_client_refuses_what_is_no_challenge_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
