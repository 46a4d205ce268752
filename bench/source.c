/* Sockets of clients: see source.h. */
#include "bench/source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum {
	SOURCE_CONNECTIONS = 20000, /* from one address: under the 28,232 ephemeral ports of an untouched Linux */
	SOURCE_FIRST = 2,           /* 127.0.0.2 */
	SOURCE_ADDRESSES = 250,     /* up to 127.0.0.251 */
};

static bool is_loopback(const struct load *load)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)load->address;
	return to->sin_family == AF_INET && ntohl(to->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* The port stays open until connect(), which may then share it with connections from other addresses. */
static bool bind_to_source(int fd, uint64_t number)
{
	int yes = 1;
	struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + SOURCE_FIRST + (uint32_t)(number % SOURCE_ADDRESSES)),
	};
	return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes) == 0 &&
	       bind(fd, (struct sockaddr *)&from, sizeof from) == 0;
}

int source_socket(const struct load *load, const struct client *client)
{
	int fd = socket(load->address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int yes = 1;
	bool good = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0;
	if (good && load->options->connections > SOURCE_CONNECTIONS && is_loopback(load)) {
		uint64_t first = load->worker * (load->options->connections / load->options->workers + 1);
		good = bind_to_source(fd, (first + (uint64_t)(client - load->clients)) / SOURCE_CONNECTIONS);
	}
	if (good)
		return fd;
	int code = errno;
	close(fd);
	errno = code;
	return -1;
}
