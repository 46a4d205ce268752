/* crypto/tls: who a client is by its certificate: which of its names counts, what makes it count for nothing, and that a resumed session
 * is looked at again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/crypto/made_certificates.h"
#include "tests/unit/crypto/tls_pair.h"

enum { SERIAL = 1234 };

static const uint16_t versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3 };
static struct pair pair;

static struct tls_context *make_asking_server(const char *ca, const char *revoked)
{
	struct tls_server_settings settings = {
		.certificate_file = folder_path("server.pem"),
		.key_file = folder_path("server.key"),
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
		.ticket_secret = { 1 },
		.client_ca_file = ca ? folder_path(ca) : NULL,
		.client_crl_file = revoked ? folder_path(revoked) : NULL,
	};
	struct error error = { "" };
	struct tls_context *server = tls_server_context_create(&settings, &error);
	if (!server)
		fail_msg("%s", error.text);
	return server;
}

static struct tls_context *make_showing_client(uint16_t version, const char *name)
{
	char certificate[32], key[32];
	snprintf(certificate, sizeof certificate, "%s.pem", name);
	snprintf(key, sizeof key, "%s.key", name);
	struct tls_client_settings settings = {
		.ca_file = folder_path("ca.pem"),
		.certificate_file = folder_path(certificate),
		.key_file = folder_path(key),
		.min_version = version,
		.max_version = version,
		.resume = true,
	};
	struct error error = { "" };
	struct tls_context *client = tls_client_context_create(&settings, &error);
	if (!client)
		fail_msg("%s", error.text);
	return client;
}

/* Connects and answers the client's name, or "none" or why there is none. */
static const char *name_seen(struct tls_context *client, struct tls_context *server, bool expect_resumed)
{
	static char text[256];
	struct slice name;
	struct tls_facts facts;
	const char *problem = "unset";
	pair_init(&pair, client, server, "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	assert_true(pair_handshake(&pair));
	pair_take_tickets(&pair);
	assert_true(pair_carries(&pair, &pair.client, SLICE_LITERAL("NOOP\r\n")));
	tls_session_facts(pair.server.session, &facts);
	assert_int_equal(facts.resumed, expect_resumed);
	if (tls_session_client_name(pair.server.session, &name, &problem))
		slice_to_text(name, text, sizeof text);
	else
		snprintf(text, sizeof text, "%s", problem ? problem : "none");
	pair_finish(&pair);
	return text;
}

static void check(const struct made_certificate *wanted, const char *ca, const char *revoked, const char *said)
{
	make_certificate(wanted);
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *server = make_asking_server(ca, revoked);
		struct tls_context *client = make_showing_client(versions[v], wanted->name);
		assert_string_equal(name_seen(client, server, false), said);
		assert_string_equal(name_seen(client, server, true), said);
		tls_context_destroy(client);
		tls_context_destroy(server);
	}
}

static struct made_certificate named(const char *alternative_names)
{
	return (struct made_certificate){ .ca = "ca",
					  .name = "anna",
					  .alternative_names = alternative_names,
					  .begins_days = -1,
					  .ends_days = 30,
					  .hash = EVP_sha256(),
					  .serial = SERIAL };
}

