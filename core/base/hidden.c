/* Memory that is in no core dump; see hidden.h. */
#include "core/base/hidden.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t whole_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	return (size + page - 1) / page * page;
}

void hidden_hide(void *at, size_t size)
{
	/* Where the kernel can't, the limit of core dumps is what keeps it in. */
	(void)madvise(at, whole_pages(size), MADV_DONTDUMP);
}

void *hidden_allocate(size_t size)
{
	void *at = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), whole_pages(size));
	if (at)
		hidden_hide(at, size);
	return at;
}

void hidden_free(void *at, size_t size)
{
	if (at)
		(void)madvise(at, whole_pages(size), MADV_DODUMP);
	free(at);
}
