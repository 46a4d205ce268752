/* crypto/tls when memory runs out: BoringSSL's allocations fail, one after the other, each once. Nothing may
 * crash, leak (the sanitizer sees to that), or say TLS_OK and carry something else.
 *
 * BoringSSL takes its memory from the functions below where the program has them (its mem.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/crypto/tls_pair.h"

void *OPENSSL_memory_alloc(size_t size);
void OPENSSL_memory_free(void *at);
size_t OPENSSL_memory_get_size(void *at);

enum { HEADER_BYTES = 16 };

static size_t allocations;
static size_t failing; /* which of them fails, from 1; 0: none */

void *OPENSSL_memory_alloc(size_t size)
{
	if (++allocations == failing)
		return NULL;
	uint8_t *at = malloc(size + HEADER_BYTES);
	if (!at)
		return NULL;
	memcpy(at, &size, sizeof size);
	return at + HEADER_BYTES;
}

size_t OPENSSL_memory_get_size(void *at)
{
	size_t size = 0;
	if (at)
		memcpy(&size, (uint8_t *)at - HEADER_BYTES, sizeof size);
	return size;
}

void OPENSSL_memory_free(void *at)
{
	if (at)
		free((uint8_t *)at - HEADER_BYTES);
}

static void fail_number(size_t number)
{
	allocations = 0;
	failing = number;
}

static struct pair pair;

static bool exchange(struct tls_context *client, struct tls_context *server)
{
	pair_init(&pair, client, server, "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	bool done = pair.client.session && pair.server.session && pair_handshake(&pair);
	if (done)
		pair_take_tickets(&pair);
	done = done && pair_carries(&pair, &pair.client, SLICE_LITERAL("NOOP\r\n")) &&
	       pair_carries(&pair, &pair.server, SLICE_LITERAL("250 OK\r\n"));
	pair_finish(&pair);
	return done;
}

static void sessions_survive_every_failure(void **state)
{
	(void)state;
	static const uint16_t versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3 };
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *server = make_server(0, 1), *client = make_client(versions[v], "ca.pem", true);
		size_t number = 0, succeeded = 0;
		do {
			fail_number(++number);
			succeeded += exchange(client, server);
		} while (allocations >= failing);
		/* The last one had nothing to fail any more. */
		assert_true(number > 50);
		assert_true(succeeded > 0);
		fail_number(0);
		assert_true(exchange(client, server));
		tls_context_destroy(client);
		tls_context_destroy(server);
	}
}

static bool make_contexts(void)
{
	struct tls_server_settings server_settings = {
		.certificate_file = folder_path("server.pem"),
		.key_file = folder_path("server.key"),
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
		.ticket_secret = { 1 },
		.client_ca_file = folder_path("ca.pem"),
	};
	struct tls_client_settings client_settings = {
		.ca_file = folder_path("ca.pem"),
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
		.resume = true,
		.certificate_file = folder_path("other.pem"),
		.key_file = folder_path("other.key"),
	};
	struct error error = { "" };
	struct tls_context *server = tls_server_context_create(&server_settings, &error);
	struct tls_context *client = server ? tls_client_context_create(&client_settings, &error) : NULL;
	bool done = client && tls_context_add_name(server, "mail.example.org", folder_path("other.pem"),
						   folder_path("other.key"), &error);
	if (!done)
		assert_true(error.text[0]);
	tls_context_destroy(server);
	tls_context_destroy(client);
	return done;
}

static void contexts_survive_every_failure(void **state)
{
	(void)state;
	size_t number = 0;
	bool done;
	do {
		fail_number(++number);
		done = make_contexts();
	} while (allocations >= failing);
	fail_number(0);
	assert_true(number > 100);
	assert_true(done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_survive_every_failure),
		cmocka_unit_test(contexts_survive_every_failure),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
