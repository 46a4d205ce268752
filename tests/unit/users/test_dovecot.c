/* core/users/dovecot against a service that says what the test wants, on both loops: the order of answers, what waits and for how
 * long, what is lost with a connection, and what is told while Dovecot is away. tests/system/test_dovecot.py has the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/users/dovecot.h"
#include "core/users/dovecot_place.h"
#include "crypto/secret.h"
#include "proto/sasl.h"
#include "tests/unit/users/scratch.h"

#define GREETING                                                                                                       \
	"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tXOAUTH2\nMECH\tCRAM-MD5\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n"

enum { ANSWER_MS = 300, GREETING_MS = 300 };

static enum loop_kind kind;

struct fixture {
	struct scratch scratch;
	char place[96];
	struct loop *loop;
	struct dovecot_service *service;
	int listener, fd; /* Dovecot's; -1: none */
	char heard[256 * 1024];
	size_t heard_size;
};

struct client {
	struct sign_in_request request;
	struct sign_in_facts facts;
	struct buffer challenge;
	uint8_t storage[LIMIT_CHALLENGE_BYTES];
	bool answered, ends_at_once;
	enum sign_in_outcome outcome;
	struct dovecot_service *service;
};

/* --- both sides --- */

static void turn(struct fixture *fixture, bool wait)
{
	struct error error;
	assert_true(loop_turn(fixture->loop, wait, &error));
}

static void start_listening(struct fixture *fixture)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, fixture->place, strlen(fixture->place));
	unlink(fixture->place);
	fixture->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fixture->listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fixture->listener, 5), 0);
}

static void stop_listening(struct fixture *fixture)
{
	close(fixture->listener);
	fixture->listener = -1;
	unlink(fixture->place);
}

