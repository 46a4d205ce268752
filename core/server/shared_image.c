/* The memory behind contents that are replaced while they are used; see shared_image.h. */
#include "core/server/shared_image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static void *map_shared(size_t size, int fd, int protection)
{
	int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	void *memory = mmap(NULL, size, protection, flags, fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

bool shared_image_create(struct shared_image *image, struct error *error)
{
	*image = (struct shared_image){ .fds = { -1, -1 } };
	image->state = map_shared(sizeof *image->state, -1, PROT_READ | PROT_WRITE);
	for (int i = 0; image->state && i < 2; i++)
		image->fds[i] = memfd_create("postern-rules", MFD_CLOEXEC);
	if (image->state && image->fds[0] >= 0 && image->fds[1] >= 0) {
		atomic_init(&image->state->generation, SHARED_IMAGE_FIRST);
		return true;
	}
	return error_set_errno(error, errno, "no memory to share rules in");
}

void shared_image_destroy(struct shared_image *image)
{
	if (!image->state)
		return;
	munmap(image->state, sizeof *image->state);
	for (int i = 0; i < 2; i++)
		if (image->fds[i] >= 0)
			close(image->fds[i]);
	image->state = NULL;
}

bool shared_image_is_free(const struct shared_image *image)
{
	uint64_t generation = shared_image_generation(image);
	for (unsigned worker = 0; worker < LIMIT_WORKERS; worker++) {
		uint64_t seen = atomic_load_explicit(&image->state->seen[worker], memory_order_acquire);
		if (seen != 0 && seen != generation)
			return false;
	}
	return true;
}

void shared_image_publish(struct shared_image *image)
{
	atomic_store_explicit(&image->state->generation, shared_image_generation(image) + 1, memory_order_release);
}

/* It will map these contents or later ones: nobody may take it for one that uses nothing before it could say so. */
void shared_image_expect(struct shared_image *image, unsigned worker)
{
	shared_image_settle(image, worker, shared_image_generation(image));
}

void shared_image_forget(struct shared_image *image, unsigned worker)
{
	shared_image_settle(image, worker, 0);
}

void shared_image_settle(struct shared_image *image, unsigned worker, uint64_t generation)
{
	ASSERT(worker < LIMIT_WORKERS);
	atomic_store_explicit(&image->state->seen[worker], generation, memory_order_release);
}

/* What was there goes first: pages that nobody needs any more. The room is reserved, so that writing can't fail. */
void *shared_image_reserve(struct shared_image *image, size_t size, struct error *error)
{
	unsigned which = (shared_image_generation(image) + 1) % 2;
	int fd = image->fds[which];
	int code = ftruncate(fd, 0) == 0 ? posix_fallocate(fd, 0, (off_t)size) : errno;
	void *memory = code == 0 ? map_shared(size, fd, PROT_READ | PROT_WRITE) : NULL;
	if (!memory)
		error_set_errno(error, code ? code : errno, "no memory for %zu bytes of rules", size);
	else
		image->state->sizes[which] = size;
	return memory;
}

struct slice shared_image_map(const struct shared_image *image, uint64_t *generation, struct error *error)
{
	*generation = shared_image_generation(image);
	size_t size = image->state->sizes[*generation % 2];
	if (*generation == SHARED_IMAGE_FIRST)
		return slice_of(NULL, 0);
	void *memory = map_shared(size, image->fds[*generation % 2], PROT_READ);
	if (!memory)
		error_set_errno(error, errno, "%zu bytes of rules can't be mapped", size);
	return slice_of(memory, memory ? size : 0);
}

void shared_image_unmap(struct slice contents)
{
	if (contents.size)
		munmap((void *)(uintptr_t)contents.data, contents.size);
}
