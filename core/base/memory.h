/* What the kernel is told about large areas of memory. */
#ifndef POSTERN_BASE_MEMORY_H
#define POSTERN_BASE_MEMORY_H

#include <stddef.h>

enum { HUGE_PAGE_BYTES = 2 * 1024 * 1024 };

/* Asks for huge pages where the area holds whole ones: it is touched at random or by devices, and then each small page costs a
 * fault, a place in the TLB and a look-up. Only a wish; nothing happens where the kernel has none. */
void memory_prefer_huge(void *memory, size_t size);

#endif
