/* A worker's control socket; see control.h.
 *
 * A connection reads one request, has it done, sends the answer, and reads the next. An order to the queue waits for its turn
 * first. A connection has one operation and one timer; while an order runs it has neither and so can't go away. */
#include "core/server/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/server/control_request.h"

enum { AGAIN_MS = 100 };

static const char socket_name[] = "control";

enum connection_state {
	CONNECTION_FREE,
	CONNECTION_READING,
	CONNECTION_QUEUED, /* its order waits for its turn */
	CONNECTION_ORDERED,
	CONNECTION_ANSWERING,
	CONNECTION_CLOSING, /* when the operation that runs has ended */
};

struct connection {
	struct list link; /* control->queued */
	struct control *control;
	struct loop_op op;
	struct timer deadline;
	struct buffer input;
	struct buffer answer; /* a short one */
	char *long_answer;    /* malloc'ed, until it is sent */
	struct control_request request;
	int fd;
	uint8_t state;         /* enum connection_state */
	bool close_after_send; /* what it sent can't be read any further */
	uint8_t input_storage[LIMIT_CONTROL_LINE_BYTES];
	uint8_t answer_storage[128];
};

struct control {
	struct loop *loop;
	struct queue *queue;
	const struct control_servers *servers;
	struct loop_op accept;
	struct loop_op folder; /* to open it, to remove the socket */
	struct timer again;    /* accepting failed, or somebody else's order runs */
	struct list queued;    /* connections */
	struct connection *ordered;
	int directory_fd;
	int listen_fd;
	bool stopping;
	struct connection connections[LIMIT_CONTROL_CONNECTIONS];
};

static void go_on(struct connection *connection);

/* --- connections --- */

static void close_connection(struct connection *connection)
{
	struct control *control = connection->control;
	loop_timer_stop(control->loop, &connection->deadline);
	list_remove(&connection->link);
	if (loop_op_is_running(&connection->op)) {
		connection->state = CONNECTION_CLOSING;
		loop_cancel(control->loop, &connection->op);
		return;
	}
	loop_close(control->loop, connection->fd);
	connection->state = CONNECTION_FREE;
}

static void expired(struct timer *timer)
{
	close_connection(CONTAINER_OF(timer, struct connection, deadline));
}

static void sent(struct loop_op *op, const struct loop_completion *completion)
{
	struct connection *connection = CONTAINER_OF(op, struct connection, op);
	free(connection->long_answer);
	connection->long_answer = NULL;
	bool over = connection->state == CONNECTION_CLOSING || connection->close_after_send ||
		    connection->control->stopping || completion->result < 0;
	if (over)
		close_connection(connection);
	else
		go_on(connection);
}

static void answer(struct connection *connection, struct slice line)
{
	struct loop *loop = connection->control->loop;
	connection->state = CONNECTION_ANSWERING;
	loop_timer_start(loop, &connection->deadline, LIMIT_CONTROL_MS);
	loop_send(loop, &connection->op, connection->fd, line, sent);
}

static void answer_error(struct connection *connection, const char *error)
{
	buffer_clear(&connection->answer);
	buffer_append_format(&connection->answer, "{\"error\":\"%s\"}\n", error);
	connection->close_after_send = true;
	answer(connection, buffer_slice(&connection->answer));
}

static void start_orders(struct control *control);

static void ordered(void *context, uint64_t count)
{
	struct control *control = context;
	struct connection *connection = control->ordered;
	control->ordered = NULL;
	buffer_clear(&connection->answer);
	buffer_append_format(&connection->answer, "{\"count\":%llu}\n", (unsigned long long)count);
	answer(connection, buffer_slice(&connection->answer));
	start_orders(control);
}

static void start_orders(struct control *control)
{
	if (control->ordered || control->stopping || list_is_empty(&control->queued))
		return;
	if (queue_has_order(control->queue)) {
		loop_timer_start(control->loop, &control->again, AGAIN_MS);
		return;
	}
	struct list *first = list_take_first(&control->queued);
	struct connection *connection = CONTAINER_OF(first, struct connection, link);
	connection->state = CONNECTION_ORDERED;
	control->ordered = connection;
	queue_order(control->queue, connection->request.order, connection->request.id, ordered, control);
}

static void do_at_once(struct connection *connection)
{
	connection->long_answer = control_request_do(&connection->request, connection->control->servers,
						     loop_now(connection->control->loop)->unix_us / 1000);
	if (connection->long_answer)
		answer(connection, slice_from_text(connection->long_answer));
	else
		answer_error(connection, "no memory for the answer");
}

static void take_request(struct connection *connection, struct slice line)
{
	struct control *control = connection->control;
	const char *fault = control_request_parse(line, control->servers, &connection->request);
	if (fault) {
		answer_error(connection, fault);
		return;
	}
	if (connection->request.kind != CONTROL_QUEUE) {
		do_at_once(connection);
		return;
	}
	loop_timer_stop(control->loop, &connection->deadline);
	connection->state = CONNECTION_QUEUED;
	list_append(&control->queued, &connection->link);
	start_orders(control);
}

