/* core/relay: the queue with a real spool, real Maildirs and both loops. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "tests/unit/relay/files.h"
#include "tests/unit/relay/lane.h"

#define TEXT "Subject: test\r\n\r\nhello\r\n"

static enum loop_kind kind;

static int set_up(void **state)
{
	struct lane *lane = calloc(1, sizeof *lane);
	files_enter_folder();
	log_configure(LOG_DEBUG, open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	assert_int_equal(mkdir("mail", 0700), 0);
	lane_open(lane, kind, &lane_routes);
	*state = lane;
	return 0;
}

static int tear_down(void **state)
{
	lane_close(*state);
	free(*state);
	log_configure(LOG_INFO, 2);
	files_leave_folder();
	return 0;
}

static void reopen(struct lane *lane, const struct route_table *routes)
{
	lane_close(lane);
	lane_open(lane, kind, routes);
}

static void assert_content(const char *folder, const char *expected)
{
	char path[512];
	size_t size;
	files_only(folder, path);
	char *bytes = files_read(path, &size);
	assert_string_equal(bytes, expected);
	free(bytes);
}

/* How many lines of the log have all of these in them. */
static size_t logged(const char *event, const char *detail)
{
	size_t size, count = 0;
	char *bytes = files_read("log", &size), *rest = bytes, *line;
	while ((line = strsep(&rest, "\n")))
		count += strstr(line, event) && strstr(line, detail);
	free(bytes);
	return count;
}

static void one_recipient_is_delivered(void **state)
{
	struct lane *lane = *state;
	uint64_t id = lane_submit(lane, "Ann@Example.Org", TEXT);
	lane_settle(lane);
	assert_content("mail/example.org/ann/new", "Return-Path: <sender@example.net>\nDelivered-To: Ann@Example.Org\n"
						   "Subject: test\n\nhello\n");
	assert_int_equal(lane_copies("mail/example.org/ann/new", id), 1);
	struct queue_counts counts = lane_counts(lane);
	assert_int_equal(counts.messages, 0);
	assert_int_equal(counts.delivered, 1);
	assert_int_equal(logged(" delivered ", "recipient=Ann@Example.Org route=test.conf:1 delay_ms="), 1);
	/* Nothing is left to be recovered. */
	reopen(lane, &lane_routes);
	assert_int_equal(lane_counts(lane).messages, 0);
}

static int64_t logged_number(const char *key)
{
	size_t size;
	char *bytes = files_read("log", &size), *at = strstr(bytes, key);
	assert_non_null(at);
	int64_t number = strtoll(at + strlen(key), NULL, 10);
	free(bytes);
	return number;
}

/* To the millisecond, however late in its second the message was accepted. */
static void the_delay_is_since_it_was_accepted(void **state)
{
	struct lane *lane = *state;
	int64_t second = loop_now(lane->loop)->unix_us / 1000000;
	struct lane_message message = { .to_queue = true, .accepted_unix_us = second * 1000000 - 1 };
	lane_start_message(lane, &message, "ann@example.org", slice_from_text(TEXT));
	files_turn_until(lane->loop, &message.durable);
	lane_settle(lane);
	int64_t most_ms = (loop_now(lane->loop)->unix_us - message.accepted_unix_us) / 1000;
	assert_in_range(logged_number(" delay_ms="), 0, most_ms);
	lane_free_message(&message);
}

static void many_recipients_each_get_theirs(void **state)
{
	struct lane *lane = *state;
	lane_submit(lane, "a@example.org b@example.org a@sub.example.org postmaster \"c,d\"@example.org", TEXT);
	lane_settle(lane);
	static const char *const folders[] = { "mail/example.org/a/new", "mail/example.org/b/new",
					       "mail/sub.example.org/a/new", "mail/host.example.org/postmaster/new",
					       "mail/example.org/c,d/new" };
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(files_count(folders[i], NULL), 1);
	assert_int_equal(lane_counts(lane).messages, 0);
	assert_int_equal(lane_counts(lane).delivered, 5);
}

