/* Asking a running server by a control socket; see control_client.h. */
#include "tools/control_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/server/control.h"

/* 0 or a negative errno value. */
static int connect_to(int fd, const char *directory)
{
	int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory_fd < 0)
		return -errno;
	struct sockaddr_un address;
	control_address(directory_fd, &address);
	int result = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno;
	close(directory_fd);
	return result;
}

enum control_client_status control_client_connect(struct control_client *client, const char *directory)
{
	*client = (struct control_client){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	int result = connect_to(client->fd, directory);
	client->answers = result == 0 ? fdopen(client->fd, "r") : NULL;
	if (client->answers)
		return CONTROL_CLIENT_OK;
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	return result == -ECONNREFUSED ? CONTROL_CLIENT_DEAD : CONTROL_CLIENT_NO_WORKER;
}

static bool say(struct control_client *client, json_t *request)
{
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	bool said = text && send(client->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text) &&
		    send(client->fd, "\n", 1, MSG_NOSIGNAL) == 1;
	free(text);
	return said;
}

void control_client_set_patience(struct control_client *client, unsigned ms)
{
	struct timeval patience = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	(void)setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

json_t *control_client_ask_whole(struct control_client *client, json_t *request, struct error *error)
{
	char *line = NULL;
	size_t capacity = 0;
	json_error_t wrong;
	if (!say(client, request) || getline(&line, &capacity, client->answers) <= 0) {
		error_set(error, "the server went away before it answered; ask again");
		free(line);
		return NULL;
	}
	json_t *answer = json_loads(line, JSON_REJECT_DUPLICATES, &wrong);
	free(line);
	if (json_is_object(answer))
		return answer;
	json_decref(answer);
	return json_pack("{s:s}", "error", "not an answer");
}

json_t *control_client_ask(struct control_client *client, json_t *request, struct error *error)
{
	client->refused = false;
	json_t *answer = control_client_ask_whole(client, request, error);
	const char *refusal = json_string_value(json_object_get(answer, "error"));
	if (!answer || !refusal)
		return answer;
	client->refused = true;
	error_set(error, "the server says: %s", refusal);
	json_decref(answer);
	return NULL;
}

void control_client_close(struct control_client *client)
{
	if (client->answers)
		fclose(client->answers);
	*client = (struct control_client){ .fd = -1 };
}
