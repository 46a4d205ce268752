/* A pool of processes that hash passwords; see hash_pool.h.
 *
 * One packet is a number (8 bytes) and a password, or a number and what is kept of it. Each process has a socket of its own and at
 * most IN_HAND packets in it, so that neither side ever waits to send. */
#include "tools/hash_pool.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buffer.h"
#include "core/base/cursor.h"
#include "crypto/password.h"
#include "crypto/secret.h"

enum {
	PROCESSES = 64, /* each needs 64 MiB */
	IN_HAND = 2,    /* one being hashed, one that follows without a pause */
	NUMBER_BYTES = 8,
	PACKET_BYTES = NUMBER_BYTES + LIMIT_PASSWORD_BYTES,
};
_Static_assert(sizeof(struct hashed_password) < LIMIT_PASSWORD_BYTES, "what is kept fits into a packet too");

struct hash_pool {
	size_t count;
	pid_t children[PROCESSES];
	unsigned in_hand[PROCESSES];
	struct pollfd sockets[PROCESSES];
};

/* --- the child --- */

static struct slice make_packet(uint8_t packet[PACKET_BYTES], uint64_t number, struct slice bytes)
{
	struct buffer buffer;
	buffer_init(&buffer, packet, PACKET_BYTES);
	store_le(packet, number, NUMBER_BYTES);
	buffer.size = NUMBER_BYTES;
	bool fits = buffer_append(&buffer, bytes);
	ASSERT(fits);
	return buffer_slice(&buffer);
}

static int hash_for_ever(int fd)
{
	uint8_t packet[PACKET_BYTES];
	ssize_t size;
	while ((size = recv(fd, packet, sizeof packet, 0)) >= NUMBER_BYTES) {
		struct cursor cursor = cursor_over(slice_of(packet, (size_t)size));
		uint64_t number = cursor_take_u64le(&cursor);
		struct hashed_password hashed = { 0 };
		if (!password_hash(hashed.hash, cursor.rest) || !scram_keys_make(&hashed.scram, cursor.rest))
			hashed.hash[0] = 0;
		secret_wipe(packet, sizeof packet);
		struct slice answer = make_packet(packet, number, slice_of(&hashed, sizeof hashed));
		if (send(fd, answer.data, answer.size, MSG_NOSIGNAL) < 0)
			break;
	}
	return EXIT_SUCCESS;
}

/* --- the parent --- */

static bool start(struct hash_pool *pool, struct error *error)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return error_set_errno(error, errno, "can't start a process that hashes passwords");
	pid_t parent = getpid(), child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(EXIT_FAILURE);
		close(ends[0]);
		for (size_t i = 0; i < pool->count; i++)
			close(pool->sockets[i].fd);
		_exit(hash_for_ever(ends[1]));
	}
	int code = errno;
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return error_set_errno(error, code, "can't start a process that hashes passwords");
	}
	pool->sockets[pool->count] = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	pool->children[pool->count++] = child;
	return true;
}

static size_t count_processors(void)
{
	cpu_set_t ours;
	int count = sched_getaffinity(0, sizeof ours, &ours) == 0 ? CPU_COUNT(&ours) : 1;
	return count < PROCESSES ? (size_t)count : PROCESSES;
}

struct hash_pool *hash_pool_create(struct error *error)
{
	struct hash_pool *pool = calloc(1, sizeof *pool);
	if (!pool) {
		error_set_errno(error, ENOMEM, "can't start processes that hash passwords");
		return NULL;
	}
	size_t wanted = count_processors();
	while (pool->count < wanted) {
		if (!start(pool, error)) {
			hash_pool_destroy(pool);
			return NULL;
		}
	}
	return pool;
}

void hash_pool_destroy(struct hash_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < pool->count; i++)
		close(pool->sockets[i].fd);
	for (size_t i = 0; i < pool->count; i++)
		while (waitpid(pool->children[i], NULL, 0) < 0 && errno == EINTR)
			;
	free(pool);
}

static size_t least_busy(const struct hash_pool *pool)
{
	size_t best = 0;
	for (size_t i = 1; i < pool->count; i++)
		if (pool->in_hand[i] < pool->in_hand[best])
			best = i;
	return best;
}

bool hash_pool_has_room(const struct hash_pool *pool)
{
	return pool->in_hand[least_busy(pool)] < IN_HAND;
}

static bool has_died(struct error *error)
{
	return error_set(error, "a process that hashes passwords has died; is there enough memory (64 MiB each)?");
}

bool hash_pool_give(struct hash_pool *pool, uint64_t number, struct slice password, struct error *error)
{
	ASSERT(hash_pool_has_room(pool));
	size_t to = least_busy(pool);
	uint8_t storage[PACKET_BYTES];
	struct slice packet = make_packet(storage, number, password);
	bool sent = send(pool->sockets[to].fd, packet.data, packet.size, MSG_NOSIGNAL) >= 0;
	secret_wipe(storage, sizeof storage);
	pool->in_hand[to]++;
	return sent || has_died(error);
}

static bool receive(struct hash_pool *pool, size_t from, uint64_t *number, struct hashed_password *hashed,
		    struct error *error)
{
	uint8_t packet[PACKET_BYTES];
	ssize_t size = recv(pool->sockets[from].fd, packet, sizeof packet, 0);
	if (size != NUMBER_BYTES + (ssize_t)sizeof *hashed)
		return has_died(error);
	struct cursor cursor = cursor_over(slice_of(packet, (size_t)size));
	*number = cursor_take_u64le(&cursor);
	pool->in_hand[from]--;
	memcpy(hashed, cursor.rest.data, sizeof *hashed);
	secret_wipe(packet, sizeof packet);
	return true;
}

bool hash_pool_take(struct hash_pool *pool, uint64_t *number, struct hashed_password *hashed, struct error *error)
{
	while (poll(pool->sockets, pool->count, -1) < 0)
		if (errno != EINTR)
			return error_set_errno(error, errno, "can't wait for hashed passwords");
	for (size_t i = 0; i < pool->count; i++)
		if (pool->sockets[i].revents)
			return receive(pool, i, number, hashed, error);
	return has_died(error);
}