static void recipients_of_one_maildir_share_a_copy(void **state)
{
	struct lane *lane = *state;
	lane_submit(lane, "x@one.example a@example.org y@one.example A@EXAMPLE.ORG z@one.example", TEXT);
	lane_settle(lane);
	assert_content("all/new", "Return-Path: <sender@example.net>\nDelivered-To: x@one.example\n"
				  "Delivered-To: y@one.example\nDelivered-To: z@one.example\nSubject: test\n\nhello\n");
	assert_content("mail/example.org/a/new", "Return-Path: <sender@example.net>\nDelivered-To: a@example.org\n"
						 "Delivered-To: A@EXAMPLE.ORG\nSubject: test\n\nhello\n");
	assert_int_equal(lane_counts(lane).messages, 0);
	assert_int_equal(lane_counts(lane).delivered, 5);
}

static void a_thousand_recipients(void **state)
{
	struct lane *lane = *state;
	enum { RECIPIENTS = 1000, MAILDIRS = 50 };
	static char recipients[RECIPIENTS * 32];
	struct buffer out;
	buffer_init(&out, recipients, sizeof recipients - 1);
	for (int i = 0; i < RECIPIENTS; i++)
		buffer_append_format(&out, "%su%d@example.org", i ? " " : "", i % MAILDIRS);
	recipients[out.size] = 0;
	lane_submit(lane, recipients, TEXT);
	lane_settle(lane);
	assert_int_equal(files_count("mail/example.org", NULL), MAILDIRS);
	assert_int_equal(lane_counts(lane).delivered, RECIPIENTS);
	assert_int_equal(lane_counts(lane).messages, 0);
}

static void unsafe_names_and_unknown_domains_are_kept_not_delivered(void **state)
{
	struct lane *lane = *state;
	lane_submit(lane, "\"../../x\"@example.org", TEXT);
	lane_submit(lane, "a/b@example.org", TEXT);
	lane_submit(lane, "\".hidden\"@example.org good@example.org", TEXT);
	lane_submit(lane, "a@nowhere.example b@example.org", TEXT);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).held, 4);
	assert_int_equal(lane_counts(lane).delivered, 2);
	assert_int_equal(lane_counts(lane).failed, 4);
	assert_int_equal(files_count(".", NULL), 3); /* lane, mail, log */
	assert_int_equal(files_count("mail", NULL), 1);
	assert_int_equal(files_count("mail/example.org", NULL), 2);
	assert_int_equal(logged(" failed ", "reason="), 4);
	/* Who was delivered is not delivered again. */
	reopen(lane, &lane_routes);
	assert_int_equal(lane_order(lane, QUEUE_RELEASE, 0), 4);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).held, 4);
	assert_int_equal(lane_counts(lane).delivered, 0);
}

static void a_refusing_folder_defers_until_it_is_right(void **state)
{
	struct lane *lane = *state;
	assert_int_equal(chmod("mail", 0500), 0);
	uint64_t id = lane_submit(lane, "a@example.org x@one.example", TEXT);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).waiting, 1);
	assert_int_equal(lane_counts(lane).delivered, 1);
	assert_int_equal(lane_counts(lane).deferred, 1);
	assert_int_equal(logged(" deferred ", "recipient=a@example.org route=test.conf:1"), 1);
	assert_int_equal(logged(" deferred ", "reason=\"folder: Permission denied\""), 1);

	/* Its time comes: still refused, now for the second time. */
	struct queue_message *message = queue_find(lane->queue, id);
	assert_true(message->due_ms > loop_now(lane->loop)->monotonic_ns / CLOCK_NS_PER_MS + 59000);
	message->due_ms = 1;
	loop_timer_start(lane->loop, &lane->queue->retry, 0);
	while (lane_counts(lane).deferred < 2)
		files_turn(lane->loop);
	lane_settle(lane);

	assert_int_equal(chmod("mail", 0700), 0);
	assert_int_equal(unlink("log"), 0);
	log_configure(LOG_DEBUG, open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	reopen(lane, &lane_routes);
	lane_settle(lane);
	assert_int_equal(lane_copies("mail/example.org/a/new", id), 1);
	assert_int_equal(lane_copies("all/new", id), 1);
	assert_int_equal(lane_counts(lane).delivered, 1);
	assert_int_equal(lane_counts(lane).messages, 0);
	assert_int_equal(logged(" delivered ", "recipient=x@one.example"), 0);
}

static void a_missing_base_defers(void **state)
{
	struct lane *lane = *state;
	assert_int_equal(rmdir("mail"), 0);
	lane_submit(lane, "a@example.org", TEXT);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).deferred, 1);
	assert_int_equal(files_count("mail", NULL), 0);
	assert_int_equal(mkdir("mail", 0700), 0);
	assert_int_equal(lane_order(lane, QUEUE_RELEASE, 0), 1);
	lane_settle(lane);
	assert_int_equal(files_count("mail/example.org/a/new", NULL), 1);
}

