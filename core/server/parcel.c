/* Handing descriptors over; see parcel.h. A message holds a part of a parcel: its head, the place of its first descriptor, and as many as
 * the kernel takes at once. */
#include "core/server/parcel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PART_FDS = 200, /* of one message; the kernel's limit is 253 */
	SEND_WAIT_MS = 5000,
};

struct part {
	uint32_t kind;
	uint32_t server;
	uint64_t generation;
	uint8_t slots[LIMIT_SERVERS];
	uint32_t total; /* of the parcel */
	uint32_t count; /* of this part */
};

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(PART_FDS * sizeof(int))];
};

static void close_all(struct parcel *parcel)
{
	for (uint32_t i = 0; i < parcel->count; i++)
		if (parcel->fds[i] >= 0)
			close(parcel->fds[i]);
	free(parcel->fds);
	*parcel = (struct parcel){ 0 };
}

void parcel_finish(struct parcel *parcel)
{
	close_all(parcel);
}

int parcel_take(struct parcel *parcel, uint32_t place)
{
	ASSERT(place < parcel->count);
	int fd = parcel->fds[place];
	parcel->fds[place] = -1;
	return fd;
}

/* By position: the place in the file is shared with other processes. */
char *parcel_text(const struct parcel *parcel, uint32_t place)
{
	struct stat status;
	if (place >= parcel->count || fstat(parcel->fds[place], &status) != 0)
		return NULL;
	size_t size = (size_t)status.st_size;
	char *text = malloc(size + 1);
	if (!text || pread(parcel->fds[place], text, size, 0) != (ssize_t)size) {
		free(text);
		return NULL;
	}
	text[size] = 0;
	return text;
}

/* --- sending --- */

static bool send_message(int socket, const struct msghdr *message, struct error *error)
{
	while (sendmsg(socket, message, MSG_NOSIGNAL) < 0) {
		struct pollfd room = { .fd = socket, .events = POLLOUT };
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return error_set_errno(error, errno, "can't hand over to another process");
		if (poll(&room, 1, SEND_WAIT_MS) == 0)
			return error_set(error, "a process does not take what is handed to it");
	}
	return true;
}

static bool send_part(int socket, const struct parcel *parcel, uint32_t first, uint32_t count, struct error *error)
{
	struct part part = {
		.kind = parcel->kind,
		.server = parcel->server,
		.generation = parcel->generation,
		.total = parcel->count,
		.count = count,
	};
	memcpy(part.slots, parcel->slots, sizeof part.slots);
	union control control = { 0 };
	struct iovec bytes = { &part, sizeof part };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };
	if (count) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.head = (struct cmsghdr){ CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), parcel->fds + first, count * sizeof(int));
	}
	return send_message(socket, &message, error);
}

bool parcel_send(int socket, const struct parcel *parcel, struct error *error)
{
	uint32_t sent = 0;
	do {
		uint32_t left = parcel->count - sent;
		uint32_t count = left < PART_FDS ? left : PART_FDS;
		if (!send_part(socket, parcel, sent, count, error))
			return false;
		sent += count;
	} while (sent < parcel->count);
	return true;
}

/* --- receiving --- */

static uint32_t take_descriptors(struct msghdr *message, int fds[PART_FDS])
{
	uint32_t count = 0;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		uint32_t more = (uint32_t)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds + count, CMSG_DATA(head), more * sizeof(int));
		count += more;
	}
	return count;
}

static bool begin(struct parcel_reader *reader, const struct part *part)
{
	reader->begun = true;
	reader->total = part->total;
	reader->parcel = (struct parcel){
		.kind = part->kind,
		.server = part->server,
		.generation = part->generation,
		.fds = malloc((part->total ? part->total : 1) * sizeof(int)),
	};
	memcpy(reader->parcel.slots, part->slots, sizeof part->slots);
	return reader->parcel.fds != NULL;
}

/* The descriptors are the reader's, or closed. */
static bool add(struct parcel_reader *reader, const struct part *part, const int *fds, uint32_t count)
{
	struct parcel *parcel = &reader->parcel;
	if ((reader->begun || begin(reader, part)) && count == part->count && part->total == reader->total &&
	    count <= reader->total - parcel->count) {
		memcpy(parcel->fds + parcel->count, fds, count * sizeof *fds);
		parcel->count += count;
		return true;
	}
	for (uint32_t i = 0; i < count; i++)
		close(fds[i]);
	return false;
}

enum parcel_state parcel_receive(int socket, struct parcel_reader *reader, struct parcel *parcel, struct error *error)
{
	do {
		struct part part;
		union control control;
		int fds[PART_FDS];
		struct iovec bytes = { &part, sizeof part };
		struct msghdr message = {
			.msg_iov = &bytes,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof control.bytes,
		};
		ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && errno == EAGAIN)
			return PARCEL_LATER;
		if (size == 0)
			return PARCEL_ENDED;
		uint32_t count = size > 0 ? take_descriptors(&message, fds) : 0;
		if (size != sizeof part || !add(reader, &part, fds, count)) {
			error_set(
				error,
				"what another process hands over is cut short (are descriptors short? see ulimit -n)");
			return PARCEL_BROKEN;
		}
	} while (!reader->begun || reader->parcel.count < reader->total);
	*parcel = reader->parcel;
	*reader = (struct parcel_reader){ .begun = false };
	return PARCEL_WHOLE;
}

void parcel_reader_finish(struct parcel_reader *reader)
{
	if (reader->begun)
		close_all(&reader->parcel);
	*reader = (struct parcel_reader){ .begun = false };
}
