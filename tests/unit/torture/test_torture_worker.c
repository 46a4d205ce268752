/* core/server's worker when memory runs out while it serves: a client is answered by the rules or loses its connection, what was
 * accepted is delivered, and the worker goes on. On epoll with real sockets, in a folder in memory; without TLS, whose memory is
 * the library's (see tests/unit/crypto/test_tls_torture.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/server/server_block.h"
#include "core/server/worker.h"
#include "core/users/hasher.h"
#include "crypto/secret.h"
#include "tests/unit/torture/scratch_folder.h"
#include "tests/unit/torture/torture.h"

enum { CLIENTS = 2, TURNS_MOST = 300, TURN_US = 100, REPLIES_BYTES = 8192, LARGE_BYTES = 400 * 1024 };

#define HASH "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

static const char config_text[] =
	"data = \"data\" hashers = 1 shutdown = 1s\n"
	"server test {\n"
	"    hostname = \"localhost\" listen = { \"127.0.0.1:1 plain\" }\n"
	"    auth { plaintext = yes }\n"
	"    proxy_protocol = { \"127.0.0.2\" }\n"
	"}\n"
	"delivery { route \"example.org\" { maildir = \"mail/%u\" } route \"*\" { hold = yes } }\n";

struct client {
	int fd;
	const char *out; /* what is still to be sent */
	size_t out_size;
	char replies[REPLIES_BYTES];
	size_t size;
	bool ended;
};

static struct config *config;
static struct server_block block;
static struct server_states states;
static struct worker *worker;
static struct client clients[CLIENTS];
static int listen_fd, hashers_fd;
static struct sockaddr_in here;
static unsigned accepted; /* 250s for messages in this run */
static unsigned accepted_in_all;

/* What a proxy says first; it comes in two pieces. */
static const char header[] = "PROXY TCP4 198.51.100.7 192.0.2.1 40000 587\r\n";
enum { HEADER_BYTES = sizeof header - 1, FIRST_PIECE_BYTES = 10 };

/* Behind a header: signed in, a small message and a large one, that goes to a file of its own; then a second envelope that is given up. */
static char dialogue[LARGE_BYTES + 4096];
static size_t dialogue_size;

static void write_dialogue(void)
{
	static const char begin[] =
		"EHLO client.example\r\nAUTH PLAIN AGFsaWNlAHJpZ2h0\r\n"
		"MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<eve@held.example>\r\n"
		"DATA\r\nSubject: small\r\n\r\nHello\r\n.\r\n"
		"MAIL FROM:<alice@example.org>\r\nRCPT TO:<carol@example.org>\r\nDATA\r\nSubject: large\r\n\r\n";
	static const char end[] = ".\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.org>\r\nRSET\r\nQUIT\r\n";
	struct buffer out;
	buffer_init(&out, dialogue, sizeof dialogue);
	buffer_append_text(&out, header);
	buffer_append_text(&out, begin);
	while (out.size < LARGE_BYTES)
		buffer_append_text(&out, "A line of text that says nothing much, again and again.\r\n");
	buffer_append_text(&out, end);
	assert_false(out.overflow);
	dialogue_size = out.size;
}

/* --- the world --- */

static void listen_here(void)
{
	socklen_t size = sizeof here;
	here = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&here, sizeof here), 0);
	assert_int_equal(listen(listen_fd, 16), 0);
	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&here, &size), 0);
}

static struct worker *make_worker(struct error *error)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_EPOLL }, error);
	if (!loop) {
		close(ends[0]);
		close(ends[1]);
		return NULL;
	}
	listen_here();
	hashers_fd = ends[1];
	struct served served = { .generation = SERVED_FIRST, .config = config, .blocks = &block };
	struct worker_settings settings = {
		.served = &served,
		.channel_fd = -1,
		.states = &states,
		.listen_fds = &listen_fd,
		.hasher_fd = ends[0],
		.lane_directory = "lane",
		.users_directory = "users",
		.segment_bytes = 1024 * 1024,
	};
	struct worker *made = worker_create(loop, &settings, error);
	if (!made)
		close(hashers_fd);
	return made;
}

static void answer_hashers(void)
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

static void turn(void)
{
	struct error error;
	assert_true(worker_turn(worker, false, &error));
	answer_hashers();
	usleep(TURN_US);
}

/* --- clients --- */

