/* A worker's listeners: accepting, and changing over to another configuration's; see worker_parts.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/server/session.h"
#include "core/server/worker_parts.h"

enum { ACCEPT_AGAIN_MS = 100 };

/* --- accepting --- */

static void accepted(struct loop_op *op, const struct loop_completion *completion);

static void start_accepting(struct listener *listener)
{
	if (!listener->worker->draining && !listener->closing)
		loop_accept(listener->worker->loop, &listener->accept, listener->fd, accepted);
}

static void accept_again(struct timer *timer)
{
	start_accepting(CONTAINER_OF(timer, struct listener, again));
}

/* One line a pause, not one a connection: descriptors run out under load, when lines are dear. */
static void pause_accepting(struct listener *listener, int result)
{
	if (result != -ECANCELED)
		log_message(LOG_WARN, "accept-failed",
			    "%s; trying again in %d ms (is the limit of open files high enough?)", strerror(-result),
			    ACCEPT_AGAIN_MS);
	loop_timer_start(listener->worker->loop, &listener->again, ACCEPT_AGAIN_MS);
}

static void take(struct listener *listener, int fd)
{
	if (listener->worker->draining)
		loop_close(listener->worker->loop, fd);
	else
		session_create(listener, fd);
}

static void destroy(struct listener *listener)
{
	loop_timer_stop(listener->worker->loop, &listener->again);
	list_remove(&listener->link);
	generation_leave(listener->generation);
	free(listener);
}

/* Who has connected before it closes is served. */
static void finish_closing(struct listener *listener)
{
	int fd;
	while ((fd = loop_accept_waiting(listener->worker->loop, listener->fd)) >= 0)
		take(listener, fd);
	loop_close(listener->worker->loop, listener->fd);
	destroy(listener);
}

static void accepted(struct loop_op *op, const struct loop_completion *completion)
{
	struct listener *listener = CONTAINER_OF(op, struct listener, accept);
	if (completion->result >= 0)
		take(listener, completion->result);
	if (completion->more)
		return;
	if (listener->closing)
		finish_closing(listener);
	else if (completion->result < 0)
		pause_accepting(listener, completion->result);
	else
		start_accepting(listener);
}

static void begin_closing(struct listener *listener)
{
	struct loop *loop = listener->worker->loop;
	listener->closing = true;
	if (loop_op_is_running(&listener->accept))
		loop_cancel(loop, &listener->accept);
	else
		finish_closing(listener);
}

/* --- making them --- */

static struct listener *make(struct worker *worker)
{
	struct listener *listener = calloc(1, sizeof *listener);
	if (!listener)
		return NULL;
	listener->worker = worker;
	listener->fd = -1;
	loop_op_init(&listener->accept);
	timer_init(&listener->again, accept_again);
	list_init(&listener->link);
	return listener;
}

/* It is the generation's from now on. */
static void serve(struct listener *listener, struct generation *generation, size_t number)
{
	size_t block;
	const struct config_listener *config = served_listener(generation_config(generation), number, &block);
	if (listener->generation)
		generation_leave(listener->generation);
	generation_hold(generation);
	listener->generation = generation;
	listener->server = &generation->served.blocks[block];
	listener->mode = config->mode;
	listener->number = number;
}

static void begin(struct worker *worker, struct listener *listener, int fd)
{
	listener->fd = fd;
	list_append(&worker->listeners, &listener->link);
	start_accepting(listener);
}

bool worker_open_listeners(struct worker *worker, const int *fds, struct error *error)
{
	size_t count = served_listeners(generation_config(worker->present));
	for (size_t i = 0; i < count; i++) {
		struct listener *listener = make(worker);
		if (!listener)
			return error_set(error, "no memory for listeners");
		serve(listener, worker->present, i);
		begin(worker, listener, fds[i]);
	}
	return true;
}

/* --- changing over --- */

static struct listener *find(const struct worker *worker, const struct generation *generation, size_t number)
{
	for (struct list *node = worker->listeners.next; node != &worker->listeners; node = node->next) {
		struct listener *listener = CONTAINER_OF(node, struct listener, link);
		if (listener->generation == generation && listener->number == number && !listener->closing)
			return listener;
	}
	return NULL;
}

/* One for each of the new generation: those that go on, and new ones that have no socket yet. */
static bool gather(struct worker *worker, const struct generation *generation, struct listener **all, size_t count)
{
	const struct config *before = generation_config(worker->present), *config = generation_config(generation);
	for (size_t i = 0; i < count; i++) {
		int same = served_listener_before(before, config, i);
		all[i] = same >= 0 ? find(worker, worker->present, (size_t)same) : make(worker);
		if (!all[i])
			return false;
	}
	return true;
}

static void close_others(struct worker *worker, const struct generation *generation)
{
	for (struct list *node = worker->listeners.next, *next; node != &worker->listeners; node = next) {
		struct listener *listener = CONTAINER_OF(node, struct listener, link);
		next = node->next;
		if (listener->generation != generation && !listener->closing)
			begin_closing(listener);
	}
}

static void change(struct worker *worker, struct generation *generation, struct listener *const *all, size_t count,
		   struct parcel *parcel, uint32_t first)
{
	for (size_t i = 0; i < count; i++) {
		bool is_new = all[i]->fd < 0;
		serve(all[i], generation, i);
		if (is_new)
			begin(worker, all[i], parcel_take(parcel, first++));
	}
	close_others(worker, generation);
}

bool worker_change_listeners(struct worker *worker, struct generation *generation, struct parcel *parcel,
			     struct error *error)
{
	size_t count = served_listeners(generation_config(generation)), new_ones = 0;
	uint32_t first = served_files(generation_config(generation), true);
	struct listener **all = calloc(count ? count : 1, sizeof(struct listener *));
	bool good = all && gather(worker, generation, all, count);
	for (size_t i = 0; good && i < count; i++)
		new_ones += all[i]->fd < 0;
	good = good && parcel->count == first + new_ones;
	if (good)
		change(worker, generation, all, count, parcel, first);
	for (size_t i = 0; !good && all && i < count; i++)
		if (all[i] && all[i]->fd < 0)
			free(all[i]);
	free(all);
	return good || error_set(error, "no memory for listeners");
}

/* --- the end --- */

void worker_stop_accepting(struct worker *worker)
{
	for (struct list *node = worker->listeners.next; node != &worker->listeners; node = node->next) {
		struct listener *listener = CONTAINER_OF(node, struct listener, link);
		loop_cancel(worker->loop, &listener->accept);
		loop_timer_stop(worker->loop, &listener->again);
	}
}

bool worker_is_accepting(const struct worker *worker)
{
	for (struct list *node = worker->listeners.next; node != &worker->listeners; node = node->next)
		if (loop_op_is_running(&CONTAINER_OF(node, struct listener, link)->accept))
			return true;
	return false;
}

void worker_free_listeners(struct worker *worker)
{
	struct list *node;
	while ((node = list_first(&worker->listeners)))
		destroy(CONTAINER_OF(node, struct listener, link));
}
