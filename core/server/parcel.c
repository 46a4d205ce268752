/* Handing descriptors over; see parcel.h. A message holds a part of a parcel: its head, the place of its first descriptor, and as many as
 * the kernel takes at once. So a reader that has lost a part knows where the next parcel begins. */
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
	SEND_STEP_MS = 10,
};

struct part {
	uint32_t kind;
	uint32_t server;
	uint64_t generation;
	uint8_t slots[LIMIT_SERVERS];
	uint32_t total; /* of the parcel */
	uint32_t first; /* of this part; 0: a parcel begins */
	uint32_t count;
};

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(PART_FDS * sizeof(int))];
};

static void close_each(const int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void close_all(struct parcel *parcel)
{
	close_each(parcel->fds, parcel->count);
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

/* Full is the socket, or what the kernel lets be on its way: all workers take their parts out of that. */
static bool send_message(int socket, const struct msghdr *message, struct error *error)
{
	int waited_ms = 0;
	while (sendmsg(socket, message, MSG_NOSIGNAL) < 0) {
		struct pollfd room = { .fd = socket, .events = errno == EAGAIN ? POLLOUT : 0 };
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != ETOOMANYREFS)
			return error_set_errno(error, errno, "can't hand over to another process");
		if (waited_ms >= SEND_WAIT_MS)
			return error_set(error, "a process does not take what is handed to it");
		(void)poll(&room, 1, SEND_STEP_MS);
		waited_ms += SEND_STEP_MS;
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
		.first = first,
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

/* Where one has not come to its end, whoever sent it has died over it. */
static bool begin(struct parcel_reader *reader, const struct part *part)
{
	parcel_reader_finish(reader);
	int *fds = malloc((part->total ? part->total : 1) * sizeof *fds);
	if (!fds)
		return false;
	reader->begun = true;
	reader->total = part->total;
	reader->parcel = (struct parcel){
		.kind = part->kind,
		.server = part->server,
		.generation = part->generation,
		.fds = fds,
	};
	memcpy(reader->parcel.slots, part->slots, sizeof part->slots);
	return true;
}

/* Of one that was broken or given up the rest may still come. */
static bool belongs(const struct parcel_reader *reader, const struct part *part)
{
	return reader->begun && part->first == reader->parcel.count && part->total == reader->total &&
	       part->generation == reader->parcel.generation && part->kind == reader->parcel.kind;
}

enum taken { TAKEN, NOT_OURS, CUT_SHORT };

/* The descriptors are the reader's, or closed. */
static enum taken take_part(struct parcel_reader *reader, const struct part *part, const int *fds, uint32_t count)
{
	struct parcel *parcel = &reader->parcel;
	bool ours = part->first == 0 || belongs(reader, part);
	if (ours && count == part->count && (part->first || begin(reader, part)) &&
	    count <= reader->total - parcel->count) {
		memcpy(parcel->fds + parcel->count, fds, count * sizeof *fds);
		parcel->count += count;
		return TAKEN;
	}
	close_each(fds, count);
	return ours ? CUT_SHORT : NOT_OURS;
}

/* Answers its size, as recvmsg(2). */
static ssize_t receive_part(int socket, struct part *part, int fds[PART_FDS], uint32_t *count)
{
	union control control;
	struct iovec bytes = { part, sizeof *part };
	struct msghdr message = {
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	ssize_t size;
	do
		size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (size < 0 && errno == EINTR);
	*count = size > 0 ? take_descriptors(&message, fds) : 0;
	return size;
}

enum parcel_state parcel_receive(int socket, struct parcel_reader *reader, struct parcel *parcel, struct error *error)
{
	do {
		struct part part;
		int fds[PART_FDS];
		uint32_t count;
		ssize_t size = receive_part(socket, &part, fds, &count);
		if (size < 0 && errno == EAGAIN)
			return PARCEL_LATER;
		/* Reset: it has closed before it had read all that it was sent. */
		if (size == 0 || (size < 0 && errno == ECONNRESET))
			return PARCEL_ENDED;
		if (size != sizeof part || take_part(reader, &part, fds, count) == CUT_SHORT) {
			parcel_reader_finish(reader);
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