static void five_days_are_enough(void **state)
{
	struct lane *lane = *state;
	enum { HOUR = 3600 };
	assert_int_equal(chmod("mail", 0500), 0);
	lane_submit_old(lane, "a@example.org", 119 * HOUR);
	lane_submit_old(lane, "b@example.org", 121 * HOUR);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).waiting, 1);
	assert_int_equal(lane_counts(lane).held, 1);
	assert_int_equal(lane_counts(lane).failed, 1);
	assert_int_equal(logged(" failed ", "recipient=b@example.org"), 1);
	reopen(lane, &lane_routes);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).held, 1);
	assert_int_equal(chmod("mail", 0700), 0);
	assert_int_equal(lane_order(lane, QUEUE_RELEASE, 0), 2);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).messages, 0);
}

static void what_routes_hold_waits_for_release_and_another_route(void **state)
{
	struct lane *lane = *state;
	uint64_t held = lane_submit(lane, "a@hold.example b@hold.example", TEXT);
	uint64_t mixed = lane_submit(lane, "a@hold.example b@example.org", TEXT);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).held, 2);
	assert_int_equal(lane_copies("mail/example.org/b/new", mixed), 1);
	assert_int_equal(logged(" held ", "recipient=a@hold.example route=test.conf:4"), 1);
	assert_true(queue_would_hold(lane->queue, SLICE_LITERAL("HOLD.example")));
	assert_true(queue_would_hold(lane->queue, SLICE_LITERAL("nowhere.example")));
	assert_false(queue_would_hold(lane->queue, SLICE_LITERAL("example.org")));

	/* The route still says hold. */
	assert_int_equal(lane_order(lane, QUEUE_RELEASE, held), 1);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).held, 2);
	assert_int_equal(logged(" held ", "recipient=b@hold.example route=test.conf:4"), 1);

	/* Another one does not, but a record says so: it stays. What is only held by its route goes. */
	static struct route route = { (char *)"*", ROUTE_MAILDIR, (char *)"mail/%d/%u", "test.conf", 9 };
	static const struct route_table everything = { &route, 1 };
	reopen(lane, &everything);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).held, 2);
	assert_int_equal(lane_order(lane, QUEUE_RELEASE, 0), 2);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).messages, 0);
	assert_int_equal(lane_copies("mail/hold.example/a/new", held), 1);
	assert_int_equal(lane_copies("mail/hold.example/b/new", held), 1);
	assert_int_equal(lane_copies("mail/hold.example/a/new", mixed), 1);
	assert_int_equal(lane_copies("mail/example.org/b/new", mixed), 1);
}

static void orders_hold_and_remove(void **state)
{
	struct lane *lane = *state;
	assert_int_equal(chmod("mail", 0500), 0);
	uint64_t ids[4];
	for (size_t i = 0; i < 4; i++)
		ids[i] = lane_submit(lane, "a@example.org", TEXT);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).waiting, 4);
	assert_int_equal(lane_order(lane, QUEUE_HOLD, 12345), 0);
	assert_int_equal(lane_order(lane, QUEUE_HOLD, ids[0]), 1);
	assert_int_equal(lane_order(lane, QUEUE_HOLD, ids[0]), 1);
	assert_int_equal(lane_counts(lane).held, 1);
	assert_int_equal(lane_order(lane, QUEUE_REMOVE, ids[1]), 1);
	assert_int_equal(lane_order(lane, QUEUE_REMOVE, ids[1]), 0);
	assert_int_equal(lane_counts(lane).messages, 3);
	reopen(lane, &lane_routes);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).held, 1);
	assert_int_equal(lane_counts(lane).waiting, 2);
	assert_int_equal(lane_order(lane, QUEUE_HOLD, 0), 2);
	assert_int_equal(lane_counts(lane).held, 3);
	assert_int_equal(lane_order(lane, QUEUE_REMOVE, 0), 3);
	assert_int_equal(lane_counts(lane).messages, 0);
	assert_int_equal(lane_order(lane, QUEUE_REMOVE, 0), 0);
	reopen(lane, &lane_routes);
	assert_int_equal(lane_counts(lane).messages, 0);
}

