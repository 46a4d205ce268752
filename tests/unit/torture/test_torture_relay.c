/* core/relay when memory runs out: a message that is durable is delivered or stays in the queue, no order is said to be done that
 * is not, and nothing waits for ever. On epoll, in a folder in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/relay/queue_state.h"
#include "core/server/control.h"
#include "core/spool/envelope.h"
#include "crypto/secret.h"
#include "tests/unit/torture/scratch_folder.h"
#include "tests/unit/torture/torture.h"

enum { MESSAGES = 4, TURNS_MOST = 400 };

static struct route routes[] = {
	{ (char *)"example.org", ROUTE_MAILDIR, (char *)"mail/%d/%u", "test.conf", 1 },
	{ (char *)"hold.example", ROUTE_HOLD, NULL, "test.conf", 2 },
};
/* For what is asked of the control socket about servers. */
static struct config_listener listener = { .text = (char *)"127.0.0.1:25 plain" };
static struct config_server server = { .name = (char *)"a", .listeners = &listener, .listener_count = 1 };
static const struct config config = { .servers = &server, .server_count = 1 };
static struct server_states states;
static const struct control_servers servers = { .config = &config, .states = &states };

static const struct route_table table = { routes, 2 };

/* Who gets what: two in one envelope, one alone, one held, and one of each. */
static const char *const recipients[MESSAGES][3] = {
	{ "a@example.org", "b@example.org" },
	{ "c@example.org" },
	{ "x@hold.example" },
	{ "d@example.org", "y@hold.example" },
};
static const char *const folders[] = { "a", "b", "c", "d" };
static const size_t copies_of[] = { 0, 0, 1, 3 }; /* whose message each folder gets */

struct message {
	struct spool_entry entry;
	struct iovec parts[2];
	uint8_t envelope[256];
	size_t envelope_size;
	uint64_t id;
	bool waits, durable, removed;
};

static struct loop *loop;
static struct queue *queue;
static struct spool *spool;
static struct control *control;
static struct message messages[MESSAGES];
static char text[] = "Subject: x\r\n\r\nHello\r\n";

static void turn(bool wait)
{
	struct error error;
	assert_true(loop_turn(loop, wait, &error));
}

static bool open_lane(void)
{
	struct error error = { "" };
	struct queue_settings settings = { .routes = &table, .hostname = "host.example.org" };
	struct spool_settings lane = { .directory = "lane", .lane = 3, .segment_bytes = 1024 * 1024 };
	loop = loop_create(&(struct loop_settings){ .kind = LOOP_EPOLL }, &error);
	queue = loop ? queue_create(loop, &settings, &error) : NULL;
	spool = queue ? spool_open(loop, &lane, queue_recovered, queue_moved, queue, &error) : NULL;
	if (spool) {
		queue_start(queue, spool);
		struct control_settings here = { .queue = queue, .servers = &servers, .directory = "lane" };
		control = control_start(loop, &here, &error);
		assert_true(control || (torture_has_failed() && error.text[0]));
		return true;
	}
	assert_true(torture_has_failed() && error.text[0]);
	queue_destroy(queue);
	loop_destroy(loop);
	return false;
}

static void close_lane(void)
{
	control_stop(control);
	for (unsigned turns = 0; !queue_stop(queue); turns++) {
		assert_true(turns < TURNS_MOST);
		turn(true);
	}
	spool_close(spool);
	queue_destroy(queue);
	loop_destroy(loop);
}

/* --- work --- */

static void stored(struct spool_entry *entry, enum spool_status status)
{
	struct message *message = CONTAINER_OF(entry, struct message, entry);
	message->waits = false;
	message->durable = status == SPOOL_OK;
	if (message->durable)
		queue_add(queue, &(struct spool_message){
					 .id = message->id,
					 .place = entry->place,
					 .envelope = slice_of(message->envelope, message->envelope_size),
					 .size_bytes = sizeof text - 1,
					 .accepted_unix_us = loop_now(loop)->unix_us,
					 .recipients = envelope_recipients(
						 slice_of(message->envelope, message->envelope_size)),
				 });
}

