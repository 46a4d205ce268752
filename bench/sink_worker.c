/* A process of the sink: accepts, feeds sessions, writes their replies; see sink_worker.h.
 *
 * What one event brings in is answered in one write. A connection that does not read its replies is not read from
 * until it does. */
#include "bench/sink_worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bench/sink_session.h"
#include "core/base/limits.h"
#include "core/io/stream.h"
#include "core/net/address.h"

enum {
	SINK_BACKLOG = 4096,
	SINK_READ_BYTES = 16 * 1024,  /* a full TLS record */
	SINK_GATHER_BYTES = 8 * 1024, /* replies of one write */
	SINK_ROOM_BYTES = 24 * 1024,  /* free output before more input is taken: the replies to SINK_READ_BYTES of
					  the shortest commands there are, NOOP or an envelope in one group */
	SINK_CONNECTIONS_A_SLAB = 64,
	SINK_ACCEPT_PAUSE_MS = 50, /* after an error, mostly of too many descriptors */
};

struct sink_worker;

struct sink_port {
	struct loop_op accept;
	struct timer pause;
	struct sink_worker *worker;
	int fd;
	bool tls;
};

struct sink_connection {
	struct stream stream;
	struct list link; /* worker->connections */
	struct sink_worker *worker;
	struct sink_session session;
};

struct sink_worker {
	const struct sink_settings *settings;
	struct loop *loop;
	struct stream_buffers buffers;
	struct pool pool; /* struct sink_connection */
	struct list connections;
	struct sink_port ports[OPTIONS_LISTENERS];
	struct loop_op signal;
	int signal_fd;
	bool ending;
	uint8_t input[SINK_READ_BYTES];
	uint8_t replies[SINK_GATHER_BYTES];
};

/* --- a connection --- */

/* False: the connection is being closed. */
static bool flush(struct sink_connection *connection, struct buffer *replies)
{
	bool good = replies->size == 0 || stream_write(&connection->stream, buffer_slice(replies));
	buffer_clear(replies);
	if (!good)
		stream_close(&connection->stream);
	return good;
}

/* True while there is more to be read. */
static bool act(struct sink_connection *connection, enum sink_action action, struct slice rest, struct buffer *replies)
{
	if (!flush(connection, replies))
		return false;
	if (action == SINK_CLOSE) {
		stream_finish(&connection->stream);
		return false;
	}
	if (action != SINK_START_TLS)
		return true;
	struct tls_session *tls = tls_accept_create(connection->worker->settings->tls);
	if (!tls || rest.size || !stream_start_tls(&connection->stream, tls)) {
		if (tls && rest.size)
			tls_session_destroy(tls);
		stream_close(&connection->stream);
	}
	return false;
}

static bool feed(struct sink_connection *connection, struct slice input, struct buffer *replies)
{
	enum sink_action action;
	do
		action = sink_session_feed(&connection->session, &input, replies);
	while (action == SINK_FULL && flush(connection, replies));
	return action != SINK_FULL && act(connection, action, input, replies);
}

static void serve(struct sink_connection *connection)
{
	struct sink_worker *worker = connection->worker;
	struct buffer replies;
	buffer_init(&replies, worker->replies, sizeof worker->replies);
	for (bool more = true; more;) {
		if (stream_room(&connection->stream) < SINK_ROOM_BYTES) {
			stream_pause(&connection->stream);
			return;
		}
		size_t got = stream_read(&connection->stream, worker->input, sizeof worker->input);
		more = got > 0 && feed(connection, slice_of(worker->input, got), &replies);
	}
}

static void greet(struct sink_connection *connection, bool starttls)
{
	uint8_t storage[SINK_REPLY_BYTES];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	sink_session_start(&connection->session, starttls, &out);
	flush(connection, &out);
}

static void forget(struct sink_connection *connection)
{
	list_remove(&connection->link);
	pool_give(&connection->worker->pool, connection);
}

static void on_stream(struct stream *stream, enum stream_event event)
{
	struct sink_connection *connection = CONTAINER_OF(stream, struct sink_connection, stream);
	switch (event) {
	case STREAM_OPEN:
		/* After STARTTLS the client speaks first. */
		if (!connection->session.greeted)
			greet(connection, false);
		break;
	case STREAM_READABLE:
		serve(connection);
		break;
	case STREAM_DRAINED:
		stream_resume(stream);
		break;
	case STREAM_ENDED:
	case STREAM_HUNG_UP:
	case STREAM_FAILED:
		stream_close(stream);
		break;
	case STREAM_CLOSED:
		forget(connection);
		break;
	}
}

/* --- accepting --- */

static void open_connection(struct sink_port *port, int fd)
{
	struct sink_worker *worker = port->worker;
	struct sink_connection *connection = pool_take(&worker->pool);
	struct tls_session *tls = port->tls && connection ? tls_accept_create(worker->settings->tls) : NULL;
	if (!connection || (port->tls && !tls)) {
		pool_give(&worker->pool, connection);
		loop_close(worker->loop, fd);
		return;
	}
	*connection = (struct sink_connection){ .worker = worker };
	list_append(&worker->connections, &connection->link);
	stream_init(&connection->stream, worker->loop, &worker->buffers, fd, on_stream);
	if (tls && !stream_start_tls(&connection->stream, tls)) {
		stream_close(&connection->stream);
		return;
	}
	stream_start(&connection->stream);
	if (!tls)
		greet(connection, worker->settings->tls != NULL);
}

