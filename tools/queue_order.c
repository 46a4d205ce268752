/* `postern queue release|hold|remove`: asks the worker that owns a lane, or does it itself where none runs. */
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/relay/queue.h"
#include "core/spool/spool.h"
#include "tools/command_queue.h"
#include "tools/control_client.h"
#include "tools/lanes.h"

/* One lane and whoever changes it. */
struct lane {
	const char *directory;
	unsigned number;
	struct control_client worker; /* that owns it, where one runs */
	struct loop *loop;
	struct queue *queue;
	struct spool *spool;
	uint64_t changed; /* by the order that ran last */
	bool is_done;
};

/* --- by the worker --- */

static bool connect_worker(struct lane *lane)
{
	return control_client_connect(&lane->worker, lane->directory) == CONTROL_CLIENT_OK;
}

static bool ask_worker(struct lane *lane, const char *order, uint64_t id, uint64_t *count)
{
	char text[SPOOL_ID_TEXT_BYTES] = "all";
	if (id)
		spool_id_format(id, text);
	json_t *request = json_pack("{s:s, s:s}", "order", order, "id", text);
	struct error error = { "the server's answer has no count" };
	json_t *answer = control_client_ask(&lane->worker, request, &error);
	json_t *number = json_object_get(answer, "count");
	bool right = json_is_integer(number);
	*count = right ? (uint64_t)json_integer_value(number) : 0;
	if (!right)
		fprintf(stderr, "postern queue: %s\n", error.text);
	json_decref(answer);
	return right;
}

/* --- without one --- */

/* What root makes in the lane must stay the server's. */
static bool become_owner(const char *directory)
{
	struct stat folder;
	if (geteuid() != 0 || stat(directory, &folder) != 0 || folder.st_uid == 0)
		return true;
	if (setgroups(0, NULL) == 0 && setgid(folder.st_gid) == 0 && setuid(folder.st_uid) == 0)
		return true;
	fprintf(stderr, "postern queue: %s: can't become its owner: %s\n", directory, strerror(errno));
	return false;
}

static bool open_lane(struct lane *lane, const struct queue_request *request)
{
	struct error error;
	struct loop_settings loop = { .kind = request->config->loop, .receive_buffers = 1 };
	struct queue_settings queue = {
		.routes = &request->config->routes,
		.hostname = request->config->servers[0].hostname,
		.orders_only = true,
	};
	struct spool_settings spool = { .directory = lane->directory, .lane = lane->number };
	if (!become_owner(lane->directory))
		return false;
	lane->loop = loop_create(&loop, &error);
	lane->queue = lane->loop ? queue_create(lane->loop, &queue, &error) : NULL;
	lane->spool =
		lane->queue ? spool_open(lane->loop, &spool, queue_recovered, queue_moved, lane->queue, &error) : NULL;
	if (lane->spool) {
		queue_start(lane->queue, lane->spool);
		return true;
	}
	fprintf(stderr, "postern queue: %s\n", error.text);
	return false;
}

static void order_done(void *context, uint64_t count)
{
	struct lane *lane = context;
	lane->changed = count;
	lane->is_done = true;
}

static bool do_order(struct lane *lane, const char *name, uint64_t id, uint64_t *count)
{
	enum queue_order order;
	struct error error;
	if (!queue_order_parse(slice_from_text(name), &order))
		return false;
	lane->is_done = false;
	uint64_t found = queue_order(lane->queue, order, id, order_done, lane);
	while (!lane->is_done) {
		if (!loop_turn(lane->loop, true, &error)) {
			fprintf(stderr, "postern queue: %s\n", error.text);
			exit(EXIT_NOT_DONE); /* the loop is broken and still has our operations */
		}
	}
	*count = lane->changed;
	if (lane->changed < found)
		fprintf(stderr, "postern queue: %s: the spool could not write for %llu messages\n", lane->directory,
			(unsigned long long)(found - lane->changed));
	return lane->changed == found;
}

static void close_lane(struct lane *lane)
{
	control_client_close(&lane->worker);
	if (lane->spool)
		spool_close(lane->spool);
	queue_destroy(lane->queue);
	if (lane->loop)
		loop_destroy(lane->loop);
}

/* --- both --- */

static bool order_one(struct lane *lane, const char *order, uint64_t id, uint64_t *total)
{
	uint64_t count = 0;
	if (!(lane->worker.answers ? ask_worker : do_order)(lane, order, id, &count))
		return false;
	*total += count;
	if (id == 0 || count > 0)
		return true;
	char text[SPOOL_ID_TEXT_BYTES];
	spool_id_format(id, text);
	fprintf(stderr, "postern queue: there is no message %s\n", text);
	return false;
}

/* All that the request wants of one lane. */
static bool order_lane(const struct queue_request *request, unsigned number, uint64_t *total)
{
	char *directory = lanes_directory(request->lanes, number);
	struct lane lane = { .directory = directory, .number = number };
	bool done = connect_worker(&lane) || open_lane(&lane, request);
	if (done && request->all)
		done = order_one(&lane, request->order, 0, total);
	bool usable = done;
	for (size_t i = 0; usable && i < request->id_count; i++)
		if (queue_lane_of(request->ids[i]) == number)
			done &= order_one(&lane, request->order, request->ids[i], total);
	close_lane(&lane);
	free(directory);
	return done;
}

static bool wants_lane(const struct queue_request *request, unsigned lane)
{
	for (size_t i = 0; i < request->id_count; i++)
		if (queue_lane_of(request->ids[i]) == lane)
			return true;
	return request->all;
}

static bool has_lane(const unsigned *lanes, size_t count, unsigned lane)
{
	for (size_t i = 0; i < count; i++)
		if (lanes[i] == lane)
			return true;
	return false;
}

static bool ids_have_lanes(const struct queue_request *request, const unsigned *lanes, size_t count)
{
	bool all = true;
	for (size_t i = 0; i < request->id_count; i++) {
		if (has_lane(lanes, count, queue_lane_of(request->ids[i])))
			continue;
		char text[SPOOL_ID_TEXT_BYTES];
		spool_id_format(request->ids[i], text);
		fprintf(stderr, "postern queue: there is no message %s\n", text);
		all = false;
	}
	return all;
}

int queue_give_order(const struct queue_request *request)
{
	unsigned lanes[LANES_MOST];
	size_t count;
	if (!lanes_find(request->lanes, lanes, &count))
		return EXIT_ENVIRONMENT;
	bool done = ids_have_lanes(request, lanes, count);
	uint64_t total = 0;
	for (size_t i = 0; i < count; i++)
		if (wants_lane(request, lanes[i]))
			done &= order_lane(request, lanes[i], &total);
	if (request->json)
		printf("{\"order\":\"%s\",\"count\":%llu}\n", request->order, (unsigned long long)total);
	else
		printf("%s: %llu %s\n", request->order, (unsigned long long)total, total == 1 ? "message" : "messages");
	return done ? EXIT_DONE : EXIT_NOT_DONE;
}
