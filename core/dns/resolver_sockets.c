/* The resolver's sockets; see resolver_parts.h. The loop wants no descriptor closed that it still watches, and c-ares
 * closes when it likes: so a socket lives on until its last poll has called back. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "core/dns/resolver_parts.h"

struct resolver_socket {
	struct loop_op poll;
	struct list link;
	struct resolver_channel *channel;
	int fd;
	uint16_t wanted;  /* events that c-ares waits for */
	uint16_t watched; /* those of the poll that runs */
	bool in_callback; /* that does what is left to do at its end */
	bool closing;
};

static void polled(struct loop_op *op, const struct loop_completion *completion);

static void watch(struct resolver_socket *watched)
{
	watched->watched = watched->wanted;
	loop_poll(watched->channel->resolver->loop, &watched->poll, watched->fd, watched->wanted, polled);
}

static void close_socket(struct resolver_socket *closed)
{
	struct resolver *resolver = closed->channel->resolver;
	loop_close(resolver->loop, closed->fd);
	list_remove(&closed->link);
	pool_give(&resolver->socket_pool, closed);
}

static void polled(struct loop_op *op, const struct loop_completion *completion)
{
	struct resolver_socket *ready = CONTAINER_OF(op, struct resolver_socket, poll);
	int events = completion->result;
	if (!ready->closing && events > 0) {
		bool in = events & ~POLLOUT, out = events & ~POLLIN;
		ready->in_callback = true;
		ares_process_fd(ready->channel->ares, in ? ready->fd : ARES_SOCKET_BAD,
				out ? ready->fd : ARES_SOCKET_BAD);
	}
	ready->in_callback = false;
	if (ready->closing)
		close_socket(ready);
	else if (ready->wanted && (events > 0 || events == -ECANCELED))
		watch(ready);
}

/* What could not be watched, for want of memory, is tried again later. */
void resolver_sockets_watch_all(struct resolver *resolver)
{
	for (struct list *node = resolver->sockets.next; node != &resolver->sockets; node = node->next) {
		struct resolver_socket *each = CONTAINER_OF(node, struct resolver_socket, link);
		if (!each->closing && each->wanted && !loop_op_is_running(&each->poll))
			watch(each);
	}
}

static struct resolver_socket *find_socket(struct resolver *resolver, int fd)
{
	for (struct list *node = resolver->sockets.next; node != &resolver->sockets; node = node->next) {
		struct resolver_socket *each = CONTAINER_OF(node, struct resolver_socket, link);
		if (each->fd == fd && !each->closing)
			return each;
	}
	return NULL;
}

/* A poll that waits for other events than are wanted now ends, and its callback starts the right one. */
void resolver_socket_wants(void *context, ares_socket_t fd, int readable, int writable)
{
	struct resolver_channel *channel = context;
	struct resolver *resolver = channel->resolver;
	struct resolver_socket *changed = find_socket(resolver, fd);
	if (!changed)
		return;
	changed->wanted = (uint16_t)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
	if (changed->in_callback)
		return;
	if (!loop_op_is_running(&changed->poll)) {
		if (changed->wanted)
			watch(changed);
	} else if (changed->watched != changed->wanted) {
		loop_cancel(resolver->loop, &changed->poll);
	}
}

static ares_socket_t open_for_ares(int family, int type, int protocol, void *context)
{
	struct resolver_channel *channel = context;
	struct resolver *resolver = channel->resolver;
	struct resolver_socket *opened = pool_take(&resolver->socket_pool);
	if (!opened) {
		errno = ENOBUFS;
		return ARES_SOCKET_BAD;
	}
	*opened = (struct resolver_socket){ .channel = channel };
	opened->fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (opened->fd < 0) {
		pool_give(&resolver->socket_pool, opened);
		return ARES_SOCKET_BAD;
	}
	loop_op_init(&opened->poll);
	list_append(&resolver->sockets, &opened->link);
	return opened->fd;
}

static int close_for_ares(ares_socket_t fd, void *context)
{
	struct resolver_channel *channel = context;
	struct resolver *resolver = channel->resolver;
	struct resolver_socket *closed = find_socket(resolver, fd);
	ASSERT(closed);
	closed->closing = true;
	if (loop_op_is_running(&closed->poll))
		loop_cancel(resolver->loop, &closed->poll);
	else if (!closed->in_callback)
		close_socket(closed);
	return 0;
}

static int connect_for_ares(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t size, void *context)
{
	(void)context;
	return connect(fd, address, size);
}

static ares_ssize_t receive_for_ares(ares_socket_t fd, void *bytes, size_t size, int flags, struct sockaddr *from,
				     ares_socklen_t *from_size, void *context)
{
	(void)context;
	return recvfrom(fd, bytes, size, flags, from, from_size);
}

static ares_ssize_t send_for_ares(ares_socket_t fd, const struct iovec *parts, int count, void *context)
{
	(void)context;
	struct msghdr message = { .msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count };
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

void resolver_sockets_serve(struct resolver_channel *channel)
{
	static const struct ares_socket_functions functions = {
		.asocket = open_for_ares,
		.aclose = close_for_ares,
		.aconnect = connect_for_ares,
		.arecvfrom = receive_for_ares,
		.asendv = send_for_ares,
	};
	ares_set_socket_functions(channel->ares, &functions, channel);
}

void resolver_sockets_init(struct resolver *resolver)
{
	list_init(&resolver->sockets);
	pool_init(&resolver->socket_pool, sizeof(struct resolver_socket), LIMIT_DNS_SOCKETS, LIMIT_DNS_SOCKETS);
}

void resolver_sockets_finish(struct resolver *resolver)
{
	struct error error;
	while (!list_is_empty(&resolver->sockets))
		if (!loop_turn(resolver->loop, true, &error))
			break;
	pool_finish(&resolver->socket_pool);
}

size_t resolver_sockets(const struct resolver *resolver)
{
	return resolver->socket_pool.used;
}
