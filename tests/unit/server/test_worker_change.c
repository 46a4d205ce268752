/* core/server's worker when its configuration changes while it serves: what comes in a parcel from the supervisor, made with the
 * supervisor's own functions (served.h). On epoll, with real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/policy/rules_image.h"
#include "core/server/served.h"
#include "core/server/server_policy.h"
#include "core/server/tls_contents.h"
#include "core/server/worker.h"
#include "crypto/secret.h"
#include "tests/unit/torture/scratch_folder.h"

enum { TURNS_MOST = 2000, TURN_US = 100, REPLIES_BYTES = 8192, SOCKETS = 4 };

#define DELIVERY "delivery { route \"*\" { hold = yes } }\n"
#define HEAD     "data = \"data\" hashers = 1 shutdown = 1s log = error\n"

/* Of the addresses in a configuration only the ports count here: they say which of `sockets` it is. */
static const char first_text[] = HEAD
	"server one { hostname = \"a.test\" listen = { \"127.0.0.1:1 plain\" } auth { plaintext = yes }\n"
	"    connect { per_address = 3 }\n"
	"    limits { message_size = 1M } }\n"
	"server two { hostname = \"two.test\" listen = { \"127.0.0.1:2 plain\" } auth { plaintext = yes } }\n" DELIVERY;
static const char second_text[] =
	HEAD "server three { hostname = \"three.test\" listen = { \"127.0.0.1:3 plain\" } auth { plaintext = yes } }\n"
	     "server one { hostname = \"b.test\" listen = { \"127.0.0.1:1 plain\" } auth { plaintext = yes }\n"
	     "    connect { per_address = 2 }\n"
	     "    limits { message_size = 2M } }\n" DELIVERY;
static const char listed_text[] =
	HEAD "server one { hostname = \"l.test\" listen = { \"127.0.0.1:1 plain\" } auth { plaintext = yes }\n"
	     "    connect { default = allow  lists = { \"deny:list\" } } }\n" DELIVERY;

struct client {
	int fd;
	char replies[REPLIES_BYTES];
	size_t size;
	bool ended;
};

static const uint8_t secret[TLS_TICKET_SECRET_BYTES];
static struct served supervisors; /* what the supervisor serves */
static struct server_states *states;
static struct worker *worker;
static int sockets[SOCKETS]; /* by port; [0] is none */
static struct sockaddr_in addresses[SOCKETS];
static int channel;

/* --- the supervisor --- */

static void listen_at(int port)
{
	socklen_t size = sizeof addresses[port];
	addresses[port] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	sockets[port] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(sockets[port], (struct sockaddr *)&addresses[port], size), 0);
	assert_int_equal(listen(sockets[port], 16), 0);
	assert_int_equal(getsockname(sockets[port], (struct sockaddr *)&addresses[port], &size), 0);
}

static int port_of(const struct config_listener *listener)
{
	return ntohs(((const struct sockaddr_in *)&listener->address)->sin_port);
}

static struct config *parse(const char *text)
{
	struct config_problems problems = { 0 };
	struct config *config = config_parse(text, "test.conf", &problems);
	if (!config)
		fail_msg("%s", problems.list[0].text);
	return config;
}

