/* crypto/tls: which certificate a server shows for which name, and whom a client believes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/crypto/tls_pair.h"

static struct pair pair;

/* NULL when the client was content, else what it says. */
static const char *objection(struct tls_context *client, struct tls_context *server, const char *host)
{
	static char text[256];
	pair_init(&pair, client, server, host, PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	bool done = pair_handshake(&pair);
	slice_to_text(slice_from_text(tls_session_error(pair.client.session)), text, sizeof text);
	pair_finish(&pair);
	return done ? NULL : text;
}

static struct tls_context *make_server_with_names(void)
{
	struct tls_context *server = make_server(0, 1);
	struct error error;
	assert_true(tls_context_add_name(server, "Mail.Example.org", folder_path("other.pem"), folder_path("other.key"),
					 &error));
	assert_true(tls_context_add_name(server, "*.example.net", folder_path("wild.pem"), folder_path("wild.key"),
					 &error));
	return server;
}

static void the_name_chooses_the_certificate(void **state)
{
	(void)state;
	static const char *const right[] = { "localhost",     "mail.example.org", "MAIL.example.ORG",
					     "a.example.net", "B.Example.Net",    "127.0.0.1" };
	/* These get the default certificate, or one that covers less than they need. */
	static const char *const wrong[] = { "example.org",     "www.mail.example.org", "example.net",
					     "a.b.example.net", "xmail.example.org",    "localhost.example.org" };
	static const uint16_t versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3 };
	struct tls_context *server = make_server_with_names();
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *client = make_client(versions[v], "ca.pem", false);
		for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
			const char *said = objection(client, server, right[i]);
			if (said)
				fail_msg("%s: %s", right[i], said);
		}
		for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
			assert_string_equal(objection(client, server, wrong[i]),
					    "certificate verify failed: Hostname mismatch");
		tls_context_destroy(client);
	}
	tls_context_destroy(server);
}

static void the_certificate_must_be_of_a_known_ca(void **state)
{
	(void)state;
	struct tls_context *server = make_server(0, 1);
	struct tls_context *client = make_client(0, "strange_ca.pem", false);
	pair_init(&pair, client, server, "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	assert_false(pair_handshake(&pair));
	assert_int_equal(pair.client.status, TLS_FAILED);
	assert_non_null(strstr(tls_session_error(pair.client.session), "certificate verify failed: self signed"));
	/* What an operator reads in the server's log. */
	if (pair.server.status == TLS_OK) {
		uint8_t bytes[1];
		size_t got;
		assert_int_equal(pair_read(&pair, &pair.server, bytes, 1, &got), TLS_FAILED);
	}
	assert_string_equal(tls_session_error(pair.server.session), "tlsv1 alert unknown ca");
	pair_finish(&pair);
	tls_context_destroy(client);

	/* Without a CA nothing is verified: it's for measuring, and for routes that say so. */
	client = make_client(0, NULL, false);
	assert_null(objection(client, server, "anything.example.com"));
	assert_null(objection(client, server, NULL));
	tls_context_destroy(client);
	tls_context_destroy(server);
}

static void addresses_are_verified_as_addresses(void **state)
{
	(void)state;
	struct tls_context *server = make_server(0, 1);
	struct tls_context *client = make_client(0, "ca.pem", false);
	assert_null(objection(client, server, "::1"));
	assert_string_equal(objection(client, server, "127.0.0.2"), "certificate verify failed: IP address mismatch");
	assert_string_equal(objection(client, server, "::2"), "certificate verify failed: IP address mismatch");
	tls_context_destroy(client);
	tls_context_destroy(server);
}

static void check_refused(const char *certificate, const char *key, const char *said)
{
	struct tls_server_settings settings = {
		.certificate_file = folder_path(certificate),
		.key_file = folder_path(key),
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
	};
	struct error error = { "" };
	assert_null(tls_server_context_create(&settings, &error));
	if (!strstr(error.text, said) || !strstr(error.text, strstr(said, "key") ? key : certificate))
		fail_msg("%s, %s: %s", certificate, key, error.text);
}

static void files_that_do_not_fit_are_told(void **state)
{
	(void)state;
	struct error error = { "" };
	check_refused("none.pem", "server.key", "cannot read certificate");
	check_refused("server.pem", "none.key", "cannot read key");
	check_refused("server.pem", "other.key", "does not belong to the certificate");
	check_refused("server.key", "server.key", "no certificate in it");
	check_refused("server.pem", "server.pem", "no private key in it");

	struct tls_context *server = make_server_with_names();
	assert_false(tls_context_add_name(server, "mail.example.ORG", folder_path("other.pem"),
					  folder_path("other.key"), &error));
	assert_string_equal(error.text, "TLS name mail.example.ORG is given twice");
	assert_false(tls_context_add_name(server, "", folder_path("other.pem"), folder_path("other.key"), &error));
	assert_false(tls_context_add_name(server, "x.org", folder_path("other.pem"), folder_path("wild.key"), &error));
	assert_non_null(strstr(error.text, "does not belong"));
	tls_context_destroy(server);

	struct tls_client_settings settings = { .ca_file = folder_path("none.pem"),
						.min_version = TLS_VERSION_1_2,
						.max_version = TLS_VERSION_1_3 };
	assert_null(tls_client_context_create(&settings, &error));
	assert_non_null(strstr(error.text, "none.pem: no such file"));
	tls_context_destroy(NULL);
	tls_session_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_chooses_the_certificate),
		cmocka_unit_test(the_certificate_must_be_of_a_known_ca),
		cmocka_unit_test(addresses_are_verified_as_addresses),
		cmocka_unit_test(files_that_do_not_fit_are_told),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
