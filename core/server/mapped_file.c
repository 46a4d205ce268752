/* Mapping files of the data folder; see mapped_file.h. */
#include "core/server/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0600 };

/* Answers NULL with errno. */
static void *map(int fd, size_t size)
{
	int code = posix_fallocate(fd, 0, (off_t)size);
	void *memory = code == 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (code)
		errno = code;
	return memory == MAP_FAILED ? NULL : memory;
}

static void *open_memory(int fd, size_t size, mapped_file_take *take, void *context)
{
	void *memory = map(fd, size);
	if (!memory || take(context, memory))
		return memory;
	/* Of another Postern: nothing in it is of use. */
	munmap(memory, size);
	memory = ftruncate(fd, 0) == 0 ? map(fd, size) : NULL;
	if (memory) {
		bool taken = take(context, memory);
		ASSERT(taken);
	}
	return memory;
}

void *mapped_file_open(const char *path, size_t size, mapped_file_take *take, void *context)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	void *memory = fd < 0 ? NULL : open_memory(fd, size, take, context);
	int code = errno;
	if (fd >= 0)
		close(fd);
	errno = code;
	return memory;
}

void *mapped_file_join(const char *path, size_t size)
{
	struct stat status;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return NULL;
	errno = EINVAL;
	bool whole = fstat(fd, &status) == 0 && (size_t)status.st_size >= size;
	void *memory = whole ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	int code = errno;
	close(fd);
	errno = code;
	return memory == MAP_FAILED ? NULL : memory;
}

void mapped_file_close(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}
