/* crypto/tls: which certificate, cipher, version and group a session gets under each policy, and how long tickets last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "crypto/tls_internal.h"
#include "tests/unit/crypto/made_certificates.h"
#include "tests/unit/crypto/tls_pair.h"

static struct pair pair;
static time_t seconds_passed;

time_t time(time_t *at)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += seconds_passed;
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}

static struct tls_server_settings settings_of(const char *certificate, const char *key)
{
	return (struct tls_server_settings){
		.certificate_file = folder_path(certificate),
		.key_file = folder_path(key),
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
		.ticket_secret = { 1 },
	};
}

static struct tls_context *make_server_with(const struct tls_server_settings *settings)
{
	struct error error = { "" };
	struct tls_context *server = tls_server_context_create(settings, &error);
	if (!server)
		fail_msg("%s", error.text);
	return server;
}

struct client {
	uint16_t min_version, max_version;
	const char *ciphers; /* of TLS 1.2 */
	enum tls_signatures signatures;
	const char *host;
	const char *groups;
};

/* Whether the handshake succeeds; `pair` stays for questions. */
static bool joins(struct tls_context *server, const struct client *client)
{
	struct tls_client_settings settings = { .min_version = client->min_version,
						.max_version = client->max_version,
						.ciphers = client->ciphers,
						.signatures = client->signatures };
	struct error error;
	struct tls_context *context = tls_client_context_create(&settings, &error);
	assert_non_null(context);
	if (client->groups)
		assert_true(SSL_CTX_set1_curves_list(context->own.library, client->groups));
	pair_init(&pair, context, server, client->host, PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	bool done = pair_handshake(&pair);
	tls_context_destroy(context);
	return done;
}

static struct tls_facts facts_of_server(void)
{
	struct tls_facts facts;
	tls_session_facts(pair.server.session, &facts);
	return facts;
}

/* --- EC and RSA --- */

static void make_rsa(const char *name)
{
	make_certificate(&(struct made_certificate){
		.ca = "ca", .name = name, .ends_days = 30, .hash = EVP_sha256(), .pss = true, .serial = 3 });
}

static bool shows_rsa(struct tls_context *server, const struct client *client)
{
	assert_true(joins(server, client));
	const CRYPTO_BUFFER *leaf = sk_CRYPTO_BUFFER_value(SSL_get0_peer_certificates(pair.client.session->library), 0);
	X509 *certificate = X509_parse_from_buffer((CRYPTO_BUFFER *)leaf);
	EVP_PKEY *key = X509_get_pubkey(certificate);
	bool rsa = EVP_PKEY_id(key) == EVP_PKEY_RSA;
	EVP_PKEY_free(key);
	X509_free(certificate);
	pair_finish(&pair);
	return rsa;
}

static void check_both(struct tls_context *server, const char *host)
{
	const struct client modern = { .min_version = TLS_VERSION_1_2, .max_version = TLS_VERSION_1_3, .host = host };
	const struct client older = { .min_version = TLS_VERSION_1_2, .max_version = TLS_VERSION_1_2, .host = host };
	struct client without = modern;
	assert_false(shows_rsa(server, &modern));
	assert_false(shows_rsa(server, &older));
	without.signatures = TLS_SIGNATURES_ECDSA;
	assert_false(shows_rsa(server, &without));
	without.signatures = TLS_SIGNATURES_RSA;
	assert_true(shows_rsa(server, &without));
	without = older;
	without.signatures = TLS_SIGNATURES_RSA;
	assert_true(shows_rsa(server, &without));
	without = older;
	without.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
	assert_true(shows_rsa(server, &without));
}

static void a_name_has_an_ec_and_an_rsa_certificate(void **state)
{
	(void)state;
	struct error error = { "" };
	make_rsa("rsa");
	for (int rsa_first = 0; rsa_first < 2; rsa_first++) {
		struct tls_server_settings settings =
			rsa_first ? settings_of("rsa.pem", "rsa.key") : settings_of("server.pem", "server.key");
		struct tls_context *server = make_server_with(&settings);
		const char *first = rsa_first ? "other" : "rsa", *second = rsa_first ? "rsa" : "other";
		char files[4][PAIR_PATH_BYTES];
		const char *const bases[] = { first, first, second, second };
		for (size_t i = 0; i < 4; i++)
			snprintf(files[i], PAIR_PATH_BYTES, "%s%s", folder_path(bases[i]), i % 2 ? ".key" : ".pem");
		assert_true(tls_context_add_name(server, NULL, files[0], files[1], &error));
		assert_true(tls_context_add_name(server, "mail.example.org", files[0], files[1], &error));
		assert_true(tls_context_add_name(server, "mail.example.org", files[2], files[3], &error));
		check_both(server, "unknown.example");
		check_both(server, "mail.example.org");
		assert_false(tls_context_add_name(server, NULL, files[2], files[3], &error));
		assert_string_equal(error.text,
				    "TLS name of the server itself: two certificates are possible, one with "
				    "an EC and one with an RSA key");
		tls_context_destroy(server);
	}
}

static void two_of_a_kind_are_refused(void **state)
{
	(void)state;
	struct error error = { "" };
	struct tls_server_settings settings = settings_of("server.pem", "server.key");
	struct tls_context *server = make_server_with(&settings);
	assert_false(tls_context_add_name(server, NULL, folder_path("other.pem"), folder_path("other.key"), &error));
	assert_string_equal(error.text, "TLS name of the server itself is given twice");
	tls_context_destroy(server);
}

/* --- ciphers, bits, groups --- */

static const struct client any = { .min_version = TLS_VERSION_1_2, .max_version = TLS_VERSION_1_3, .host = "x" };
static const struct client old = { .min_version = TLS_VERSION_1_2, .max_version = TLS_VERSION_1_2, .host = "x" };

static void more_bits_are_found_where_they_are(void **state)
{
	(void)state;
	static const char *const sets[] = { NULL, "modern", "intermediate" };
	for (size_t i = 0; i < 3; i++) {
		struct tls_server_settings settings = settings_of("server.pem", "server.key");
		settings.ciphers = sets[i];
		struct tls_context *usual = make_server_with(&settings);
		settings.min_bits = 256;
		struct tls_context *strong = make_server_with(&settings);
		assert_true(joins(usual, &any));
		assert_string_equal(facts_of_server().cipher, "TLS_AES_128_GCM_SHA256");
		pair_finish(&pair);
		assert_true(joins(strong, &any));
		assert_int_equal(facts_of_server().bits, 256);
		pair_finish(&pair);
		struct client weak = old;
		weak.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
		assert_false(joins(strong, &weak));
		assert_string_equal(tls_session_error(pair.server.session), "no shared cipher");
		pair_finish(&pair);
		tls_context_destroy(usual);
		tls_context_destroy(strong);
	}
}

static void old_ciphers_are_for_those_who_say_so(void **state)
{
	(void)state;
	struct tls_server_settings settings = settings_of("server.pem", "server.key");
	struct tls_context *modern = make_server_with(&settings);
	settings.ciphers = "intermediate";
	struct tls_context *intermediate = make_server_with(&settings);
	settings.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305";
	struct tls_context *chosen = make_server_with(&settings);
	struct client cbc = old;
	cbc.ciphers = "ECDHE-ECDSA-AES128-SHA";
	assert_false(joins(modern, &cbc));
	pair_finish(&pair);
	assert_true(joins(intermediate, &cbc));
	pair_finish(&pair);
	assert_true(joins(chosen, &old));
	assert_string_equal(facts_of_server().cipher, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
	pair_finish(&pair);
	tls_context_destroy(modern);
	tls_context_destroy(intermediate);
	tls_context_destroy(chosen);
}

static void lists_are_checked(void **state)
{
	(void)state;
	struct error error = { "" };
	assert_true(tls_ciphers_check("modern", &error));
	assert_true(tls_ciphers_check("intermediate", &error));
	assert_true(tls_ciphers_check("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", &error));
	static const char *const wrong[] = { "",  "modem",   "ECDHE-RSA-AES128-GCM-SHA256:NONE",
					     "[", "RC4-SHA", "HIGH:!aNULL:@X" };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (tls_ciphers_check(wrong[i], &error) || !strstr(error.text, "write modern, intermediate, or names"))
			fail_msg("%s: %s", wrong[i], error.text);
}

static void groups_are_those_that_were_said(void **state)
{
	(void)state;
	struct tls_server_settings settings = settings_of("server.pem", "server.key");
	settings.groups = "P-384:P-256";
	struct tls_context *server = make_server_with(&settings);
	struct client client = any;
	assert_true(joins(server, &any));
	assert_int_equal(SSL_get_curve_id(pair.server.session->library), SSL_CURVE_SECP384R1);
	pair_finish(&pair);
	client.groups = "X25519";
	assert_false(joins(server, &client));
	pair_finish(&pair);
	tls_context_destroy(server);
}

/* --- tickets --- */

static bool resumes(struct tls_context *client, struct tls_context *server)
{
	pair_init(&pair, client, server, "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	assert_true(pair_handshake(&pair));
	pair_take_tickets(&pair);
	bool resumed = facts_of_server().resumed;
	pair_finish(&pair);
	return resumed;
}

/* Wherever in a period one begins, a ticket opens in this one and the next, and in no other. */
static void tickets_open_in_their_period_and_the_next(void **state)
{
	(void)state;
	enum { LIFETIME_S = 600 };
	struct tls_server_settings settings = settings_of("server.pem", "server.key");
	settings.ticket_lifetime_s = LIFETIME_S;
	struct tls_context *server = make_server_with(&settings);
	settings.ticket_lifetime_s = LIFETIME_S / 2;
	struct tls_context *other_lifetime = make_server_with(&settings);
	for (int later = 0; later < 3; later++) {
		struct tls_context *client = make_client(0, "ca.pem", true);
		assert_false(resumes(client, server));
		seconds_passed += later * LIFETIME_S;
		assert_int_equal(resumes(client, server), later < 2);
		assert_false(resumes(client, other_lifetime));
		tls_context_destroy(client);
	}
	tls_context_destroy(server);
	tls_context_destroy(other_lifetime);
	seconds_passed = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_an_ec_and_an_rsa_certificate),
		cmocka_unit_test(two_of_a_kind_are_refused),
		cmocka_unit_test(more_bits_are_found_where_they_are),
		cmocka_unit_test(old_ciphers_are_for_those_who_say_so),
		cmocka_unit_test(lists_are_checked),
		cmocka_unit_test(groups_are_those_that_were_said),
		cmocka_unit_test(tickets_open_in_their_period_and_the_next),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
