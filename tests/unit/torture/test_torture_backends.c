/* core/server's back ends for sign-ins when memory runs out: they are all there or none is, and who signs in is let in or put off, never
 * refused and never left waiting. Our own users, a Dovecot, a domain's helper. On epoll, in a folder in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/server/sign_in_table.h"
#include "core/users/hasher.h"
#include "core/users/ntlm_client.h"
#include "crypto/secret.h"
#include "tests/unit/torture/scratch_folder.h"
#include "tests/unit/torture/torture.h"

enum { TURNS_MOST = 3000, TURN_US = 200, HEARD_BYTES = 4096 };

#define HASH "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

static const char helper_text[] = "#!/bin/sh\nwhile read -r line; do echo 'BH no domain'; done\n";

/* One asks its own users, Dovecot and a domain, the other Dovecot for all but NTLM. */
static const char config_text[] =
	"data = \"data\" hashers = 1\n"
	"server one { hostname = \"a.example\" listen = \"127.0.0.1:1 plain\"\n"
	"    auth { plaintext = yes mechanisms = { \"PLAIN\", \"SCRAM-SHA-256\", \"NTLM\", \"XOAUTH2\", \"CRAM-MD5\" "
	"}\n"
	"           backend = { \"local\", \"dovecot:%s/auth XOAUTH2 CRAM-MD5\" }\n"
	"           ntlm { helper = \"%s/helper\" helpers = 1 } } }\n"
	"server two { hostname = \"b.example\" listen = \"127.0.0.1:2 plain\"\n"
	"    auth { plaintext = yes mechanisms = { \"PLAIN\", \"NTLM\" } backend = \"dovecot:%s/auth\" } }\n"
	"delivery { route \"*\" { hold = yes } }\n";

/* Who signs in, and what comes of it. */
static const struct {
	size_t server;
	unsigned mechanism;
	const char *response, *second; /* NULL: none. Those of NTLM are made */
	enum sign_in_outcome outcome;
} rows[] = {
	{ 0, SASL_XOAUTH2, "t", NULL, SIGN_IN_OK },         { 1, SASL_PLAIN, NULL, NULL, SIGN_IN_OK },
	{ 0, SASL_CRAM_MD5, NULL, "alice 00", SIGN_IN_OK }, { 0, SASL_PLAIN, NULL, NULL, SIGN_IN_OK },
	{ 0, SASL_NTLM, NULL, NULL, SIGN_IN_UNAVAILABLE },  { 1, SASL_NTLM, NULL, NULL, SIGN_IN_OK },
};
enum { CLIENTS = sizeof rows / sizeof rows[0] };

struct client {
	struct sign_in_request request;
	struct sign_in_backend *backend; /* NULL: has ended */
	bool answered;
	enum sign_in_outcome outcome;
};

static struct config *config;
static struct loop *loop;
static struct sign_in_backends backends;
static struct sign_in_table *table;
static struct client clients[CLIENTS];
static struct buffer challenge;
static uint8_t challenge_storage[LIMIT_CHALLENGE_BYTES];
static const struct sign_in_facts facts = { .socket = -1, .hostname = { (const uint8_t *)"a.example", 9 } };
static int ours_fd, hashers_fd;

/* --- Dovecot --- */

static struct {
	int listen_fd, fd; /* -1: nobody has come */
	char heard[HEARD_BYTES];
	size_t size;
} dovecot;

static void dovecot_listen(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "auth" };
	dovecot.fd = -1;
	dovecot.size = 0;
	dovecot.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(dovecot.listen_fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(dovecot.listen_fd, 4), 0);
}

