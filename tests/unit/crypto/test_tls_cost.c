/* crypto/tls: what a handshake costs in CPU time and an idle session in heap. Prints; asserts only the size, which does not
 * depend on the machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <malloc.h>

#include <cmocka.h>

#include "tests/unit/crypto/tls_pair.h"

#ifdef POSTERN_SANITIZED
enum { HANDSHAKES = 50, SESSIONS = 20, RECORDS = 100 };
#else
enum { HANDSHAKES = 1000, SESSIONS = 500, RECORDS = 5000 };
#endif
enum { IDLE_MOST_BYTES = 4096 };

static struct pair pairs[SESSIONS];

static void measure_handshakes(uint16_t version, bool resume, const char *what)
{
	struct tls_context *server = make_server(version, 1), *client = make_client(version, "ca.pem", resume);
	struct pair *pair = &pairs[0];
	uint64_t server_ns = 0, client_ns = 0;
	for (int i = -1; i < HANDSHAKES; i++) {
		pair_init(pair, client, server, "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
		assert_true(pair_handshake(pair));
		pair_take_tickets(pair);
		struct tls_facts facts;
		tls_session_facts(pair->server.session, &facts);
		assert_int_equal(facts.resumed, resume && i >= 0);
		server_ns += i >= 0 ? pair->server.cpu_ns : 0;
		client_ns += i >= 0 ? pair->client.cpu_ns : 0;
		pair_finish(pair);
	}
	print_message("%s handshake: server %.3f ms, client %.3f ms\n", what, (double)server_ns / HANDSHAKES / 1e6,
		      (double)client_ns / HANDSHAKES / 1e6);
	tls_context_destroy(client);
	tls_context_destroy(server);
}

static void handshakes(void **state)
{
	(void)state;
	measure_handshakes(TLS_VERSION_1_3, false, "TLS 1.3 full");
	measure_handshakes(TLS_VERSION_1_3, true, "TLS 1.3 resumed");
	measure_handshakes(TLS_VERSION_1_2, false, "TLS 1.2 full");
	measure_handshakes(TLS_VERSION_1_2, true, "TLS 1.2 resumed");
}

static void records(void **state)
{
	(void)state;
	static uint8_t bytes[TLS_WRITE_MOST_BYTES];
	static const size_t sizes[] = { 64, 1024, TLS_WRITE_MOST_BYTES };
	struct tls_context *server = make_server(0, 1), *client = make_client(0, "ca.pem", false);
	struct pair *pair = &pairs[0];
	pair_init(pair, client, server, "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	assert_true(pair_handshake(pair));
	pair_take_tickets(pair);
	for (size_t i = 0; i < 3; i++) {
		uint64_t before = cpu_now_ns();
		for (int r = 0; r < RECORDS; r++)
			assert_true(pair_carries(pair, &pair->client, slice_of(bytes, sizes[i])));
		print_message("record of %zu bytes, sealed and opened: %.2f us\n", sizes[i],
			      (double)(cpu_now_ns() - before) / RECORDS / 1e3);
	}
	pair_finish(pair);
	tls_context_destroy(client);
	tls_context_destroy(server);
}

/* Heap that sessions hold after a handshake and an exchange; 0 where a sanitizer replaced the heap. */
static void measure_idle(uint16_t version, const char *what)
{
	struct tls_context *server = make_server(version, 1), *client = make_client(version, "ca.pem", false);
	for (size_t i = 0; i < SESSIONS; i++) {
		pair_init(&pairs[i], client, server, "localhost", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
		assert_true(pair_handshake(&pairs[i]));
		pair_take_tickets(&pairs[i]);
		assert_true(pair_carries(&pairs[i], &pairs[i].client, SLICE_LITERAL("NOOP\r\n")));
		assert_true(pair_carries(&pairs[i], &pairs[i].server, SLICE_LITERAL("250 OK\r\n")));
	}
	size_t both = mallinfo2().uordblks;
	for (size_t i = 0; i < SESSIONS; i++) {
		tls_session_destroy(pairs[i].server.session);
		pairs[i].server.session = NULL;
	}
	size_t clients = mallinfo2().uordblks;
	for (size_t i = 0; i < SESSIONS; i++)
		pair_finish(&pairs[i]);
	size_t none = mallinfo2().uordblks;
	print_message("%s idle session: server %zu bytes of heap, client %zu\n", what, (both - clients) / SESSIONS,
		      (clients - none) / SESSIONS);
	assert_true((both - clients) / SESSIONS < IDLE_MOST_BYTES);
	tls_context_destroy(client);
	tls_context_destroy(server);
}

static void idle_sessions(void **state)
{
	(void)state;
	measure_idle(TLS_VERSION_1_3, "TLS 1.3");
	measure_idle(TLS_VERSION_1_2, "TLS 1.2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes),
		cmocka_unit_test(records),
		cmocka_unit_test(idle_sessions),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