static void on_accepted(struct loop_op *op, const struct loop_completion *completion)
{
	struct sink_port *port = CONTAINER_OF(op, struct sink_port, accept);
	if (completion->result >= 0 && port->worker->ending)
		loop_close(port->worker->loop, completion->result);
	else if (completion->result >= 0)
		open_connection(port, completion->result);
	if (!completion->more && !port->worker->ending)
		loop_timer_start(port->worker->loop, &port->pause, SINK_ACCEPT_PAUSE_MS);
}

static void accept_on(struct timer *timer)
{
	struct sink_port *port = CONTAINER_OF(timer, struct sink_port, pause);
	loop_accept(port->worker->loop, &port->accept, port->fd, on_accepted);
}

static void set(int fd, int level, int option)
{
	int on = 1;
	/* These can't fail on a TCP socket; the bind that follows would tell. */
	(void)setsockopt(fd, level, option, &on, sizeof on);
}

static bool open_port(struct sink_worker *worker, struct sink_port *port, const struct sink_listener *listener,
		      struct error *error)
{
	struct sockaddr_storage address;
	socklen_t size;
	*port = (struct sink_port){ .worker = worker, .fd = -1, .tls = listener->tls };
	loop_op_init(&port->accept);
	timer_init(&port->pause, accept_on);
	if (!net_address_parse_with_port(listener->text, &address, &size, error))
		return false;
	port->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port->fd < 0)
		return error_set_errno(error, errno, "%s", listener->text);
	set(port->fd, SOL_SOCKET, SO_REUSEADDR);
	if (worker->settings->share_ports)
		set(port->fd, SOL_SOCKET, SO_REUSEPORT);
	set(port->fd, IPPROTO_TCP, TCP_NODELAY);
	if (bind(port->fd, (struct sockaddr *)&address, size) != 0 || listen(port->fd, SINK_BACKLOG) != 0)
		return error_set_errno(error, errno, "%s", listener->text);
	accept_on(&port->pause);
	return true;
}

/* --- the end --- */

static void end(struct sink_worker *worker)
{
	worker->ending = true;
	for (size_t i = 0; i < worker->settings->listener_count; i++) {
		loop_timer_stop(worker->loop, &worker->ports[i].pause);
		loop_cancel(worker->loop, &worker->ports[i].accept);
	}
	for (struct list *link = worker->connections.next; link != &worker->connections; link = link->next)
		stream_close(&CONTAINER_OF(link, struct sink_connection, link)->stream);
}

static void on_signal(struct loop_op *op, const struct loop_completion *completion)
{
	(void)completion;
	end(CONTAINER_OF(op, struct sink_worker, signal));
}

static bool is_busy(const struct sink_worker *worker)
{
	bool busy = !worker->ending || !list_is_empty(&worker->connections);
	for (size_t i = 0; i < worker->settings->listener_count; i++)
		busy |= loop_op_is_running(&worker->ports[i].accept);
	return busy;
}

/* --- life --- */

static bool catch_signal(struct sink_worker *worker, struct error *error)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	worker->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (worker->signal_fd < 0)
		return error_set_errno(error, errno, "signalfd");
	loop_op_init(&worker->signal);
	loop_poll(worker->loop, &worker->signal, worker->signal_fd, POLLIN, on_signal);
	return true;
}

static bool set_up(struct sink_worker *worker, struct error *error)
{
	struct loop_settings settings = { .kind = (enum loop_kind)worker->settings->loop };
	worker->loop = loop_create(&settings, error);
	if (!worker->loop)
		return false;
	list_init(&worker->connections);
	stream_buffers_init(&worker->buffers, OPTIONS_CONNECTIONS_MOST);
	pool_init(&worker->pool, sizeof(struct sink_connection), SINK_CONNECTIONS_A_SLAB, OPTIONS_CONNECTIONS_MOST);
	for (size_t i = 0; i < worker->settings->listener_count; i++) {
		if (!open_port(worker, &worker->ports[i], &worker->settings->listeners[i], error))
			return false;
	}
	return catch_signal(worker, error);
}

static void tear_down(struct sink_worker *worker)
{
	for (size_t i = 0; i < worker->settings->listener_count; i++)
		loop_close(worker->loop, worker->ports[i].fd);
	loop_close(worker->loop, worker->signal_fd);
	pool_finish(&worker->pool);
	stream_buffers_finish(&worker->buffers);
	loop_destroy(worker->loop);
}

/* Where setting up failed the process ends, and all that it has with it. */
bool sink_worker_run(const struct sink_settings *settings, int ready_fd, struct error *error)
{
	static struct sink_worker worker;
	worker.settings = settings;
	if (!set_up(&worker, error))
		return false;
	if (write(ready_fd, "", 1) != 1)
		return error_set_errno(error, errno, "the sink's parent has gone");
	close(ready_fd);
	while (is_busy(&worker)) {
		if (!loop_turn(worker.loop, true, error))
			return false;
	}
	tear_down(&worker);
	return true;
}