static void the_right_name_is_taken(void **state)
{
	(void)state;
	static const struct {
		const char *names, *said;
	} cases[] = {
		{ "email:anna@example.org", "anna@example.org" },
		{ "DNS:printer.example.org,email:anna@example.org,email:b@example.org", "anna@example.org" },
		{ "DNS:printer.example.org,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:anna@corp.example",
		  "anna@corp.example" },
		{ "URI:x:y,DNS:printer.example.org,DNS:second.example.org", "printer.example.org" },
		{ "otherName:1.2.3.4;UTF8:anna@corp.example,IP:192.0.2.1",
		  "the certificate has no mail address, principal or DNS name" },
		{ "otherName:1.3.6.1.4.1.311.20.2.3;IA5:anna@corp.example",
		  "the certificate has no mail address, principal or DNS name" },
		{ NULL, "the certificate has no mail address, principal or DNS name" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct made_certificate wanted = named(cases[i].names);
		check(&wanted, "ca.pem", NULL, cases[i].said);
	}
}

static void what_does_not_count_leaves_no_name_but_a_session(void **state)
{
	(void)state;
	static const long revoked[] = { SERIAL, 99 }, others[] = { 99 };
	make_revocation_list("ca", "revoked.pem", revoked, 2);
	make_revocation_list("ca", "others.pem", others, 1);
	make_revocation_list("strange_ca", "strange_list.pem", others, 1);
	struct made_certificate wanted = named("email:anna@example.org");
	check(&wanted, "ca.pem", "others.pem", "anna@example.org");
	check(&wanted, "ca.pem", "revoked.pem", "certificate revoked");
	check(&wanted, "ca.pem", "strange_list.pem", "unable to get certificate CRL");
	check(&wanted, "strange_ca.pem", NULL, "unable to get local issuer certificate");
	wanted.usage = "clientAuth";
	check(&wanted, "ca.pem", NULL, "anna@example.org");
	wanted.usage = "serverAuth";
	check(&wanted, "ca.pem", NULL, "unsupported certificate purpose");
	wanted = named("email:anna@example.org");
	wanted.ends_days = 0;
	check(&wanted, "ca.pem", NULL, "certificate has expired");
	wanted.begins_days = 1;
	wanted.ends_days = 2;
	check(&wanted, "ca.pem", NULL, "certificate is not yet valid");
}

static void who_shows_none_has_no_name(void **state)
{
	(void)state;
	struct tls_context *server = make_asking_server("ca.pem", NULL), *client = make_client(0, "ca.pem", false);
	assert_string_equal(name_seen(client, server, false), "none");
	tls_context_destroy(client);
	tls_context_destroy(server);

	/* And who isn't asked shows none. */
	struct made_certificate wanted = named("email:anna@example.org");
	make_certificate(&wanted);
	server = make_asking_server(NULL, NULL);
	client = make_showing_client(TLS_VERSION_1_3, "anna");
	assert_string_equal(name_seen(client, server, false), "none");
	tls_context_destroy(client);
	tls_context_destroy(server);
}

/* What was verified once is verified again: by another server with other CAs, or after the certificate was revoked. */
static void a_resumed_session_is_looked_at_again(void **state)
{
	(void)state;
	static const long revoked[] = { SERIAL };
	make_revocation_list("ca", "revoked.pem", revoked, 1);
	struct made_certificate wanted = named("email:anna@example.org");
	make_certificate(&wanted);
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *before = make_asking_server("ca.pem", NULL);
		struct tls_context *after = make_asking_server("ca.pem", "revoked.pem");
		struct tls_context *foreign = make_asking_server("strange_ca.pem", NULL);
		struct tls_context *silent = make_asking_server(NULL, NULL);
		struct tls_context *client = make_showing_client(versions[v], "anna");
		assert_string_equal(name_seen(client, before, false), "anna@example.org");
		assert_string_equal(name_seen(client, after, true), "certificate revoked");
		assert_string_equal(name_seen(client, foreign, true), "unable to get local issuer certificate");
		assert_string_equal(name_seen(client, silent, true), "none");
		assert_string_equal(name_seen(client, before, true), "anna@example.org");
		tls_context_destroy(client);
		tls_context_destroy(before);
		tls_context_destroy(after);
		tls_context_destroy(foreign);
		tls_context_destroy(silent);
	}
}

static void names_ask_too(void **state)
{
	(void)state;
	struct made_certificate wanted = named("email:anna@example.org");
	make_certificate(&wanted);
	struct tls_context *server = make_asking_server("ca.pem", NULL);
	struct tls_context *client = make_showing_client(TLS_VERSION_1_3, "anna");
	struct error error;
	assert_true(tls_context_add_name(server, "localhost", folder_path("server.pem"), folder_path("server.key"),
					 &error));
	assert_string_equal(name_seen(client, server, false), "anna@example.org");
	tls_context_destroy(client);
	tls_context_destroy(server);
}

static void files_that_do_not_fit_are_told(void **state)
{
	(void)state;
	struct tls_server_settings settings = {
		.certificate_file = folder_path("server.pem"),
		.key_file = folder_path("server.key"),
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
		.client_ca_file = folder_path("server.key"),
	};
	struct error error = { "" };
	assert_null(tls_server_context_create(&settings, &error));
	assert_non_null(strstr(error.text, "server.key: no certificate or crl found; a readable PEM file"));
	settings.client_ca_file = "ca.pem";
	assert_null(tls_server_context_create(&settings, &error));
	assert_non_null(strstr(error.text, "CA certificates ca.pem: no such file"));
	settings.certificate_file = folder_path("server.pem");
	settings.key_file = folder_path("server.key");
	settings.client_ca_file = folder_path("ca.pem");
	settings.client_crl_file = folder_path("ca.pem");
	assert_null(tls_server_context_create(&settings, &error));
	assert_non_null(strstr(error.text, "revocation list"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_name_is_taken),
		cmocka_unit_test(what_does_not_count_leaves_no_name_but_a_session),
		cmocka_unit_test(who_shows_none_has_no_name),
		cmocka_unit_test(a_resumed_session_is_looked_at_again),
		cmocka_unit_test(names_ask_too),
		cmocka_unit_test(files_that_do_not_fit_are_told),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