/* An order that comes while deliveries run gets what they leave, and each message is as ordered or delivered. */
static void orders_meet_running_deliveries(void **state)
{
	struct lane *lane = *state;
	enum { MESSAGES = 200 };
	static struct lane_message messages[MESSAGES];
	for (size_t i = 0; i < MESSAGES; i++) {
		messages[i] = (struct lane_message){ .to_queue = true };
		lane_start_message(lane, &messages[i], "a@example.org b@example.org", SLICE_LITERAL(TEXT));
	}
	while (lane_counts(lane).delivering < 10)
		files_turn(lane->loop);
	uint64_t removed = lane_order(lane, QUEUE_REMOVE, 0);
	lane_settle(lane);
	for (size_t i = 0; i < MESSAGES; i++) {
		files_turn_until(lane->loop, &messages[i].durable);
		lane_free_message(&messages[i]);
	}
	lane_settle(lane);
	assert_true(removed > 0);
	assert_int_equal(lane_counts(lane).messages, 0);
	assert_true(files_count("mail/example.org/b/new", NULL) + removed >= MESSAGES);
	reopen(lane, &lane_routes);
	assert_int_equal(lane_counts(lane).messages, 0);
}

/* Without deliveries, as the command line opens it. */
/* What the spool knows to be held is not in memory until an order is given, also to many, and while others come. */
static void what_sleeps_in_the_spool_is_woken_by_orders(void **state)
{
	struct lane *lane = *state;
	enum { MESSAGES = 1500 };
	static struct lane_message messages[MESSAGES];
	for (size_t i = 0; i < MESSAGES; i++) {
		messages[i] = (struct lane_message){ .to_queue = true, .held = true };
		lane_start_message(lane, &messages[i], "a@example.org", SLICE_LITERAL(TEXT));
	}
	for (size_t i = 0; i < MESSAGES; i++) {
		files_turn_until(lane->loop, &messages[i].durable);
		lane_free_message(&messages[i]);
	}
	assert_int_equal(lane_counts(lane).held, MESSAGES);
	assert_int_equal(lane->queue->by_id.size, 0);
	reopen(lane, &lane_routes);
	assert_int_equal(lane_counts(lane).messages, MESSAGES);
	assert_int_equal(lane->queue->by_id.size, 0);

	assert_int_equal(lane_order(lane, QUEUE_HOLD, messages[0].id), 1);
	assert_int_equal(lane->queue->by_id.size, 0);
	assert_int_equal(lane_order(lane, QUEUE_REMOVE, messages[1].id), 1);
	assert_int_equal(lane_order(lane, QUEUE_RELEASE, messages[2].id), 1);
	lane_settle(lane);
	assert_int_equal(lane_copies("mail/example.org/a/new", messages[2].id), 1);
	assert_int_equal(lane_counts(lane).held, MESSAGES - 2);

	static struct lane_message later = { .to_queue = true,
					     .held = true,
					     .accepted_unix_us = INT64_C(1600000000000000) };
	lane_start_message(lane, &later, "b@example.org", SLICE_LITERAL(TEXT));
	assert_true(lane_order(lane, QUEUE_RELEASE, 0) >= MESSAGES - 2);
	files_turn_until(lane->loop, &later.durable);
	lane_free_message(&later);
	lane_order(lane, QUEUE_RELEASE, 0);
	lane_settle(lane);
	assert_int_equal(lane_counts(lane).messages, 0);
	assert_int_equal(files_count("mail/example.org/a/new", NULL), MESSAGES - 1);
	/* The name has the time of the envelope, as it had if the first try was before it slept. */
	char name[256];
	assert_int_equal(files_count("mail/example.org/b/new", name), 1);
	assert_memory_equal(name, "1600000000.", strlen("1600000000."));
}

static void orders_only(void **state)
{
	struct lane *lane = *state;
	lane->orders_only = true;
	reopen(lane, &lane_routes);
	uint64_t id = lane_submit(lane, "a@example.org", TEXT);
	assert_int_equal(lane_order(lane, QUEUE_HOLD, 0), 1);
	assert_int_equal(lane_order(lane, QUEUE_RELEASE, id), 1);
	assert_int_equal(files_count("mail", NULL), 0);
	lane->orders_only = false;
	reopen(lane, &lane_routes);
	lane_settle(lane);
	assert_int_equal(files_count("mail/example.org/a/new", NULL), 1);
}

