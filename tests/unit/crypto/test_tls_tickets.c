/* crypto/tls: resumption with tickets: between contexts that share a secret, over midnight, never with another secret or at
 * another host. The program's time() is this file's, so that days can pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "crypto/tls_internal.h"
#include "tests/unit/crypto/tls_pair.h"

enum { SECONDS_PER_DAY = 24 * 60 * 60, DAYS_PER_YEAR = 365 };

static const uint16_t versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3 };
static struct pair pair;
static int days_passed;
static int seconds_passed; /* beside those days */

time_t time(time_t *at)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += (time_t)days_passed * SECONDS_PER_DAY + seconds_passed;
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}

/* For the servers that are made to ask it: the client's clock goes right. */
static void tell_time(const SSL *ssl, struct timeval *now)
{
	(void)ssl;
	*now = (struct timeval){ .tv_sec = time(NULL) };
}

/* Connects, takes in tickets, checks that both ends agree whether it was a resumption, and says so. */
static bool resumes(struct tls_context *client, struct tls_context *server, const char *host)
{
	struct tls_facts seen[2];
	pair_init(&pair, client, server, host, PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
	assert_true(pair_handshake(&pair));
	pair_take_tickets(&pair);
	assert_true(pair_carries(&pair, &pair.client, SLICE_LITERAL("NOOP\r\n")));
	tls_session_facts(pair.client.session, &seen[0]);
	tls_session_facts(pair.server.session, &seen[1]);
	assert_int_equal(seen[0].resumed, seen[1].resumed);
	pair_finish(&pair);
	return seen[0].resumed;
}

static void all_that_share_the_secret_resume(void **state)
{
	(void)state;
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *one = make_server(0, 1), *two = make_server(0, 1), *stranger = make_server(0, 2);
		struct tls_context *client = make_client(versions[v], "ca.pem", true);
		assert_false(resumes(client, one, "localhost"));
		assert_true(resumes(client, one, "localhost"));
		assert_true(resumes(client, two, "localhost"));
		assert_true(resumes(client, one, "localhost"));
		assert_false(resumes(client, stranger, "localhost"));
		/* The newest ticket is the stranger's now. */
		assert_true(resumes(client, stranger, "localhost"));
		assert_false(resumes(client, one, "localhost"));
		tls_context_destroy(client);
		tls_context_destroy(one);
		tls_context_destroy(two);
		tls_context_destroy(stranger);
	}
}

static void a_ticket_is_for_its_host_only(void **state)
{
	(void)state;
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *server = make_server(0, 1), *client = make_client(versions[v], "ca.pem", true);
		assert_false(resumes(client, server, "localhost"));
		assert_false(resumes(client, server, "127.0.0.1"));
		assert_true(resumes(client, server, "127.0.0.1"));
		assert_false(resumes(client, server, "localhost"));
		/* A host that the certificate does not cover can't get by with a resumption. */
		pair_init(&pair, client, server, "mail.example.org", PAIR_STORAGE_BYTES, PAIR_STORAGE_BYTES);
		assert_false(pair_handshake(&pair));
		pair_finish(&pair);
		tls_context_destroy(client);
		tls_context_destroy(server);
	}
}

static void names_resume_too(void **state)
{
	(void)state;
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *server = make_server(0, 1), *client = make_client(versions[v], "ca.pem", true);
		struct error error;
		assert_true(tls_context_add_name(server, "mail.example.org", folder_path("other.pem"),
						 folder_path("other.key"), &error));
		assert_false(resumes(client, server, "mail.example.org"));
		assert_true(resumes(client, server, "mail.example.org"));
		tls_context_destroy(client);
		tls_context_destroy(server);
	}
}

static void clients_that_do_not_want_tickets_ignore_them(void **state)
{
	(void)state;
	struct tls_context *server = make_server(0, 1), *client = make_client(0, "ca.pem", false);
	assert_false(resumes(client, server, "localhost"));
	assert_false(resumes(client, server, "localhost"));
	tls_context_destroy(client);
	tls_context_destroy(server);
}

/* The machine's clock is set: nobody's handshake fails, and tickets that are made from then on are good. */
static void set_clock(struct tls_context *client, struct tls_context *server, int days, int seconds, bool resumed)
{
	days_passed = days;
	seconds_passed = seconds;
	assert_int_equal(resumes(client, server, "localhost"), resumed);
	for (int i = 0; i < 3; i++)
		assert_true(resumes(client, server, "localhost"));
}

static void the_clock_may_be_set(void **state)
{
	(void)state;
	static const int hour = 60 * 60, second = 1;
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *server = make_server(0, 1), *client = make_client(versions[v], NULL, true);
		SSL_CTX_set_current_time_cb(server->own.library, tell_time);
		set_clock(client, server, 0, 0, false);
		/* A little ahead it is still good, and put right again its tickets are from the future: they are for nothing. */
		set_clock(client, server, 0, second, true);
		set_clock(client, server, 0, -second, false);
		set_clock(client, server, 0, 0, true);
		set_clock(client, server, 0, -hour, false);
		set_clock(client, server, 0, 0, true);
		/* As far as clocks go wrong: to where it began, and a life ahead. */
		set_clock(client, server, -30 * DAYS_PER_YEAR, 0, false);
		set_clock(client, server, 0, 0, false);
		set_clock(client, server, 80 * DAYS_PER_YEAR, 0, false);
		set_clock(client, server, 0, 0, false);
		days_passed = 0;
		set_clock(client, server, -(int)(time(NULL) / SECONDS_PER_DAY), 0, false);
		set_clock(client, server, 0, 0, false);
		/* Another node may not be as late as this one. */
		struct tls_context *other = make_server(0, 1);
		SSL_CTX_set_current_time_cb(other->own.library, tell_time);
		set_clock(client, other, 0, -5 * second, false);
		set_clock(client, server, 0, 0, true);
		tls_context_destroy(other);
		tls_context_destroy(client);
		tls_context_destroy(server);
	}
}

/* BoringSSL has its own clock, which stands still here: the refusal below is ours. */
static void tickets_last_until_the_end_of_the_next_day(void **state)
{
	(void)state;
	for (size_t v = 0; v < 2; v++) {
		struct tls_context *server = make_server(0, 1), *client = make_client(versions[v], "ca.pem", true);
		assert_false(resumes(client, server, "localhost"));
		days_passed = 1;
		struct tls_context *started_later = make_server(0, 1);
		assert_true(resumes(client, started_later, "localhost"));
		tls_context_destroy(started_later);
		days_passed = 0;

		tls_context_destroy(client);
		client = make_client(versions[v], "ca.pem", true);
		assert_false(resumes(client, server, "localhost"));
		days_passed = 2;
		assert_false(resumes(client, server, "localhost"));
		assert_true(resumes(client, server, "localhost"));
		/* A clock that was put back: the tickets from the future are not known. */
		days_passed = 0;
		assert_false(resumes(client, server, "localhost"));
		tls_context_destroy(client);
		tls_context_destroy(server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_share_the_secret_resume),
		cmocka_unit_test(a_ticket_is_for_its_host_only),
		cmocka_unit_test(names_resume_too),
		cmocka_unit_test(clients_that_do_not_want_tickets_ignore_them),
		cmocka_unit_test(the_clock_may_be_set),
		cmocka_unit_test(tickets_last_until_the_end_of_the_next_day),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
