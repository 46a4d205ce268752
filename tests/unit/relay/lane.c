/* A lane for the relay's tests; see lane.h. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/relay/files.h"
#include "tests/unit/relay/lane.h"

enum { ENVELOPE_BYTES = 64 * 1024 };

static struct route routes[] = {
	{ (char *)"example.org", ROUTE_MAILDIR, (char *)"mail/%d/%u", "test.conf", 1 },
	{ (char *)".example.org", ROUTE_MAILDIR, (char *)"mail/%d/%u", "test.conf", 2 },
	{ (char *)"one.example", ROUTE_MAILDIR, (char *)"all", "test.conf", 3 },
	{ (char *)"hold.example", ROUTE_HOLD, NULL, "test.conf", 4 },
};
const struct route_table lane_routes = { routes, 4 };

static struct route hold_routes[] = { { (char *)"*", ROUTE_HOLD, NULL, "test.conf", 1 } };
const struct route_table lane_hold_routes = { hold_routes, 1 };

void lane_open(struct lane *lane, enum loop_kind kind, const struct route_table *table)
{
	struct error error = { "" };
	lane->kind = kind;
	lane->loop = files_loop(kind);
	lane->routes = *table;
	struct queue_settings settings = {
		.routes = &lane->routes,
		.hostname = "host.example.org",
		.orders_only = lane->orders_only,
	};
	lane->queue = queue_create(lane->loop, &settings, &error);
	assert_non_null(lane->queue);
	struct spool_settings spool = { .directory = "lane", .lane = 3, .segment_bytes = 4 * 1024 * 1024 };
	lane->spool = spool_open(lane->loop, &spool, queue_recovered, queue_moved, lane->queue, &error);
	if (!lane->spool)
		fail_msg("%s", error.text);
	queue_start(lane->queue, lane->spool);
}

void lane_close(struct lane *lane)
{
	while (!queue_stop(lane->queue))
		files_turn(lane->loop);
	spool_close(lane->spool);
	queue_destroy(lane->queue);
	loop_destroy(lane->loop);
}

static void durable(struct spool_entry *entry, enum spool_status status)
{
	struct lane_message *message = CONTAINER_OF(entry, struct lane_message, entry);
	assert_int_equal(status, SPOOL_OK);
	message->durable = true;
	if (!message->to_queue)
		return;
	queue_add(message->lane->queue,
		  &(struct spool_message){
			  .id = message->id,
			  .place = entry->place,
			  .envelope = slice_of(message->envelope, message->envelope_size),
			  .size_bytes = message->text_size,
			  .accepted_unix_us = message->accepted_unix_us,
			  .recipients = envelope_recipients(slice_of(message->envelope, message->envelope_size)),
			  .held = message->held,
			  .large = message->large,
		  });
}

static void write_envelope(struct lane_message *message, const char *recipients)
{
	struct buffer out;
	message->envelope = malloc(ENVELOPE_BYTES);
	assert_non_null(message->envelope);
	buffer_init(&out, message->envelope, ENVELOPE_BYTES);
	assert_true(envelope_begin(&out, 0, SLICE_LITERAL("demo"), SLICE_LITERAL("127.0.0.1"),
				   SLICE_LITERAL("sender@example.net")));
	uint16_t count = 0;
	for (struct slice rest = slice_from_text(recipients); rest.size; count++) {
		size_t end = slice_find(rest, ' ');
		assert_true(envelope_add_recipient(&out, slice_first(rest, end)));
		rest = slice_skip(rest, end < rest.size ? end + 1 : end);
	}
	envelope_finish(message->envelope, 0, count, message->accepted_unix_us);
	message->envelope_size = out.size;
}

void lane_start_message(struct lane *lane, struct lane_message *message, const char *recipients, struct slice text)
{
	message->lane = lane;
	if (message->id == 0)
		message->id = spool_new_id(lane->spool);
	if (message->accepted_unix_us == 0)
		message->accepted_unix_us = loop_now(lane->loop)->unix_us;
	message->text_size += text.size;
	write_envelope(message, recipients);
	message->parts[0] = (struct iovec){ message->envelope, message->envelope_size };
	message->parts[1] = (struct iovec){ (void *)text.data, text.size };
	spool_append_message(lane->spool, &message->entry, message->id, message->parts, 2,
			     (uint32_t)message->envelope_size, message->text_size, message->held, message->large,
			     durable);
}

void lane_free_message(struct lane_message *message)
{
	free(message->envelope);
}

static uint64_t submit(struct lane *lane, const char *recipients, const char *text, int64_t age_seconds)
{
	struct lane_message message = {
		.to_queue = true,
		.accepted_unix_us = loop_now(lane->loop)->unix_us - age_seconds * 1000000,
	};
	lane_start_message(lane, &message, recipients, slice_from_text(text));
	files_turn_until(lane->loop, &message.durable);
	lane_free_message(&message);
	return message.id;
}

uint64_t lane_submit(struct lane *lane, const char *recipients, const char *text)
{
	return submit(lane, recipients, text, 0);
}

uint64_t lane_submit_old(struct lane *lane, const char *recipients, int64_t age_seconds)
{
	return submit(lane, recipients, "Subject: old\r\n\r\nx\r\n", age_seconds);
}

struct queue_counts lane_counts(const struct lane *lane)
{
	struct queue_counts counts;
	queue_count(lane->queue, &counts);
	return counts;
}

void lane_settle(struct lane *lane)
{
	time_t deadline = time(NULL) + 120;
	while (lane->queue->state_counts[MESSAGE_READY] + lane->queue->state_counts[MESSAGE_DELIVERING] > 0) {
		files_turn(lane->loop);
		assert_true(time(NULL) < deadline);
	}
}

struct ordered {
	uint64_t count;
	bool done;
};

static void ordered(void *context, uint64_t count)
{
	struct ordered *result = context;
	result->count = count;
	result->done = true;
}

uint64_t lane_order(struct lane *lane, enum queue_order order, uint64_t id)
{
	struct ordered result = { 0 };
	queue_order(lane->queue, order, id, ordered, &result);
	assert_false(result.done);
	files_turn_until(lane->loop, &result.done);
	return result.count;
}

size_t lane_copies(const char *folder, uint64_t id)
{
	char text[SPOOL_ID_TEXT_BYTES];
	spool_id_format(id, text);
	DIR *directory = opendir(folder);
	size_t count = 0;
	if (!directory)
		return 0;
	for (struct dirent *entry; (entry = readdir(directory));)
		count += strstr(entry->d_name, text) != NULL;
	closedir(directory);
	return count;
}