static void accept_one(struct fixture *fixture)
{
	while ((fixture->fd = accept4(fixture->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
		turn(fixture, true);
	fixture->heard_size = 0;
}

static void say(struct fixture *fixture, const char *text)
{
	assert_int_equal(write(fixture->fd, text, strlen(text)), strlen(text));
}

static void hang_up(struct fixture *fixture)
{
	close(fixture->fd);
	fixture->fd = -1;
}

/* What Dovecot has heard, once it ends with `text`. */
static void await_heard(struct fixture *fixture, const char *text)
{
	size_t size = strlen(text);
	for (;;) {
		ssize_t more = read(fixture->fd, fixture->heard + fixture->heard_size,
				    sizeof fixture->heard - 1 - fixture->heard_size);
		if (more > 0)
			fixture->heard_size += (size_t)more;
		fixture->heard[fixture->heard_size] = 0;
		if (fixture->heard_size >= size && strcmp(fixture->heard + fixture->heard_size - size, text) == 0)
			return;
		turn(fixture, false);
		usleep(500);
	}
}

static void make_service(struct fixture *fixture, unsigned wanted)
{
	struct error error;
	struct dovecot_settings settings = {
		.place = fixture->place,
		.wanted = wanted,
		.greeting_ms = GREETING_MS,
		.answer_ms = ANSWER_MS,
	};
	fixture->service = dovecot_create(fixture->loop, &settings, &error);
	assert_non_null(fixture->service);
}

static void greet(struct fixture *fixture)
{
	make_service(fixture, SASL_PLAIN | SASL_LOGIN | SASL_XOAUTH2 | SASL_GSSAPI);
	accept_one(fixture);
	say(fixture, GREETING);
	char cpid[32];
	snprintf(cpid, sizeof cpid, "VERSION\t1\t2\nCPID\t%d\n", getpid());
	await_heard(fixture, cpid);
	while (dovecot_mechanisms(fixture->service) & SASL_GSSAPI)
		turn(fixture, true);
}

static int set_up(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof *fixture);
	struct error error;
	scratch_make(&fixture->scratch);
	snprintf(fixture->place, sizeof fixture->place, "%s/auth", fixture->scratch.path);
	fixture->fd = fixture->listener = -1;
	fixture->loop = loop_create(&(struct loop_settings){ .kind = kind }, &error);
	start_listening(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	dovecot_destroy(fixture->service);
	loop_destroy(fixture->loop);
	close(fixture->listener);
	close(fixture->fd);
	scratch_remove(&fixture->scratch);
	test_free(fixture);
	return 0;
}

static void answered(struct sign_in_request *request, enum sign_in_outcome outcome)
{
	struct client *client = CONTAINER_OF(request, struct client, request);
	assert_false(client->answered);
	client->answered = true;
	client->outcome = outcome;
	if (client->ends_at_once)
		sign_in_end(dovecot_backend(client->service), request);
}

static void step(struct client *client, const char *response)
{
	client->request.response = response ? slice_from_text(response) : slice_of(NULL, 0);
	client->answered = false;
	if (sign_in_step(dovecot_backend(client->service), &client->request, &client->outcome))
		client->answered = true;
}

static void begin(struct fixture *fixture, struct client *client, unsigned mechanism, const char *response)
{
	*client = (struct client){
		.facts = { .client = { .family = 4, .bytes = { 192, 0, 2, 1 } }, .socket = -1 },
		.service = fixture->service,
		.request = { .done = answered, .mechanism = mechanism },
	};
	buffer_init(&client->challenge, client->storage, sizeof client->storage);
	client->request.facts = &client->facts;
	client->request.challenge = &client->challenge;
	if (mechanism & SASL_WITH_PASSWORD) {
		client->request.name = SLICE_LITERAL("a");
		client->request.password = slice_from_text(response);
	}
	step(client, response);
}

static void finish(struct client *client)
{
	sign_in_end(dovecot_backend(client->service), &client->request);
	assert_null(client->request.conversation);
}

static void await_outcome(struct fixture *fixture, struct client *client, enum sign_in_outcome outcome)
{
	while (!client->answered)
		turn(fixture, true);
	assert_int_equal(client->outcome, outcome);
}

static void assert_login(const struct client *client, const char *login)
{
	assert_int_equal(client->request.login.size, strlen(login));
	assert_memory_equal(client->request.login.data, login, strlen(login));
}

/* --- the tests --- */

static void test_password(void **state)
{
	struct fixture *fixture = *state;
	struct client client;
	greet(fixture);
	begin(fixture, &client, SASL_LOGIN, "b");
	await_heard(fixture, "AUTH\t1\tPLAIN\tservice=smtp\tno-penalty\trip=192.0.2.1\tresp=AGEAYg==\n");
	assert_false(client.answered);
	say(fixture, "OK\t1\tuser=a@b.example\ttoken=x\n");
	await_outcome(fixture, &client, SIGN_IN_OK);
	assert_login(&client, "a@b.example");
	finish(&client);
	begin(fixture, &client, SASL_PLAIN, "c");
	say(fixture, "FAIL\t1\tuser=a\nFAIL\t2\tuser=a\n");
	await_outcome(fixture, &client, SIGN_IN_WRONG);
	finish(&client);
	begin(fixture, &client, SASL_PLAIN, "c");
	say(fixture, "FAIL\t3\tcode=temp_fail\n");
	await_outcome(fixture, &client, SIGN_IN_UNAVAILABLE);
	finish(&client);
}

static void tell_session(struct fixture *fixture, const struct net_address *server, int at, const char *heard)
{
	struct client client = {
		.facts = {
			.client = { .family = 6, .bytes = { 0x20, 1, 0xd, 0xb8, [15] = 1 }, .port = 40000 },
			.server = *server,
			.socket = at,
			.session = 47,
		},
		.request = { .done = answered, .mechanism = SASL_XOAUTH2, .facts = &client.facts },
		.service = fixture->service,
	};
	step(&client, "t");
	await_heard(fixture, heard);
	finish(&client);
}

/* Where the client has connected to: what a proxy says, else what the socket says. */
static void test_what_is_told(void **state)
{
	struct fixture *fixture = *state;
	const struct net_address none = { 0 }, proxied = { .family = 4, .bytes = { 192, 0, 2, 7 }, .port = 465 };
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof own;
	char heard[160];
	greet(fixture);
	tell_session(fixture, &none, -1, "session=47\trip=2001:db8::1\trport=40000\tresp=dA==\n");
	tell_session(fixture, &none, fixture->fd, "session=47\trip=2001:db8::1\trport=40000\tresp=dA==\n");
	int at = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(at, (struct sockaddr *)&own, sizeof own), 0);
	assert_int_equal(getsockname(at, (struct sockaddr *)&own, &size), 0);
	snprintf(heard, sizeof heard, "session=47\tlip=127.0.0.1\trip=2001:db8::1\tlport=%d\trport=40000\tresp=dA==\n",
		 ntohs(own.sin_port));
	tell_session(fixture, &none, at, heard);
	tell_session(fixture, &proxied, at,
		     "session=47\tlip=192.0.2.7\trip=2001:db8::1\tlport=465\trport=40000\tresp=dA==\n");
	close(at);
}

static void test_steps(void **state)
{
	struct fixture *fixture = *state;
	struct client client;
	greet(fixture);
	begin(fixture, &client, SASL_CRAM_MD5, NULL);
	await_heard(fixture, "AUTH\t1\tCRAM-MD5\tservice=smtp\tno-penalty\trip=192.0.2.1\n");
	say(fixture, "CONT\t1\tYSBi\n");
	await_outcome(fixture, &client, SIGN_IN_CHALLENGE);
	assert_int_equal(client.challenge.size, 3);
	step(&client, "a 00");
	await_heard(fixture, "CONT\t1\tYSAwMA==\n");
	say(fixture, "CONT\t1\t\n");
	await_outcome(fixture, &client, SIGN_IN_CHALLENGE);
	assert_int_equal(client.challenge.size, 0);
	step(&client, "");
	await_heard(fixture, "CONT\t1\t\n");
	/* Who signs in can't be a name here; nor can nobody, or one with a line's end. */
	say(fixture, "OK\t1\tuser=a\1nb\n");
	await_outcome(fixture, &client, SIGN_IN_UNAVAILABLE);
	finish(&client);
	begin(fixture, &client, SASL_XOAUTH2, "t");
	say(fixture, "OK\t2\n");
	await_outcome(fixture, &client, SIGN_IN_UNAVAILABLE);
	finish(&client);
}

static void test_many_out_of_order(void **state)
{
	struct fixture *fixture = *state;
	enum { MANY = 200 };
	static struct client clients[MANY];
	char text[64], last[96];
	greet(fixture);
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof text, "%d", i);
		begin(fixture, &clients[i], SASL_PLAIN, text);
		turn(fixture, false);
	}
	snprintf(last, sizeof last, "AUTH\t%d\tPLAIN\tservice=smtp\tno-penalty\trip=192.0.2.1\tresp=AGEAMTk5\n", MANY);
	await_heard(fixture, last);
	for (int i = 0; i < MANY; i++) {
		int which = (i * 77 + 13) % MANY;
		snprintf(text, sizeof text, which % 2 ? "OK\t%d\tuser=u%d\n" : "FAIL\t%d\tuser=u%d\n", which + 1,
			 which);
		say(fixture, text);
		await_outcome(fixture, &clients[which], which % 2 ? SIGN_IN_OK : SIGN_IN_WRONG);
		snprintf(text, sizeof text, "u%d", which);
		if (which % 2)
			assert_login(&clients[which], text);
		finish(&clients[which]);
	}
}

