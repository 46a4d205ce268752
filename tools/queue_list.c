/* `postern queue list` and `show`: reads the lanes' files as they are, without a lock, beside a running server. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/relay/line_ends.h"
#include "core/relay/recipients.h"
#include "core/spool/envelope.h"
#include "core/spool/spool.h"
#include "proto/base64.h"
#include "tools/command_queue.h"
#include "tools/lanes.h"

struct listing {
	const struct queue_request *request;
	int64_t now_unix_us;
	uint64_t count;
};

/* --- a message, as people see it --- */

struct view {
	const struct spool_message *message;
	struct envelope envelope;
	char id[SPOOL_ID_TEXT_BYTES];
	const char *state;
	struct slice first_recipient; /* that is not done, else the first */
	int64_t age_seconds;
};

static bool is_done(const struct spool_message *message, uint32_t recipient)
{
	return message->done_bits && (message->done_bits[recipient / 8] >> recipient % 8 & 1);
}

static struct slice pick_recipient(const struct view *view)
{
	struct envelope envelope = view->envelope;
	struct slice path, first = { 0 };
	for (uint32_t i = 0; envelope_next(&envelope, &path); i++) {
		if (!is_done(view->message, i))
			return path;
		if (i == 0)
			first = path;
	}
	return first;
}

/* What a worker says is held: what was told to be, and what no route delivers. */
static const char *judge_state(const struct view *view, const struct config *config)
{
	struct recipients_settings settings = { &config->routes, config->servers[0].hostname };
	if (view->message->held || recipients_are_held(&view->envelope, view->message->done_bits, &settings))
		return "held";
	return view->message->detail.size ? "deferred" : "waiting";
}

static bool look_at(struct view *view, const struct spool_message *message, const struct config *config,
		    int64_t now_unix_us)
{
	*view = (struct view){ .message = message };
	spool_id_format(message->id, view->id);
	if (!envelope_read(&view->envelope, message->envelope))
		return false;
	view->state = judge_state(view, config);
	view->first_recipient = pick_recipient(view);
	view->age_seconds = (now_unix_us - message->accepted_unix_us) / 1000000;
	return true;
}

static int64_t unix_us_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- text --- */

/* Nothing that a client sent can move the reader's cursor. */
static void print_plain(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		putchar(text.data[i] < ' ' || text.data[i] == 0x7f ? '?' : text.data[i]);
}

/* "<>" is the null reverse path. */
static void print_path(struct slice path)
{
	if (path.size == 0)
		fputs("<>", stdout);
	print_plain(path);
}

static void format_age(int64_t seconds, char *text, size_t capacity)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;
	while (i < 3 && seconds < 2 * units[i].seconds)
		i++;
	snprintf(text, capacity, "%lld%c", (long long)(seconds / units[i].seconds), units[i].unit);
}

static void print_line(const struct view *view)
{
	char age[24];
	format_age(view->age_seconds, age, sizeof age);
	printf("%s %10llu %5s  %-8s  ", view->id, (unsigned long long)view->message->size_bytes, age, view->state);
	print_path(view->envelope.reverse_path);
	fputs(" -> ", stdout);
	print_plain(view->first_recipient);
	if (view->envelope.recipients > 1)
		printf(" (+%u)", view->envelope.recipients - 1);
	putchar('\n');
}

static void print_field(const char *name, struct slice value)
{
	printf("%-10s ", name);
	print_plain(value);
	putchar('\n');
}

static void print_envelope(const struct view *view)
{
	char accepted[64], age[24];
	time_t second = (time_t)(view->message->accepted_unix_us / 1000000);
	struct tm utc;
	gmtime_r(&second, &utc);
	strftime(accepted, sizeof accepted, "%Y-%m-%dT%H:%M:%SZ", &utc);
	format_age(view->age_seconds, age, sizeof age);
	printf("%-10s %s\n%-10s %s\n%-10s %s (%s ago)\n%-10s %llu\n", "id", view->id, "state", view->state, "accepted",
	       accepted, age, "size", (unsigned long long)view->message->size_bytes);
	print_field("login", view->envelope.login);
	print_field("client", view->envelope.client);
	if (view->message->detail.size)
		print_field("reason", view->message->detail);
	printf("%-10s ", "sender");
	print_path(view->envelope.reverse_path);
	putchar('\n');
	struct envelope envelope = view->envelope;
	struct slice path;
	for (uint32_t i = 0; envelope_next(&envelope, &path); i++) {
		printf("%-10s ", "recipient");
		print_plain(path);
		puts(is_done(view->message, i) ? "  (done)" : "");
	}
	putchar('\n');
}

/* --- JSON --- */

/* JSON takes UTF-8 alone; a byte that isn't becomes a question mark. */
static json_t *json_plain(struct slice text)
{
	json_t *string = json_stringn((const char *)text.data, text.size);
	if (string || text.size == 0)
		return string ? string : json_string("");
	char *ascii = malloc(text.size);
	for (size_t i = 0; ascii && i < text.size; i++)
		ascii[i] = text.data[i] < 0x80 ? (char)text.data[i] : '?';
	string = ascii ? json_stringn(ascii, text.size) : NULL;
	free(ascii);
	return string;
}