static void received(struct loop_op *op, const struct loop_completion *completion)
{
	struct connection *connection = CONTAINER_OF(op, struct connection, op);
	if (connection->state == CONNECTION_CLOSING || completion->result <= 0)
		close_connection(connection);
	else if (!buffer_append(&connection->input, completion->bytes))
		answer_error(connection, "the request is too long");
	else
		go_on(connection);
}

/* The next request, from what is here or from the peer. */
static void go_on(struct connection *connection)
{
	struct loop *loop = connection->control->loop;
	struct slice input = buffer_slice(&connection->input);
	size_t line = slice_find(input, '\n');
	if (line < input.size) {
		uint8_t copy[LIMIT_CONTROL_LINE_BYTES];
		memcpy(copy, input.data, line);
		buffer_consume(&connection->input, line + 1);
		take_request(connection, slice_of(copy, line));
		return;
	}
	if (connection->state != CONNECTION_READING)
		loop_timer_start(loop, &connection->deadline, LIMIT_CONTROL_MS);
	connection->state = CONNECTION_READING;
	loop_receive(loop, &connection->op, connection->fd, received);
}

/* --- the listener --- */

static void accept_connection(struct control *control, int fd)
{
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++) {
		struct connection *connection = &control->connections[i];
		if (connection->state != CONNECTION_FREE)
			continue;
		connection->fd = fd;
		connection->close_after_send = false;
		buffer_clear(&connection->input);
		go_on(connection);
		return;
	}
	loop_close(control->loop, fd);
}

static void start_accepting(struct control *control);

static void accepted(struct loop_op *op, const struct loop_completion *completion)
{
	struct control *control = CONTAINER_OF(op, struct control, accept);
	if (completion->result >= 0 && control->stopping)
		loop_close(control->loop, completion->result);
	else if (completion->result >= 0)
		accept_connection(control, completion->result);
	if (!completion->more && !control->stopping)
		loop_timer_start(control->loop, &control->again, AGAIN_MS);
}

static void start_accepting(struct control *control)
{
	if (!loop_op_is_running(&control->accept))
		loop_accept(control->loop, &control->accept, control->listen_fd, accepted);
}

static void again(struct timer *timer)
{
	struct control *control = CONTAINER_OF(timer, struct control, again);
	start_accepting(control);
	start_orders(control);
}

/* --- life --- */

void control_address(int directory_fd, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", directory_fd, socket_name);
}

static bool open_socket(struct control *control, const char *directory, struct error *error)
{
	struct loop *loop = control->loop;
	loop_open(loop, &control->folder, AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0, NULL);
	control->directory_fd = loop_await(loop, &control->folder);
	if (control->directory_fd < 0)
		return error_set_errno(error, control->directory_fd, "can't open the folder %s", directory);
	control->listen_fd = loop_listen_local(loop, control->directory_fd, socket_name, LIMIT_CONTROL_CONNECTIONS);
	return control->listen_fd >= 0 ||
	       error_set_errno(error, control->listen_fd, "%s: can't make the control socket", directory);
}

static void destroy(struct control *control)
{
	if (control->listen_fd >= 0)
		loop_close(control->loop, control->listen_fd);
	if (control->directory_fd >= 0)
		loop_close(control->loop, control->directory_fd);
	free(control);
}

struct control *control_start(struct loop *loop, const struct control_settings *settings, struct error *error)
{
	struct control *control = calloc(1, sizeof *control);
	if (!control) {
		error_set(error, "no memory for the control socket");
		return NULL;
	}
	control->loop = loop;
	control->queue = settings->queue;
	control->servers = settings->servers;
	control->listen_fd = control->directory_fd = -1;
	loop_op_init(&control->accept);
	loop_op_init(&control->folder);
	timer_init(&control->again, again);
	list_init(&control->queued);
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++) {
		struct connection *connection = &control->connections[i];
		connection->control = control;
		list_init(&connection->link);
		loop_op_init(&connection->op);
		timer_init(&connection->deadline, expired);
		buffer_init(&connection->input, connection->input_storage, sizeof connection->input_storage);
		buffer_init(&connection->answer, connection->answer_storage, sizeof connection->answer_storage);
	}
	if (!open_socket(control, settings->directory, error)) {
		destroy(control);
		return NULL;
	}
	start_accepting(control);
	return control;
}

static bool is_running(const struct control *control)
{
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++)
		if (control->connections[i].state != CONNECTION_FREE)
			return true;
	return loop_op_is_running(&control->accept) || loop_op_is_running(&control->folder);
}

void control_stop(struct control *control)
{
	if (!control)
		return;
	control->stopping = true;
	loop_unlink(control->loop, &control->folder, control->directory_fd, socket_name, NULL);
	loop_timer_stop(control->loop, &control->again);
	loop_cancel(control->loop, &control->accept);
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++) {
		uint8_t state = control->connections[i].state;
		if (state == CONNECTION_READING || state == CONNECTION_QUEUED)
			close_connection(&control->connections[i]);
	}
	struct error error;
	while (is_running(control)) {
		if (!loop_turn(control->loop, true, &error)) {
			log_message(LOG_ERROR, "control", "%s", error.text);
			return; /* the loop is broken and may still point here: the process ends */
		}
	}
	loop_timer_stop(control->loop, &control->again);
	destroy(control);
}
