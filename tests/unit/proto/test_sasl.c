/* proto/sasl: a table of exchanges, the limits of names and passwords, and that nothing of a failed one is kept on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/base64.h"
#include "proto/sasl.h"

struct row {
	unsigned mechanism;
	const char *initial; /* NULL: none; else base64 as it is */
	const char *lines[2];
	enum sasl_status status; /* of the last step */
	const char *name;        /* where it is complete */
	const char *password;
};

static const struct row rows[] = {
	{ SASL_PLAIN, "AGEAYg==", { NULL }, SASL_COMPLETE, "a", "b" },
	{ SASL_PLAIN, NULL, { "AGEAYg==" }, SASL_COMPLETE, "a", "b" },
	{ SASL_PLAIN, "YQBhAGI=", { NULL }, SASL_COMPLETE, "a", "b" },
	{ SASL_PLAIN, "eABhAGI=", { NULL }, SASL_DENIED, NULL, NULL },
	{ SASL_PLAIN, "AMOkAMOk", { NULL }, SASL_COMPLETE, "\xc3\xa4", "\xc3\xa4" },
	{ SASL_PLAIN, "AGEA/w==", { NULL }, SASL_COMPLETE, "a", "\xff" }, /* a password is bytes */
	{ SASL_PLAIN, "AP8AYg==", { NULL }, SASL_MALFORMED, NULL, NULL }, /* a name is UTF-8 */
	{ SASL_PLAIN, "=", { NULL }, SASL_MALFORMED, NULL, NULL },
	{ SASL_PLAIN, NULL, { "" }, SASL_MALFORMED, NULL, NULL },
	{ SASL_PLAIN, "AAA=", { NULL }, SASL_MALFORMED, NULL, NULL },
	{ SASL_PLAIN, "AABi", { NULL }, SASL_MALFORMED, NULL, NULL },     /* no name */
	{ SASL_PLAIN, "AGEA", { NULL }, SASL_MALFORMED, NULL, NULL },     /* no password */
	{ SASL_PLAIN, "AGE=", { NULL }, SASL_MALFORMED, NULL, NULL },     /* one NUL */
	{ SASL_PLAIN, "AGEAYgBj", { NULL }, SASL_MALFORMED, NULL, NULL }, /* three */
	{ SASL_PLAIN, "AGEAYg=", { NULL }, SASL_BAD_ENCODING, NULL, NULL },
	{ SASL_PLAIN, NULL, { "*" }, SASL_CANCELLED, NULL, NULL },
	{ SASL_PLAIN, NULL, { "=" }, SASL_BAD_ENCODING, NULL, NULL },
	{ SASL_LOGIN, NULL, { "YQ==", "Yg==" }, SASL_COMPLETE, "a", "b" },
	{ SASL_LOGIN, "YQ==", { "Yg==" }, SASL_COMPLETE, "a", "b" },
	{ SASL_LOGIN, NULL, { "YQ==", "*" }, SASL_CANCELLED, NULL, NULL },
	{ SASL_LOGIN, NULL, { "*" }, SASL_CANCELLED, NULL, NULL },
	{ SASL_LOGIN, "=", { NULL }, SASL_MALFORMED, NULL, NULL },
	{ SASL_LOGIN, NULL, { "" }, SASL_MALFORMED, NULL, NULL },
	{ SASL_LOGIN, NULL, { "YQ==", "" }, SASL_MALFORMED, NULL, NULL },
	{ SASL_LOGIN, NULL, { "YQBi" }, SASL_MALFORMED, NULL, NULL },
	{ SASL_LOGIN, NULL, { "YQ==", "YQBi" }, SASL_MALFORMED, NULL, NULL },
	{ SASL_LOGIN, NULL, { "YQ" }, SASL_BAD_ENCODING, NULL, NULL },
	{ SASL_CRAM_MD5, "YQ==", { NULL }, SASL_MALFORMED, NULL, NULL }, /* the server begins */
	{ SASL_DIGEST_MD5, "=", { NULL }, SASL_MALFORMED, NULL, NULL },
};

static enum sasl_status run(struct sasl_exchange *exchange, const struct row *row)
{
	uint8_t storage[64];
	struct buffer challenge;
	*exchange = (struct sasl_exchange){ 0 };
	buffer_init(&challenge, storage, sizeof storage);
	struct slice initial = slice_from_text(row->initial ? row->initial : "");
	enum sasl_status status = sasl_start(exchange, row->mechanism, row->initial ? &initial : NULL, &challenge);
	for (int i = 0; i < 2 && row->lines[i]; i++) {
		assert_int_equal(status, SASL_CHALLENGE);
		status = sasl_step(exchange, slice_from_text(row->lines[i]), &challenge);
	}
	return status;
}

static void exchanges_end_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sasl_exchange exchange;
		enum sasl_status status = run(&exchange, &rows[i]);
		if (status != rows[i].status)
			print_error("row %zu: %d\n", i, status);
		assert_int_equal(status, rows[i].status);
		if (status != SASL_COMPLETE)
			continue;
		assert_true(slice_equal(sasl_name(&exchange), slice_from_text(rows[i].name)));
		assert_true(slice_equal(sasl_password(&exchange), slice_from_text(rows[i].password)));
	}
}

