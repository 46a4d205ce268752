/* crypto/tls: channel bindings: both ends have the same, no two sessions have; the server's end point for every kind of signature, and over
 * resumption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <openssl/pem.h>

#include "crypto/tls.h"
#include "tests/unit/crypto/made_certificates.h"
#include "tests/unit/crypto/tls_pair.h"

static const uint16_t versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3 };
static struct pair pair;

struct binding {
	bool there;
	size_t size;
	uint8_t bytes[TLS_BINDING_MOST_BYTES];
};

static void join(struct tls_context *client, struct tls_context *server)
{
	pair_init(&pair, client, server, "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	assert_true(pair_handshake(&pair));
	pair_take_tickets(&pair);
}

static bool resumed(void)
{
	struct tls_facts facts;
	tls_session_facts(pair.server.session, &facts);
	return facts.resumed;
}

/* The ends must agree. */
static struct binding binding_of(enum tls_binding kind)
{
	struct binding found[2] = { 0 };
	const struct tls_session *ends[] = { pair.client.session, pair.server.session };
	for (size_t i = 0; i < 2; i++)
		found[i].there = tls_session_binding(ends[i], kind, found[i].bytes, &found[i].size);
	assert_int_equal(found[0].there, found[1].there);
	assert_int_equal(found[0].size, found[1].size);
	assert_memory_equal(found[0].bytes, found[1].bytes, found[0].size);
	return found[0];
}

static bool same(const struct binding *a, const struct binding *b)
{
	return a->there && b->there && a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static void both_ends_have_the_same_and_no_other_session(void **state)
{
	(void)state;
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *server = make_server(0, 1), *client = make_client(versions[v], "ca.pem", true);
		struct binding exporter[3], unique[3], end_point[3];
		for (size_t i = 0; i < 3; i++) {
			join(client, server);
			assert_int_equal(resumed(), i > 0);
			exporter[i] = binding_of(TLS_BINDING_EXPORTER);
			unique[i] = binding_of(TLS_BINDING_UNIQUE);
			end_point[i] = binding_of(TLS_BINDING_SERVER_END_POINT);
			assert_int_equal(exporter[i].size, 32);
			assert_int_equal(unique[i].size, versions[v] == TLS_VERSION_1_2 ? 12 : 0);
			assert_int_equal(end_point[i].size, 32);
			assert_true(same(&end_point[i], &end_point[0]));
			assert_false(i && same(&exporter[i], &exporter[i - 1]));
			assert_false(i && same(&unique[i], &unique[i - 1]));
			pair_finish(&pair);
		}
		tls_context_destroy(client);
		tls_context_destroy(server);
	}
}

static void there_is_none_before_the_handshake_is_done(void **state)
{
	(void)state;
	struct tls_context *server = make_server(0, 1), *client = make_client(0, "ca.pem", false);
	pair_init(&pair, client, server, "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	for (int kind = TLS_BINDING_EXPORTER; kind <= TLS_BINDING_SERVER_END_POINT; kind++)
		assert_false(binding_of((enum tls_binding)kind).there);
	pair_finish(&pair);
	tls_context_destroy(client);
	tls_context_destroy(server);
}

/* --- the server's end point --- */

/* The hash of a PEM file's first certificate. */
static struct binding hash_of(const char *file, const EVP_MD *hash)
{
	struct binding binding = { .there = true };
	FILE *pem = fopen(folder_path(file), "r");
	X509 *certificate = PEM_read_X509(pem, NULL, NULL, NULL);
	unsigned size;
	fclose(pem);
	assert_true(X509_digest(certificate, hash, binding.bytes, &size));
	binding.size = size;
	X509_free(certificate);
	return binding;
}

static struct tls_context *make_server_of(const char *certificate, const char *key)
{
	struct tls_server_settings settings = {
		.certificate_file = folder_path(certificate),
		.key_file = folder_path(key),
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
		.ticket_secret = { 1 },
	};
	struct error error;
	struct tls_context *server = tls_server_context_create(&settings, &error);
	assert_non_null(server);
	return server;
}

static void check_end_point(const EVP_MD *signed_with, bool pss, const EVP_MD *hashed_with)
{
	make_certificate(&(struct made_certificate){
		.ca = "ca", .name = "signed", .ends_days = 30, .hash = signed_with, .pss = pss, .serial = 7 });
	struct tls_context *server = make_server_of("signed.pem", "signed.key");
	struct tls_context *client = make_client(0, NULL, false);
	join(client, server);
	struct binding seen = binding_of(TLS_BINDING_SERVER_END_POINT), hash = hash_of("signed.pem", hashed_with);
	assert_true(same(&seen, &hash));
	pair_finish(&pair);
	tls_context_destroy(client);
	tls_context_destroy(server);
}

static void the_end_point_is_hashed_as_it_is_signed(void **state)
{
	(void)state;
	check_end_point(EVP_sha1(), false, EVP_sha256());
	check_end_point(EVP_sha256(), false, EVP_sha256());
	check_end_point(EVP_sha384(), false, EVP_sha384());
	check_end_point(EVP_sha512(), false, EVP_sha512());
	check_end_point(EVP_sha256(), true, EVP_sha256());
	check_end_point(EVP_sha384(), true, EVP_sha384());
	check_end_point(EVP_sha512(), true, EVP_sha512());
}

static void a_further_name_has_its_own_end_point(void **state)
{
	(void)state;
	struct tls_context *server = make_server(0, 1), *client = make_client(0, "ca.pem", false);
	struct error error;
	assert_true(tls_context_add_name(server, "mail.example.org", folder_path("other.pem"), folder_path("other.key"),
					 &error));
	pair_init(&pair, client, server, "mail.example.org", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	assert_true(pair_handshake(&pair));
	struct binding seen = binding_of(TLS_BINDING_SERVER_END_POINT), hash = hash_of("other.pem", EVP_sha256());
	assert_true(same(&seen, &hash));
	pair_finish(&pair);
	tls_context_destroy(client);
	tls_context_destroy(server);
}

/* A client that resumes still knows the certificate that it has seen, however often the server has renewed it since then. */
static void a_resumed_session_keeps_the_certificate_that_it_began_with(void **state)
{
	(void)state;
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *server = make_server(0, 1), *client = make_client(versions[v], NULL, true);
		struct tls_context *renewed = make_server_of("other.pem", "other.key");
		join(client, server);
		struct binding first = binding_of(TLS_BINDING_SERVER_END_POINT);
		pair_finish(&pair);
		for (int i = 0; i < 3; i++) {
			join(client, i == 2 ? server : renewed);
			assert_true(resumed());
			struct binding later = binding_of(TLS_BINDING_SERVER_END_POINT);
			assert_true(same(&later, &first));
			pair_finish(&pair);
		}
		tls_context_destroy(client);
		tls_context_destroy(server);
		tls_context_destroy(renewed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_have_the_same_and_no_other_session),
		cmocka_unit_test(there_is_none_before_the_handshake_is_done),
		cmocka_unit_test(the_end_point_is_hashed_as_it_is_signed),
		cmocka_unit_test(a_further_name_has_its_own_end_point),
		cmocka_unit_test(a_resumed_session_keeps_the_certificate_that_it_began_with),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
