/* Advice to the kernel; see memory.h. */
#include "core/base/memory.h"

#include <stdint.h>
#include <sys/mman.h>

void memory_prefer_huge(void *memory, size_t size)
{
	uintptr_t begin = ((uintptr_t)memory + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
	uintptr_t end = ((uintptr_t)memory + size) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
	if (begin < end)
		(void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}