static void stopping_lets_deliveries_end_and_keeps_the_rest(void **state)
{
	struct lane *lane = *state;
	enum { MESSAGES = 300 };
	static struct lane_message messages[MESSAGES];
	for (size_t i = 0; i < MESSAGES; i++) {
		messages[i] = (struct lane_message){ .to_queue = true };
		lane_start_message(lane, &messages[i], "a@example.org b@example.org", SLICE_LITERAL(TEXT));
	}
	for (size_t i = 0; i < MESSAGES; i++)
		files_turn_until(lane->loop, &messages[i].durable);
	reopen(lane, &lane_routes);
	lane_settle(lane);
	for (size_t i = 0; i < MESSAGES; i++) {
		assert_int_equal(lane_copies("mail/example.org/a/new", messages[i].id), 1);
		assert_int_equal(lane_copies("mail/example.org/b/new", messages[i].id), 1);
		lane_free_message(&messages[i]);
	}
}

struct large_step {
	struct spool_large large;
	bool done;
};

static void large_step_done(struct spool_large *large, enum spool_status status)
{
	assert_int_equal(status, SPOOL_OK);
	CONTAINER_OF(large, struct large_step, large)->done = true;
}

static void await_large(struct lane *lane, struct large_step *step)
{
	files_turn_until(lane->loop, &step->done);
	step->done = false;
}

static void large_messages_come_from_their_files(void **state)
{
	struct lane *lane = *state;
	enum { LINES = 20000 };
	static const char line[] = "0123456789 and so on until the line is long enough\r\n";
	struct lane_message message = { .id = spool_new_id(lane->spool), .large = true, .to_queue = true };
	struct large_step step = { .done = false };
	struct iovec parts[100];
	for (size_t i = 0; i < 100; i++)
		parts[i] = (struct iovec){ (void *)line, sizeof line - 1 };
	spool_large_open(lane->spool, &step.large, message.id, large_step_done);
	await_large(lane, &step);
	for (size_t i = 0; i < LINES / 100; i++) {
		spool_large_write(&step.large, parts, 100, large_step_done);
		await_large(lane, &step);
	}
	spool_large_finish(&step.large, large_step_done);
	await_large(lane, &step);
	message.text_size = LINES * (sizeof line - 1);
	lane_start_message(lane, &message, "a@example.org b@example.org", SLICE_LITERAL("Subject: large\r\n\r\n"));
	files_turn_until(lane->loop, &message.durable);
	lane_settle(lane);
	lane_free_message(&message);
	static const char *const folders[] = { "mail/example.org/a/new", "mail/example.org/b/new" };
	for (size_t i = 0; i < 2; i++) {
		char path[512];
		size_t size;
		files_only(folders[i], path);
		char *bytes = files_read(path, &size);
		assert_int_equal(size, strlen("Return-Path: <sender@example.net>\nDelivered-To: a@example.org\n"
					      "Subject: large\n\n") +
					       LINES * (sizeof line - 2));
		assert_memory_equal(bytes + size - 7, "enough\n", 7);
		free(bytes);
	}
	reopen(lane, &lane_routes);
	assert_int_equal(files_count("lane/large", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_recipient_is_delivered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_delay_is_since_it_was_accepted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_recipients_each_get_theirs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(recipients_of_one_maildir_share_a_copy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_thousand_recipients, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unsafe_names_and_unknown_domains_are_kept_not_delivered, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_refusing_folder_defers_until_it_is_right, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_base_defers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(five_days_are_enough, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_routes_hold_waits_for_release_and_another_route, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(orders_hold_and_remove, set_up, tear_down),
		cmocka_unit_test_setup_teardown(orders_meet_running_deliveries, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_sleeps_in_the_spool_is_woken_by_orders, set_up, tear_down),
		cmocka_unit_test_setup_teardown(orders_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stopping_lets_deliveries_end_and_keeps_the_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large_messages_come_from_their_files, set_up, tear_down),
	};
	files_drop_root();
	kind = LOOP_EPOLL;
	int failed = cmocka_run_group_tests_name("queue on epoll", tests, NULL, NULL);
	kind = LOOP_AUTO;
	return failed + cmocka_run_group_tests_name("queue on io_uring, where there is one", tests, NULL, NULL);
}
