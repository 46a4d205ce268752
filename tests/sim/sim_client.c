/* Making simulated sockets, for the process and for the scripted clients beside it; see loop_sim.h. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_parts.h"

/* What a client wants to send: packets stay apart. */
struct unsent {
	struct list link;
	size_t size;
	size_t gone;
	uint8_t bytes[];
};

struct sim_client {
	struct sim_socket *socket;
	struct list unsent;
	bool finishing;
};

/* --- sockets of the process --- */

static int give_descriptor(struct sim *sim, struct sim_socket *socket)
{
	int fd = sim_new_descriptor(sim, (struct sim_descriptor){ .socket = socket });
	ASSERT(fd >= 0);
	return fd;
}

void sim_pair(struct sim *sim, int type, int fds[2])
{
	struct sim_socket *a = sim_socket_create(sim, type), *b = sim_socket_create(sim, type);
	sim_socket_join(a, b);
	fds[0] = give_descriptor(sim, a);
	fds[1] = give_descriptor(sim, b);
}

int sim_socket(struct sim *sim)
{
	return give_descriptor(sim, sim_socket_create(sim, SOCK_STREAM));
}

static struct sim_socket *make_listener(struct sim *sim)
{
	struct sim_socket *socket = sim_socket_create(sim, SOCK_STREAM);
	socket->port = ++sim->next_port;
	return socket;
}

int sim_listen_local(struct sim *sim, struct sim_inode *directory, const char *name)
{
	if (sim_disk_lookup(directory, name))
		sim_disk_remove(sim->disk, directory, name);
	struct sim_socket *socket = make_listener(sim);
	int fd = sim_new_descriptor(sim, (struct sim_descriptor){ .socket = socket });
	if (fd < 0) {
		sim_socket_close(socket, false);
		return fd;
	}
	socket->local = sim_disk_make(sim->disk, directory, name, false);
	sim_count_change(sim);
	return fd;
}

int sim_listen(struct sim *sim, struct sockaddr_storage *address)
{
	struct sim_socket *socket = make_listener(sim);
	if (address) {
		struct sockaddr_in *here = (struct sockaddr_in *)address;
		*here = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_port = htons(socket->port),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		};
	}
	return give_descriptor(sim, socket);
}

/* --- clients --- */

static struct sim_client *create(struct sim *sim, int type)
{
	struct sim_client *client = sim_allocate(sizeof *client);
	list_init(&client->unsent);
	client->socket = sim_socket_create(sim, type);
	client->socket->client = client;
	return client;
}

struct sim_client *sim_connect(struct sim *sim, int listen_fd)
{
	struct sim_descriptor *listener = sim_descriptor(sim, listen_fd);
	ASSERT(listener && listener->socket);
	struct sim_client *client = create(sim, SOCK_STREAM);
	sim_connect_start(sim, client->socket, listener->socket->port, NULL);
	return client;
}

uint32_t sim_client_address(const struct sim_client *client)
{
	return client->socket->address;
}

struct sim_client *sim_connect_local(struct sim *sim, const char *path)
{
	const struct sim_inode *inode = sim_disk_find(sim->disk, NULL, path);
	struct list *head = &sim->sockets;
	for (struct list *node = head->next; inode && node != head; node = node->next) {
		const struct sim_socket *listener = CONTAINER_OF(node, struct sim_socket, link);
		if (listener->local != inode)
			continue;
		struct sim_client *client = create(sim, SOCK_STREAM);
		sim_connect_start(sim, client->socket, listener->port, NULL);
		return client;
	}
	return NULL;
}

struct sim_client *sim_partner(struct sim *sim, int type, int *fd)
{
	struct sim_client *client = create(sim, type);
	struct sim_socket *socket = sim_socket_create(sim, type);
	sim_socket_join(socket, client->socket);
	*fd = give_descriptor(sim, socket);
	return client;
}

static void drop_unsent(struct sim_client *client)
{
	for (struct list *node; (node = list_take_first(&client->unsent));)
		free(CONTAINER_OF(node, struct unsent, link));
}

void sim_client_pump(struct sim_client *client)
{
	struct sim_socket *socket = client->socket;
	if (socket->broken || !socket->peer)
		return;
	for (struct list *node; (node = list_first(&client->unsent));) {
		struct unsent *unsent = CONTAINER_OF(node, struct unsent, link);
		unsent->gone += sim_socket_push(socket, unsent->bytes + unsent->gone, unsent->size - unsent->gone);
		if (unsent->gone < unsent->size)
			return;
		list_remove(node);
		free(unsent);
	}
	if (client->finishing)
		sim_socket_end(socket);
}

void sim_client_send(struct sim_client *client, struct slice bytes)
{
	ASSERT(bytes.size && !client->finishing);
	struct unsent *unsent = sim_allocate(sizeof *unsent + bytes.size);
	unsent->size = bytes.size;
	memcpy(unsent->bytes, bytes.data, bytes.size);
	list_append(&client->unsent, &unsent->link);
	sim_client_pump(client);
}

size_t sim_client_receive(struct sim_client *client, uint8_t *to, size_t capacity)
{
	const struct sim_segment *first = sim_socket_first(client->socket);
	return first && first->kind == SIM_BYTES ? sim_socket_pull(client->socket, to, capacity) : 0;
}

bool sim_client_is_drained(const struct sim_client *client)
{
	return list_is_empty(&client->unsent);
}

bool sim_client_is_ended(const struct sim_client *client)
{
	const struct sim_segment *first = sim_socket_first(client->socket);
	return first && first->kind == SIM_END;
}

bool sim_client_is_broken(const struct sim_client *client)
{
	return client->socket->broken;
}

void sim_client_finish(struct sim_client *client)
{
	client->finishing = true;
	sim_client_pump(client);
}

void sim_client_close(struct sim_client *client, bool reset)
{
	if (!client)
		return;
	struct sim_socket *socket = client->socket;
	socket->client = NULL;
	sim_socket_close(socket, reset);
	drop_unsent(client);
	free(client);
}