static json_t *json_recipients(const struct view *view)
{
	json_t *list = json_array();
	struct envelope envelope = view->envelope;
	struct slice path;
	for (uint32_t i = 0; envelope_next(&envelope, &path); i++)
		json_array_append_new(
			list, json_pack("{s:o, s:b}", "address", json_plain(path), "done", is_done(view->message, i)));
	return list;
}

static json_t *json_view(const struct view *view)
{
	return json_pack("{s:s, s:i, s:I, s:f, s:I, s:s, s:o, s:o, s:o, s:o}", "id", view->id, "lane",
			 (int)queue_lane_of(view->message->id), "size", (json_int_t)view->message->size_bytes,
			 "accepted", (double)view->message->accepted_unix_us / 1e6, "age",
			 (json_int_t)view->age_seconds, "state", view->state, "login", json_plain(view->envelope.login),
			 "client", json_plain(view->envelope.client), "sender", json_plain(view->envelope.reverse_path),
			 "recipients", json_recipients(view));
}

static bool print_json(json_t *object)
{
	bool printed = object && json_dumpf(object, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
	json_decref(object);
	return printed;
}

/* --- list --- */

/* The first line is shown at once, however many follow; a reader who goes away ends it. */
static bool list_message(void *context, const struct spool_message *message)
{
	struct listing *listing = context;
	struct view view;
	if (!look_at(&view, message, listing->request->config, listing->now_unix_us)) {
		fprintf(stderr, "postern queue: %s has a damaged envelope\n", view.id);
		return true;
	}
	if (listing->request->json)
		print_json(json_view(&view));
	else
		print_line(&view);
	if (listing->count++ == 0)
		fflush(stdout);
	return !ferror(stdout);
}

int queue_list(const struct queue_request *request)
{
	unsigned lanes[LANES_MOST];
	size_t count;
	if (!lanes_find(request->lanes, lanes, &count))
		return EXIT_ENVIRONMENT;
	struct listing listing = { .request = request, .now_unix_us = unix_us_now() };
	bool done = true;
	for (size_t i = 0; i < count && !ferror(stdout); i++) {
		struct error error;
		char *directory = lanes_directory(request->lanes, lanes[i]);
		if (!spool_list(directory, list_message, &listing, &error)) {
			fprintf(stderr, "postern queue: %s\n", error.text);
			done = false;
		}
		free(directory);
	}
	if (done && listing.count == 0 && !request->json)
		fputs("no messages\n", stderr);
	return done && !ferror(stdout) ? EXIT_DONE : EXIT_NOT_DONE;
}

/* --- show --- */

static void print_text(const struct spool_copy *copy)
{
	uint8_t *text = malloc(copy->text_size + 1);
	if (!text)
		return;
	struct line_ends ends = { 0 };
	size_t size = line_ends_convert(&ends, slice_of(copy->text, copy->text_size), text);
	size += line_ends_finish(&ends, text + size);
	fwrite(text, 1, size, stdout);
	free(text);
}

/* "text" where it is UTF-8, else "text_base64". */
static bool add_text(json_t *object, const struct spool_copy *copy)
{
	json_t *text = json_stringn((const char *)copy->text, copy->text_size);
	if (text)
		return json_object_set_new(object, "text", text) == 0;
	size_t capacity = BASE64_ENCODED_BYTES(copy->text_size);
	char *encoded = malloc(capacity);
	struct buffer out;
	buffer_init(&out, encoded, capacity);
	bool added = encoded && base64_encode(&out, slice_of(copy->text, copy->text_size)) &&
		     json_object_set_new(object, "text_base64", json_stringn(encoded, out.size)) == 0;
	free(encoded);
	return added;
}

static bool print_message(const struct queue_request *request, const struct spool_copy *copy)
{
	struct view view;
	struct spool_message message = copy->message;
	message.envelope = slice_of(copy->envelope, copy->envelope_size);
	if (!look_at(&view, &message, request->config, unix_us_now())) {
		fprintf(stderr, "postern queue: %s has a damaged envelope\n", view.id);
		return false;
	}
	if (!request->json) {
		print_envelope(&view);
		print_text(copy);
		return !ferror(stdout);
	}
	json_t *object = json_view(&view);
	if (object && add_text(object, copy))
		return print_json(object);
	json_decref(object);
	return false;
}

int queue_show(const struct queue_request *request)
{
	struct error error;
	struct spool_copy copy = { 0 };
	char *directory = lanes_directory(request->lanes, queue_lane_of(request->ids[0]));
	bool shown = spool_copy_message(directory, request->ids[0], &copy, &error);
	free(directory);
	if (!shown) {
		fprintf(stderr, "postern queue: %s\n", error.text);
		return EXIT_NOT_DONE;
	}
	shown = print_message(request, &copy);
	free(copy.envelope);
	free(copy.text);
	return shown ? EXIT_DONE : EXIT_NOT_DONE;
}
