/* core/users: what a client says to sign in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/users/sign_in_client.h"
#include "proto/sasl.h"

static uint8_t storage[256];
static struct buffer response;

static struct sign_in_client client_of(unsigned mechanism)
{
	buffer_init(&response, storage, sizeof storage);
	return (struct sign_in_client){ .mechanism = mechanism,
					.name = SLICE_LITERAL("user"),
					.password = SLICE_LITERAL("secret") };
}

static void expect(struct slice text)
{
	assert_true(slice_equal(buffer_slice(&response), text));
	buffer_clear(&response);
}

static void initial_responses_are_the_mechanisms(void **state)
{
	(void)state;
	static const struct {
		unsigned mechanism;
		struct slice initial; /* data NULL: none */
	} rows[] = {
		{ SASL_PLAIN, SLICE_LITERAL("\0user\0secret") },
		{ SASL_LOGIN, { NULL, 0 } },
		{ SASL_EXTERNAL, SLICE_LITERAL("user") },
		{ SASL_OAUTHBEARER, SLICE_LITERAL("n,a=user,\001auth=Bearer secret\001\001") },
		{ SASL_XOAUTH2, SLICE_LITERAL("user=user\001auth=Bearer secret\001\001") },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sign_in_client client = client_of(rows[i].mechanism);
		struct error error;
		bool given;
		assert_true(sign_in_client_begin(&client, &response, &given, &error));
		assert_int_equal(given, rows[i].initial.data != NULL);
		if (given)
			expect(rows[i].initial);
	}
}

/* RFC 7628 §3.1, RFC 5801 §4: what would end the name is written otherwise. */
static void names_can_hold_anything(void **state)
{
	(void)state;
	struct sign_in_client client = client_of(SASL_OAUTHBEARER);
	struct error error;
	bool given;
	client.name = SLICE_LITERAL("a,b=c@example.org");
	assert_true(sign_in_client_begin(&client, &response, &given, &error));
	expect(SLICE_LITERAL("n,a=a=2Cb=3Dc@example.org,\001auth=Bearer secret\001\001"));
}

static void login_is_asked_twice(void **state)
{
	(void)state;
	struct sign_in_client client = client_of(SASL_LOGIN);
	struct error error;
	bool given;
	assert_true(sign_in_client_begin(&client, &response, &given, &error));
	assert_true(sign_in_client_answer(&client, SLICE_LITERAL("Username:"), &response, &error));
	expect(SLICE_LITERAL("user"));
	assert_true(sign_in_client_answer(&client, SLICE_LITERAL("Password:"), &response, &error));
	expect(SLICE_LITERAL("secret"));
	assert_true(sign_in_client_is_content(&client));
	assert_false(sign_in_client_answer(&client, SLICE_LITERAL("More:"), &response, &error));
}

static void a_refused_token_is_answered_once(void **state)
{
	(void)state;
	struct sign_in_client client = client_of(SASL_OAUTHBEARER);
	struct error error;
	assert_true(sign_in_client_answer(&client, SLICE_LITERAL("{}"), &response, &error));
	expect(SLICE_LITERAL("\001"));
	assert_false(sign_in_client_answer(&client, SLICE_LITERAL("{}"), &response, &error));
	client = client_of(SASL_XOAUTH2);
	assert_true(sign_in_client_answer(&client, SLICE_LITERAL("{}"), &response, &error));
	expect(SLICE_LITERAL(""));
}

static void what_can_not_be_said_is_an_error(void **state)
{
	(void)state;
	struct sign_in_client client = client_of(SASL_PLAIN);
	struct error error;
	bool given;
	assert_false(sign_in_client_answer(&client, SLICE_LITERAL("why?"), &response, &error));
	client.name = SLICE_LITERAL("us\0er");
	assert_false(sign_in_client_begin(&client, &response, &given, &error));
	client = client_of(SASL_PLAIN);
	buffer_init(&response, storage, sizeof "_user_secre" - 1);
	assert_false(sign_in_client_begin(&client, &response, &given, &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initial_responses_are_the_mechanisms),
		cmocka_unit_test(names_can_hold_anything),
		cmocka_unit_test(login_is_asked_twice),
		cmocka_unit_test(a_refused_token_is_answered_once),
		cmocka_unit_test(what_can_not_be_said_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