static int in_memory(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static int rules_image(const struct config_server *server)
{
	struct policy policy;
	struct error error;
	assert_true(server_policy_make(&policy, server, &error));
	size_t size = policy_rules_image_bytes(&policy.connect);
	uint8_t *bytes = malloc(size);
	policy_rules_image_write(&policy.connect, bytes);
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(write(fd, bytes, size), size);
	free(bytes);
	policy_finish(&policy);
	return fd;
}

/* As the keeper does. */
static struct parcel keepers_parcel(const char *text, uint64_t generation)
{
	struct error error;
	struct config *config = parse(text);
	struct parcel parcel = { .kind = PARCEL_CONFIG, .generation = generation };
	parcel.fds = calloc(served_files(config, false), sizeof(int));
	parcel.fds[parcel.count++] = in_memory(text);
	parcel.fds[parcel.count++] = tls_contents_write(config, &error);
	for (size_t i = 0; i < config->server_count; i++)
		if (config->servers[i].connect.rules.file_count)
			parcel.fds[parcel.count++] = rules_image(&config->servers[i]);
	assert_int_equal(parcel.count, served_files(config, false));
	config_free(config);
	return parcel;
}

/* As the supervisor does. */
static void change_to(const char *text)
{
	struct error error = { "" };
	struct served next;
	struct parcel from = keepers_parcel(text, supervisors.generation + 1), parcel;
	assert_true(served_make(&next, &from, false, "test.conf", secret, &error));
	assert_true(served_go_on(&next, &supervisors, states, &error));
	size_t count = served_listeners(next.config);
	assert_true(served_pack(&next, &from, count, &parcel, &error));
	for (size_t i = 0; i < count; i++)
		if (served_listener_before(supervisors.config, next.config, i) < 0)
			parcel.fds[parcel.count++] = sockets[port_of(served_listener(next.config, i, NULL))];
	assert_true(parcel_send(channel, &parcel, &error));
	free(parcel.fds);
	parcel_finish(&from);
	served_finish(&supervisors);
	supervisors = next;
}

static bool worker_has_told(uint64_t *generation)
{
	return recv(channel, generation, sizeof *generation, MSG_DONTWAIT) == sizeof *generation;
}

/* --- the worker --- */

static void turn(void)
{
	struct error error;
	assert_true(worker_turn(worker, false, &error));
	usleep(TURN_US);
}

static void turn_until_told(uint64_t wanted)
{
	uint64_t generation = 0;
	for (unsigned turns = 0; turns < TURNS_MOST && !worker_has_told(&generation); turns++)
		turn();
	assert_int_equal(generation, wanted);
}

static int make_world(void **state)
{
	(void)state;
	int ends[2];
	struct error error = { "" };
	scratch_folder_enter();
	FILE *list = fopen("list", "w");
	assert_true(list && fputs("127.0.0.9\n", list) >= 0 && fclose(list) == 0);
	states = server_states_create(&error);
	assert_non_null(states);
	for (int port = 1; port < SOCKETS; port++)
		listen_at(port);
	assert_true(served_start(&supervisors, parse(first_text), secret, &error));
	assert_true(served_go_on(&supervisors, NULL, states, &error));
	/* As fork() would give it to the worker. */
	struct served copy;
	assert_true(served_start(&copy, parse(first_text), secret, &error));
	assert_true(server_block_share_clients(&copy.blocks[0], supervisors.blocks[0].clients_fd, &error));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	channel = ends[0];
	struct worker_settings settings = {
		.served = &copy,
		.takes_served = true,
		.states = states,
		.listen_fds = (int[]){ sockets[1], sockets[2] },
		.hasher_fd = -1,
		.channel_fd = ends[1],
		.lane_directory = "lane",
		.segment_bytes = 1024 * 1024,
	};
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_EPOLL }, &error);
	assert_non_null(loop);
	worker = worker_create(loop, &settings, &error);
	if (!worker)
		fail_msg("%s", error.text);
	return 0;
}

static int end_world(void **state)
{
	(void)state;
	worker_destroy(worker);
	served_finish(&supervisors);
	server_states_destroy(states);
	close(channel);
	for (int port = 1; port < SOCKETS; port++)
		close(sockets[port]); /* what the worker had it has closed itself: EBADF then */
	scratch_folder_leave();
	return 0;
}

/* --- clients --- */

static struct client client_connect(int port)
{
	struct client client = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert_int_equal(connect(client.fd, (struct sockaddr *)&addresses[port], sizeof addresses[port]), 0);
	return client;
}

static void client_read(struct client *client)
{
	ssize_t size = recv(client->fd, client->replies + client->size, sizeof client->replies - 1 - client->size,
			    MSG_DONTWAIT);
	if (size > 0)
		client->size += (size_t)size;
	else if (size == 0 || errno != EAGAIN)
		client->ended = true;
	client->replies[client->size] = 0;
}

/* Says that, and waits for this. */
static void talk(struct client *client, const char *say, const char *wanted)
{
	client->size = 0;
	client->replies[0] = 0;
	assert_int_equal(send(client->fd, say, strlen(say), MSG_NOSIGNAL), strlen(say));
	for (unsigned turns = 0; turns < TURNS_MOST && !strstr(client->replies, wanted) && !client->ended; turns++) {
		turn();
		client_read(client);
	}
	if (!strstr(client->replies, wanted))
		fail_msg("\"%s\" is not \"%s\"", client->replies, wanted);
}

static void leave(struct client *client)
{
	talk(client, "QUIT\r\n", "221");
	close(client->fd);
	for (unsigned turns = 0; turns < 20; turns++)
		turn();
}

static size_t generations(void)
{
	size_t count = 0;
	for (struct list *node = worker->generations.next; node != &worker->generations; node = node->next)
		count++;
	return count;
}

/* --- tests --- */

static void new_sessions_get_the_new_one_and_running_ones_keep_theirs(void **state)
{
	(void)state;
	struct client old = client_connect(1);
	talk(&old, "", "220 a.test");
	change_to(second_text);
	turn_until_told(2);
	assert_int_equal(generations(), 2);
	struct client young = client_connect(1);
	talk(&young, "", "220 b.test");
	talk(&young, "EHLO client.test\r\n", "SIZE 2097152");
	talk(&old, "EHLO client.test\r\n", "SIZE 1048576");
	assert_non_null(strstr(old.replies, "250-a.test"));
	leave(&old);
	assert_int_equal(generations(), 1);
	leave(&young);
}

static void listeners_come_go_and_go_on(void **state)
{
	(void)state;
	int on = sockets[1];
	struct client waiting = client_connect(2); /* who is there before the listener goes */
	change_to(second_text);
	turn_until_told(2);
	talk(&waiting, "", "220 two.test");
	leave(&waiting);
	struct client refused = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	close(sockets[2]); /* as the supervisor does */
	assert_int_equal(connect(refused.fd, (struct sockaddr *)&addresses[2], sizeof addresses[2]), -1);
	close(refused.fd);
	struct client three = client_connect(3), one = client_connect(1);
	talk(&three, "", "220 three.test");
	talk(&one, "", "220 b.test");
	assert_int_equal(on, sockets[1]);
	leave(&three);
	leave(&one);
	change_to(first_text);
	listen_at(2);
}