/* Far more than the buffers hold, to one who does not read; all is said in the end, in order. */
static void test_long_responses(void **state)
{
	struct fixture *fixture = *state;
	enum { MANY = 60 };
	static struct client clients[MANY];
	static char response[8000];
	memset(response, 'x', sizeof response - 1);
	greet(fixture);
	for (int i = 0; i < MANY; i++)
		begin(fixture, &clients[i], SASL_XOAUTH2, response);
	for (int id = 1; id <= MANY; id++) {
		char text[64];
		fixture->heard_size = 0;
		snprintf(text, sizeof text, "AUTH\t%d\t", id);
		while (!strstr(fixture->heard, text)) {
			turn(fixture, false);
			ssize_t more = read(fixture->fd, fixture->heard + fixture->heard_size,
					    sizeof fixture->heard - 1 - fixture->heard_size);
			fixture->heard_size += more > 0 ? (size_t)more : 0;
			fixture->heard[fixture->heard_size] = 0;
		}
		snprintf(text, sizeof text, "OK\t%d\tuser=a\n", id);
		say(fixture, text);
		await_outcome(fixture, &clients[id - 1], SIGN_IN_OK);
		finish(&clients[id - 1]);
	}
}

static void test_waits_for_the_greeting(void **state)
{
	struct fixture *fixture = *state;
	static struct client clients[3];
	make_service(fixture, SASL_PLAIN | SASL_XOAUTH2 | SASL_GSSAPI);
	assert_int_equal(dovecot_mechanisms(fixture->service), SASL_PLAIN | SASL_XOAUTH2 | SASL_GSSAPI);
	begin(fixture, &clients[0], SASL_XOAUTH2, "t");
	begin(fixture, &clients[1], SASL_GSSAPI, "");
	begin(fixture, &clients[2], SASL_PLAIN, "p");
	accept_one(fixture);
	say(fixture, GREETING);
	await_outcome(fixture, &clients[1], SIGN_IN_UNAVAILABLE);
	await_heard(fixture, "XOAUTH2\tservice=smtp\tno-penalty\trip=192.0.2.1\tresp=dA==\n"
			     "AUTH\t2\tPLAIN\tservice=smtp\tno-penalty\trip=192.0.2.1\tresp=AGEAcA==\n");
	say(fixture, "FAIL\t1\nOK\t2\tuser=a\n");
	await_outcome(fixture, &clients[0], SIGN_IN_WRONG);
	await_outcome(fixture, &clients[2], SIGN_IN_OK);
	for (int i = 0; i < 3; i++)
		finish(&clients[i]);
	assert_int_equal(dovecot_mechanisms(fixture->service), SASL_PLAIN | SASL_LOGIN | SASL_XOAUTH2 | SASL_CRAM_MD5);
	begin(fixture, &clients[0], SASL_GSSAPI, "");
	await_outcome(fixture, &clients[0], SIGN_IN_UNAVAILABLE);
	finish(&clients[0]);
}