static void client_start(struct client *client, bool proxied)
{
	size_t skipped = proxied ? FIRST_PIECE_BYTES : HEADER_BYTES;
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + proxied) };
	*client = (struct client){ .out = dialogue + skipped, .out_size = dialogue_size - skipped };
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(client->fd, (struct sockaddr *)&from, sizeof from), 0);
	assert_int_equal(connect(client->fd, (struct sockaddr *)&here, sizeof here), 0);
	if (proxied)
		assert_int_equal(send(client->fd, header, FIRST_PIECE_BYTES, MSG_NOSIGNAL), FIRST_PIECE_BYTES);
}

static void client_step(struct client *client)
{
	ssize_t size;
	while (client->out_size > 0 &&
	       (size = send(client->fd, client->out, client->out_size, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
		client->out += size;
		client->out_size -= (size_t)size;
	}
	size = recv(client->fd, client->replies + client->size, sizeof client->replies - 1 - client->size,
		    MSG_DONTWAIT);
	if (size > 0)
		client->size += (size_t)size;
	else if (size == 0 || (errno != EAGAIN && errno != EINTR))
		client->ended = true;
	client->replies[client->size] = 0;
}

static unsigned count_accepted(const struct client *client)
{
	unsigned count = 0;
	for (const char *at = client->replies; (at = strstr(at, "queued as ")); at++)
		count++;
	return count;
}

static void serve_clients(void)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		client_start(&clients[i], i % 2);
	turn();
	bool all_ended = false;
	for (unsigned turns = 0; !all_ended && turns < TURNS_MOST; turns++) {
		turn();
		all_ended = true;
		for (unsigned i = 0; i < CLIENTS; i++) {
			if (!clients[i].ended)
				client_step(&clients[i]);
			all_ended = all_ended && clients[i].ended;
		}
	}
	assert_true(all_ended || torture_has_failed());
	for (unsigned i = 0; i < CLIENTS; i++) {
		accepted += count_accepted(&clients[i]);
		close(clients[i].fd);
	}
	assert_true(accepted == 2 * CLIENTS || torture_has_failed());
}

static void drain(void)
{
	struct error error;
	worker_drain(worker);
	while (!worker_is_drained(worker))
		assert_true(worker_turn(worker, true, &error));
	worker_destroy(worker);
	close(hashers_fd);
}

static void live(void *context)
{
	(void)context;
	struct error error = { "" };
	accepted = 0;
	worker = make_worker(&error);
	if (!worker) {
		assert_true(torture_has_failed() && error.text[0]);
		return;
	}
	serve_clients();
	drain();
}

/* --- what must hold --- */

static void prepare(void *context)
{
	(void)context;
	struct error error;
	scratch_folder_enter();
	assert_int_equal(mkdir("mail", 0700), 0);
	struct config_problems problems = { 0 };
	config = config_parse(config_text, "test.conf", &problems);
	if (!config)
		fail_msg("%s", problems.list[0].text);
	uint8_t secret[TLS_TICKET_SECRET_BYTES] = { 0 };
	struct server_block_parts parts = { .ticket_secret = secret, .rules_fd = -1 };
	assert_true(server_block_init(&block, &config->servers[0], &parts, &error));
	struct users *users = users_open("users", true, &error);
	assert_non_null(users);
	assert_int_equal(
		users_put(users, SLICE_LITERAL("alice"), &(struct user_credentials){ .hash = HASH }, false, &error),
		USERS_OK);
	users_close(users);
}

static unsigned count_files(const char *path)
{
	unsigned count = 0;
	DIR *directory = opendir(path);
	for (struct dirent *entry; directory && (entry = readdir(directory));)
		count += entry->d_name[0] != '.';
	if (directory)
		closedir(directory);
	return count;
}

static void look(void *context)
{
	(void)context;
	struct error error = { "" };
	worker = make_worker(&error);
	if (!worker)
		fail_msg("%s", error.text);
	for (unsigned turns = 0; turns < 20; turns++)
		turn();
	drain();
	assert_true(count_files("mail/bob/new") + count_files("mail/carol/new") >= accepted);
	accepted_in_all += accepted;
	server_block_finish(&block);
	config_free(config);
	assert_int_equal(server_states_all_sessions(&states, 0), 0);
	scratch_folder_leave();
}

static void what_is_accepted_is_delivered(void **state)
{
	(void)state;
	torture_run(&(struct torture){ .before = prepare, .scenario = live, .after = look });
	assert_true(accepted_in_all > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_accepted_is_delivered) };
	assert_true(secret_setup());
	log_configure(getenv("TORTURE_LOG") ? LOG_DEBUG : LOG_ERROR + 1, 2);
	alarm(280);
	write_dialogue();
	return cmocka_run_group_tests_name("torture worker", tests, NULL, NULL);
}