static void dovecot_say(const char *text)
{
	assert_int_equal(send(dovecot.fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void dovecot_answer(const char *line)
{
	char text[64];
	unsigned id = 0;
	if (sscanf(line, "AUTH\t%u\tCRAM-MD5", &id) == 1 && strstr(line, "\tCRAM-MD5\t"))
		snprintf(text, sizeof text, "CONT\t%u\tYSBi\n", id);
	else if (sscanf(line, "AUTH\t%u", &id) == 1 || sscanf(line, "CONT\t%u", &id) == 1)
		snprintf(text, sizeof text, "OK\t%u\tuser=alice\n", id);
	else
		return;
	dovecot_say(text);
}

static void dovecot_turn(void)
{
	if (dovecot.fd < 0) {
		dovecot.fd = accept4(dovecot.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (dovecot.fd < 0)
			return;
		dovecot_say("VERSION\t1\t2\nMECH\tPLAIN\nMECH\tXOAUTH2\nMECH\tCRAM-MD5\nDONE\n");
	}
	ssize_t size =
		recv(dovecot.fd, dovecot.heard + dovecot.size, sizeof dovecot.heard - 1 - dovecot.size, MSG_DONTWAIT);
	if (size <= 0)
		return;
	dovecot.size += (size_t)size;
	dovecot.heard[dovecot.size] = 0;
	char *line = dovecot.heard;
	for (char *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		dovecot_answer(line);
	}
	dovecot.size -= (size_t)(line - dovecot.heard);
	memmove(dovecot.heard, line, dovecot.size);
}

static void dovecot_end(void)
{
	close(dovecot.listen_fd);
	close(dovecot.fd);
}

/* --- clients --- */

static void answered(struct sign_in_request *request, enum sign_in_outcome outcome)
{
	struct client *client = CONTAINER_OF(request, struct client, request);
	assert_false(client->answered);
	client->answered = true;
	client->outcome = outcome;
}

static void step(struct client *client, struct slice response)
{
	client->answered = false;
	client->request.response = response;
	buffer_clear(&challenge);
	if (sign_in_step(client->backend, &client->request, &client->outcome))
		client->answered = true;
}

static void step_ntlm(struct client *client, bool begins)
{
	static uint8_t storage[2048];
	struct buffer out;
	struct error error;
	const struct ntlm_client alice = { SLICE_LITERAL("alice"), SLICE_LITERAL("right"), SLICE_LITERAL("") };
	buffer_init(&out, storage, sizeof storage);
	torture_pause();
	assert_true(begins ? ntlm_client_begin(&out)
			   : ntlm_client_answer(&alice, buffer_slice(&challenge), &out, &error));
	torture_resume();
	step(client, buffer_slice(&out));
}

static void begin(size_t i)
{
	struct client *client = &clients[i];
	*client = (struct client){
		.backend = sign_in_table_find(table, rows[i].server, rows[i].mechanism),
		.request = { .done = answered,
			     .facts = &facts,
			     .mechanism = rows[i].mechanism,
			     .challenge = &challenge },
	};
	assert_non_null(client->backend);
	if (rows[i].mechanism & SASL_WITH_PASSWORD) {
		client->request.name = SLICE_LITERAL("alice");
		client->request.password = SLICE_LITERAL("right");
	}
	if (rows[i].mechanism == SASL_NTLM)
		step_ntlm(client, true);
	else
		step(client, rows[i].response ? slice_from_text(rows[i].response) : slice_of(NULL, 0));
}

/* Goes on after a challenge. */
static void go_on(size_t i)
{
	struct client *client = &clients[i];
	if (!client->answered || client->outcome != SIGN_IN_CHALLENGE)
		return;
	if (rows[i].mechanism == SASL_NTLM)
		step_ntlm(client, false);
	else
		step(client, slice_from_text(rows[i].second));
}

static void end(size_t i)
{
	const struct client *client = &clients[i];
	assert_true(client->answered);
	if (client->outcome != rows[i].outcome && !(client->outcome == SIGN_IN_UNAVAILABLE && torture_has_failed()))
		fail_msg("client %zu: outcome %d: %s", i, client->outcome,
			 client->request.reason ? client->request.reason : "");
	if (client->outcome == SIGN_IN_OK)
		assert_true(slice_equal(client->request.login, SLICE_LITERAL("alice")));
	sign_in_end(client->backend, &clients[i].request);
}

/* --- the world --- */

static void hasher_turn(void)
{
	uint8_t packet[HASHER_JOB_BYTES + 1], out[HASHER_ANSWER_BYTES];
	struct hasher_job job;
	ssize_t size = recv(hashers_fd, packet, sizeof packet, MSG_DONTWAIT);
	if (size <= 0)
		return;
	assert_true(hasher_job_decode(slice_of(packet, (size_t)size), &job));
	hasher_answer_encode(out, &(struct hasher_answer){ job.job, PASSWORD_RIGHT });
	assert_int_equal(send(hashers_fd, out, sizeof out, MSG_NOSIGNAL), sizeof out);
}

static bool turn(void)
{
	struct error error;
	bool all = true;
	assert_true(loop_turn(loop, false, &error));
	dovecot_turn();
	hasher_turn();
	for (size_t i = 0; i < CLIENTS; i++) {
		go_on(i);
		all = all && clients[i].answered;
	}
	return all;
}

static void sign_in_all(void)
{
	for (size_t i = 0; i < CLIENTS; i++)
		begin(i);
	for (unsigned turns = 0; turns < TURNS_MOST && !turn(); turns++)
		usleep(TURN_US);
	for (size_t i = 0; i < CLIENTS; i++)
		end(i);
}

static void live(void *context)
{
	static const uint8_t salt_secret[SECRET_KEY_BYTES] = { 1 };
	struct error error = { "" };
	(void)context;
	const struct sign_in_backends_settings settings = {
		.loop = loop,
		.users_directory = "users",
		.ntlm_key_file = "ntlm.key",
		.salt_secret = salt_secret,
		.hasher_fd = ours_fd,
		.hashers = 1,
	};
	memset(&backends, 0, sizeof backends);
	table = sign_in_backends_open(&backends, &settings, &error) ? sign_in_table_create(&backends, config, &error)
								    : NULL;
	if (table)
		sign_in_all();
	else
		assert_true(torture_has_failed() && error.text[0]);
	sign_in_table_destroy(table);
	sign_in_backends_close(&backends);
	assert_true(fcntl(ours_fd, F_GETFD) < 0 && errno == EBADF);
}

static void add_alice(void)
{
	uint8_t sealed[USERS_NT_SEALED_BYTES];
	struct error error;
	struct users *users = users_open("users", true, &error);
	uint8_t *key = ntlm_seal_key_load("ntlm.key", true, &error);
	assert_true(users && key);
	assert_true(sign_in_ntlm_seal(sealed, key, SLICE_LITERAL("alice"), SLICE_LITERAL("right")));
	const struct user_credentials credentials = { .hash = HASH, .nt_sealed = sealed };
	assert_int_equal(users_put(users, SLICE_LITERAL("alice"), &credentials, false, &error), USERS_OK);
	secret_free(key);
	users_close(users);
}

static void prepare(void *context)
{
	(void)context;
	char text[sizeof config_text + 3 * sizeof scratch_folder];
	struct config_problems problems = { 0 };
	struct error error;
	int ends[2];
	scratch_folder_enter();
	snprintf(text, sizeof text, config_text, scratch_folder, scratch_folder, scratch_folder);
	config = config_parse(text, "test.conf", &problems);
	if (!config)
		fail_msg("%s", problems.list[0].text);
	int fd = open("helper", O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	assert_int_equal(write(fd, helper_text, sizeof helper_text - 1), sizeof helper_text - 1);
	close(fd);
	add_alice();
	dovecot_listen();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	ours_fd = ends[0];
	hashers_fd = ends[1];
	buffer_init(&challenge, challenge_storage, sizeof challenge_storage);
	loop = loop_create(&(struct loop_settings){ .kind = LOOP_EPOLL }, &error);
	assert_non_null(loop);
}

static void look(void *context)
{
	(void)context;
	loop_destroy(loop);
	dovecot_end();
	close(hashers_fd);
	config_free(config);
	scratch_folder_leave();
}

static void all_are_let_in_or_put_off(void **state)
{
	(void)state;
	torture_run(&(struct torture){ .before = prepare, .scenario = live, .after = look });
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_are_let_in_or_put_off) };
	assert_true(secret_setup());
	log_configure(getenv("TORTURE_LOG") ? LOG_DEBUG : LOG_ERROR + 1, 2);
	alarm(280);
	return cmocka_run_group_tests_name("torture back ends", tests, NULL, NULL);
}
