/* Simulated sockets: segments on their way, what has come, who waits; see sim_parts.h. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include "tests/sim/sim_parts.h"

/* One in so many attempts breaks the connection, finds no descriptor. */
enum { BREAK_ONE_IN = 200, NO_DESCRIPTOR_ONE_IN = 8 };

/* 10.0.0.0 and on: in different networks, and they come again. */
enum { FIRST_ADDRESS = 10 << 24, ADDRESSES = 1000 };

struct sim_socket *sim_socket_create(struct sim *sim, int type)
{
	struct sim_socket *socket = sim_allocate(sizeof *socket);
	socket->sim = sim;
	socket->type = type;
	list_init(&socket->inbox);
	list_init(&socket->waiting);
	list_init(&socket->backlog);
	list_init(&socket->backlog_link);
	list_append(&sim->sockets, &socket->link);
	return socket;
}

void sim_socket_join(struct sim_socket *a, struct sim_socket *b)
{
	a->peer = b;
	b->peer = a;
}

/* --- state --- */

struct sim_segment *sim_socket_first(const struct sim_socket *socket)
{
	struct list *node = list_first(&socket->inbox);
	struct sim_segment *segment = node ? CONTAINER_OF(node, struct sim_segment, link) : NULL;
	return segment && segment->arrived ? segment : NULL;
}

static bool is_connected(const struct sim_socket *socket)
{
	return socket->peer && !socket->broken;
}

int sim_socket_state(const struct sim_socket *socket)
{
	int state = 0;
	const struct sim_segment *first = sim_socket_first(socket);
	if (first || socket->broken || socket->deaf || !list_is_empty(&socket->backlog))
		state |= POLLIN;
	if (first && first->kind == SIM_END && socket->shut)
		state |= POLLHUP;
	struct list *node = list_is_empty(&socket->inbox) ? NULL : socket->inbox.previous;
	const struct sim_segment *last = node ? CONTAINER_OF(node, struct sim_segment, link) : NULL;
	if (last && last->arrived && last->kind == SIM_END)
		state |= POLLRDHUP;
	if (socket->broken)
		state |= POLLERR | POLLHUP;
	bool listens = socket->port != 0;
	if (!listens && (!is_connected(socket) || socket->shut || socket->peer->inbox_bytes < SIM_SOCKET_BYTES))
		state |= POLLOUT;
	return state;
}

static int events_for(const struct loop_op *op)
{
	switch (op->kind) {
	case LOOP_SEND:
		return POLLOUT | POLLERR | POLLHUP;
	case LOOP_POLL:
		return op->detail | POLLERR | POLLHUP;
	default:
		return POLLIN | POLLERR | POLLHUP;
	}
}

void sim_socket_changed(struct sim_socket *socket)
{
	int state = sim_socket_state(socket);
	struct list *head = &socket->waiting;
	for (struct list *node = head->next, *next; node != head; node = next) {
		next = node->next;
		struct loop_op *op = CONTAINER_OF(node, struct loop_op, link);
		if (events_for(op) & state)
			sim_make_ready(socket->sim, op);
	}
	if (socket->client)
		sim_client_pump(socket->client);
}

/* --- segments --- */

static void arrive(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = CONTAINER_OF(event, struct sim_segment, event);
	(void)sim;
	segment->arrived = true;
	if (segment->to)
		sim_socket_changed(segment->to);
	else
		free(segment);
}

static void send_segment(struct sim_socket *from, enum sim_segment_kind kind, const uint8_t *bytes, size_t size)
{
	struct sim *sim = from->sim;
	struct sim_socket *to = from->peer;
	struct sim_segment *segment = sim_allocate(sizeof *segment + size);
	segment->to = to;
	segment->kind = kind;
	segment->size = size;
	if (size)
		memcpy(segment->bytes, bytes, size);
	list_append(&to->inbox, &segment->link);
	to->inbox_bytes += size;
	uint64_t at_ns = sim->now.monotonic_ns + sim_delay_ns(sim);
	if (at_ns < to->last_arrival_ns)
		at_ns = to->last_arrival_ns;
	to->last_arrival_ns = at_ns;
	sim_plan(sim, &segment->event, at_ns, arrive);
}

/* One that has not arrived is freed when it does. */
static void drop_segment(struct sim_socket *socket, struct sim_segment *segment)
{
	list_remove(&segment->link);
	socket->inbox_bytes -= segment->size - segment->used;
	if (segment->arrived)
		free(segment);
	else
		segment->to = NULL;
}