static void counts_and_pauses_go_on(void **state)
{
	(void)state;
	struct client first = client_connect(1), second = client_connect(1);
	talk(&first, "", "220 a.test");
	talk(&second, "", "220 a.test");
	assert_true(server_states_pause(states, supervisors.blocks[0].slot, true));
	change_to(second_text);
	turn_until_told(2);
	struct client third = client_connect(1);
	talk(&third, "", "421"); /* two of this address are there, and two are enough now */
	close(third.fd);
	leave(&first);
	struct client fourth = client_connect(1);
	talk(&fourth, "", "421 4.3.2"); /* paused as before */
	close(fourth.fd);
	assert_true(server_states_pause(states, supervisors.blocks[1].slot, false));
	struct client fifth = client_connect(1);
	talk(&fifth, "", "220 b.test");
	leave(&fifth);
	leave(&second);
	assert_int_equal(server_states_all_sessions(states, supervisors.blocks[1].slot), 0);
}

static void lists_come_as_images(void **state)
{
	(void)state;
	struct error error;
	change_to(listed_text);
	turn_until_told(2);
	struct client here = client_connect(1);
	talk(&here, "", "220 l.test");
	leave(&here);
	FILE *list = fopen("list", "w");
	assert_true(list && fputs("127.0.0.1\n", list) >= 0 && fclose(list) == 0);
	struct parcel parcel = { .kind = PARCEL_LISTS, .generation = 2, .count = 1, .fds = malloc(sizeof(int)) };
	parcel.fds[0] = rules_image(&supervisors.config->servers[0]);
	assert_true(parcel_send(channel, &parcel, &error));
	parcel.generation = 1; /* what is about another one changes nothing */
	assert_true(parcel_send(channel, &parcel, &error));
	parcel_finish(&parcel);
	for (unsigned turns = 0; turns < 20; turns++)
		turn();
	struct client refused = client_connect(1);
	talk(&refused, "", "554");
	close(refused.fd);
}

/* More sessions than are told so in one turn. */
static void sessions_of_too_old_ones_are_told_to_come_again(void **state)
{
	(void)state;
	enum { CLIENTS = LIMIT_RETIRED_SESSIONS + 10 };
	static struct client clients[CLIENTS];
	for (size_t i = 0; i < CLIENTS; i++) {
		clients[i] = client_connect(2);
		talk(&clients[i], "", "220 two.test");
	}
	for (uint64_t generation = 2; generation <= LIMIT_GENERATIONS; generation++) {
		struct client between = client_connect(2);
		talk(&between, "", "220 two.test");
		change_to(first_text);
		turn_until_told(generation);
		leave(&between);
		assert_int_equal(generations(), 2);
	}
	struct client held[LIMIT_GENERATIONS];
	for (size_t i = 0; i < LIMIT_GENERATIONS; i++) {
		held[i] = client_connect(2);
		talk(&held[i], "NOOP\r\n", "250");
		change_to(first_text);
		turn_until_told(LIMIT_GENERATIONS + 1 + i);
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		talk(&clients[i], "", "421 4.3.2");
		close(clients[i].fd);
	}
	for (size_t i = 0; i < LIMIT_GENERATIONS; i++) {
		if (i == 0)
			talk(&held[i], "", "421 4.3.2");
		else
			talk(&held[i], "NOOP\r\n", "250");
		close(held[i].fd);
	}
}

static void one_that_can_not_change_over_ends(void **state)
{
	(void)state;
	struct error error;
	struct client there = client_connect(1);
	talk(&there, "", "220 a.test");
	struct parcel parcel = keepers_parcel(second_text, 2);
	parcel.count--;
	assert_true(parcel_send(channel, &parcel, &error));
	parcel.count++;
	parcel_finish(&parcel);
	talk(&there, "", "421");
	close(there.fd);
	for (unsigned turns = 0; turns < TURNS_MOST && !worker_is_drained(worker); turns++)
		turn();
	assert_true(worker_is_drained(worker));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(new_sessions_get_the_new_one_and_running_ones_keep_theirs, make_world,
						end_world),
		cmocka_unit_test_setup_teardown(listeners_come_go_and_go_on, make_world, end_world),
		cmocka_unit_test_setup_teardown(counts_and_pauses_go_on, make_world, end_world),
		cmocka_unit_test_setup_teardown(lists_come_as_images, make_world, end_world),
		cmocka_unit_test_setup_teardown(sessions_of_too_old_ones_are_told_to_come_again, make_world, end_world),
		cmocka_unit_test_setup_teardown(one_that_can_not_change_over_ends, make_world, end_world),
	};
	assert_true(secret_setup());
	log_configure(LOG_ERROR + 1, STDERR_FILENO); /* one test has it say what it can't do */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
