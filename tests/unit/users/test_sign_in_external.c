/* core/users/sign_in_external: who gets in with a certificate, as whom, and who does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/users/sign_in_external.h"
#include "proto/sasl.h"
#include "tests/unit/crypto/made_certificates.h"
#include "tests/unit/crypto/tls_pair.h"
#include "tests/unit/users/users_fixture.h"

static struct pair pair;
static struct sign_in_external external;

/* A session whose client shows this certificate; NULL: none. */
static void connect_with(const char *certificate, const char *key)
{
	struct tls_server_settings server_settings = {
		.certificate_file = folder_path("server.pem"),
		.key_file = folder_path("server.key"),
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
		.client_ca_file = folder_path("ca.pem"),
	};
	struct error error = { "" };
	struct tls_context *server = tls_server_context_create(&server_settings, &error);
	struct tls_client_settings client_settings = {
		.certificate_file = certificate ? folder_path(certificate) : NULL,
		.key_file = certificate ? folder_path(key) : NULL,
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
	};
	struct tls_context *client = tls_client_context_create(&client_settings, &error);
	assert_non_null(server);
	assert_non_null(client);
	pair_init(&pair, client, server, NULL, PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	assert_true(pair_handshake(&pair));
	tls_context_destroy(client);
	tls_context_destroy(server);
}

static enum sign_in_outcome answer(const struct tls_session *tls, struct slice response, struct slice *login,
				   const char **reason)
{
	uint8_t storage[LIMIT_CHALLENGE_BYTES];
	struct buffer challenge;
	enum sign_in_outcome outcome;
	struct sign_in_facts facts = { .tls = tls };
	struct sign_in_request request = {
		.facts = &facts, .mechanism = SASL_EXTERNAL, .response = response, .challenge = &challenge
	};
	buffer_init(&challenge, storage, sizeof storage);
	assert_true(sign_in_step(&external.backend, &request, &outcome));
	*login = request.login;
	*reason = request.reason;
	sign_in_end(&external.backend, &request);
	return outcome;
}

static void check(const struct tls_session *tls, const char *wanted, enum sign_in_outcome outcome, const char *reason)
{
	struct slice login;
	const char *said;
	assert_int_equal(answer(tls, slice_from_text(wanted), &login, &said), outcome);
	if (reason)
		assert_string_equal(said, reason);
	else
		assert_null(said);
}

static void make_anna(void)
{
	make_certificate(&(struct made_certificate){ .ca = "ca",
						     .name = "anna",
						     .alternative_names = "email:Anna@example.org",
						     .begins_days = -1,
						     .ends_days = 30,
						     .serial = 5 });
}

static void the_certificates_name_gets_in(void **state)
{
	struct fixture *fixture = *state;
	struct error error;
	struct slice login;
	const char *reason;
	make_anna();
	sign_in_external_init(&external, fixture->users);
	connect_with("anna.pem", "anna.key");
	const struct tls_session *tls = pair.server.session;
	assert_true(sign_in_external_is_possible(tls));
	check(tls, "", SIGN_IN_WRONG, "no user has the name in the certificate");

	assert_int_equal(put(fixture->users, "anna@example.org", HASH_A, false), USERS_OK);
	assert_int_equal(answer(tls, slice_of(NULL, 0), &login, &reason), SIGN_IN_CHALLENGE);
	assert_int_equal(answer(tls, SLICE_LITERAL(""), &login, &reason), SIGN_IN_OK);
	assert_true(slice_equal(login, SLICE_LITERAL("Anna@example.org")));
	check(tls, "anna@EXAMPLE.org", SIGN_IN_OK, NULL);

	check(tls, "berta@example.org", SIGN_IN_WRONG, "asks to be somebody else than the certificate says");
	check(tls, "anna@example.or", SIGN_IN_WRONG, "asks to be somebody else than the certificate says");
	assert_int_equal(answer(tls, SLICE_LITERAL("anna@example.org\0"), &login, &reason), SIGN_IN_MALFORMED);
	assert_int_equal(login.size, 0);

	assert_int_equal(users_set_disabled(fixture->users, SLICE_LITERAL("anna@example.org"), true, &error), USERS_OK);
	check(tls, "", SIGN_IN_WRONG, "the user is disabled");
	pair_finish(&pair);
}

static void nobody_gets_in_without_a_certificate_that_counts(void **state)
{
	struct fixture *fixture = *state;
	sign_in_external_init(&external, fixture->users);
	assert_int_equal(put(fixture->users, "localhost", HASH_A, false), USERS_OK);
	assert_false(sign_in_external_is_possible(NULL));
	check(NULL, "", SIGN_IN_WRONG, "outside TLS");

	connect_with(NULL, NULL);
	assert_false(sign_in_external_is_possible(pair.server.session));
	check(pair.server.session, "localhost", SIGN_IN_WRONG, "no certificate was shown");
	pair_finish(&pair);

	/* Of a CA that does not count, and of one that does, but a server's. */
	connect_with("strange.pem", "strange.key");
	assert_false(sign_in_external_is_possible(pair.server.session));
	check(pair.server.session, "", SIGN_IN_WRONG, "self signed certificate in certificate chain");
	pair_finish(&pair);
	connect_with("server.pem", "server.key");
	check(pair.server.session, "", SIGN_IN_WRONG, "unsupported certificate purpose");
	pair_finish(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_certificates_name_gets_in, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(nobody_gets_in_without_a_certificate_that_counts, set_up_open,
						tear_down),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