static void drop_inbox(struct sim_socket *socket)
{
	while (list_first(&socket->inbox))
		drop_segment(socket, CONTAINER_OF(list_first(&socket->inbox), struct sim_segment, link));
}

size_t sim_socket_push(struct sim_socket *socket, const uint8_t *bytes, size_t size)
{
	struct sim *sim = socket->sim;
	size_t used = socket->peer->inbox_bytes;
	size_t space = used < SIM_SOCKET_BYTES ? SIM_SOCKET_BYTES - used : 0;
	if (socket->type == SOCK_SEQPACKET) {
		if (space < size && used)
			return 0;
		send_segment(socket, SIM_BYTES, bytes, size);
		return size;
	}
	size_t most = size < space ? size : space;
	for (size_t at = 0; at < most;) {
		size_t piece = most - at;
		if (sim_chance(sim, SIM_SPLIT, 2))
			piece = 1 + sim_random(sim, piece);
		send_segment(socket, SIM_BYTES, bytes + at, piece);
		at += piece;
	}
	return most;
}

static size_t take_from(struct sim_socket *socket, struct sim_segment *segment, uint8_t *to, size_t most)
{
	size_t size = segment->size - segment->used < most ? segment->size - segment->used : most;
	memcpy(to, segment->bytes + segment->used, size);
	segment->used += size;
	socket->inbox_bytes -= size;
	/* What does not fit of a packet is lost. */
	if (segment->used == segment->size || socket->type == SOCK_SEQPACKET)
		drop_segment(socket, segment);
	return size;
}

size_t sim_socket_pull(struct sim_socket *socket, uint8_t *to, size_t capacity)
{
	struct sim *sim = socket->sim;
	size_t got = 0;
	size_t most = sim_chance(sim, SIM_SPLIT, 2) ? 1 + sim_random(sim, capacity) : capacity;
	if (socket->type == SOCK_SEQPACKET)
		most = capacity;
	for (struct sim_segment *first; got < most && (first = sim_socket_first(socket)) && first->kind == SIM_BYTES;) {
		got += take_from(socket, first, to + got, most - got);
		if (socket->type == SOCK_SEQPACKET)
			break;
	}
	if (socket->peer)
		sim_socket_changed(socket->peer);
	return got;
}

/* --- ends --- */

void sim_socket_end(struct sim_socket *socket)
{
	if (!is_connected(socket) || socket->shut)
		return;
	socket->shut = true;
	send_segment(socket, SIM_END, NULL, 0);
}

void sim_socket_shut_down(struct sim_socket *socket)
{
	sim_socket_end(socket);
	socket->shut = socket->deaf = true;
	sim_socket_changed(socket);
}

static void break_one(struct sim_socket *socket)
{
	drop_inbox(socket);
	socket->broken = true;
}

void sim_socket_break(struct sim_socket *socket)
{
	struct sim_socket *peer = socket->peer;
	break_one(socket);
	if (peer)
		break_one(peer);
	sim_socket_changed(socket);
	if (peer)
		sim_socket_changed(peer);
}

static void leave_peer(struct sim_socket *socket, bool reset)
{
	struct sim_socket *peer = socket->peer;
	if (!peer)
		return;
	const struct sim_segment *unread = sim_socket_first(socket);
	if (reset || (unread && unread->kind == SIM_BYTES && socket->type == SOCK_STREAM))
		break_one(peer);
	else
		sim_socket_end(socket);
	peer->peer = NULL;
	sim_socket_changed(peer);
}

void sim_socket_close(struct sim_socket *socket, bool reset)
{
	ASSERT(list_is_empty(&socket->waiting));
	for (struct list *node; (node = list_take_first(&socket->backlog));)
		sim_socket_close(CONTAINER_OF(node, struct sim_socket, backlog_link), true);
	leave_peer(socket, reset);
	drop_inbox(socket);
	if (socket->connecting)
		socket->connecting->from = NULL;
	list_remove(&socket->backlog_link);
	list_remove(&socket->link);
	free(socket);
}

/* --- connecting --- */

uint16_t sim_port_of(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *here = (const struct sockaddr_in *)address;
	return here->sin_family == AF_INET ? ntohs(here->sin_port) : 0;
}

