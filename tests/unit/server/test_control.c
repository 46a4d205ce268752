/* core/server/control: requests right and wrong, several at once, clients that go away, stopping in the middle. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/server/control.h"
#include "crypto/secret.h"
#include "tests/unit/relay/files.h"
#include "tests/unit/relay/lane.h"

enum { LINE_BYTES = 512 };

#define TEXT "Subject: test\r\n\r\nhello\r\n"

static enum loop_kind kind;

static struct config_listener listeners[] = { { .text = (char *)"127.0.0.1:25 plain" },
					      { .text = (char *)"[::1]:465 tls" } };
static struct config_server blocks[] = {
	{ .name = (char *)"first", .listeners = listeners, .listener_count = 2 },
	{ .name = (char *)"with \"quotes\"" },
};
static const struct config config = { .servers = blocks, .server_count = 2, .fingerprint = 0x12ab };
static struct server_states states;
static struct guard guard;
static const struct control_servers servers = { .config = &config, .states = &states, .guard = &guard };

struct fixture {
	struct lane lane;
	struct control *control;
};

static struct control *start(struct fixture *fixture, const char *directory, struct error *error)
{
	struct control_settings settings = {
		.queue = fixture->lane.queue,
		.servers = &servers,
		.directory = directory,
	};
	return control_start(fixture->lane.loop, &settings, error);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct error error = { "" };
	files_enter_folder();
	log_configure(LOG_ERROR, 2);
	assert_int_equal(mkdir("mail", 0700), 0);
	lane_open(&fixture->lane, kind, &lane_routes);
	memset(&states, 0, sizeof states);
	fixture->control = start(fixture, "lane", &error);
	if (!fixture->control)
		fail_msg("%s", error.text);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	control_stop(fixture->control);
	lane_close(&fixture->lane);
	free(fixture);
	files_leave_folder();
	return 0;
}

/* EAGAIN: more wait than the listener lets, until the loop has accepted some. */
static int connect_client(struct lane *lane)
{
	struct error error;
	int directory = open("lane", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	control_address(directory, &address);
	while (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
		assert_int_equal(errno, EAGAIN);
		assert_true(loop_turn(lane->loop, false, &error));
	}
	close(directory);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One line, or "" at the end of the connection. */
static void hear(struct lane *lane, int fd, char line[LINE_BYTES])
{
	struct error error;
	for (size_t size = 0;;) {
		ssize_t got = recv(fd, line + size, 1, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			assert_true(loop_turn(lane->loop, false, &error));
			continue;
		}
		if (got <= 0 || line[size] == '\n' || size == LINE_BYTES - 2) {
			line[size] = 0;
			return;
		}
		size++;
	}
}

static void assert_answer(struct lane *lane, int fd, const char *request, const char *answer)
{
	char line[LINE_BYTES];
	say(fd, request);
	hear(lane, fd, line);
	assert_string_equal(line, answer);
}

static void the_socket_is_for_its_owner(void **state)
{
	(void)state;
	struct stat status;
	assert_int_equal(stat("lane/control", &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void orders_are_answered_when_they_are_done(void **state)
{
	struct fixture *fixture = *state;
	struct lane *lane = &fixture->lane;
	char request[128], id[SPOOL_ID_TEXT_BYTES];
	spool_id_format(lane_submit(lane, "a@hold.example", TEXT), id);
	lane_submit(lane, "b@hold.example", TEXT);
	int fd = connect_client(&fixture->lane);
	assert_answer(lane, fd, "{\"order\":\"hold\",\"id\":\"all\"}\n", "{\"count\":0}");
	snprintf(request, sizeof request, "{\"id\":\"%s\",\"order\":\"remove\"}\n", id);
	assert_answer(lane, fd, request, "{\"count\":1}");
	assert_answer(lane, fd, request, "{\"count\":0}");
	assert_int_equal(lane_counts(lane).messages, 1);
	assert_answer(lane, fd, "{\"order\":\"release\",\"id\":\"all\"}\n", "{\"count\":1}");
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).held, 1);
	close(fd);
}

static void what_is_no_request_is_refused_and_closed(void **state)
{
	struct fixture *fixture = *state;
	static const char *const wrong[] = {
		"\n",
		"release all\n",
		"{}\n",
		"[]\n",
		"null\n",
		"{\"order\":\"release\"}\n",
		"{\"order\":\"explode\",\"id\":\"all\"}\n",
		"{\"order\":\"remove\",\"id\":\"\"}\n",
		"{\"order\":\"remove\",\"id\":\"0000000000000\"}\n", /* the number 0 must not mean all */
		"{\"order\":\"remove\",\"id\":0}\n",
		"{\"order\":\"remove\",\"id\":\"all\",\"more\":1}\n",
		"{\"order\":\"hold\",\"order\":\"remove\",\"id\":\"all\"}\n",
		"{\"order\":\"remove\",\"id\":\"all\"} x\n",
		"{\"order\":\"pause\"}\n",
		"{\"order\":\"pause\",\"server\":1}\n",
		"{\"order\":\"resume\",\"server\":\"first\",\"id\":\"all\"}\n",
		"{\"order\":\"servers\",\"server\":\"first\"}\n",
		"{\"order\":\"sign-ins\",\"id\":\"all\"}\n",
	};
	lane_submit(&fixture->lane, "a@hold.example", TEXT);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char line[LINE_BYTES];
		int fd = connect_client(&fixture->lane);
		assert_answer(&fixture->lane, fd, wrong[i], "{\"error\":\"not a request\"}");
		hear(&fixture->lane, fd, line);
		assert_string_equal(line, "");
		close(fd);
	}
	char request[LIMIT_CONTROL_LINE_BYTES + 2];
	memset(request, ' ', sizeof request - 1);
	request[sizeof request - 1] = 0;
	int fd = connect_client(&fixture->lane);
	assert_answer(&fixture->lane, fd, request, "{\"error\":\"the request is too long\"}");
	close(fd);
	assert_int_equal(lane_counts(&fixture->lane).messages, 1);
}

static void servers_are_paused_and_listed(void **state)
{
	struct fixture *fixture = *state;
	struct lane *lane = &fixture->lane;
	int fd = connect_client(lane);
	server_states_count(&states, 0, 0, 1);
	server_states_count(&states, 0, 0, 1);
	server_states_count(&states, 0, 0, -1);
	server_states_count(&states, 63, 0, 1);
	assert_answer(lane, fd, "{\"order\":\"pause\",\"server\":\"with \\\"quotes\\\"\"}\n",
		      "{\"server\":\"with \\\"quotes\\\"\",\"state\":\"paused\"}");
	assert_true(server_states_is_paused(&states, 1) && !server_states_is_paused(&states, 0));
	assert_answer(lane, fd, "{\"order\":\"servers\"}\n",
		      "{\"servers\":[{\"server\":\"first\",\"state\":\"open\",\"sessions\":2,\"listeners\":"
		      "[\"127.0.0.1:25 plain\",\"[::1]:465 tls\"]},"
		      "{\"server\":\"with \\\"quotes\\\"\",\"state\":\"paused\",\"sessions\":0,\"listeners\":[]}],"
		      "\"fingerprint\":\"00000000000012ab\"}");
	states.workers[0].sign_ins.hashed = 5;
	states.workers[63].sign_ins.hashed = 2;
	states.workers[63].sign_ins.waiting = 9;
	states.workers[0].sign_ins.left = 1;
	server_states_forget_worker(&states, 63);
	assert_answer(lane, fd, "{\"order\":\"sign-ins\"}\n",
		      "{\"remembered\":0,\"hashed\":7,\"refused\":0,\"left\":1,\"turned_away\":0,\"waiting\":0}");
	assert_int_equal(server_states_all_sessions(&states, 0), 1);
	for (int i = 0; i < 2; i++)
		assert_answer(lane, fd, "{\"server\":\"with \\\"quotes\\\"\",\"order\":\"resume\"}\n",
			      "{\"server\":\"with \\\"quotes\\\"\",\"state\":\"open\"}");
	assert_answer(lane, fd, "{\"order\":\"pause\",\"server\":\"First\"}\n",
		      "{\"error\":\"there is no server of that name\"}");
	close(fd);
}

static void a_ban_for_longer_than_can_be_counted_is_for_ever(void **state)
{
	struct lane *lane = &((struct fixture *)*state)->lane;
	static const struct guard_settings settings = { .ban_ms = 1 };
	char line[LINE_BYTES];
	void *memory = mmap(NULL, guard_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED && secret_setup() && guard_open(&guard, memory, &settings));
	int fd = connect_client(lane);
	/* In ms it is 384 more than 64 bits hold. */
	say(fd, "{\"order\":\"ban\",\"prefix\":\"192.0.2.1\",\"for_s\":18446744073709552}\n");
	hear(lane, fd, line);
	assert_non_null(strstr(line, "\"network\":\"192.0.2.1\""));
	assert_non_null(strstr(line, "\"until\":null"));
	close(fd);
	munmap(memory, guard_bytes());
	guard = (struct guard){ .memory = NULL };
}

static void requests_come_in_pieces_and_together(void **state)
{
	struct fixture *fixture = *state;
	struct error error;
	static const char request[] = "{\"order\":\"release\",\"id\":\"all\"}\n";
	char line[LINE_BYTES];
	int fd = connect_client(&fixture->lane);
	for (size_t i = 0; i < sizeof request - 1; i++) {
		say(fd, (char[]){ request[i], 0 });
		assert_true(loop_turn(fixture->lane.loop, false, &error));
	}
	hear(&fixture->lane, fd, line);
	assert_string_equal(line, "{\"count\":0}");
	say(fd, "{\"order\":\"release\",\"id\":\"all\"}\n{\"order\":\"hold\",\"id\":\"all\"}\n");
	for (int i = 0; i < 2; i++) {
		hear(&fixture->lane, fd, line);
		assert_string_equal(line, "{\"count\":0}");
	}
	close(fd);
}

static void connections_are_few_and_wait_for_each_other(void **state)
{
	struct fixture *fixture = *state;
	int fds[LIMIT_CONTROL_CONNECTIONS];
	char line[LINE_BYTES];
	for (size_t i = 0; i < 100; i++)
		lane_submit(&fixture->lane, "a@hold.example", TEXT);
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++) {
		fds[i] = connect_client(&fixture->lane);
		say(fds[i],
		    i % 2 ? "{\"order\":\"release\",\"id\":\"all\"}\n" : "{\"order\":\"hold\",\"id\":\"all\"}\n");
	}
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++) {
		hear(&fixture->lane, fds[i], line);
		assert_true(strncmp(line, "{\"count\":", 9) == 0);
	}
	int one_more = connect_client(&fixture->lane);
	hear(&fixture->lane, one_more, line);
	assert_string_equal(line, "");
	close(one_more);
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++)
		close(fds[i]);
	lane_settle(&fixture->lane);
	assert_int_equal(lane_counts(&fixture->lane).held, 100);
}