static void test_connection_breaks(void **state)
{
	struct fixture *fixture = *state;
	static struct client asked, challenged, ending, later;
	greet(fixture);
	begin(fixture, &challenged, SASL_CRAM_MD5, NULL);
	say(fixture, "CONT\t1\tYSBi\n");
	await_outcome(fixture, &challenged, SIGN_IN_CHALLENGE);
	begin(fixture, &asked, SASL_PLAIN, "p");
	begin(fixture, &ending, SASL_PLAIN, "p");
	ending.ends_at_once = true;
	hang_up(fixture);
	await_outcome(fixture, &asked, SIGN_IN_UNAVAILABLE);
	await_outcome(fixture, &ending, SIGN_IN_UNAVAILABLE);
	finish(&asked);
	/* What it offered is still known, and the next connection is made. */
	assert_true(dovecot_mechanisms(fixture->service) & SASL_PLAIN);
	accept_one(fixture);
	say(fixture, GREETING "OK\t2\tuser=x\n");
	do {
		turn(fixture, true);
		begin(fixture, &later, SASL_PLAIN, "p");
		if (later.answered)
			finish(&later);
	} while (later.answered);
	step(&challenged, "a 00");
	await_outcome(fixture, &challenged, SIGN_IN_UNAVAILABLE);
	finish(&challenged);
	say(fixture, "OK\t2\tuser=x\nOK\t4\tuser=y\n");
	await_outcome(fixture, &later, SIGN_IN_OK);
	assert_login(&later, "y");
	finish(&later);
}

static void test_away(void **state)
{
	struct fixture *fixture = *state;
	struct client first, client;
	stop_listening(fixture);
	make_service(fixture, SASL_PLAIN);
	begin(fixture, &first, SASL_PLAIN, "p");
	await_outcome(fixture, &first, SIGN_IN_UNAVAILABLE);
	finish(&first);
	begin(fixture, &client, SASL_PLAIN, "p");
	assert_true(client.answered);
	assert_int_equal(client.outcome, SIGN_IN_UNAVAILABLE);
	assert_string_equal(client.request.reason, "Dovecot can't be reached");
	finish(&client);
	start_listening(fixture);
	accept_one(fixture);
	say(fixture, GREETING);
	do {
		turn(fixture, true);
		begin(fixture, &client, SASL_PLAIN, "p");
		if (client.answered)
			finish(&client);
	} while (client.answered);
	finish(&client);
}

/* One who is silent is left, one who only takes long for this sign-in is not. */
static void test_no_answer(void **state)
{
	struct fixture *fixture = *state;
	struct client slow, other;
	greet(fixture);
	begin(fixture, &slow, SASL_PLAIN, "p");
	usleep(20000);
	turn(fixture, false);
	begin(fixture, &other, SASL_PLAIN, "p");
	await_heard(fixture, "resp=AGEAcA==\n");
	usleep(20000);
	turn(fixture, false);
	say(fixture, "OK\t2\tuser=a\n");
	await_outcome(fixture, &other, SIGN_IN_OK);
	finish(&other);
	await_outcome(fixture, &slow, SIGN_IN_UNAVAILABLE);
	finish(&slow);
	await_heard(fixture, "CANCEL\t1\n");
	begin(fixture, &slow, SASL_PLAIN, "p");
	await_outcome(fixture, &slow, SIGN_IN_UNAVAILABLE);
	finish(&slow);
	char byte;
	while (read(fixture->fd, &byte, 1) != 0)
		turn(fixture, false);
}

