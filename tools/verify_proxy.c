/* The capturing proxy; see verify_proxy.h. */
#include "tools/verify_proxy.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IDLE_MS = 60000, PIECE_BYTES = 16 * 1024 };

/* --- in the child --- */

static bool bind_to(int fd, const char *source)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *address;
	if (!source)
		return true;
	if (getaddrinfo(source, NULL, &hints, &address) != 0)
		return false;
	bool bound = bind(fd, address->ai_addr, address->ai_addrlen) == 0;
	freeaddrinfo(address);
	return bound;
}

static int connect_to(const char *host, const char *port, const char *source)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *addresses;
	if (getaddrinfo(host, port, &hints, &addresses) != 0)
		return -1;
	int fd = -1;
	for (const struct addrinfo *address = addresses; address && fd < 0; address = address->ai_next) {
		fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && (!bind_to(fd, source) || connect(fd, address->ai_addr, address->ai_addrlen) != 0)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(addresses);
	return fd;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, bytes, size);
		if (written <= 0)
			return false;
		bytes += written;
		size -= (size_t)written;
	}
	return true;
}

/* Keeps a piece first, then hands it on. False when this way is over. */
static bool hand_on(int from, int to, int file)
{
	char piece[PIECE_BYTES];
	ssize_t size = read(from, piece, sizeof piece);
	return size > 0 && write_all(file, piece, (size_t)size) && write_all(to, piece, (size_t)size);
}

static void relay(int listener, const char *host, const char *port, const char *source, int file)
{
	int client = accept(listener, NULL, NULL);
	int server = client < 0 ? -1 : connect_to(host, port, source);
	if (server < 0)
		return;
	struct pollfd ends[2] = { { .fd = client, .events = POLLIN }, { .fd = server, .events = POLLIN } };
	while (poll(ends, 2, IDLE_MS) > 0)
		for (size_t i = 0; i < 2; i++)
			if (ends[i].revents && !hand_on(ends[i].fd, ends[1 - i].fd, file))
				return;
}

/* --- in the parent --- */

static int listen_somewhere(char port[16])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
		snprintf(port, 16, "%u", ntohs(address.sin_port));
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

bool verify_proxy_start(struct verify_proxy *proxy, const char *host, const char *port, const char *source,
			struct error *error)
{
	int listener = listen_somewhere(proxy->port);
	if (listener < 0)
		return error_set_errno(error, errno, "listening for a capture");
	proxy->file = memfd_create("capture", MFD_CLOEXEC);
	proxy->child = proxy->file < 0 ? -1 : fork();
	if (proxy->child == 0) {
		signal(SIGPIPE, SIG_IGN);
		relay(listener, host, port, source, proxy->file);
		_exit(0);
	}
	int code = errno;
	close(listener);
	if (proxy->child > 0)
		return true;
	if (proxy->file >= 0)
		close(proxy->file);
	return error_set_errno(error, code, "starting a capture");
}

void verify_proxy_end(struct verify_proxy *proxy, struct buffer *captured)
{
	/* Both ends are closed by now, or nobody has connected. */
	kill(proxy->child, SIGTERM);
	while (waitpid(proxy->child, NULL, 0) < 0 && errno == EINTR)
		;
	ssize_t size = pread(proxy->file, captured->data + captured->size, buffer_room(captured), 0);
	captured->size += size > 0 ? (size_t)size : 0;
	close(proxy->file);
}
