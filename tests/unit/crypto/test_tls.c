/* crypto/tls: client against server, in memory, whole and byte by byte; versions, tickets, names, verification, and what
 * must fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "tests/unit/crypto/tls_pair.h"

enum { WHOLE = PAIR_STORAGE_BYTES };

static struct pair pair;

static void handshakes_in_both_versions_and_any_steps(void **state)
{
	(void)state;
	static const uint16_t versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3 };
	static const size_t steps[] = { WHOLE, 1000, 7, 1 };
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *server = make_server(0, 1);
		struct tls_context *client = make_client(versions[v], "ca.pem", false);
		for (size_t i = 0; i < 4; i++) {
			pair_init(&pair, client, server, "localhost", steps[i], PAIR_STORAGE_BYTES);
			assert_true(pair_handshake(&pair));
			struct tls_facts facts;
			tls_session_facts(pair.server.session, &facts);
			assert_string_equal(facts.version, v ? "TLSv1.3" : "TLSv1.2");
			assert_non_null(strstr(facts.cipher, "_GCM_"));
			assert_int_equal(facts.bits, 128);
			assert_false(facts.resumed);
			assert_true(pair_carries(&pair, &pair.client, SLICE_LITERAL("EHLO client\r\n")));
			assert_true(pair_carries(&pair, &pair.server, SLICE_LITERAL("250 server\r\n")));
			assert_false(tls_has_pending(pair.server.session));
			pair_finish(&pair);
		}
		tls_context_destroy(client);
		tls_context_destroy(server);
	}
}

static int set_up(void **state)
{
	(void)state;
	return secret_setup() && folder_create() ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	folder_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes_in_both_versions_and_any_steps),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
