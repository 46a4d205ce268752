/* Setting up the io_uring back end: the ring with what this kernel knows, the check that it can do all that is needed,
 * the ring of receive buffers; and taking it down. Any refusal says why, so that the caller may fall back. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/base/hidden.h"
#include "core/io/loop_uring.h"

static size_t buffers_size(const struct loop_uring *uring)
{
	return (size_t)uring->buffer_count * LIMIT_RECEIVE_BUFFER_BYTES;
}

static size_t buffer_ring_size(const struct loop_uring *uring)
{
	return uring->buffer_count * sizeof(struct io_uring_buf);
}

void uring_destroy(struct loop *loop)
{
	struct loop_uring *uring = (struct loop_uring *)loop;
	io_uring_queue_exit(&uring->ring);
	if (uring->buffers)
		munmap(uring->buffers, buffers_size(uring));
	if (uring->buffer_ring)
		munmap(uring->buffer_ring, buffer_ring_size(uring));
	free(uring);
}

/* Newest first. What a kernel does not know it refuses, and then the next row is tried. */
static const unsigned setup_flags[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	0,
};

static bool set_up_ring(struct loop_uring *uring, struct error *error)
{
	int status = -EINVAL;
	for (size_t i = 0; i < sizeof setup_flags / sizeof setup_flags[0] && status == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = setup_flags[i] | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
			.cq_entries = LIMIT_COMPLETIONS,
		};
		status = io_uring_queue_init_params(LIMIT_SUBMISSIONS, &uring->ring, &params);
	}
	if (status < 0)
		return error_set_errno(error, status, "the kernel refuses io_uring");
	return true;
}

static bool check_operations(struct loop_uring *uring, struct error *error)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&uring->ring);
	if (!probe)
		return error_set(error, "the kernel does not say what its io_uring can do");
	const char *missing = NULL;
	for (size_t kind = LOOP_IDLE + 1; kind < URING_OPERATIONS; kind++)
		if (!io_uring_opcode_supported(probe, uring_operations[kind].opcode))
			missing = uring_operations[kind].name;
	if (!io_uring_opcode_supported(probe, IORING_OP_ASYNC_CANCEL))
		missing = "ASYNC_CANCEL";
	io_uring_free_probe(probe);
	return !missing || error_set(error, "the kernel's io_uring has no %s", missing);
}

static void *map_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

void uring_give_buffer(struct loop_uring *uring, uint32_t buffer)
{
	io_uring_buf_ring_add(uring->buffer_ring, uring->buffers + (size_t)buffer * LIMIT_RECEIVE_BUFFER_BYTES,
			      LIMIT_RECEIVE_BUFFER_BYTES, (uint16_t)buffer, io_uring_buf_ring_mask(uring->buffer_count),
			      0);
	io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

/* Linux 5.19, as multishot accept and POLL_FIRST, which can't be asked for: a kernel that has this has them too. */
static bool set_up_buffers(struct loop_uring *uring, uint32_t count, struct error *error)
{
	uring->buffer_count = count;
	uring->buffers = map_memory(buffers_size(uring));
	uring->buffer_ring = map_memory(buffer_ring_size(uring));
	if (!uring->buffers || !uring->buffer_ring)
		return error_set_errno(error, errno, "no memory for %u receive buffers", count);
	hidden_hide(uring->buffers, buffers_size(uring));
	struct io_uring_buf_reg registration = {
		.ring_addr = (uintptr_t)uring->buffer_ring,
		.ring_entries = count,
		.bgid = BUFFER_GROUP,
	};
	int status = io_uring_register_buf_ring(&uring->ring, &registration, 0);
	if (status < 0)
		return error_set_errno(error, status, "the kernel's io_uring has no rings of receive buffers");
	io_uring_buf_ring_init(uring->buffer_ring);
	for (uint32_t i = 0; i < count; i++)
		uring_give_buffer(uring, i);
	return true;
}

struct loop *loop_uring_create(const struct loop_settings *settings, struct error *error)
{
	struct loop_uring *uring = calloc(1, sizeof *uring);
	if (!uring) {
		error_set(error, "no memory for the loop");
		return NULL;
	}
	list_init(&uring->deferred);
	list_init(&uring->starved);
	list_init(&uring->cancelled);
	list_init(&uring->to_cancel);
	if (!set_up_ring(uring, error)) {
		free(uring);
		return NULL;
	}
	if (!check_operations(uring, error) || !set_up_buffers(uring, settings->receive_buffers, error)) {
		uring_destroy(&uring->loop);
		return NULL;
	}
	/* Saves the kernel a look-up each turn; where it can't, nothing else changes. */
	(void)io_uring_register_ring_fd(&uring->ring);
	struct clock_now now = loop_system_time();
	loop_init(&uring->loop, &uring_backend, &now);
	return &uring->loop;
}