static void submit(struct message *message, const char *const *addresses)
{
	struct buffer out;
	uint16_t count = 0;
	buffer_init(&out, message->envelope, sizeof message->envelope);
	assert_true(
		envelope_begin(&out, 0, SLICE_LITERAL("demo"), SLICE_LITERAL("::1"), SLICE_LITERAL("s@example.net")));
	for (; addresses[count]; count++)
		assert_true(envelope_add_recipient(&out, slice_from_text(addresses[count])));
	message->id = spool_new_id(spool);
	envelope_finish(message->envelope, 0, count, loop_now(loop)->unix_us);
	message->envelope_size = out.size;
	message->parts[0] = (struct iovec){ message->envelope, out.size };
	message->parts[1] = (struct iovec){ text, sizeof text - 1 };
	message->waits = true;
	spool_append_message(spool, &message->entry, message->id, message->parts, 2, (uint32_t)out.size,
			     sizeof text - 1, false, false, stored);
	for (unsigned turns = 0; message->waits; turns++) {
		assert_true(turns < TURNS_MOST);
		turn(true);
	}
}

/* Until nothing is delivered or about to be. With memory short for good that may be never. */
static void settle(void)
{
	for (unsigned turns = 0; turns < TURNS_MOST; turns++) {
		if (queue->state_counts[MESSAGE_READY] + queue->state_counts[MESSAGE_DELIVERING] == 0)
			return;
		turn(false);
		usleep(100);
	}
	assert_true(torture_has_failed());
}

static bool order_is_done;
static uint64_t ordered_count;

static void ordered(void *context, uint64_t count)
{
	(void)context;
	order_is_done = true;
	ordered_count = count;
}

static uint64_t order(enum queue_order what, uint64_t id)
{
	order_is_done = false;
	queue_order(queue, what, id, ordered, NULL);
	for (unsigned turns = 0; !order_is_done; turns++) {
		assert_true(turns < TURNS_MOST);
		turn(true);
	}
	return ordered_count;
}

/* A person's order over the socket: an answer, or the end of the connection, or none before memory is tried again. */
static void ask(const char *request)
{
	struct sockaddr_un address;
	char answer[256];
	int folder = open("lane", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(folder >= 0 && fd >= 0);
	control_address(folder, &address);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	ssize_t got = -1;
	for (unsigned turns = 0; got < 0 && turns < TURNS_MOST; turns++) {
		turn(false);
		got = read(fd, answer, sizeof answer);
	}
	assert_true(got > 0 || torture_has_failed());
	close(fd);
	close(folder);
}

static void live(void *context)
{
	(void)context;
	if (!open_lane())
		return;
	for (size_t i = 0; i < MESSAGES; i++)
		submit(&messages[i], recipients[i]);
	settle();
	order(QUEUE_RELEASE, 0);
	settle();
	if (control)
		ask("{\"order\":\"hold\",\"id\":\"all\"}\n");
	if (control)
		ask("{\"order\":\"servers\"}\n");
	if (messages[2].durable)
		messages[2].removed = order(QUEUE_REMOVE, messages[2].id) == 1;
	close_lane();
	if (!open_lane())
		return;
	settle();
	close_lane();
}

/* --- what must hold --- */

static void prepare(void *context)
{
	(void)context;
	memset(messages, 0, sizeof messages);
	scratch_folder_enter();
	assert_int_equal(mkdir("mail", 0700), 0);
}

static size_t count_copies(const char *folder, uint64_t id)
{
	char path[128], name[SPOOL_ID_TEXT_BYTES];
	size_t count = 0;
	spool_id_format(id, name);
	snprintf(path, sizeof path, "mail/example.org/%s/new", folder);
	DIR *directory = opendir(path);
	for (struct dirent *entry; directory && (entry = readdir(directory));)
		count += strstr(entry->d_name, name) != NULL;
	if (directory)
		closedir(directory);
	return count;
}

static void look(void *context)
{
	(void)context;
	assert_true(open_lane());
	order(QUEUE_RELEASE, 0);
	settle();
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		const struct message *message = &messages[copies_of[i]];
		if (message->durable)
			assert_int_equal(count_copies(folders[i], message->id), 1);
	}
	const struct message *held = &messages[2];
	if (held->durable)
		assert_int_equal(queue_find(queue, held->id) == NULL, held->removed);
	if (messages[3].durable)
		assert_non_null(queue_find(queue, messages[3].id));
	close_lane();
	scratch_folder_leave();
}

static void durable_messages_are_delivered_or_kept(void **state)
{
	(void)state;
	torture_run(&(struct torture){ .before = prepare, .scenario = live, .after = look });
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(durable_messages_are_delivered_or_kept) };
	assert_true(secret_setup());
	log_configure(getenv("TORTURE_LOG") ? LOG_DEBUG : LOG_ERROR + 1, 2);
	alarm(280);
	return cmocka_run_group_tests_name("torture relay", tests, NULL, NULL);
}