static struct sim_socket *find_listener(struct sim *sim, uint16_t port)
{
	for (struct list *node = sim->sockets.next; node != &sim->sockets; node = node->next) {
		struct sim_socket *socket = CONTAINER_OF(node, struct sim_socket, link);
		if (port && socket->port == port)
			return socket;
	}
	return NULL;
}

static void connection_arrives(struct sim *sim, struct sim_event *event)
{
	struct sim_connecting *connecting = CONTAINER_OF(event, struct sim_connecting, event);
	struct sim_socket *listener = find_listener(sim, connecting->port);
	struct sim_socket *from = connecting->from;
	if (from && listener) {
		struct sim_socket *accepted = sim_socket_create(sim, SOCK_STREAM);
		accepted->peer_address = from->address;
		sim_socket_join(accepted, from);
		list_append(&listener->backlog, &accepted->backlog_link);
		sim_socket_changed(listener);
	} else if (from) {
		from->broken = true;
	}
	if (connecting->op)
		sim_settle(sim, connecting->op, listener ? 0 : -ECONNREFUSED);
	if (from) {
		from->connecting = NULL;
		sim_socket_changed(from);
	}
	free(connecting);
}

void sim_connect_start(struct sim *sim, struct sim_socket *from, uint16_t port, struct loop_op *op)
{
	struct sim_connecting *connecting = sim_allocate(sizeof *connecting);
	connecting->port = port;
	connecting->from = from;
	connecting->op = op;
	from->connecting = connecting;
	from->address = FIRST_ADDRESS + sim->next_address++ % ADDRESSES;
	sim_plan(sim, &connecting->event, sim->now.monotonic_ns + sim_delay_ns(sim), connection_arrives);
}

/* --- attempts --- */

static int32_t broken_result(struct sim_socket *socket, int32_t later)
{
	if (socket->broken_told)
		return later;
	socket->broken_told = true;
	return -ECONNRESET;
}

int32_t sim_socket_accept(struct sim *sim, struct sim_socket *listener)
{
	struct list *node = list_first(&listener->backlog);
	if (!node)
		return SIM_WOULD_BLOCK;
	if (sim_chance(sim, SIM_NO_DESCRIPTORS, NO_DESCRIPTOR_ONE_IN))
		return -EMFILE;
	struct sim_socket *socket = CONTAINER_OF(node, struct sim_socket, backlog_link);
	int fd = sim_new_descriptor(sim, (struct sim_descriptor){ .socket = socket });
	if (fd >= 0)
		list_remove(node);
	return fd;
}

static int32_t try_receive(struct sim_loop *loop, struct sim_socket *socket)
{
	if (socket->broken)
		return broken_result(socket, 0);
	if (socket->deaf)
		return 0;
	const struct sim_segment *first = sim_socket_first(socket);
	if (!first)
		return SIM_WOULD_BLOCK;
	if (first->kind == SIM_END)
		return 0;
	return (int32_t)sim_socket_pull(socket, loop->buffer, sizeof loop->buffer);
}

static int32_t try_send(struct sim *sim, struct sim_socket *socket, struct loop_op *op)
{
	if (socket->broken)
		return broken_result(socket, -EPIPE);
	if (socket->shut || !socket->peer)
		return -EPIPE;
	if (sim_chance(sim, SIM_RESET, BREAK_ONE_IN)) {
		sim_socket_break(socket);
		return broken_result(socket, -EPIPE);
	}
	size_t rest = op->bytes.size - op->sent;
	size_t gone = sim_socket_push(socket, op->bytes.data + op->sent, rest);
	op->sent += (uint32_t)gone;
	return op->sent == op->bytes.size && (gone || !rest) ? (int32_t)op->sent : SIM_WOULD_BLOCK;
}

int32_t sim_socket_attempt(struct sim_loop *loop, struct sim_socket *socket, struct loop_op *op)
{
	struct sim *sim = loop->sim;
	int state = sim_socket_state(socket) & events_for(op);
	switch (op->kind) {
	case LOOP_ACCEPT:
		return sim_socket_accept(sim, socket);
	case LOOP_RECEIVE:
		if (is_connected(socket) && state && sim_chance(sim, SIM_RESET, BREAK_ONE_IN))
			sim_socket_break(socket);
		return try_receive(loop, socket);
	case LOOP_SEND:
		return try_send(sim, socket, op);
	default:
		return state ? state : SIM_WOULD_BLOCK;
	}
}
