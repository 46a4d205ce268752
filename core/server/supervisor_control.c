/* The supervisor's control socket; see supervisor_control.h. */
#include "core/server/supervisor_control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/server/control.h"

static const char socket_name[] = "control";

struct connection {
	int fd;           /* -1: free */
	uint64_t awaited; /* the number of the order that it waits for; 0: none yet */
	uint64_t ends_ms; /* while it waits for nothing but the peer */
	char *answer;     /* malloc'ed, with its end; NULL: not known yet */
	size_t sent;
	size_t used;
	char input[LIMIT_CONTROL_LINE_BYTES];
};

struct supervisor_control {
	int directory_fd;
	int listen_fd;
	struct connection connections[LIMIT_CONTROL_CONNECTIONS];
};

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / CLOCK_NS_PER_MS;
}

static void end(struct connection *connection)
{
	close(connection->fd);
	free(connection->answer);
	*connection = (struct connection){ .fd = -1 };
}

/* --- life --- */

/* Is somebody there, if only with a full queue? What is left of a server that was killed refuses. */
static bool answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool there =
		fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN);
	if (fd >= 0)
		close(fd);
	return there;
}

/* Never for a moment may others connect. */
static bool bind_and_listen(const struct supervisor_control *control, const struct sockaddr_un *address)
{
	mode_t before = umask(0177);
	bool bound = bind(control->listen_fd, (const struct sockaddr *)address, sizeof *address) == 0;
	int code = errno;
	umask(before);
	errno = code;
	return bound && listen(control->listen_fd, LIMIT_CONTROL_CONNECTIONS) == 0;
}

static bool open_socket(struct supervisor_control *control, const char *data, struct error *error)
{
	struct sockaddr_un address;
	control->directory_fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (control->directory_fd < 0)
		return error_set_errno(error, errno, "can't open the folder %s", data);
	control_address(control->directory_fd, &address);
	if (answers(&address))
		return error_set(error, "a server runs in %s already", data);
	unlinkat(control->directory_fd, socket_name, 0);
	control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->listen_fd >= 0 && bind_and_listen(control, &address))
		return true;
	return error_set_errno(error, errno, "%s: can't make the control socket", data);
}

struct supervisor_control *supervisor_control_open(const char *data, struct error *error)
{
	struct supervisor_control *control = calloc(1, sizeof *control);
	if (!control) {
		error_set(error, "no memory for the control socket");
		return NULL;
	}
	control->directory_fd = control->listen_fd = -1;
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++)
		control->connections[i].fd = -1;
	if (open_socket(control, data, error))
		return control;
	supervisor_control_leave(control);
	free(control);
	return NULL;
}

void supervisor_control_leave(struct supervisor_control *control)
{
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++)
		if (control->connections[i].fd >= 0)
			end(&control->connections[i]);
	if (control->listen_fd >= 0)
		close(control->listen_fd);
	if (control->directory_fd >= 0)
		close(control->directory_fd);
	control->listen_fd = control->directory_fd = -1;
}

void supervisor_control_close(struct supervisor_control *control)
{
	if (!control)
		return;
	unlinkat(control->directory_fd, socket_name, 0);
	supervisor_control_leave(control);
	free(control);
}

/* --- polling --- */

size_t supervisor_control_polls(const struct supervisor_control *control,
				struct pollfd fds[SUPERVISOR_CONTROL_DESCRIPTORS])
{
	size_t count = 0;
	fds[count++] = (struct pollfd){ .fd = control->listen_fd, .events = POLLIN };
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++) {
		const struct connection *connection = &control->connections[i];
		if (connection->fd < 0 || (connection->awaited && !connection->answer))
			continue; /* a peer that goes meanwhile is noticed when it is answered */
		fds[count++] = (struct pollfd){ .fd = connection->fd, .events = connection->answer ? POLLOUT : POLLIN };
	}
	return count;
}

int supervisor_control_wait_ms(const struct supervisor_control *control, uint64_t now)
{
	int wait_ms = -1;
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++) {
		const struct connection *connection = &control->connections[i];
		if (connection->fd < 0 || (connection->awaited && !connection->answer))
			continue;
		int left = connection->ends_ms > now ? (int)(connection->ends_ms - now) : 0;
		if (wait_ms < 0 || left < wait_ms)
			wait_ms = left;
	}
	return wait_ms;
}

/* --- answering --- */

static void send_answer(struct connection *connection)
{
	size_t left = strlen(connection->answer) - connection->sent;
	ssize_t sent = send(connection->fd, connection->answer + connection->sent, left, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	connection->sent += sent > 0 ? (size_t)sent : 0;
	if (sent <= 0 || (size_t)sent == left)
		end(connection);
}

static void answer(struct connection *connection, const char *line)
{
	if (!line)
		line = "{\"error\":\"no memory for the answer\"}";
	if (asprintf(&connection->answer, "%s\n", line) < 0) {
		connection->answer = NULL;
		end(connection);
		return;
	}
	connection->ends_ms = now_ms() + LIMIT_CONTROL_MS;
	send_answer(connection);
}

void supervisor_control_answer(struct supervisor_control *control, uint64_t number, const char *line)
{
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++) {
		struct connection *connection = &control->connections[i];
		if (connection->fd >= 0 && connection->awaited == number && !connection->answer)
			answer(connection, line);
	}
}

/* --- asking --- */

static bool is_reload(const char *line, size_t size)
{
	json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	const char *order = json_string_value(json_object_get(request, "order"));
	bool is = order && strcmp(order, "reload") == 0;
	json_decref(request);
	return is;
}

static void read_request(struct connection *connection, supervisor_control_order *reload, void *context)
{
	size_t room = sizeof connection->input - connection->used;
	ssize_t got = recv(connection->fd, connection->input + connection->used, room, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		end(connection);
		return;
	}
	connection->used += (size_t)got;
	const char *line_end = memchr(connection->input, '\n', connection->used);
	if (line_end && is_reload(connection->input, (size_t)(line_end - connection->input)))
		connection->awaited = reload(context);
	else if (line_end)
		answer(connection, "{\"error\":\"there is no such order\"}");
	else if (connection->used == sizeof connection->input)
		answer(connection, "{\"error\":\"the request is too long\"}");
}

static void accept_all(struct supervisor_control *control)
{
	int fd;
	while ((fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		size_t at = 0;
		while (at < LIMIT_CONTROL_CONNECTIONS && control->connections[at].fd >= 0)
			at++;
		if (at == LIMIT_CONTROL_CONNECTIONS) {
			close(fd);
			continue;
		}
		control->connections[at].fd = fd;
		control->connections[at].ends_ms = now_ms() + LIMIT_CONTROL_MS;
	}
}

void supervisor_control_serve(struct supervisor_control *control, supervisor_control_order *reload, void *context)
{
	uint64_t now = now_ms();
	accept_all(control);
	for (size_t i = 0; i < LIMIT_CONTROL_CONNECTIONS; i++) {
		struct connection *connection = &control->connections[i];
		if (connection->fd < 0 || (connection->awaited && !connection->answer))
			continue;
		if (connection->answer)
			send_answer(connection);
		else
			read_request(connection, reload, context);
		if (connection->fd >= 0 && !(connection->awaited && !connection->answer) && now >= connection->ends_ms)
			end(connection);
	}
}