static void a_client_that_goes_away_harms_nobody(void **state)
{
	struct fixture *fixture = *state;
	for (size_t i = 0; i < 100; i++)
		lane_submit(&fixture->lane, "a@hold.example", TEXT);
	for (int i = 0; i < 20; i++) {
		int gone = connect_client(&fixture->lane);
		say(gone, i % 2 ? "{\"order\":\"release\",\"id\":\"all\"}\n" : "{\"ord");
		close(gone);
	}
	/* The last ones find all places taken until the first have ended. */
	char line[LINE_BYTES] = "";
	for (int tries = 0; !line[0] && tries < 1000; tries++) {
		static const char request[] = "{\"order\":\"remove\",\"id\":\"all\"}\n";
		int fd = connect_client(&fixture->lane);
		if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0)
			hear(&fixture->lane, fd, line);
		close(fd);
	}
	assert_true(strncmp(line, "{\"count\":", 9) == 0);
	lane_settle(&fixture->lane);
	assert_int_equal(lane_counts(&fixture->lane).messages, 0);
}

static void stopping_waits_for_the_order(void **state)
{
	struct fixture *fixture = *state;
	struct error error;
	for (size_t i = 0; i < 100; i++)
		lane_submit(&fixture->lane, "a@hold.example", TEXT);
	int silent = connect_client(&fixture->lane), ordering = connect_client(&fixture->lane),
	    queued = connect_client(&fixture->lane);
	say(ordering, "{\"order\":\"remove\",\"id\":\"all\"}\n");
	while (!queue_has_order(fixture->lane.queue))
		assert_true(loop_turn(fixture->lane.loop, false, &error));
	say(queued, "{\"order\":\"hold\",\"id\":\"all\"}\n");
	control_stop(fixture->control);
	fixture->control = NULL;
	assert_false(queue_has_order(fixture->lane.queue));
	assert_int_equal(lane_counts(&fixture->lane).messages, 0);
	assert_int_equal(access("lane/control", F_OK), -1);
	close(silent);
	close(ordering);
	close(queued);
}

static void a_dead_process_socket_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	struct error error;
	control_stop(fixture->control);
	files_write("lane/control", "", 0);
	fixture->control = start(fixture, "lane", &error);
	assert_non_null(fixture->control);
	int fd = connect_client(&fixture->lane);
	assert_answer(&fixture->lane, fd, "{\"order\":\"hold\",\"id\":\"all\"}\n", "{\"count\":0}");
	close(fd);
	assert_null(start(fixture, "nowhere", &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_socket_is_for_its_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(orders_are_answered_when_they_are_done, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_request_is_refused_and_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(servers_are_paused_and_listed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_ban_for_longer_than_can_be_counted_is_for_ever, set_up, tear_down),
		cmocka_unit_test_setup_teardown(requests_come_in_pieces_and_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections_are_few_and_wait_for_each_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_that_goes_away_harms_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stopping_waits_for_the_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dead_process_socket_is_replaced, set_up, tear_down),
	};
	files_drop_root();
	kind = LOOP_EPOLL;
	int failed = cmocka_run_group_tests_name("control on epoll", tests, NULL, NULL);
	kind = LOOP_AUTO;
	return failed + cmocka_run_group_tests_name("control on io_uring, where there is one", tests, NULL, NULL);
}