static enum sasl_status plain_sized(size_t acting_for, size_t name, size_t password)
{
	static uint8_t message[4096], text[8192];
	struct buffer out, encoded, challenge = { 0 };
	buffer_init(&out, message, sizeof message);
	buffer_init(&encoded, text, sizeof text);
	for (size_t i = 0; i < acting_for; i++)
		buffer_append_byte(&out, 'n');
	buffer_append_byte(&out, 0);
	for (size_t i = 0; i < name; i++)
		buffer_append_byte(&out, 'n');
	buffer_append_byte(&out, 0);
	for (size_t i = 0; i < password; i++)
		buffer_append_byte(&out, 'p');
	base64_encode(&encoded, buffer_slice(&out));
	struct sasl_exchange exchange = { 0 };
	struct slice initial = buffer_slice(&encoded);
	return sasl_start(&exchange, SASL_PLAIN, &initial, &challenge);
}

static void names_and_passwords_have_limits(void **state)
{
	(void)state;
	enum { NAME = LIMIT_LOGIN_NAME_BYTES, PASSWORD = LIMIT_PASSWORD_BYTES };
	assert_int_equal(plain_sized(0, NAME, PASSWORD), SASL_COMPLETE);
	assert_int_equal(plain_sized(NAME, NAME, PASSWORD), SASL_COMPLETE);
	assert_int_equal(plain_sized(NAME + 1, NAME, PASSWORD), SASL_TOO_LONG);
	assert_int_equal(plain_sized(0, NAME + 1, 1), SASL_TOO_LONG);
	assert_int_equal(plain_sized(0, 1, PASSWORD + 1), SASL_TOO_LONG);
	assert_int_equal(plain_sized(0, 2000, 2000), SASL_TOO_LONG);
}

static void mechanisms_have_names_in_any_case(void **state)
{
	(void)state;
	assert_int_equal(sasl_mechanism_find(SLICE_LITERAL("plain")), SASL_PLAIN);
	assert_int_equal(sasl_mechanism_find(SLICE_LITERAL("LoGiN")), SASL_LOGIN);
	assert_int_equal(sasl_mechanism_find(SLICE_LITERAL("PLAI")), 0);
	assert_int_equal(sasl_mechanism_find(SLICE_LITERAL("PLAINS")), 0);
	assert_int_equal(sasl_mechanism_find(SLICE_LITERAL("")), 0);
}

static void other_mechanisms_are_passed_on(void **state)
{
	(void)state;
	uint8_t storage[8];
	struct buffer challenge;
	struct sasl_exchange exchange = { 0 };
	struct slice initial = SLICE_LITERAL("b2s="), empty = SLICE_LITERAL("=");
	buffer_init(&challenge, storage, sizeof storage);
	buffer_init(&exchange.response, (uint8_t[4]){ 0 }, 4);

	assert_int_equal(sasl_start(&exchange, SASL_NTLM, NULL, &challenge), SASL_CHALLENGE);
	assert_int_equal(challenge.size, 0);
	assert_int_equal(sasl_start(&exchange, SASL_NTLM, &initial, &challenge), SASL_RESPONSE);
	assert_true(slice_equal(buffer_slice(&exchange.response), SLICE_LITERAL("ok")) && exchange.has_response);
	assert_int_equal(sasl_start(&exchange, SASL_EXTERNAL, &empty, &challenge), SASL_RESPONSE);
	assert_true(exchange.response.size == 0 && exchange.has_response);
	assert_int_equal(sasl_start(&exchange, SASL_CRAM_MD5, NULL, &challenge), SASL_RESPONSE);
	assert_false(exchange.has_response);
	assert_int_equal(sasl_step(&exchange, SLICE_LITERAL(""), &challenge), SASL_RESPONSE);
	assert_true(exchange.has_response);
	assert_int_equal(sasl_step(&exchange, SLICE_LITERAL("YWJjZA=="), &challenge), SASL_RESPONSE);
	assert_int_equal(sasl_step(&exchange, SLICE_LITERAL("YWJjZGU="), &challenge), SASL_TOO_LONG);
	assert_int_equal(sasl_step(&exchange, SLICE_LITERAL("YW"), &challenge), SASL_BAD_ENCODING);
	assert_int_equal(sasl_step(&exchange, SLICE_LITERAL("*"), &challenge), SASL_CANCELLED);
}

static void each_bit_has_a_name(void **state)
{
	(void)state;
	for (unsigned bit = 1; bit < 1U << SASL_MECHANISMS; bit <<= 1)
		assert_int_equal(sasl_mechanism_find(slice_from_text(sasl_mechanism_name(bit))), bit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exchanges_end_as_the_table_says),
		cmocka_unit_test(names_and_passwords_have_limits),
		cmocka_unit_test(mechanisms_have_names_in_any_case),
		cmocka_unit_test(other_mechanisms_are_passed_on),
		cmocka_unit_test(each_bit_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
