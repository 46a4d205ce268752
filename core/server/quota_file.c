/* Mapping the file of quotas; see quota_file.h. */
#include "core/server/quota_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/secret.h"

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

static struct quotas *open_table(int fd, uint32_t logins)
{
	size_t size = quotas_bytes(logins);
	void *memory = map(fd, size);
	struct quotas *quotas = memory ? quotas_open(memory, logins) : NULL;
	if (quotas || !memory)
		return quotas;
	/* New, or of another Postern: nothing in it is of use. */
	munmap(memory, size);
	memory = ftruncate(fd, 0) == 0 ? map(fd, size) : NULL;
	if (!memory)
		return NULL;
	uint64_t secret[2];
	secret_random(secret, sizeof secret);
	return quotas_init(memory, logins, secret);
}

struct quotas *quota_file_open(const char *path, uint32_t logins, struct error *error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	struct quotas *quotas = fd < 0 ? NULL : open_table(fd, logins);
	if (!quotas)
		error_set_errno(error, errno, "the file of quotas, %s, can't be used", path);
	if (fd >= 0)
		close(fd);
	return quotas;
}

void quota_file_close(struct quotas *quotas, uint32_t logins)
{
	if (quotas)
		munmap(quotas, quotas_bytes(logins));
}