static void test_no_greeting(void **state)
{
	struct fixture *fixture = *state;
	struct client client;
	unsigned mechanisms;
	struct error error;
	make_service(fixture, SASL_PLAIN);
	begin(fixture, &client, SASL_PLAIN, "p");
	await_outcome(fixture, &client, SIGN_IN_UNAVAILABLE);
	finish(&client);
	accept_one(fixture);
	assert_false(dovecot_probe(fixture->place, 50, &mechanisms, &error));
	assert_string_equal(error.text, "no greeting came in time");
	stop_listening(fixture);
	assert_false(dovecot_probe(fixture->place, 50, &mechanisms, &error));
	assert_string_equal(error.text, "connecting: No such file or directory");
}

static void test_not_dovecot(void **state)
{
	struct fixture *fixture = *state;
	struct client client;
	make_service(fixture, SASL_PLAIN);
	begin(fixture, &client, SASL_PLAIN, "p");
	accept_one(fixture);
	say(fixture, "220 mail.example ESMTP\nDONE\n");
	await_outcome(fixture, &client, SIGN_IN_UNAVAILABLE);
	finish(&client);
}

static void test_ends_early(void **state)
{
	struct fixture *fixture = *state;
	struct client client;
	greet(fixture);
	begin(fixture, &client, SASL_PLAIN, "p");
	finish(&client);
	await_heard(fixture, "CANCEL\t1\n");
	say(fixture, "OK\t1\tuser=a\n");
	begin(fixture, &client, SASL_CRAM_MD5, NULL);
	say(fixture, "CONT\t2\tnot base64\n");
	await_outcome(fixture, &client, SIGN_IN_UNAVAILABLE);
	finish(&client);
	await_heard(fixture, "CANCEL\t2\n");
	/* Those that are under way when the service ends get their answer. */
	begin(fixture, &client, SASL_PLAIN, "p");
	client.ends_at_once = true;
	dovecot_destroy(fixture->service);
	fixture->service = NULL;
	assert_true(client.answered);
	assert_int_equal(client.outcome, SIGN_IN_UNAVAILABLE);
}

/* Where -PLUS is verified by others. What is not refused here goes on to be: this Dovecot has no SCRAM. */
static void test_downgrade(void **state)
{
	struct fixture *fixture = *state;
	struct client client;
	greet(fixture);
	begin(fixture, &client, SASL_SCRAM_SHA_256, NULL);
	finish(&client);
	for (int offered = 0; offered < 2; offered++) {
		client.facts.offered = SASL_SCRAM_SHA_256 | (offered ? SASL_SCRAM_SHA_256_PLUS : 0);
		step(&client, "y,,n=a,r=b");
		await_outcome(fixture, &client, offered ? SIGN_IN_WRONG : SIGN_IN_UNAVAILABLE);
		step(&client, "n,,n=a,r=b");
		await_outcome(fixture, &client, SIGN_IN_UNAVAILABLE);
		finish(&client);
	}
}

static void test_places(void **state)
{
	(void)state;
	struct sockaddr_storage address;
	socklen_t size;
	struct error error;
	char longest[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	memset(longest, '/', sizeof longest);
	longest[sizeof longest - 1] = 0;
	assert_true(dovecot_place_parse("/run/dovecot/auth-client", &address, &size, &error));
	assert_int_equal(address.ss_family, AF_UNIX);
	assert_true(dovecot_place_parse("127.0.0.1:12345", &address, &size, &error));
	assert_int_equal(address.ss_family, AF_INET);
	assert_false(dovecot_place_parse("run/dovecot/auth-client", &address, &size, &error));
	assert_false(dovecot_place_parse("", &address, &size, &error));
	assert_false(dovecot_place_parse(longest, &address, &size, &error));
	longest[sizeof longest - 2] = 0;
	assert_true(dovecot_place_parse(longest, &address, &size, &error));
}

static int run_all(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_password),
		TEST(test_what_is_told),
		TEST(test_steps),
		TEST(test_many_out_of_order),
		TEST(test_long_responses),
		TEST(test_waits_for_the_greeting),
		TEST(test_connection_breaks),
		TEST(test_away),
		TEST(test_no_answer),
		TEST(test_no_greeting),
		TEST(test_not_dovecot),
		TEST(test_ends_early),
		TEST(test_downgrade),
		cmocka_unit_test(test_places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	struct error error;
	log_configure(LOG_ERROR, open("/dev/null", O_WRONLY));
	if (!secret_setup())
		return 1;
	kind = LOOP_EPOLL;
	int failed = run_all();
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_IO_URING }, &error);
	if (loop)
		loop_destroy(loop);
	kind = LOOP_IO_URING;
	return loop ? failed + run_all() : failed;
}
