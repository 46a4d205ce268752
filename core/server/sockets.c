/* Opening listening sockets; see sockets.h. */
#include "core/server/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static void set(int fd, int level, int option)
{
	int on = 1;
	/* These can't fail on a TCP socket of any kernel we run on; the bind that follows would tell. */
	(void)setsockopt(fd, level, option, &on, sizeof on);
}

static int open_one(const struct config_listener *listener, bool shared)
{
	int fd = socket(listener->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	set(fd, SOL_SOCKET, SO_REUSEADDR);
	if (shared)
		set(fd, SOL_SOCKET, SO_REUSEPORT);
	if (listener->address.ss_family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	/* Replies are written whole: waiting for more would only add Nagle's delay. Accepted sockets inherit it. */
	set(fd, IPPROTO_TCP, TCP_NODELAY);
	if (bind(fd, (const struct sockaddr *)&listener->address, listener->address_size) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	int code = errno;
	close(fd);
	return -code;
}

static const char *advice(int code)
{
	switch (code) {
	case EADDRINUSE:
		return "; another program listens there (see `ss -ltnp`)";
	case EACCES:
		return "; ports below 1024 need root, or CAP_NET_BIND_SERVICE";
	case EADDRNOTAVAIL:
		return "; no interface of this machine has that address";
	default:
		return "";
	}
}

static bool explain(const struct config_server *server, const struct config_listener *listener, int code,
		    struct error *error)
{
	return error_set(error, "%s:%d: can't listen on %s: %s%s", server->file, listener->line, listener->text,
			 strerror(code), advice(code));
}

/* With SO_REUSEPORT a second server of the same user would bind too and take half of the clients: look first. */
static bool is_free(const struct config_server *server, const struct config_listener *listener, struct error *error)
{
	int fd = open_one(listener, false);
	if (fd < 0)
		return explain(server, listener, -fd, error);
	close(fd);
	return true;
}

bool sockets_open_listener(const struct config_server *server, const struct config_listener *listener,
			   const struct sockets_wanted *wanted, int *fds, struct error *error)
{
	if (!wanted->beside && !is_free(server, listener, error))
		return false;
	for (unsigned copy = 0; copy < wanted->copies; copy++) {
		int fd = open_one(listener, true);
		if (fd < 0)
			return explain(server, listener, -fd, error);
		fds[copy * wanted->apart] = fd;
	}
	return true;
}

static bool open_all(const struct config *config, const struct sockets_wanted *wanted, int *fds, struct error *error)
{
	for (size_t i = 0; i < config->server_count; i++) {
		const struct config_server *server = &config->servers[i];
		for (size_t j = 0; j < server->listener_count; j++)
			if (!sockets_open_listener(server, &server->listeners[j], wanted, fds++, error))
				return false;
	}
	return true;
}

int *sockets_open(const struct config *config, unsigned copies, size_t *count_each, struct error *error)
{
	*count_each = 0;
	for (size_t i = 0; i < config->server_count; i++)
		*count_each += config->servers[i].listener_count;
	size_t count = *count_each * copies;
	int *fds = malloc(sizeof *fds * (count ? count : 1));
	if (!fds) {
		error_set(error, "no memory for %zu sockets", count);
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		fds[i] = -1;
	const struct sockets_wanted wanted = { .copies = copies, .apart = *count_each };
	if (open_all(config, &wanted, fds, error))
		return fds;
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(fds);
	return NULL;
}
